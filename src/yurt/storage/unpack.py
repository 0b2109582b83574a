"""Unpack: a layer's archive becomes the files of an overlay layer. Whiteouts take overlay's form on the way.

The folder is written by this function alone until it returns, so paths can be resolved here, component by
component, without a race: a component that is a symbolic link is followed inside the layer, as if its folder
were the root of the file system. Nothing outside the folder is ever touched, whatever the archive says.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from yurt.errors import InvalidArgument
from yurt.linux import isolation
from yurt.linux.isolation import owner
from yurt.oci import tar
from yurt.oci.layer import AUFS, OPAQUE, WHITEOUT, path_parts
from yurt.storage.content import disk_error

OVERLAY_XATTRS = ("trusted.overlay.", "user.overlay.")
WHITEOUT_DEVICE = os.makedev(0, 0)
FOLDER_MODE = 0o755  # of a folder that the archive does not mention
MAX_LINKS = 40  # symbolic links followed on one path, as in the kernel
_BROKEN = {
    errno.ENAMETOOLONG, errno.ELOOP, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENOENT, errno.EMLINK
}  # fmt: skip
_NOT_SUPPORTED = {errno.ENOTSUP, errno.EPERM, errno.EINVAL}


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What came out: *size* is the bytes of files and of the texts of links, *entries* how many entries the archive had."""

    size: int
    entries: int


def unpack(chunks: Iterable[bytes], folder: Path, lowers: Sequence[Path] = ()) -> Unpacked:
    """Write the plain archive in *chunks* to *folder*, which is empty; *lowers* are its parents, nearest first.

    Raises InvalidArgument for a broken or hostile archive, Unavailable when the disk is full; *folder* is
    then half full, and to be thrown away.
    """
    layer = _Layer(os.fspath(folder), tuple(map(os.fspath, lowers)))
    try:
        return layer.unpack(tar.TarReader(chunks))
    except OSError as error:
        if error.errno in _BROKEN:
            raise InvalidArgument(f"broken archive: {error.strerror}: {error.filename}") from error
        raise disk_error(error, str(folder)) from error


