"""A view of the host's mounts without those of other containers, for the time in which a runtime starts.

A runtime reads the list of all mounts several times, and copies every mount for its container, only to take them away
again. Beside hundreds of containers that is most of its work. So it starts in a mount namespace of its own, in which
the engine's folder for what runs, a mount for this purpose, is gone with everything in it but what is asked for.
"""

import ctypes
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

# linux/sched.h, linux/mount.h, linux/fcntl.h; the system calls have these numbers on every architecture.
_CLONE_NEWNS = 0x00020000
_MS_REC, _MS_PRIVATE = 0x4000, 1 << 18
_MNT_DETACH = 2
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_OPEN_TREE_CLONE, _OPEN_TREE_CLOEXEC = 1, 0x80000
_MOVE_MOUNT_F_EMPTY_PATH = 4
_NR_OPEN_TREE, _NR_MOVE_MOUNT = 428, 429

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


@contextmanager
def without(folder: str, *, but: Iterable[str]) -> Iterator[None]:
    """While entered, this process sees nothing mounted at *folder* or below, except for *but* and what is in those.

    *but* are files or folders in it, mount points or not. Afterwards all is seen again. The working folder and the
    root are the same all the time. Only for a process of one thread. OSError: the kernel refuses, or *folder* is no
    mount; then nothing has changed.
    """
    home = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    root = os.open("/", os.O_PATH | os.O_CLOEXEC)
    here = os.getcwd()
    try:
        _checked(_libc.unshare(_CLONE_NEWNS))
        try:
            _hide(folder, but)
            os.chdir(here)  # the folder of that name in the new view
            yield
        finally:
            _checked(_libc.setns(home, _CLONE_NEWNS))
            os.fchdir(root)
            os.chroot(".")  # entering a mount namespace leads to its own root
            os.chdir(here)
    finally:
        os.close(home)
        os.close(root)


def _hide(folder: str, but: Iterable[str]) -> None:
    # What is unmounted here must not go away elsewhere.
    _checked(_libc.mount(b"none", b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None))
    trees: list[tuple[int, str]] = []
    try:
        for path in but:
            trees.append((_tree(path), path))  # noqa: PERF401 - those opened so far are closed when one fails
        _checked(_libc.umount2(os.fsencode(folder), _MNT_DETACH))
        for tree, path in trees:
            _attach(tree, path)
    finally:
        for tree, _path in trees:
            with suppress(OSError):
                os.close(tree)


def _tree(path: str) -> int:
    """Return a descriptor of a copy of what is mounted at *path* and below."""
    flags = _OPEN_TREE_CLONE | _OPEN_TREE_CLOEXEC | _AT_RECURSIVE
    return _checked(
        _libc.syscall(
            ctypes.c_long(_NR_OPEN_TREE),
            ctypes.c_int(_AT_FDCWD),
            ctypes.c_char_p(os.fsencode(path)),
            ctypes.c_uint(flags),
        )
    )


def _attach(tree: int, path: str) -> None:
    _checked(
        _libc.syscall(
            ctypes.c_long(_NR_MOVE_MOUNT),
            ctypes.c_int(tree),
            ctypes.c_char_p(b""),
            ctypes.c_int(_AT_FDCWD),
            ctypes.c_char_p(os.fsencode(path)),
            ctypes.c_uint(_MOVE_MOUNT_F_EMPTY_PATH),
        )
    )


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
