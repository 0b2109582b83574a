"""Files of a container from outside: facts, archives out, archives in, and what changed against the image.

Every path is resolved by the kernel inside the container's root, given as a descriptor: neither a link that the
container made nor an entry of an archive leads out of it, also while the container changes things underneath.
"""

import contextlib
import errno
import io
import os
import stat
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from yurt.errors import InvalidArgument, NotFound
from yurt.ids import new_id
from yurt.linux import isolation, syscall
from yurt.oci.layer import PLACES, path_parts

CHUNK = 1 << 20
MODIFIED, ADDED, DELETED = 0, 1, 2  # Docker's numbers
CHANGED = frozenset(
    {errno.ENOENT, errno.ELOOP, errno.ENOTDIR}
)  # another thing is there than a moment ago, or none
OURS = frozenset(f"/{path}" for path in PLACES)
OURS_ABOVE = frozenset(
    {"/etc", "/dev", "/proc", "/sys"}
)  # folders that the runtime makes where they are missing


@dataclass(frozen=True, slots=True)
class PathStat:
    """One file. *mode* is st_mode; *link* the target of a symbolic link."""

    name: str
    size: int
    mode: int
    mtime_ns: int
    link: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """A path that differs from the image; *kind* is MODIFIED, ADDED or DELETED."""

    path: str
    kind: int


def _missing(path: str) -> NotFound:
    return NotFound(f"Could not find the file {path} in the container")


@contextlib.contextmanager
def _opened(root: int, path: str, flags: int) -> Iterator[int]:
    try:
        descriptor = syscall.open_in_root(root, path, flags)
    except (FileNotFoundError, NotADirectoryError, OSError) as error:
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            raise _missing(path) from error
        raise InvalidArgument(f"cannot open {path} in the container: {error.strerror}") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _split(path: str) -> tuple[str, str]:
    """Return the folder and the name; the name of a root or of ``…/.`` is ``.``, its folder's content is meant."""
    whole = path.rstrip("/")
    folder, _, name = whole.rpartition("/")
    if name in {"", "."}:
        return whole or "/", "."
    return folder or "/", name


def path_stat(root: int, path: str) -> PathStat:
    """Return the facts of *path*; a symbolic link at its end is not followed."""
    folder, name = _split(path)
    with _opened(root, folder, os.O_PATH | os.O_DIRECTORY) as parent:
        try:
            with _opened_here(parent, name) as file:
                found = os.fstat(file)
                link = os.readlink("", dir_fd=file) if stat.S_ISLNK(found.st_mode) else ""
        except FileNotFoundError as error:
            raise _missing(path) from error
    if path.endswith("/") and not stat.S_ISDIR(found.st_mode) and not _is_folder(root, path):
        raise InvalidArgument(f"lstat {path}: not a directory", hint="leave the slash at the end out")
    shown = name if name != "." else os.path.basename(folder) or "/"
    return PathStat(shown, found.st_size, found.st_mode, found.st_mtime_ns, link)


def _is_folder(root: int, path: str) -> bool:
    try:
        os.close(syscall.open_in_root(root, path, os.O_PATH | os.O_DIRECTORY))
    except OSError:
        return False
    return True


class _Pieces(io.RawIOBase):
    """Collects what `tarfile` writes until somebody takes it."""

    def __init__(self) -> None:
        self._data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        piece = bytes(cast("bytes", data))
        self._data += piece
        return len(piece)

    @property
    def size(self) -> int:
        return len(self._data)

    def take(self) -> bytes:
        data = bytes(self._data)
        self._data.clear()
        return data


def pack(root: int, path: str) -> Iterator[bytes]:
    """Yield an archive of *path*: a folder with all below it, named by the path's last component."""
    folder, name = _split(path)
    pieces = _Pieces()
    with (
        _opened(root, folder, os.O_RDONLY | os.O_DIRECTORY) as parent,
        tarfile.open(fileobj=cast("IO[bytes]", pieces), mode="w|", format=tarfile.PAX_FORMAT) as archive,
    ):
        links: dict[tuple[int, int], str] = {}
        for _ in _pack_entry(archive, parent, name, name, links):
            if pieces.size >= CHUNK:
                yield pieces.take()
    yield pieces.take()