class _Layer:
    def __init__(self, root: str, lowers: tuple[str, ...]) -> None:
        self._root = root
        self._lowers = lowers
        # Folders known to exist: path in the archive → path on the disk, links resolved.
        self._folders: dict[tuple[str, ...], str] = {(): root}
        self._times: dict[str, float] = {}  # of folders, set last: making a file in one changes it
        self._size = 0

    def unpack(self, reader: tar.TarReader) -> Unpacked:
        count = 0
        for entry in reader:
            count += 1
            parts = path_parts(entry.name, what="archive entry")
            if not parts:
                if entry.kind == tar.DIRECTORY:
                    self._dress(self._root, entry)
                    self._times[self._root] = entry.mtime
                continue
            self._entry(entry, parts, reader)
        for path, mtime in reversed(self._times.items()):
            os.utime(path, (mtime, mtime))
        return Unpacked(self._size, count)

    def _entry(self, entry: tar.Entry, parts: tuple[str, ...], reader: tar.TarReader) -> None:
        name = parts[-1]
        folder = self._folder(parts[:-1])
        if name.startswith(WHITEOUT):
            self._whiteout(folder, name)
            return
        path = f"{folder}/{name}"
        if entry.kind == tar.DIRECTORY:
            self._make_folder(path, parts, entry)
            return
        link = self._link_target(entry) if entry.kind == tar.HARDLINK else ""
        if link == path:
            return  # a link to itself: what it names is there
        try:
            self._make(path, link, entry, reader)
        except FileExistsError:
            self._clear(path)
            self._make(path, link, entry, reader)

    def _make(self, path: str, link: str, entry: tar.Entry, reader: tar.TarReader) -> None:
        """Make anything but a folder at *path*; raise FileExistsError before the content is read when it is taken."""
        match entry.kind:
            case tar.REGULAR:
                self._file(path, entry, reader)
                return
            case tar.HARDLINK:
                os.link(link, path, follow_symlinks=False)
                return
            case tar.SYMLINK:
                if not entry.link or "\0" in entry.link:
                    raise InvalidArgument(f"broken archive: the link {entry.name!r} leads nowhere")
                os.symlink(entry.link, path)
                self._size += len(os.fsencode(entry.link))
                os.chown(path, *owner(entry.uid, entry.gid), follow_symlinks=False)
                os.utime(path, (entry.mtime, entry.mtime), follow_symlinks=False)
                return
            case tar.FIFO:
                os.mkfifo(path)
            case _:
                device = os.makedev(entry.major, entry.minor)
                if device == WHITEOUT_DEVICE:
                    raise InvalidArgument(f"refusing archive entry {entry.name!r}: device 0:0 is a whiteout")
                kind = stat.S_IFCHR if entry.kind == tar.CHARACTER else stat.S_IFBLK
                if not isolation.makes_devices():
                    return
                os.mknod(path, kind | 0o600, device)
        self._dress(path, entry)
        os.utime(path, (entry.mtime, entry.mtime))

    def _file(self, path: str, entry: tar.Entry, reader: tar.TarReader) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            for piece in reader.data():
                while piece:
                    piece = piece[os.write(descriptor, piece) :]  # noqa: PLW2901 - what is left of it
            self._size += entry.size
            os.fchown(descriptor, *owner(entry.uid, entry.gid))
            os.fchmod(descriptor, entry.mode)  # after the owner: changing that drops set-user-id
            if entry.xattrs:
                _set_xattrs(path, entry)
            os.utime(descriptor, (entry.mtime, entry.mtime))
        finally:
            os.close(descriptor)

    def _make_folder(self, path: str, parts: tuple[str, ...], entry: tar.Entry) -> None:
        try:
            os.mkdir(path)
        except FileExistsError:
            mode = os.lstat(path).st_mode
            if not stat.S_ISDIR(mode):
                replaced = self._clear(path)
                os.mkdir(path)
                if replaced:
                    _make_opaque(path)
        self._dress(path, entry)
        self._times.pop(path, None)  # set again below, so that a parent comes before its child
        self._times[path] = entry.mtime
        self._folders[parts] = path

    def _dress(self, path: str, entry: tar.Entry) -> None:
        os.chown(path, *owner(entry.uid, entry.gid))
        os.chmod(path, entry.mode)
        if entry.xattrs:
            _set_xattrs(path, entry)

    def _clear(self, path: str) -> bool:
        """Remove what an earlier entry put at *path*; tell whether that was a whiteout."""
        status = os.lstat(path)
        if stat.S_ISDIR(status.st_mode):
            _remove_tree(path)
            self._times = {
                known: mtime
                for known, mtime in self._times.items()
                if known != path and not known.startswith(f"{path}/")
            }
        else:
            os.unlink(path)
        # A folder's path may have led through here.
        self._folders = {(): self._root}
        return _is_whiteout(status)

    def _whiteout(self, folder: str, name: str) -> None:
        if name == OPAQUE:
            if folder == self._root:
                self._hide_all()
            else:
                _make_opaque(folder)
            return
        hidden = name.removeprefix(WHITEOUT)
        if name.startswith(AUFS):
            return
        if hidden in {"", ".", ".."}:
            raise InvalidArgument(f"refusing archive entry {name!r}: it hides no name")
        path = f"{folder}/{hidden}"
        try:
            os.mknod(path, stat.S_IFCHR, WHITEOUT_DEVICE)
        except FileExistsError:
            # A whiteout is of the layers below; what this layer itself has stays (layer.md, Whiteouts).
            if stat.S_ISDIR(os.lstat(path).st_mode):
                _make_opaque(path)

    def _hide_all(self) -> None:
        """Hide whatever the lower layers have; the kernel does not heed an opaque root, so name by name."""
        for lower in self._lowers:
            for name in os.listdir(lower):
                if not name.startswith(WHITEOUT):
                    self._whiteout(self._root, WHITEOUT + name)

    def _link_target(self, entry: tar.Entry) -> str:
        """Return where the file is that a hard link names, brought up from a lower layer when it is only there."""
        parts = path_parts(entry.link, what="hard link to")
        if not parts:
            raise InvalidArgument(f"refusing archive entry {entry.name!r}: it links to a folder")
        path = f"{self._folder(parts[:-1])}/{parts[-1]}"
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            status = self._copy_up(path, entry)
        if stat.S_ISDIR(status.st_mode) or _is_whiteout(status):
            raise InvalidArgument(f"broken archive: {entry.name!r} links to {entry.link!r}, which is no file")
        return path

    def _copy_up(self, path: str, entry: tar.Entry) -> os.stat_result:
        below = self._below(path)
        if below is None:
            raise InvalidArgument(
                f"broken archive: {entry.name!r} links to {entry.link!r}, which does not exist"
            )
        source, status = below
        if not stat.S_ISREG(status.st_mode):
            raise InvalidArgument(f"broken archive: {entry.name!r} links to {entry.link!r}, which is no file")
        with open(source, "rb") as old, open(path, "xb") as new:
            while chunk := old.read(1 << 20):
                new.write(chunk)
        self._size += status.st_size
        _imitate(path, source, status)
        return os.lstat(path)

    def _folder(self, parts: tuple[str, ...]) -> str:
        """Return the folder on the disk that *parts* lead to, making what the archive left out."""
        known = self._folders.get(parts)
        if known is None:
            known = self._folders[parts] = self._resolve(parts)
        return known

    def _resolve(self, parts: tuple[str, ...]) -> str:
        todo = list(reversed(parts))
        path = self._root
        links = 0
        while todo:
            part = todo.pop()
            if part == "..":
                path = self._root if path == self._root else path.rpartition("/")[0]
                continue
            here = f"{path}/{part}"
            target = self._step(here)
            if target is None:
                path = here
                continue
            links += 1
            if links > MAX_LINKS:
                raise InvalidArgument(
                    f"refusing archive entry below {'/'.join(parts)!r}: links go in circles"
                )
            if target.startswith("/"):
                path = self._root
            todo += [piece for piece in reversed(target.split("/")) if piece not in {"", "."}]
        return path

    def _step(self, path: str) -> str | None:
        """Make sure that a folder is at *path* and return None, or the target when it is a link in this layer or below."""
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            below = self._below(path)
            if below is not None and stat.S_ISLNK(below[1].st_mode):
                return os.readlink(below[0])
            os.mkdir(path)
            os.chmod(path, FOLDER_MODE)
            if below is not None and stat.S_ISDIR(below[1].st_mode):
                _imitate(path, *below)
                self._times[path] = below[1].st_mtime
            elif below is not None:
                _make_opaque(path)
            return None
        if stat.S_ISLNK(status.st_mode):
            return os.readlink(path)
        if not stat.S_ISDIR(status.st_mode):
            hidden = self._clear(path)
            os.mkdir(path)
            os.chmod(path, FOLDER_MODE)
            if hidden:
                _make_opaque(path)
        return None

    def _below(self, path: str) -> tuple[str, os.stat_result] | None:
        """Return the file that shows at *path* from the lower layers, as overlay would look it up."""
        relative = path[len(self._root) + 1 :]
        folder, _, _name = relative.rpartition("/")
        if folder and self._hides_below(self._root, folder):
            return None
        for lower in self._lowers:
            candidate = f"{lower}/{relative}"
            try:
                status = os.lstat(candidate)
            except (FileNotFoundError, NotADirectoryError):
                if folder and self._hides_below(lower, folder):
                    return None
                continue
            return None if _is_whiteout(status) else (candidate, status)
        return None

    @staticmethod
    def _hides_below(layer: str, folder: str) -> bool:
        """Tell whether *layer* lets nothing of the layers under it be seen in *folder*."""
        path = layer
        for part in folder.split("/"):
            path = f"{path}/{part}"
            try:
                status = os.lstat(path)
            except FileNotFoundError:
                return False
            if not stat.S_ISDIR(status.st_mode) or is_opaque(path):
                return True
        return False


