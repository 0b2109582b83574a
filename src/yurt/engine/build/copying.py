"""Copy selections into a mounted snapshot, the way COPY and ADD do. Blocking: runs in a thread.

Facts: https://docs.docker.com/reference/dockerfile/#copy. A folder's content is copied, not the folder; what was
there stays, files are replaced; a target that ends with a slash, or gets several sources, is a folder.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from yurt.dockerfile.mode import FileMode
from yurt.engine.build.files import FILE, FOLDER, LINK, FileEntry, Selection
from yurt.engine.build.rootfs import make_folders, resolve
from yurt.errors import InvalidArgument
from yurt.linux import isolation
from yurt.oci import tar
from yurt.oci.layer import path_parts
from yurt.storage.compression import decompress

_OVERLAY = ("trusted.overlay.", "user.overlay.")
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Dress:
    """What copies get: None keeps what the source has."""

    owner: tuple[int, int] | None = None
    mode: FileMode | None = None

    def permissions(self, mode: int, *, folder: bool = False) -> int:
        """Return those of a copy whose source has *mode*."""
        return mode if self.mode is None else self.mode.apply(mode, folder=folder)


@dataclass(frozen=True, slots=True)
class Target:
    """Where copies go: *path* inside *root*; *is_folder*: sources go into it under their own names."""

    root: str
    path: str
    is_folder: bool


class Copier:
    """Copies into one target; hard links among the sources stay hard links."""

    def __init__(self, target: Target, dress: Dress) -> None:
        self._target = target
        self._dress = dress
        self._links: dict[tuple[int, int], str] = {}
        self._times: list[tuple[str, int]] = []  # of folders, set last: making a file in one changes it

    def copy(self, selections: Sequence[Selection]) -> None:
        """Afterwards the target holds every selection."""
        for selection in selections:
            if selection.folder is not None:
                self._folder(selection)
            else:
                self._file(selection)
        for place, mtime_ns in reversed(self._times):
            os.utime(place, ns=(mtime_ns, mtime_ns))

    def write(self, name: str, content: bytes) -> None:
        """Afterwards the target holds a file with *content*: the here-documents of COPY."""
        place = self._place(name)
        _clear(place)
        descriptor = os.open(
            place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
        )
        with open(descriptor, "wb") as file:
            file.write(content)
        self._put_on(place, FileEntry(name, FILE, 0o644))

    def _folder(self, selection: Selection) -> None:
        assert selection.folder is not None
        root = self._target.root
        missing = not os.path.lexists(resolve(root, self._target.path))
        base = self._make_folders(self._target.path, self._owner(selection.folder))
        if missing and base != root:
            self._put_on(base, selection.folder)
        folders = {"": base}
        for entry in selection.entries:
            parent, _, name = entry.path.rpartition("/")
            place = f"{folders[parent]}/{name}"
            if entry.kind == FOLDER:
                folders[entry.path] = self._subfolder(place, entry)
            else:
                self._one(f"{selection.base}/{entry.path}", place, entry)

    def _subfolder(self, place: str, entry: FileEntry) -> str:
        with contextlib.suppress(FileNotFoundError):
            status = os.lstat(place)
            if stat.S_ISLNK(status.st_mode):
                # A folder may be a link in the image, as /bin is: what it leads to is meant.
                inside = resolve(self._target.root, place[len(self._target.root) :])
                if os.path.isdir(inside):
                    return inside
            if not stat.S_ISDIR(status.st_mode):
                os.unlink(place)
        if not os.path.lexists(place):
            os.mkdir(place)
        self._put_on(place, entry)
        return place

    def _file(self, selection: Selection) -> None:
        (entry,) = selection.entries
        self._one(f"{selection.base}/{entry.path}", self._place(selection.name), entry)

    def _place(self, name: str) -> str:
        """Return where the file *name* goes, its parents made."""
        root, path = self._target.root, self._target.path
        owner = self._dress.owner or (0, 0)
        inside = resolve(root, path)
        if self._target.is_folder or os.path.isdir(inside):
            return f"{self._make_folders(path, owner)}/{name}"
        parent, _, last = path.rstrip("/").rpartition("/")
        folder = self._make_folders(parent, owner)
        place = f"{folder}/{last}"
        return resolve(root, place[len(root) :]) if os.path.lexists(place) else place

    def _make_folders(self, path: str, owner: tuple[int, int]) -> str:
        mode = self._dress.permissions(0o755, folder=True)
        return make_folders(self._target.root, path, owner=owner, mode=mode)

    def _one(self, source: str, place: str, entry: FileEntry) -> None:
        if _clear(place):
            # It may be the first name of a file that other sources share: that name is gone.
            self._links = {identity: first for identity, first in self._links.items() if first != place}
        match entry.kind:
            case "file":
                status = os.lstat(source)
                if status.st_nlink > 1:
                    identity = (status.st_dev, status.st_ino)
                    if (first := self._links.get(identity)) is not None:
                        os.link(first, place, follow_symlinks=False)
                        return
                    self._links[identity] = place
                _copy_content(source, place)
            case "link":
                os.symlink(entry.link, place)
            case _:
                status = os.lstat(source)
                if not stat.S_ISFIFO(status.st_mode) and not isolation.makes_devices():
                    return
                os.mknod(place, status.st_mode, status.st_rdev)
        self._put_on(place, entry, source=source)

    def _put_on(self, place: str, entry: FileEntry, *, source: str = "") -> None:
        os.chown(place, *isolation.owner(*self._owner(entry)), follow_symlinks=False)
        if entry.kind == LINK:
            os.utime(place, ns=(entry.mtime_ns, entry.mtime_ns), follow_symlinks=False)
            return
        os.chmod(place, self._dress.permissions(entry.mode, folder=entry.kind == FOLDER))
        if source and entry.kind == FILE:
            _copy_attributes(source, place)
        if entry.kind == FOLDER:
            self._times.append((place, entry.mtime_ns))
        else:
            os.utime(place, ns=(entry.mtime_ns, entry.mtime_ns))

    def _owner(self, entry: FileEntry) -> tuple[int, int]:
        return self._dress.owner if self._dress.owner is not None else (entry.uid, entry.gid)


def is_archive(path: str) -> bool:
    """Tell whether *path* is a tar archive, plain or compressed: what ADD unpacks."""
    try:
        reader = tar.TarReader(decompress(_chunks(path)))
        return next(iter(reader), None) is not None
    except InvalidArgument:
        return False


def add_archive(path: str, target: Target, dress: Dress) -> None:
    """Unpack the tar archive at *path* into the target folder; owners and modes are the archive's own."""
    root = target.root
    base = make_folders(root, target.path, owner=dress.owner or (0, 0))
    inside = base[len(root) :]
    times: list[tuple[str, float]] = []
    reader = tar.TarReader(decompress(_chunks(path)))
    for entry in reader:
        parts = path_parts(entry.name, what="archive entry")
        if not parts:
            continue
        place = f"{make_folders(root, '/'.join((inside, *parts[:-1])))}/{parts[-1]}"
        owner = dress.owner or (entry.uid, entry.gid)
        if entry.kind == tar.DIRECTORY:
            existing = resolve(root, place[len(root) :])
            if os.path.isdir(existing):
                place = existing
            else:
                _clear(place)
                os.mkdir(place)
            times.append((place, entry.mtime))
        else:
            _clear(place)
            _unpack_one(entry, reader, place, root=root, inside=inside)
        if entry.kind == tar.HARDLINK or not os.path.lexists(place):
            continue
        os.chown(place, *isolation.owner(*owner), follow_symlinks=False)
        if entry.kind != tar.SYMLINK:
            os.chmod(place, dress.permissions(entry.mode, folder=entry.kind == tar.DIRECTORY))
        if entry.kind != tar.DIRECTORY:
            os.utime(place, (entry.mtime, entry.mtime), follow_symlinks=False)
    for place, mtime in reversed(times):
        os.utime(place, (mtime, mtime))


