"""RuntimeSpec: the config.json of a bundle (OCI runtime specification, config.md and config-linux.md).

Pure: everything that must be looked up (user ids, paths, limits of this host) is a field of `SpecRequest`;
`runtime_spec` only writes it down the way Docker does.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from yurt.oci import seccomp

VERSION: Final = "1.0.2"

MASKED_PATHS: Final = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
)
_BLOCK_LISTS: Final = {
    "weight": "weightDevice",
    "read_bps": "throttleReadBpsDevice",
    "write_bps": "throttleWriteBpsDevice",
    "read_iops": "throttleReadIOPSDevice",
    "write_iops": "throttleWriteIOPSDevice",
}
READONLY_PATHS: Final = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


@dataclass(frozen=True, slots=True)
class SpecMount:
    """One entry of ``mounts``."""

    target: str
    kind: str
    source: str
    options: tuple[str, ...] = ()

    def to_document(self) -> dict[str, Any]:
        return {
            "destination": self.target,
            "type": self.kind,
            "source": self.source,
            "options": list(self.options),
        }


@dataclass(frozen=True, slots=True)
class SpecDevice:
    """A device node to make in the container; *kind* is c or b, *access* the letters of the device cgroup."""

    path: str
    kind: str
    major: int
    minor: int
    mode: int = 0o666
    uid: int = 0
    gid: int = 0
    access: str = "rwm"


@dataclass(frozen=True, slots=True)
class SpecHook:
    """A program of the host that the runtime runs at a moment of the container's life: *name* is createContainer, …"""

    name: str
    path: str
    args: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    timeout: int | None = None  # seconds

    def to_document(self) -> dict[str, Any]:
        given = {"path": self.path, "args": list(self.args), "env": list(self.env), "timeout": self.timeout}
        return {key: value for key, value in given.items() if value}


@dataclass(frozen=True, slots=True)
class SpecDeviceRule:
    """Devices that may be made and opened, without a node for them; *kind* is a, b or c, None any number."""

    kind: str
    major: int | None
    minor: int | None
    access: str


@dataclass(frozen=True, slots=True)
class SpecBlockDevice:
    """A limit on one block device. *kind* is weight, read_bps, write_bps, read_iops or write_iops."""

    kind: str
    major: int
    minor: int
    value: int


@dataclass(frozen=True, slots=True)
class SpecResources:
    """Limits, None: none. Memory in bytes; *cpu_quota* and *cpu_period* in microseconds."""

    memory: int | None = None
    memory_swap: int | None = None
    memory_reservation: int | None = None
    memory_swappiness: int | None = None
    oom_kill_disable: bool = False
    cpu_shares: int | None = None
    cpu_quota: int | None = None
    cpu_period: int | None = None
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    realtime_period: int | None = None  # microseconds
    realtime_runtime: int | None = None
    pids: int | None = None  # -1: no limit, also where there was one
    blkio_weight: int | None = None
    block_devices: tuple[SpecBlockDevice, ...] = ()


@dataclass(frozen=True, slots=True)
class SpecProcess:
    """A process: the container's first one, or an exec's."""

    args: tuple[str, ...]
    env: tuple[str, ...]
    cwd: str = "/"
    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    tty: bool = False
    capabilities: tuple[str, ...] = ()
    no_new_privileges: bool = False
    rlimits: tuple[tuple[str, int, int], ...] = ()  # "RLIMIT_NOFILE", soft, hard
    oom_score_adj: int | None = None
    apparmor_profile: str = ""
    console_size: tuple[int, int] | None = None  # height, width

    def to_document(self) -> dict[str, Any]:
        """Return the ``process`` object; root keeps its capabilities, others get them only as a bound."""
        caps = list(self.capabilities)
        effective = caps if self.uid == 0 else []
        document: dict[str, Any] = {
            "terminal": self.tty,
            "user": {"uid": self.uid, "gid": self.gid, "additionalGids": list(self.groups)},
            "args": list(self.args),
            "env": list(self.env),
            "cwd": self.cwd,
            # No inheritable set: it would survive an exec of a file without capabilities (CVE-2022-24769).
            "capabilities": {"bounding": caps, "effective": effective, "permitted": effective},
            "noNewPrivileges": self.no_new_privileges,
        }
        if self.rlimits:
            document["rlimits"] = [
                {"type": kind, "soft": soft, "hard": hard} for kind, soft, hard in self.rlimits
            ]
        if self.oom_score_adj is not None:
            document["oomScoreAdj"] = self.oom_score_adj
        if self.apparmor_profile:
            document["apparmorProfile"] = self.apparmor_profile
        if self.tty and self.console_size:
            document["consoleSize"] = {"height": self.console_size[0], "width": self.console_size[1]}
        return document