def overlay_opaque() -> str:
    """Return the attribute with which overlay marks a folder that hides those below it."""
    return "user.overlay.opaque" if isolation.is_rootless() else "trusted.overlay.opaque"


def is_opaque(path: str) -> bool:
    """Tell whether a folder of an overlay layer hides the folders of that name below it."""
    try:
        return os.getxattr(path, overlay_opaque(), follow_symlinks=False) == b"y"
    except OSError as error:
        if error.errno in {errno.ENODATA, errno.ENOTSUP}:
            return False
        raise


def _is_whiteout(status: os.stat_result) -> bool:
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == WHITEOUT_DEVICE


def _make_opaque(path: str) -> None:
    os.setxattr(path, overlay_opaque(), b"y")


def _set_xattrs(path: str, entry: tar.Entry) -> None:
    for name, value in entry.xattrs.items():
        if name.startswith(OVERLAY_XATTRS):
            continue  # these are ours to write: an archive could redirect a folder with them
        try:
            os.setxattr(path, name, value, follow_symlinks=False)
        except OSError as error:
            # Labels of a security module, or ACLs, that this host does not have.
            if error.errno not in _NOT_SUPPORTED or name == "security.capability":
                raise


def _imitate(path: str, source: str, status: os.stat_result) -> None:
    """Give *path* the owner, mode, times and extended attributes of *source*."""
    os.chown(path, status.st_uid, status.st_gid)
    os.chmod(path, stat.S_IMODE(status.st_mode))
    for name in os.listxattr(source):
        if not name.startswith(OVERLAY_XATTRS):
            with contextlib.suppress(OSError):
                os.setxattr(path, name, os.getxattr(source, name))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _remove_tree(path: str) -> None:
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                _remove_tree(entry.path)
            else:
                os.unlink(entry.path)
    os.rmdir(path)
