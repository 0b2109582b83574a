"""Mounts as values: each says what it will do (`describe`) and does it (`execute`); and how to undo them.

Overlay mounts have their own module.
"""

import errno
import logging
import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from yurt.linux import syscall

log = logging.getLogger(__name__)

_PROPAGATION = {
    "private": syscall.MS_PRIVATE,
    "rprivate": syscall.MS_PRIVATE | syscall.MS_REC,
    "slave": syscall.MS_SLAVE,
    "rslave": syscall.MS_SLAVE | syscall.MS_REC,
    "shared": syscall.MS_SHARED,
    "rshared": syscall.MS_SHARED | syscall.MS_REC,
    "unbindable": syscall.MS_UNBINDABLE,
    "runbindable": syscall.MS_UNBINDABLE | syscall.MS_REC,
}


# What a bind mount has from its source: statvfs(3)'s bits, and mount(2)'s.
_KEPT = {
    os.ST_NOSUID: syscall.MS_NOSUID,
    os.ST_NODEV: syscall.MS_NODEV,
    os.ST_NOEXEC: syscall.MS_NOEXEC,
    os.ST_NOATIME: syscall.MS_NOATIME,
    os.ST_NODIRATIME: syscall.MS_NODIRATIME,
    os.ST_RELATIME: syscall.MS_RELATIME,
}


_FLAGS = {  # words of mount(8): what each sets, or takes back
    "ro": (syscall.MS_RDONLY, True),
    "rw": (syscall.MS_RDONLY, False),
    "nosuid": (syscall.MS_NOSUID, True),
    "suid": (syscall.MS_NOSUID, False),
    "nodev": (syscall.MS_NODEV, True),
    "dev": (syscall.MS_NODEV, False),
    "noexec": (syscall.MS_NOEXEC, True),
    "exec": (syscall.MS_NOEXEC, False),
    "sync": (syscall.MS_SYNCHRONOUS, True),
    "async": (syscall.MS_SYNCHRONOUS, False),
    "dirsync": (syscall.MS_DIRSYNC, True),
    "mand": (syscall.MS_MANDLOCK, True),
    "nomand": (syscall.MS_MANDLOCK, False),
    "noatime": (syscall.MS_NOATIME, True),
    "atime": (syscall.MS_NOATIME, False),
    "nodiratime": (syscall.MS_NODIRATIME, True),
    "diratime": (syscall.MS_NODIRATIME, False),
    "relatime": (syscall.MS_RELATIME, True),
    "norelatime": (syscall.MS_RELATIME, False),
    "strictatime": (syscall.MS_STRICTATIME, True),
    "nostrictatime": (syscall.MS_STRICTATIME, False),
    "bind": (syscall.MS_BIND, True),
    "rbind": (syscall.MS_BIND | syscall.MS_REC, True),
    "defaults": (0, True),
}


def option_flags(text: str) -> tuple[int, str]:
    """Return the flags that the words of ``mount -o`` stand for, and the words that are the file system's own. Pure.

    >>> option_flags("ro,size=1m,nosuid")
    (3, 'size=1m')
    """
    flags, data = 0, []
    for word in filter(None, text.split(",")):
        if word not in _FLAGS:
            data.append(word)
            continue
        bits, is_set = _FLAGS[word]
        flags = flags | bits if is_set else flags & ~bits
    return flags, ",".join(data)


class Mount(Protocol):
    """Something to mount. The target must exist; afterwards it shows what was mounted."""

    @property
    def target(self) -> Path: ...
    def describe(self) -> str:
        """Return the mount(8) command that does the same, ready to paste."""

    def execute(self) -> None:
        """Mount; raise OSError when the kernel refuses, leaving nothing mounted."""


@dataclass(frozen=True, slots=True)
class BindMount:
    """Shows *source*, a folder or a file, at *target* as well."""

    source: Path
    target: Path
    read_only: bool = False
    recursive: bool = True

    def describe(self) -> str:
        options = ("rbind" if self.recursive else "bind") + (",ro" if self.read_only else "")
        return f"mount -o {options} {shlex.quote(str(self.source))} {shlex.quote(str(self.target))}"

    def execute(self) -> None:
        log.debug("%s", self.describe())
        syscall.mount(
            self.source,
            self.target,
            flags=syscall.MS_BIND | (syscall.MS_REC if self.recursive else 0),
        )
        if self.read_only:
            # The kernel ignores MS_RDONLY while binding: it needs a second call (mount(2), "Creating a bind mount").
            try:
                make_read_only(self.target)
            except OSError:
                unmount(self.target, lazy=True)
                raise


@dataclass(frozen=True, slots=True)
class TmpfsMount:
    """A fresh, empty file system in memory. *size* is in bytes, None: half of the memory."""

    target: Path
    size: int | None = None
    mode: int = 0o755
    flags: int = syscall.MS_NOSUID | syscall.MS_NODEV

    def _data(self) -> str:
        return f"mode={self.mode:o}" + (f",size={self.size}" if self.size is not None else "")

    def describe(self) -> str:
        return f"mount -t tmpfs -o nosuid,nodev,{self._data()} tmpfs {shlex.quote(str(self.target))}"

    def execute(self) -> None:
        log.debug("%s", self.describe())
        syscall.mount("tmpfs", self.target, "tmpfs", self.flags, self._data())