@dataclass(frozen=True, slots=True)
class SpecRequest:
    """All that a container's configuration is made from.

    *namespaces* maps a kind (pid, network, ipc, uts, mount, cgroup) to the path of an existing one, or to ""
    for a new one; a kind left out is shared with the host.
    """

    process: SpecProcess
    rootfs: str
    cgroups_path: str  # "": it has no groups of its own, and so neither limits nor rules for devices
    hostname: str = ""
    domainname: str = ""
    read_only: bool = False
    namespaces: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[SpecMount, ...] = ()
    shm_size: int | None = 64 * 1024 * 1024  # None: /dev/shm is among the mounts, or the host's
    cgroup_mount: bool = True
    terminal_group: int | None = 5  # who the terminals belong to: Debian's tty; None: who makes them
    devices: tuple[SpecDevice, ...] = ()
    device_rules: tuple[SpecDeviceRule, ...] = ()
    all_devices: bool = False
    resources: SpecResources = SpecResources()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    masked_paths: tuple[str, ...] = MASKED_PATHS
    readonly_paths: tuple[str, ...] = READONLY_PATHS
    privileged: bool = False
    writable_cgroups: bool = False
    seccomp: Mapping[str, Any] | None = None  # None: the default profile; empty: unconfined
    narrow_programs: bool = True  # the default profile also covers 32-bit programs
    propagation: str = ""  # of the root mount
    annotations: Mapping[str, str] = field(default_factory=dict)
    hooks: tuple[SpecHook, ...] = ()


def runtime_spec(request: SpecRequest) -> dict[str, Any]:
    """Return the configuration document. Parts of it are shared between calls: encode it, do not change it."""
    spec: dict[str, Any] = {
        "ociVersion": VERSION,
        "process": request.process.to_document(),
        "root": {"path": request.rootfs, "readonly": request.read_only},
        "mounts": _mounts(request),
        "linux": _linux(request),
    }
    if "uts" in request.namespaces:
        if request.hostname:
            spec["hostname"] = request.hostname
        if request.domainname:
            spec["linux"]["sysctl"]["kernel.domainname"] = request.domainname
    if request.annotations:
        spec["annotations"] = dict(request.annotations)
    for hook in request.hooks:
        spec.setdefault("hooks", {}).setdefault(hook.name, []).append(hook.to_document())
    return spec


def _mounts(request: SpecRequest) -> list[dict[str, Any]]:
    """Return Docker's standard mounts, and the container's own after them, outer before inner."""
    guarded = ("nosuid", "noexec", "nodev")
    access = "rw" if request.privileged else "ro"
    groups = "rw" if request.writable_cgroups else access
    standard = [
        SpecMount("/proc", "proc", "proc", guarded),
        SpecMount("/dev", "tmpfs", "tmpfs", ("nosuid", "strictatime", "mode=755", "size=65536k")),
        SpecMount(
            "/dev/pts",
            "devpts",
            "devpts",
            (
                *("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"),
                *(() if request.terminal_group is None else (f"gid={request.terminal_group}",)),
            ),
        ),
        SpecMount("/sys", "sysfs", "sysfs", (*guarded, access)),
        SpecMount("/dev/mqueue", "mqueue", "mqueue", guarded),
    ]
    if request.cgroup_mount:
        standard.insert(4, SpecMount("/sys/fs/cgroup", "cgroup", "cgroup", (groups, *guarded)))
    if request.shm_size is not None:
        standard.append(
            SpecMount("/dev/shm", "tmpfs", "shm", (*guarded, "mode=1777", f"size={request.shm_size}"))  # noqa: S108
        )
    replaced = {mount.target for mount in request.mounts}
    own = sorted(request.mounts, key=lambda mount: mount.target.count("/") if mount.target != "/" else 0)
    kept = [mount for mount in standard if mount.target not in replaced]
    return [mount.to_document() for mount in (*kept, *own)]