def pack_all(root: int) -> Iterator[bytes]:
    """Yield an archive of all below *root*, without an entry for itself."""
    pieces = _Pieces()
    with (
        _opened(root, "/", os.O_RDONLY | os.O_DIRECTORY) as top,
        tarfile.open(fileobj=cast("IO[bytes]", pieces), mode="w|", format=tarfile.PAX_FORMAT) as archive,
    ):
        links: dict[tuple[int, int], str] = {}
        for name in sorted(os.listdir(top)):
            for _ in _pack_entry(archive, top, name, name, links):
                if pieces.size >= CHUNK:
                    yield pieces.take()
    yield pieces.take()


def _pack_entry(
    archive: tarfile.TarFile, parent: int, name: str, shown: str, links: dict[tuple[int, int], str]
) -> Iterator[None]:
    try:
        with _opened_here(parent, name) as file:
            found = os.fstat(file)
            link = os.readlink("", dir_fd=file) if stat.S_ISLNK(found.st_mode) else ""
    except FileNotFoundError:
        return  # gone meanwhile
    entry = tarfile.TarInfo(shown)
    entry.mode, entry.uid, entry.gid = stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid
    entry.mtime = int(found.st_mtime)
    kind = stat.S_IFMT(found.st_mode)
    first = links.setdefault((found.st_dev, found.st_ino), shown) if found.st_nlink > 1 else shown
    if kind == stat.S_IFDIR:
        try:
            descriptor = os.open(
                name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent
            )
        except OSError as error:
            if error.errno not in CHANGED:
                raise
            return
        try:
            entry.type = tarfile.DIRTYPE
            archive.addfile(entry)
            yield
            for child in sorted(os.listdir(descriptor)):
                yield from _pack_entry(archive, descriptor, child, f"{shown}/{child}", links)
        finally:
            os.close(descriptor)
        return
    if first != shown:
        entry.type, entry.linkname = tarfile.LNKTYPE, first
        archive.addfile(entry)
    elif kind == stat.S_IFREG:
        yield from _pack_file(archive, parent, name, entry)
    elif kind == stat.S_IFLNK:
        entry.type, entry.linkname = tarfile.SYMTYPE, link
        archive.addfile(entry)
    elif kind in {stat.S_IFCHR, stat.S_IFBLK}:
        entry.type = tarfile.CHRTYPE if kind == stat.S_IFCHR else tarfile.BLKTYPE
        entry.devmajor, entry.devminor = os.major(found.st_rdev), os.minor(found.st_rdev)
        archive.addfile(entry)
    elif kind == stat.S_IFIFO:
        entry.type = tarfile.FIFOTYPE
        archive.addfile(entry)
    yield


def _pack_file(archive: tarfile.TarFile, parent: int, name: str, entry: tarfile.TarInfo) -> Iterator[None]:
    """Write a file in pieces; one that shrinks meanwhile is filled up with zeros, one that grows is cut off."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
    except OSError as error:
        if error.errno not in CHANGED:
            raise
        return
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        entry.size = os.fstat(file.fileno()).st_size
        # Not addfile: since Python 3.13 it refuses a header whose content comes later.
        archive.fileobj.write(entry.tobuf(archive.format, archive.encoding or "utf-8", archive.errors))
        left = entry.size
        while left:
            data = file.read(min(left, CHUNK)) or bytes(min(left, CHUNK))
            archive.fileobj.write(data)
            left -= len(data)
            yield
        archive.fileobj.write(bytes(-entry.size % tarfile.BLOCKSIZE))


class _Source(io.RawIOBase):
    """The chunks of an archive as `tarfile` reads it."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while not self._rest:
            piece = next(self._chunks, None)
            if piece is None:
                return b""
            self._rest = piece
        data, self._rest = (self._rest, b"") if size < 0 else (self._rest[:size], self._rest[size:])
        return data


