"""Sealed copies of the OCI runtime: in memory, made once, unchangeable, and run in place of the file on the disk.

A process in a container may reach the program that starts it, through ``/proc/PID/exe``, so runc and crun run on from
a copy that nobody can write to (CVE-2019-5736). They make one on each start: a bind mount in the host's table, its
removal, and an exec of themselves once more. Both skip that when they find themselves in a memory file with all its
seals, which is what they get here.
"""

import contextlib
import fcntl
import os
import stat

_ELF = b"\x7fELF"
_MFD_EXEC = 0x0010  # Linux 6.3; without it the kernel's log wonders what the file is for
# linux/fcntl.h; Python 3.11 does not name them.
_F_ADD_SEALS = 1033
_SEALS = 0x0001 | 0x0002 | 0x0004 | 0x0008  # F_SEAL_SEAL, _SHRINK, _GROW, _WRITE
_LARGEST = 64 << 20  # bytes; no runtime is larger, and these stay in memory


class SealedPrograms:
    """One copy of each program that was asked for, made anew when the file has changed. Of the zygote, for its shims."""

    def __init__(self) -> None:
        self._copies: dict[str, tuple[tuple[int, ...], int]] = {}  # path → (which file, descriptor; -1: none)

    def descriptor(self, path: str) -> int:
        """Return a descriptor of *path*'s copy, closed on exec; -1 when there is none and the file itself has to do.

        There is none of what is no absolute path, is missing, or is a script, whose interpreter could not open it.
        """
        if not path.startswith("/"):
            return -1
        try:
            status = os.stat(path)
        except OSError:
            return -1
        which = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        known, descriptor = self._copies.get(path, ((), -1))
        if known != which:
            if descriptor >= 0:
                os.close(descriptor)
            descriptor = _copied(path, status)
            self._copies[path] = (which, descriptor)
        return descriptor


def _copied(path: str, status: os.stat_result) -> int:
    if (
        not stat.S_ISREG(status.st_mode)
        or status.st_size > _LARGEST
        or status.st_mode & (stat.S_ISUID | stat.S_ISGID)
    ):
        return -1
    copy = -1
    try:
        with open(path, "rb") as file:
            if file.read(len(_ELF)) != _ELF:
                return -1
            copy = _memory_file(os.path.basename(path))
            offset = 0
            while sent := os.sendfile(copy, file.fileno(), offset, _LARGEST):
                offset += sent
        os.fchmod(copy, 0o555)
        fcntl.fcntl(copy, _F_ADD_SEALS, _SEALS)
    except OSError:  # no memory files here, or none that may be executed (vm.memfd_noexec): the file will do
        if copy >= 0:
            os.close(copy)
        return -1
    return copy


def _memory_file(name: str) -> int:
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    with contextlib.suppress(OSError):
        return os.memfd_create(name, flags | _MFD_EXEC)
    return os.memfd_create(name, flags)  # a kernel that does not know the flag
