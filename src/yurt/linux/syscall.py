"""System calls that Python does not offer, one small function each.

Only constants in the kernel's spelling and thin wrappers belong here; what a call is *for* is decided by the
callers in this package. A failing call raises OSError from one place, `_checked`. No function here needs the
event loop, and none blocks longer than the kernel does.

The numbers of system calls added since Linux 5.1 are the same on every architecture.
"""

import ctypes
import os
import struct
from typing import Final

MS_RDONLY: Final = 0x1
MS_NOSUID: Final = 0x2
MS_NODEV: Final = 0x4
MS_NOEXEC: Final = 0x8
MS_SYNCHRONOUS: Final = 0x10
MS_REMOUNT: Final = 0x20
MS_MANDLOCK: Final = 0x40
MS_DIRSYNC: Final = 0x80
MS_NOATIME: Final = 0x400
MS_NODIRATIME: Final = 0x800
MS_BIND: Final = 0x1000
MS_MOVE: Final = 0x2000
MS_REC: Final = 0x4000
MS_UNBINDABLE: Final = 1 << 17
MS_PRIVATE: Final = 1 << 18
MS_SLAVE: Final = 1 << 19
MS_SHARED: Final = 1 << 20
MS_RELATIME: Final = 1 << 21
MS_STRICTATIME: Final = 1 << 24

MNT_FORCE: Final = 0x1
MNT_DETACH: Final = 0x2
UMOUNT_NOFOLLOW: Final = 0x8

CLONE_FS: Final = 0x00000200
CLONE_FILES: Final = 0x00000400
CLONE_NEWNS: Final = 0x00020000
CLONE_NEWCGROUP: Final = 0x02000000
CLONE_NEWUTS: Final = 0x04000000
CLONE_NEWIPC: Final = 0x08000000
CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWPID: Final = 0x20000000
CLONE_NEWNET: Final = 0x40000000

RESOLVE_NO_XDEV: Final = 0x01
RESOLVE_NO_MAGICLINKS: Final = 0x02
RESOLVE_NO_SYMLINKS: Final = 0x04
RESOLVE_BENEATH: Final = 0x08
RESOLVE_IN_ROOT: Final = 0x10

PR_SET_PDEATHSIG: Final = 1
PR_SET_NAME: Final = 15
PR_CAPBSET_READ: Final = 23
PR_SET_CHILD_SUBREAPER: Final = 36

FSOPEN_CLOEXEC: Final = 0x1
FSMOUNT_CLOEXEC: Final = 0x1
FSCONFIG_SET_FLAG: Final = 0
FSCONFIG_SET_STRING: Final = 1
FSCONFIG_CMD_CREATE: Final = 6
MOVE_MOUNT_F_EMPTY_PATH: Final = 0x4

_NR_MOVE_MOUNT: Final = 429
_NR_FSOPEN: Final = 430
_NR_FSCONFIG: Final = 431
_NR_FSMOUNT: Final = 432
_NR_OPENAT2: Final = 437

_AT_FDCWD: Final = -100

# include/uapi/linux/openat2.h: struct open_how { __u64 flags, mode, resolve; }
_OPEN_HOW = struct.Struct("=QQQ")

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_libc.mount.argtypes = (
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.c_ulong,
    ctypes.c_char_p,
)
_libc.umount2.argtypes = (ctypes.c_char_p, ctypes.c_int)
_libc.setns.argtypes = (ctypes.c_int, ctypes.c_int)
_libc.unshare.argtypes = (ctypes.c_int,)
_libc.syncfs.argtypes = (ctypes.c_int,)
_libc.prctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong)

StrPath = str | os.PathLike[str]


def _checked(result: int, *about: StrPath) -> int:
    """Return *result*; raise the OSError that errno tells when it is negative. *about*: the paths concerned."""
    if result >= 0:
        return result
    errno = ctypes.get_errno()
    names = [os.fspath(path) for path in about]
    if len(names) > 1:
        raise OSError(errno, os.strerror(errno), names[0], None, names[1])
    raise OSError(errno, os.strerror(errno), *names)


def _path(path: StrPath) -> bytes:
    return os.fsencode(path)


def mount(source: StrPath, target: StrPath, fstype: str = "", flags: int = 0, data: str = "") -> None:
    """Mount, remount, bind or change propagation (mount.2). *data* must stay below one page (4096 bytes)."""
    _checked(
        _libc.mount(
            _path(source),
            _path(target),
            fstype.encode() or None,
            flags,
            os.fsencode(data) or None,
        ),
        target,
    )


def umount2(target: StrPath, flags: int = 0) -> None:
    """Unmount what is mounted at *target* (umount.2)."""
    _checked(_libc.umount2(_path(target), flags), target)


def unshare(flags: int) -> None:
    """Give the calling *thread* namespaces of its own (unshare.2)."""
    _checked(_libc.unshare(flags))