def extract(
    root: int,
    path: str,
    chunks: Iterable[bytes],
    *,
    keep_kinds: bool = False,
    owner: tuple[int, int] | None = None,
) -> None:
    """Unpack an archive (plain, gzip, bzip2 or xz) into the folder *path*; what is there already is replaced.

    With *keep_kinds* a folder is not replaced by a file, nor a file by a folder. All of it belongs to *owner*
    (uid and gid) if given, else to whom the archive says.
    """
    with _opened(root, path, os.O_PATH) as target:
        if not stat.S_ISDIR(os.fstat(target).st_mode):
            raise InvalidArgument(f"extraction point {path} is not a directory")
    try:
        with tarfile.open(fileobj=cast("IO[bytes]", _Source(chunks)), mode="r|*") as archive:
            for entry in archive:
                parts = path_parts(entry.name, what="archive entry")
                if owner is not None:
                    entry.uid, entry.gid = owner
                if parts:
                    _extract_entry(root, path, archive, entry, parts, keep_kinds=keep_kinds)
    except tarfile.TarError as broken:
        raise InvalidArgument(f"cannot read the archive: {broken}") from broken


def _extract_entry(
    root: int,
    path: str,
    archive: tarfile.TarFile,
    entry: tarfile.TarInfo,
    parts: tuple[str, ...],
    *,
    keep_kinds: bool,
) -> None:
    name = parts[-1]
    with _folder(root, path, parts[:-1]) as parent:
        if entry.isreg():
            with _unnamed(parent, name) as file:
                _fill(file, archive, entry)
                _make_room(parent, name, entry, keep_kinds=keep_kinds)
                file.appear()
            return
        _make_room(parent, name, entry, keep_kinds=keep_kinds)
        if entry.isdir():
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o755, dir_fd=parent)
        elif entry.issym():
            os.symlink(entry.linkname, name, dir_fd=parent)
        elif entry.islnk():
            linked = path_parts(entry.linkname, what="hard link to")
            with _folder(root, path, linked[:-1]) as other:
                os.link(linked[-1], name, src_dir_fd=other, dst_dir_fd=parent, follow_symlinks=False)
            return
        elif entry.isfifo():
            os.mkfifo(name, dir_fd=parent)
        elif entry.ischr() or entry.isblk():
            if not isolation.makes_devices():
                return
            kind = stat.S_IFCHR if entry.ischr() else stat.S_IFBLK
            os.mknod(name, kind | 0o600, os.makedev(entry.devmajor, entry.devminor), dir_fd=parent)
        os.chown(name, *isolation.owner(entry.uid, entry.gid), dir_fd=parent, follow_symlinks=False)
        if not entry.issym():
            # After the owner: changing that drops set-user-id. O_PATH keeps a link from being followed.
            with _opened_here(parent, name) as made:
                os.chmod(f"/proc/self/fd/{made}", stat.S_IMODE(entry.mode))
        os.utime(name, (entry.mtime, entry.mtime), dir_fd=parent, follow_symlinks=False)


@contextlib.contextmanager
def _opened_here(parent: int, name: str) -> Iterator[int]:
    descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _folder(root: int, path: str, parts: tuple[str, ...]) -> Iterator[int]:
    """Open the folder *parts* below *path*, made if missing."""
    place = path
    for part in parts:
        with (
            _opened(root, place, os.O_PATH | os.O_DIRECTORY) as above,
            contextlib.suppress(FileExistsError),
        ):
            os.mkdir(part, 0o755, dir_fd=above)
        place = f"{place}/{part}"
    with _opened(root, place, os.O_PATH | os.O_DIRECTORY) as folder:
        yield folder


def _make_room(parent: int, name: str, entry: tarfile.TarInfo, *, keep_kinds: bool) -> None:
    """Afterwards nothing is at *name* that would be in the entry's way."""
    try:
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return
    is_folder = stat.S_ISDIR(found.st_mode)
    if is_folder and entry.isdir():
        return
    if keep_kinds and is_folder != entry.isdir():
        word = "directory" if is_folder else "non-directory"
        raise InvalidArgument(f"cannot overwrite {word} {name!r} with its opposite {entry.name!r}")
    if is_folder:
        _remove_tree(parent, name)
    else:
        os.unlink(name, dir_fd=parent)


