"""Pack: the files of an overlay layer become a layer's archive, the same bytes for the same files.

The inverse of `unpack`: whiteout devices and opaque folders take the specification's form. Entries come in the
order of their paths, times in whole seconds, owners as numbers.
"""

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from yurt.errors import Internal
from yurt.oci import tar
from yurt.oci.layer import OPAQUE, PLACES, WHITEOUT
from yurt.storage.unpack import OVERLAY_XATTRS, WHITEOUT_DEVICE, is_opaque

CHUNK = 1 << 20
_UNKEPT = (
    *OVERLAY_XATTRS,
    "security.selinux",
    "security.ima",
    "security.evm",
)  # of the host, not of the file
_REDIRECTS = tuple(
    f"{kind}.overlay.{mark}" for kind in ("trusted", "user") for mark in ("redirect", "metacopy")
)


def is_empty(folder: Path) -> bool:
    """Tell whether a layer changes nothing."""
    with os.scandir(folder) as entries:
        return next(entries, None) is None


def pack(folder: Path) -> Iterator[bytes]:
    """Yield the archive of the overlay layer in *folder* in pieces of about a mebibyte."""
    return _Packer(os.fspath(folder)).chunks()


class _Packer:
    def __init__(self, root: str) -> None:
        self._root = root
        self._pending = bytearray()
        self._links: dict[int, str] = {}  # inode → the first name it was archived under

    def chunks(self) -> Iterator[bytes]:
        yield from self._folder(self._root, "")
        self._pending += tar.END
        yield bytes(self._pending)

    def _folder(self, path: str, prefix: str) -> Iterator[bytes]:
        with os.scandir(path) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
        for entry in entries:
            status = entry.stat(follow_symlinks=False)
            name = prefix + entry.name
            if stat.S_ISDIR(status.st_mode):
                self._header(tar.Entry(f"{name}/", tar.DIRECTORY), entry.path, status)
                if is_opaque(entry.path):
                    self._marker(f"{name}/{OPAQUE}", status)
                yield from self._folder(entry.path, f"{name}/")
            elif stat.S_ISREG(status.st_mode):
                yield from self._file(entry.path, name, status)
            else:
                self._special(entry.path, prefix, entry.name, status)
            if len(self._pending) >= CHUNK:
                yield self._flush()

    def _file(self, path: str, name: str, status: os.stat_result) -> Iterator[bytes]:
        if (name in PLACES and not status.st_size) or self._linked(name, status):
            return
        self._header(tar.Entry(name, tar.REGULAR, size=status.st_size), path, status)
        left = status.st_size
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            while left:
                data = os.read(descriptor, min(left, CHUNK))
                if not data:
                    raise Internal(f"cannot archive {name}: it shrank while it was read")
                left -= len(data)
                self._pending += data
                if len(self._pending) >= CHUNK:
                    yield self._flush()
        finally:
            os.close(descriptor)
        self._pending += tar.padding(status.st_size)

    def _special(self, path: str, prefix: str, base: str, status: os.stat_result) -> None:
        name = prefix + base
        if stat.S_ISCHR(status.st_mode) and status.st_rdev == WHITEOUT_DEVICE:
            self._marker(f"{prefix}{WHITEOUT}{base}", status)
        elif stat.S_ISSOCK(status.st_mode) or self._linked(name, status):
            pass  # a socket means nothing without the process that bound it
        elif stat.S_ISLNK(status.st_mode):
            self._header(tar.Entry(name, tar.SYMLINK, link=os.readlink(path)), path, status)
        else:
            kind = {stat.S_IFCHR: tar.CHARACTER, stat.S_IFBLK: tar.BLOCK_DEVICE}.get(
                stat.S_IFMT(status.st_mode), tar.FIFO
            )
            device = (os.major(status.st_rdev), os.minor(status.st_rdev)) if kind != tar.FIFO else (0, 0)
            self._header(tar.Entry(name, kind, major=device[0], minor=device[1]), path, status)

    def _linked(self, name: str, status: os.stat_result) -> bool:
        """Archive a further name of a file as a hard link; tell whether it was one."""
        if status.st_nlink < 2:
            return False
        first = self._links.setdefault(status.st_ino, name)
        if first == name:
            return False
        self._pending += tar.header(
            tar.Entry(
                name,
                tar.HARDLINK,
                stat.S_IMODE(status.st_mode),
                status.st_uid,
                status.st_gid,
                mtime=int(status.st_mtime),
                link=first,
            )
        )
        return True

    def _header(self, entry: tar.Entry, path: str, status: os.stat_result) -> None:
        entry.mode = stat.S_IMODE(status.st_mode)
        entry.uid, entry.gid = status.st_uid, status.st_gid
        entry.mtime = int(status.st_mtime)
        if not stat.S_ISLNK(status.st_mode):
            entry.xattrs = _xattrs(path)
        self._pending += tar.header(entry)

    def _marker(self, name: str, status: os.stat_result) -> None:
        # The kernel stamps a whiteout when it makes one; the time says nothing about the layer.
        self._pending += tar.header(tar.Entry(name, tar.REGULAR, 0o600, status.st_uid, status.st_gid))

    def _flush(self) -> bytes:
        chunk, self._pending = bytes(self._pending), bytearray()
        return chunk


def _xattrs(path: str) -> dict[str, bytes]:
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return {}
        raise
    for name in names:
        if name in _REDIRECTS:
            raise Internal(
                f"cannot archive {path}: overlay moved it without copying it",
                hint="the overlay must be mounted with redirect_dir=off and metacopy=off",
            )
    return {
        name: os.getxattr(path, name, follow_symlinks=False) for name in names if not name.startswith(_UNKEPT)
    }