def _linux(request: SpecRequest) -> dict[str, Any]:
    linux: dict[str, Any] = {
        "namespaces": [
            {"type": kind, "path": path} if path else {"type": kind}
            for kind, path in request.namespaces.items()
        ],
        "sysctl": dict(request.sysctls),
    }
    if request.cgroups_path:
        linux["cgroupsPath"] = request.cgroups_path
        linux["resources"] = _resources(request)
    if request.propagation:
        linux["rootfsPropagation"] = request.propagation
    if request.devices:
        linux["devices"] = [
            {
                "path": device.path,
                "type": device.kind,
                "major": device.major,
                "minor": device.minor,
                "fileMode": device.mode,
                "uid": device.uid,
                "gid": device.gid,
            }
            for device in request.devices
        ]
    if not request.privileged:
        linux["maskedPaths"] = list(request.masked_paths)
        linux["readonlyPaths"] = list(request.readonly_paths)
        if request.seccomp is None:
            linux["seccomp"] = seccomp.default_profile(
                frozenset(request.process.capabilities), narrow=request.narrow_programs
            )
        elif request.seccomp:
            linux["seccomp"] = dict(request.seccomp)
    return linux


def _resources(request: SpecRequest) -> dict[str, Any]:
    if request.all_devices:
        rules: list[dict[str, Any]] = [{"allow": True, "access": "rwm"}]
    else:
        rules = [{"allow": False, "access": "rwm"}]
        rules += [
            {
                "allow": True,
                "type": device.kind,
                "major": device.major,
                "minor": device.minor,
                "access": device.access,
            }
            for device in request.devices
        ]
        rules += [
            {
                "allow": True,
                "type": rule.kind,
                **({} if rule.major is None else {"major": rule.major}),
                **({} if rule.minor is None else {"minor": rule.minor}),
                "access": rule.access,
            }
            for rule in request.device_rules
        ]
    limits = limits_document(request.resources)
    if limits.get("pids") == {"limit": -1}:
        del limits["pids"]  # a new group has no such limit that could be taken away, and crun fails with it
    return {"devices": rules, **limits}


def limits_document(limits: SpecResources) -> dict[str, Any]:
    """Return ``linux.resources`` but for the devices."""
    resources: dict[str, Any] = {}
    memory = {
        "limit": limits.memory,
        "swap": limits.memory_swap,
        "reservation": limits.memory_reservation,
        "swappiness": limits.memory_swappiness,
        "disableOOMKiller": limits.oom_kill_disable or None,
    }
    cpu = {
        "shares": limits.cpu_shares,
        "quota": limits.cpu_quota,
        "period": limits.cpu_period,
        "cpus": limits.cpuset_cpus or None,
        "mems": limits.cpuset_mems or None,
        "realtimePeriod": limits.realtime_period,
        "realtimeRuntime": limits.realtime_runtime,
    }
    for name, values in (("memory", memory), ("cpu", cpu)):
        if given := {key: value for key, value in values.items() if value is not None}:
            resources[name] = given
    if limits.pids:
        resources["pids"] = {"limit": limits.pids}
    block: dict[str, Any] = {"weight": limits.blkio_weight} if limits.blkio_weight else {}
    for device in limits.block_devices:
        entry = {"major": device.major, "minor": device.minor}
        entry["weight" if device.kind == "weight" else "rate"] = device.value
        block.setdefault(_BLOCK_LISTS[device.kind], []).append(entry)
    if block:
        resources["blockIO"] = block
    return resources