def _remove_tree(parent: int, name: str) -> None:
    descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        for child in os.listdir(descriptor):
            if stat.S_ISDIR(os.stat(child, dir_fd=descriptor, follow_symlinks=False).st_mode):
                _remove_tree(descriptor, child)
            else:
                os.unlink(child, dir_fd=descriptor)
    finally:
        os.close(descriptor)
    os.rmdir(name, dir_fd=parent)


class _Unnamed:
    """A file in the folder *parent* that gets *name* when it is whole; before that nothing of it is seen.

    Where a file system has no files without a name (overlay has them since Linux 6.3), it has another name so long.
    """

    def __init__(self, parent: int, name: str) -> None:
        self._parent = parent
        self._name = name
        self._other = ""
        flags = os.O_WRONLY | os.O_CLOEXEC
        try:
            self.descriptor = os.open(".", flags | os.O_TMPFILE, 0o600, dir_fd=parent)
        except OSError as error:
            if error.errno not in {errno.EOPNOTSUPP, errno.EISDIR}:
                raise
            self._other = f".{new_id()[:24]}"
            self.descriptor = os.open(
                self._other, flags | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=parent
            )

    def appear(self) -> None:
        """Give it its name, which is free."""
        if self._other:
            os.rename(self._other, self._name, src_dir_fd=self._parent, dst_dir_fd=self._parent)
            self._other = ""
        else:
            os.link(f"/proc/self/fd/{self.descriptor}", self._name, dst_dir_fd=self._parent)

    def close(self) -> None:
        os.close(self.descriptor)
        if self._other:
            os.unlink(self._other, dir_fd=self._parent)


@contextlib.contextmanager
def _unnamed(parent: int, name: str) -> Iterator[_Unnamed]:
    file = _Unnamed(parent, name)
    try:
        yield file
    finally:
        file.close()


def _fill(file: _Unnamed, archive: tarfile.TarFile, entry: tarfile.TarInfo) -> None:
    """Give a file the content, owner, mode and times of *entry*."""
    source = archive.extractfile(entry)
    assert source is not None
    while data := source.read(CHUNK):
        view = memoryview(data)
        while view:
            view = view[os.write(file.descriptor, view) :]
    os.chown(file.descriptor, *isolation.owner(entry.uid, entry.gid))
    os.chmod(file.descriptor, stat.S_IMODE(entry.mode))  # after the owner: changing that drops set-user-id
    os.utime(file.descriptor, (entry.mtime, entry.mtime))


def changes(upper: Path, lowers: Iterable[Path]) -> Iterator[Change]:
    """Yield what the layer *upper* changes against *lowers*, in the order of paths."""
    below = tuple(lowers)

    def walk(folder: Path, shown: str) -> Iterator[Change]:
        for name in sorted(os.listdir(folder)):
            path = f"{shown}/{name}"
            found = os.lstat(folder / name)
            if stat.S_ISCHR(found.st_mode) and found.st_rdev == 0:
                yield Change(path, DELETED)
                continue
            if path in OURS and not found.st_size:
                continue
            known = next(
                (status for lower in below if (status := _status(f"{lower}{path}")) is not None), None
            )
            inside = list(walk(folder / name, path)) if stat.S_ISDIR(found.st_mode) else []
            if not inside and path in OURS_ABOVE and (known is None or _same_folder(known, found)):
                continue
            yield Change(path, MODIFIED if known is not None else ADDED)
            yield from inside

    yield from walk(upper, "")


def _status(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except OSError:
        return None


def _same_folder(one: os.stat_result, other: os.stat_result) -> bool:
    return (one.st_mode, one.st_uid, one.st_gid) == (other.st_mode, other.st_uid, other.st_gid)