@dataclass(frozen=True, slots=True)
class DeviceMount:
    """Shows *source*, whatever the kernel takes for it, as a file system of the type *kind*; with MS_BIND, a folder."""

    source: str
    target: Path
    kind: str
    flags: int = 0
    data: str = ""

    def describe(self) -> str:
        words = [
            word for word, (bits, is_set) in _FLAGS.items() if is_set and bits and self.flags & bits == bits
        ]
        options = ",".join([*words, *filter(None, [self.data])]) or "defaults"
        kind = f"-t {shlex.quote(self.kind)} " if self.kind else ""
        return f"mount {kind}-o {shlex.quote(options)} {shlex.quote(self.source)} {shlex.quote(str(self.target))}"

    def execute(self) -> None:
        log.debug("%s", self.describe())
        syscall.mount(self.source, self.target, self.kind, self.flags, self.data)
        if self.flags & syscall.MS_BIND and (further := self.flags & ~(syscall.MS_BIND | syscall.MS_REC)):
            # The kernel ignores all other flags while binding: they need a second call (mount(2)).
            try:
                syscall.mount(
                    "none", self.target, flags=syscall.MS_BIND | syscall.MS_REMOUNT | further, data=self.data
                )
            except OSError:
                unmount(self.target, lazy=True)
                raise


def make_read_only(target: Path) -> None:
    """Let nothing be written through the bind mount at *target*."""
    flags = syscall.MS_BIND | syscall.MS_REMOUNT | syscall.MS_RDONLY
    # In a user namespace the kernel lets nobody take away what the host has set (mount_namespaces(7)).
    has = os.statvfs(target).f_flag
    syscall.mount("none", target, flags=flags | sum(flag for bit, flag in _KEPT.items() if has & bit))


def set_propagation(target: Path, propagation: str) -> None:
    """Change how mounts below *target* travel to other namespaces: Docker's word, ``rprivate`` and the like."""
    syscall.mount("none", target, flags=_PROPAGATION[propagation])


def unmount(target: Path, *, lazy: bool = False) -> None:
    """Unmount *target*; afterwards its topmost mount is gone. Nothing mounted there, or no such path: no error.

    Lazy: it disappears at once, and is released when the last user of it is gone. A synchronous unmount of an
    overlay writes its upper file system to the disk first, unless the overlay is volatile.
    """
    try:
        syscall.umount2(target, syscall.UMOUNT_NOFOLLOW | (syscall.MNT_DETACH if lazy else 0))
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOENT):
            raise


def make_own(folder: Path) -> None:
    """Make *folder* a mount by itself, whose mounts travel nowhere. Left alone when something is mounted in it already."""
    mounted = mounted_below(folder)
    if not mounted:
        BindMount(folder, folder, recursive=False).execute()
    if not mounted or folder in mounted:
        set_propagation(folder, "private")


def unmake_own(folder: Path) -> None:
    """Undo `make_own`, unless something is mounted in *folder* or uses it still. Idempotent."""
    try:
        syscall.umount2(folder, syscall.UMOUNT_NOFOLLOW)
    except OSError as error:
        if error.errno not in (errno.EBUSY, errno.EINVAL, errno.ENOENT):
            raise


@dataclass(frozen=True, slots=True)
class MountedAt:
    """A mount of this host: where, and whether its mounts travel to others (shared) or come from others (slave)."""

    point: Path
    shared: bool
    slave: bool


def mounted_below(folder: Path) -> tuple[Path, ...]:
    """Return the mount points at or below *folder*, innermost first: the order in which to unmount them."""
    prefix = str(folder)
    found = []
    for line in _mountinfo():
        point = _unescaped(
            line.split(" ", 5)[4]
        )  # no more than is needed: every end of a container comes here
        if point == prefix or point.startswith(prefix.rstrip("/") + "/"):
            found.append(Path(point))
    return tuple(sorted(found, key=lambda path: len(path.parts), reverse=True))


def mount_around(path: Path) -> MountedAt:
    """Return the mount that *path* is on; its links are followed."""
    path = path.resolve()
    lines = (line.split(" ") for line in _mountinfo())
    around = {Path(_unescaped(fields[4])): fields for fields in lines}  # a later one covers an earlier
    point = max(filter(path.is_relative_to, around), key=lambda point: len(point.parts))
    fields = around[point]
    tags = {tag.partition(":")[0] for tag in fields[6 : fields.index("-", 6)]}
    return MountedAt(point, shared="shared" in tags, slave="master" in tags)


def _mountinfo() -> Iterator[str]:
    """Yield each line: field 4 is the mount point, from 6 up to a dash how it travels (proc_pid_mountinfo(5))."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
        yield from lines


def _unescaped(field: str) -> str:
    """Undo the octal escapes of /proc/self/mountinfo: space, tab, newline and backslash."""
    if "\\" not in field:
        return field
    for octal, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(octal, character)
    return field
