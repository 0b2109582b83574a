"""Network namespaces: made, kept by a mount, entered by a throw-away thread.

A network namespace belongs to a thread, so a thread that unshares or enters one is never used again:
it opens what is needed inside (sockets stay in the namespace they were opened in), and ends.
"""

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from yurt.linux.syscall import CLONE_NEWNET, MNT_DETACH, MS_BIND, mount, setns, umount2, unshare

T = TypeVar("T")


def run_in_new_network(work: Callable[[], T]) -> tuple[int, T]:
    """Make a network namespace, call *work* inside it, and return (its file descriptor, what *work* returned).

    The namespace lives as long as that descriptor, a mount of it, a socket or a process inside.
    """

    def inside() -> tuple[int, T]:
        unshare(CLONE_NEWNET)
        descriptor = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            return descriptor, work()
        except BaseException:
            os.close(descriptor)
            raise

    return _in_thread(inside)


def run_in_network(descriptor: int, work: Callable[[], T]) -> T:
    """Call *work* inside the network namespace of *descriptor* and return what it returned."""

    def inside() -> T:
        setns(descriptor, CLONE_NEWNET)
        return work()

    return _in_thread(inside)


def keep(descriptor: int, path: Path) -> None:
    """Mount the namespace at *path*, so that it can be joined by that name and outlives this process."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o444))
    mount(f"/proc/self/fd/{descriptor}", path, flags=MS_BIND)


def forget(path: Path) -> None:
    """Undo `keep`: afterwards nothing is at *path*. The namespace ends with its last process."""
    try:
        umount2(path, MNT_DETACH)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOENT}:  # not a mount; not there
            raise
    path.unlink(missing_ok=True)


def _in_thread(work: Callable[[], T]) -> T:
    outcome: list[T] = []
    failure: list[BaseException] = []

    def body() -> None:
        try:
            outcome.append(work())
        except BaseException as error:  # handed to the caller, below
            failure.append(error)

    thread = threading.Thread(target=body, name="yurt-netns", daemon=True)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]