def setns(fd: int, nstype: int = 0) -> None:
    """Move the calling *thread* into the namespace (or, with a pidfd, the namespaces) behind *fd*."""
    _checked(_libc.setns(fd, nstype))


def syncfs(fd: int) -> None:
    """Bring all of the file system that *fd* lies on to the disk (syncfs.2)."""
    _checked(_libc.syncfs(fd))


def prctl(option: int, arg2: int = 0, arg3: int = 0, arg4: int = 0, arg5: int = 0) -> int:
    """Set or ask something of this process (prctl.2), for options whose arguments are numbers."""
    return _checked(_libc.prctl(option, arg2, arg3, arg4, arg5))


def openat2(dirfd: int, path: StrPath, flags: int, *, mode: int = 0, resolve: int = 0) -> int:
    """Open *path* below *dirfd* under the restrictions of *resolve*; return a descriptor, close-on-exec.

    *mode* counts only with O_CREAT or O_TMPFILE; the kernel refuses it otherwise.
    """
    how = _OPEN_HOW.pack(flags | os.O_CLOEXEC, mode, resolve)
    return _checked(
        _libc.syscall(
            ctypes.c_long(_NR_OPENAT2),
            ctypes.c_int(dirfd),
            ctypes.c_char_p(_path(path)),
            ctypes.c_char_p(how),
            ctypes.c_size_t(len(how)),
        ),
        path,
    )


def open_in_root(root: int, path: StrPath, flags: int = os.O_RDONLY, *, mode: int = 0) -> int:
    """Open *path* as a process would whose root directory is *root*, a descriptor of a directory.

    Symbolic links, absolute ones too, and ``..`` stay inside; links of /proc that lead elsewhere are refused.
    A race with a concurrent rename makes the kernel answer EAGAIN; it is asked again a few times.
    """
    for _attempt in range(32):
        try:
            return openat2(root, path, flags, mode=mode, resolve=RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
        except BlockingIOError:
            continue
    return openat2(root, path, flags, mode=mode, resolve=RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)


def open_beneath(folder: int, path: StrPath, flags: int = os.O_RDONLY) -> int:
    """Open *path* below the descriptor *folder*; a link or ``..`` that leads out of it raises OSError with EXDEV."""
    return openat2(folder, path, flags, resolve=RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS)


def fsopen(fstype: str) -> int:
    """Open a configuration context for a file system of *fstype*; return its descriptor."""
    return _checked(
        _libc.syscall(
            ctypes.c_long(_NR_FSOPEN), ctypes.c_char_p(fstype.encode()), ctypes.c_uint(FSOPEN_CLOEXEC)
        )
    )


def fsconfig_string(fd: int, key: str, value: StrPath) -> None:
    """Set a parameter; the kernel allows 256 bytes of *value*."""
    _checked(
        _libc.syscall(
            ctypes.c_long(_NR_FSCONFIG),
            ctypes.c_int(fd),
            ctypes.c_uint(FSCONFIG_SET_STRING),
            ctypes.c_char_p(key.encode()),
            ctypes.c_char_p(_path(value)),
            ctypes.c_int(0),
        ),
        value,
    )


def fsconfig_flag(fd: int, key: str) -> None:
    """Set a parameter that has no value."""
    _checked(
        _libc.syscall(
            ctypes.c_long(_NR_FSCONFIG),
            ctypes.c_int(fd),
            ctypes.c_uint(FSCONFIG_SET_FLAG),
            ctypes.c_char_p(key.encode()),
            None,
            ctypes.c_int(0),
        )
    )


def fsconfig_create(fd: int) -> None:
    """Make the superblock of the configured context."""
    _checked(
        _libc.syscall(
            ctypes.c_long(_NR_FSCONFIG),
            ctypes.c_int(fd),
            ctypes.c_uint(FSCONFIG_CMD_CREATE),
            None,
            None,
            ctypes.c_int(0),
        )
    )


def fsmount(fd: int, attributes: int = 0) -> int:
    """Return a descriptor of a detached mount of the context's superblock."""
    return _checked(
        _libc.syscall(
            ctypes.c_long(_NR_FSMOUNT),
            ctypes.c_int(fd),
            ctypes.c_uint(FSMOUNT_CLOEXEC),
            ctypes.c_uint(attributes),
        )
    )


def move_mount(mount_fd: int, target: StrPath) -> None:
    """Attach the detached mount *mount_fd* at *target*."""
    _checked(
        _libc.syscall(
            ctypes.c_long(_NR_MOVE_MOUNT),
            ctypes.c_int(mount_fd),
            ctypes.c_char_p(b""),
            ctypes.c_int(_AT_FDCWD),
            ctypes.c_char_p(_path(target)),
            ctypes.c_uint(MOVE_MOUNT_F_EMPTY_PATH),
        ),
        target,
    )
