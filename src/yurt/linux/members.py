"""Who belongs to a container: by its cgroup, or where it has none, by the namespace of its processes' numbers."""

import contextlib
import os
from pathlib import Path

from yurt.linux import cgroup

_OURS = "/proc/self/ns/pid"


def of(container_id: str, pid: int, *, parent: str = "") -> tuple[int, ...]:
    """Return the processes of a running container, numbers of the host. *pid* is its first one, *parent* as in --cgroup-parent."""
    if cgroup.is_usable():
        return cgroup.Cgroup(container_id, parent=parent).pids()
    with contextlib.suppress(OSError):
        namespace = os.readlink(f"/proc/{pid}/ns/pid")
        if namespace != os.readlink(_OURS):
            return tuple(sorted(_in_namespace(namespace)))
    return tuple(sorted(_descendants(pid)))


def _in_namespace(namespace: str) -> set[int]:
    found = set()
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError):  # it ended, or is another user's
            if name.isdecimal() and os.readlink(f"/proc/{name}/ns/pid") == namespace:
                found.add(int(name))
    return found


def _descendants(pid: int) -> set[int]:
    """Return *pid* and its children, and theirs; of a container without a namespace there is no other tie."""
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        one = waiting.pop()
        if one in found:
            continue
        with contextlib.suppress(OSError):
            children = Path(f"/proc/{one}/task/{one}/children").read_text().split()
            found.add(one)
            waiting += map(int, children)
    return found
