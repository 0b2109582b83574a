"""Control groups of containers, v1, v2 and both at once (hybrid): freeze, list and measure.

The OCI runtime makes them (``/yurt/<container id>``) and the shim removes them; here they are only used.
"""

import contextlib
import os
import posixpath
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path

from yurt.linux import isolation

MOUNT = Path("/sys/fs/cgroup")
PARENT = "yurt"
_USER_HZ = 100
_UNLIMITED = 1 << 62  # v1 says "no limit" with a number close to 2**63


class Mode(StrEnum):
    """How this host mounts cgroups."""

    V1 = "v1"
    V2 = "v2"
    HYBRID = "hybrid"  # v1 controllers, and an empty v2 tree beside them


@dataclass(frozen=True, slots=True)
class BlockCounter:
    """Bytes moved to or from one block device. *operation* is read or write."""

    major: int
    minor: int
    operation: str
    value: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What a group uses. Times are nanoseconds, sizes bytes; a limit of 0: none. *memory_stat* in the kernel's words."""

    cpu_total: int = 0
    cpu_user: int = 0
    cpu_system: int = 0
    cpu_per_core: tuple[int, ...] = ()
    throttled_periods: int = 0
    periods: int = 0
    throttled_time: int = 0
    memory: int = 0
    memory_peak: int = 0
    memory_limit: int = 0
    memory_stat: dict[str, int] = field(default_factory=dict)
    pids: int = 0
    pids_limit: int = 0
    block_bytes: tuple[BlockCounter, ...] = ()
    block_operations: tuple[BlockCounter, ...] = ()


@cache
def mode(mount: Path = MOUNT) -> Mode:
    """Return how cgroups are mounted here."""
    if (mount / "cgroup.controllers").exists():
        return Mode.V2
    if (mount / "unified" / "cgroup.controllers").exists():
        return Mode.HYBRID
    return Mode.V1


def is_split(mount: Path = MOUNT) -> bool:
    """Return whether controllers are in both trees: some mounted as v1, others left to the v2 tree beside them."""
    unified = mount / "unified" / "cgroup.controllers"
    return mode(mount) is Mode.HYBRID and bool(unified.read_text().strip())


def is_usable() -> bool:
    """Return whether containers can have groups of their own; a user's engine has none to make them in."""
    return not isolation.is_rootless()


def parent_of(asked: str) -> str:
    """Return the group that holds a container's: ``/yurt``, or what --cgroup-parent says, as a clean path."""
    return posixpath.normpath(f"/{asked.lstrip('/')}") if asked.strip("/") else f"/{PARENT}"


