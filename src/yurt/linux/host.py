"""What this host allows: facts asked once, by which the engine adapts what it asks of the kernel."""

import os
import resource
from functools import cache
from pathlib import Path

from yurt.linux import cgroup, syscall

# Numbers of setrlimit(2) by Docker's names for --ulimit.
LIMITS = {
    "as": resource.RLIMIT_AS,
    "core": resource.RLIMIT_CORE,
    "cpu": resource.RLIMIT_CPU,
    "data": resource.RLIMIT_DATA,
    "fsize": resource.RLIMIT_FSIZE,
    "locks": 10,  # RLIMIT_LOCKS: no effect since Linux 2.4.25, and Python does not name it
    "memlock": resource.RLIMIT_MEMLOCK,
    "msgqueue": resource.RLIMIT_MSGQUEUE,
    "nice": resource.RLIMIT_NICE,
    "nofile": resource.RLIMIT_NOFILE,
    "nproc": resource.RLIMIT_NPROC,
    "rss": resource.RLIMIT_RSS,
    "rtprio": resource.RLIMIT_RTPRIO,
    "rttime": resource.RLIMIT_RTTIME,
    "sigpending": resource.RLIMIT_SIGPENDING,
    "stack": resource.RLIMIT_STACK,
}
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
INFINITY = 2**64 - 1  # what a runtime specification says for "no limit"


@cache
def boot_id() -> str:
    """Return what names this boot of the machine: another one after each restart."""
    return _BOOT_ID.read_text(encoding="ascii").strip()


@cache
def bounding_capabilities(known: tuple[str, ...]) -> frozenset[str]:
    """Return which of *known* (in the order of their numbers) a process started here can have at all."""
    found = set()
    for number, name in enumerate(known):
        try:
            if syscall.prctl(syscall.PR_CAPBSET_READ, number) == 1:
                found.add(name)
        except OSError:  # EINVAL: this kernel does not know so high a number
            continue
    return frozenset(found)


def highest_limit(name: str) -> int:
    """Return the hard limit that a process without CAP_SYS_RESOURCE cannot pass."""
    _soft, hard = resource.getrlimit(LIMITS[name])
    return INFINITY if hard == resource.RLIM_INFINITY else hard


@cache
def controllers() -> frozenset[str]:
    """Return the cgroup controllers that containers' limits can use."""
    if not cgroup.is_usable():
        return frozenset()
    if cgroup.mode() is cgroup.Mode.V2:
        return frozenset((cgroup.MOUNT / "cgroup.controllers").read_text().split())
    return frozenset(name for folder in cgroup.MOUNT.iterdir() for name in folder.name.split(","))


@cache
def limits_swap() -> bool:
    """Return whether swap can be limited together with memory."""
    if not cgroup.is_usable():
        return False
    if cgroup.mode() is cgroup.Mode.V2:
        return "memory" in controllers()
    return (cgroup.MOUNT / "memory" / "memory.memsw.limit_in_bytes").exists()


@cache
def weighs_block_io() -> bool:
    """Return whether containers' block I/O can be weighed against each other."""
    if not cgroup.is_usable():
        return False
    if cgroup.mode() is cgroup.Mode.V2:
        return "io" in controllers()
    folder = cgroup.MOUNT / "blkio"
    return (folder / "blkio.weight").exists() or (folder / "blkio.bfq.weight").exists()


@cache
def weighs_block_devices() -> bool:
    """Return whether they can be weighed on single devices, too."""
    if not cgroup.is_usable():
        return False
    if cgroup.mode() is cgroup.Mode.V2:
        return "io" in controllers()
    return (cgroup.MOUNT / "blkio" / "blkio.weight_device").exists()


@cache
def schedules_realtime() -> bool:
    """Return whether groups of processes have their own share of real-time scheduling (never with cgroup v2)."""
    return (
        cgroup.is_usable()
        and cgroup.mode() is not cgroup.Mode.V2
        and (cgroup.MOUNT / "cpu" / "cpu.rt_period_us").exists()
    )


def oom_score_adj() -> int:
    """Return this process's own."""
    return int(Path("/proc/self/oom_score_adj").read_text())


@cache
def protects_mounts_below() -> bool:
    """Return whether a mount and all below it can be made read-only at once (mount_setattr, Linux 5.12)."""
    major, minor = os.uname().release.split(".")[:2]
    return (int(major), int(minor.partition("-")[0])) >= (5, 12)


def device_nodes(path: Path) -> tuple[Path, ...]:
    """Return *path* if it is a device node, else those in the folder *path* and below, without the kernel's own places."""
    if not path.is_dir():
        return (path,)
    skipped = {"pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev"}
    found = []
    for folder, folders, files in os.walk(path):
        folders[:] = [name for name in folders if name not in skipped]
        found += [
            node
            for name in files
            if name not in {"console", "ptmx"}
            if not (node := Path(folder) / name).is_symlink()
            and (node.is_char_device() or node.is_block_device())
        ]
    return tuple(sorted(found))