def _unpack_one(entry: tar.Entry, reader: tar.TarReader, place: str, *, root: str, inside: str) -> None:
    match entry.kind:
        case tar.REGULAR:
            descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with open(descriptor, "wb") as file:
                file.writelines(reader.data())
        case tar.SYMLINK:
            os.symlink(entry.link, place)
        case tar.HARDLINK:
            parts = path_parts(entry.link, what="hard link to")
            first = resolve(root, "/".join((inside, *parts)), follow_last=False)
            if not os.path.lexists(first) or os.path.isdir(first):
                raise InvalidArgument(
                    f"broken archive: {entry.name!r} links to {entry.link!r}, which is no file"
                )
            os.link(first, place, follow_symlinks=False)
        case tar.FIFO:
            os.mkfifo(place)
        case _:
            kind = stat.S_IFCHR if entry.kind == tar.CHARACTER else stat.S_IFBLK
            if (entry.major, entry.minor) == (0, 0):
                raise InvalidArgument(f"refusing archive entry {entry.name!r}: device 0:0 is a whiteout")
            if isolation.makes_devices():
                os.mknod(place, kind | 0o600, os.makedev(entry.major, entry.minor))


def _chunks(path: str) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _clear(place: str) -> bool:
    """Make room for a file at *place*; say whether one was there. A folder is not replaced."""
    try:
        status = os.lstat(place)
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(status.st_mode):
        raise InvalidArgument(f"cannot copy a file over the folder {os.path.basename(place)}")
    os.unlink(place)
    return True


def _copy_content(source: str, place: str) -> None:
    reading = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        writing = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            while os.sendfile(writing, reading, None, 1 << 30):  # None: from where each stands
                pass
        finally:
            os.close(writing)
    finally:
        os.close(reading)


def _copy_attributes(source: str, place: str) -> None:
    for name in os.listxattr(source, follow_symlinks=False):
        if name.startswith(_OVERLAY):
            continue
        try:
            os.setxattr(place, name, os.getxattr(source, name, follow_symlinks=False), follow_symlinks=False)
        except OSError as error:
            # Labels of a security module, or ACLs, that this file system does not have.
            if error.errno not in {errno.ENOTSUP, errno.EPERM, errno.EINVAL} or name == "security.capability":
                raise