class Cgroup:
    """The group of one container; *parent* as in --cgroup-parent."""

    def __init__(self, container_id: str, *, parent: str = "", mount: Path = MOUNT) -> None:
        self._mount = mount
        self._name = f"{parent_of(parent)[1:]}/{container_id}"
        self._unified = mode(mount) is Mode.V2

    def _folder(self, controller: str) -> Path:
        return self._mount / self._name if self._unified else self._mount / controller / self._name

    def folders(self) -> tuple[Path, ...]:
        """Return the group's folders that are there: one on v2, one for each controller on v1."""
        if self._unified:
            candidates = [self._mount / self._name]
        else:
            candidates = [controller / self._name for controller in self._mount.iterdir()]
        return tuple(folder for folder in candidates if folder.is_dir())

    @property
    def exists(self) -> bool:
        return bool(self.folders())

    def pids(self) -> tuple[int, ...]:
        """Return the processes in the group, in groups below it too; numbers of the host. Empty when there is no group."""
        found: set[int] = set()
        root = self._folder("pids")
        if not root.is_dir():
            root = self._folder("memory")
        for folder, _folders, _files in os.walk(root):
            with contextlib.suppress(OSError):
                found.update(map(int, (Path(folder) / "cgroup.procs").read_text().split()))
        return tuple(sorted(found))

    def freeze(self) -> None:
        """Stop every process in the group where it is. Raises OSError when this host has no freezer."""
        self._set_frozen("1" if self._unified else "FROZEN")

    def thaw(self) -> None:
        """Let the processes go on; no error when they were not frozen."""
        self._set_frozen("0" if self._unified else "THAWED")

    @property
    def is_frozen(self) -> bool:
        """Whether its processes were told to stay where they are; False when there is no such group."""
        file = "cgroup.freeze" if self._unified else "freezer.self_freezing"
        with contextlib.suppress(OSError):
            return (self._folder("freezer") / file).read_text().strip() == "1"
        return False

    def _set_frozen(self, value: str) -> None:
        file = "cgroup.freeze" if self._unified else "freezer.state"
        (self._folder("freezer") / file).write_text(value)

    def lift_pids_limit(self) -> None:
        """Let the group have any number of processes."""
        (self._folder("pids") / "pids.max").write_text("max")

    def usage(self) -> Usage:
        """Return what the group uses now; zeros for what this host does not count."""
        return self._usage_v2() if self._unified else self._usage_v1()

    def _usage_v2(self) -> Usage:
        folder = self._folder("")
        cpu = _pairs(folder / "cpu.stat")
        read_write: list[BlockCounter] = []
        operations: list[BlockCounter] = []
        for line in _lines(folder / "io.stat"):
            device, *entries = line.split()
            major, _colon, minor = device.partition(":")
            numbers = dict(entry.split("=", 1) for entry in entries if "=" in entry)
            for key, operation, into in (
                ("rbytes", "read", read_write),
                ("wbytes", "write", read_write),
                ("rios", "read", operations),
                ("wios", "write", operations),
            ):
                into.append(BlockCounter(int(major), int(minor), operation, int(numbers.get(key, 0))))
        return Usage(
            cpu_total=cpu.get("usage_usec", 0) * 1000,
            cpu_user=cpu.get("user_usec", 0) * 1000,
            cpu_system=cpu.get("system_usec", 0) * 1000,
            periods=cpu.get("nr_periods", 0),
            throttled_periods=cpu.get("nr_throttled", 0),
            throttled_time=cpu.get("throttled_usec", 0) * 1000,
            memory=_number(folder / "memory.current"),
            memory_peak=_number(folder / "memory.peak"),
            memory_limit=_number(folder / "memory.max"),
            memory_stat=_pairs(folder / "memory.stat"),
            pids=_number(folder / "pids.current"),
            pids_limit=_number(folder / "pids.max"),
            block_bytes=tuple(read_write),
            block_operations=tuple(operations),
        )

    def _usage_v1(self) -> Usage:
        cpu, memory, pids = self._folder("cpuacct"), self._folder("memory"), self._folder("pids")
        split = _pairs(cpu / "cpuacct.stat")  # in ticks
        throttled = _pairs(self._folder("cpu") / "cpu.stat")
        tick = 1_000_000_000 // _USER_HZ
        limit = _number(memory / "memory.limit_in_bytes")
        blkio = self._folder("blkio")
        return Usage(
            cpu_total=_number(cpu / "cpuacct.usage"),
            cpu_user=split.get("user", 0) * tick,
            cpu_system=split.get("system", 0) * tick,
            cpu_per_core=tuple(
                int(word) for line in _lines(cpu / "cpuacct.usage_percpu") for word in line.split()
            ),
            periods=throttled.get("nr_periods", 0),
            throttled_periods=throttled.get("nr_throttled", 0),
            throttled_time=throttled.get("throttled_time", 0),
            memory=_number(memory / "memory.usage_in_bytes"),
            memory_peak=_number(memory / "memory.max_usage_in_bytes"),
            memory_limit=0 if limit >= _UNLIMITED else limit,
            memory_stat=_pairs(memory / "memory.stat"),
            pids=_number(pids / "pids.current"),
            pids_limit=_number(pids / "pids.max"),
            block_bytes=_block_v1(blkio / "blkio.throttle.io_service_bytes_recursive"),
            block_operations=_block_v1(blkio / "blkio.throttle.io_serviced_recursive"),
        )


def system_cpu_time() -> tuple[int, int]:
    """Return the nanoseconds that all processors of this host have spent, and how many processors are online."""
    cores = 0
    total = 0
    for line in _lines(Path("/proc/stat")):
        if line.startswith("cpu "):
            # user, nice, system, idle, iowait, irq, softirq, steal; guest time is in user already (proc(5)).
            total = sum(map(int, line.split()[1:9])) * (1_000_000_000 // _USER_HZ)
        elif line.startswith("cpu"):
            cores += 1
    return total, cores


def host_memory() -> int:
    """Return the bytes of memory of this host."""
    for line in _lines(Path("/proc/meminfo")):
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return 0


def _block_v1(path: Path) -> tuple[BlockCounter, ...]:
    found = []
    for line in _lines(path):
        words = line.split()
        if len(words) == 3 and words[1] in {"Read", "Write"}:
            major, _colon, minor = words[0].partition(":")
            found.append(BlockCounter(int(major), int(minor), words[1].lower(), int(words[2])))
    return tuple(found)


def _lines(path: Path) -> list[str]:
    """Return the lines of a kernel file; none when the host does not have it."""
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def _number(path: Path) -> int:
    """Return the number in a kernel file; 0 when it is missing or says ``max``."""
    lines = _lines(path)
    return int(lines[0]) if lines and lines[0].strip().isdecimal() else 0


def _pairs(path: Path) -> dict[str, int]:
    pairs = {}
    for line in _lines(path):
        key, _space, value = line.partition(" ")
        if value.strip().isdecimal():
            pairs[key] = int(value)
    return pairs
