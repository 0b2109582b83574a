"""Values of containers: what was asked (ContainerConfig, HostConfig), and what is (State, Container)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from yurt.engine.networks.model import Endpoint, EndpointRequest, PortBinding
from yurt.linux.overlay import OverlayMount


class Status(StrEnum):
    """The word in `docker ps`."""

    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    RESTARTING = "restarting"
    REMOVING = "removing"
    EXITED = "exited"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Healthcheck:
    """How a container's health is asked. *test* is Docker's list: NONE | CMD args… | CMD-SHELL text; seconds elsewhere."""

    test: tuple[str, ...]
    interval: float = 30.0
    timeout: float = 30.0
    retries: int = 3
    start_period: float = 0.0
    start_interval: float = 5.0


@dataclass(frozen=True, slots=True)
class HealthResult:
    """One answer of a health check."""

    start_ns: int
    end_ns: int
    exit_code: int
    output: str


@dataclass(frozen=True, slots=True)
class Health:
    """*status* is starting, healthy or unhealthy; *log* holds the last five results."""

    status: str = "starting"
    failing_streak: int = 0
    log: tuple[HealthResult, ...] = ()


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """*name* is no, on-failure, always or unless-stopped; *maximum* counts only for on-failure, 0: without end."""

    name: str = "no"
    maximum: int = 0


@dataclass(frozen=True, slots=True)
class MountRequest:
    """One thing to mount. *kind* is bind, volume, image or tmpfs.

    *source*: host path (bind), volume name (volume; empty: anonymous), reference (image), empty (tmpfs).
    """

    kind: str
    target: str
    source: str = ""
    read_only: bool = False
    propagation: str = "rprivate"
    no_copy: bool = False  # volume: do not take the image's content
    create_source: bool = False  # bind: make a missing host folder (the -v form)
    alone: bool = False  # bind: without what is mounted below the source
    writable_below: bool = False  # bind: read-only, but what is mounted below may be written
    read_only_below: bool = False  # bind: refuse to start where what is mounted below would stay writable
    tmpfs_size: int | None = None  # bytes
    tmpfs_mode: int | None = None
    tmpfs_options: str = ""
    as_object: bool = False  # a tmpfs that was asked as an object, and is shown as one
    driver: str = "local"
    labels: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    subpath: str = ""


@dataclass(frozen=True, slots=True)
class DeviceRequest:
    """Devices asked for by what they are, not by their files. *driver* ``cdi``: *ids* are full names of CDI."""

    driver: str = ""
    count: int = 0  # -1: all
    ids: tuple[str, ...] = ()
    capabilities: tuple[tuple[str, ...], ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeviceLimit:
    """A limit of block I/O on one device. *kind* is weight, read_bps, write_bps, read_iops or write_iops."""

    kind: str
    path: str  # the device's on the host
    value: int


@dataclass(frozen=True, slots=True)
class Resources:
    """Limits; None or 0 means: none. Bytes, nanocpus and counts as in Docker's HostConfig."""

    memory: int = 0
    memory_swap: int = 0
    memory_reservation: int = 0
    memory_swappiness: int | None = None  # 0 is a wish, too
    nano_cpus: int = 0
    cpu_shares: int = 0
    cpu_period: int = 0
    cpu_quota: int = 0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    realtime_period: int = 0  # microseconds
    realtime_runtime: int = 0  # microseconds of each period
    pids_limit: int = 0  # -1: none, also where there was one
    blkio_weight: int = 0
    blkio_devices: tuple[DeviceLimit, ...] = ()
    oom_kill_disable: bool = False
    ulimits: tuple[tuple[str, int, int], ...] = ()  # name, soft, hard
    devices: tuple[tuple[str, str, str], ...] = ()  # host path, container path, permissions
    device_rules: tuple[str, ...] = ()  # "c 10:* rwm": devices that may be made and opened
    device_requests: tuple[DeviceRequest, ...] = ()


@dataclass(frozen=True, slots=True)
class ContainerConfig:
    """What runs: the portable half, defaults from the image already merged in."""

    image: str  # as the user named it
    hostname: str = ""
    domainname: str = ""
    user: str = ""
    env: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    working_dir: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    exposed_ports: tuple[str, ...] = ()  # "8000/tcp"
    volumes: tuple[str, ...] = ()  # targets that the image declares
    tty: bool = False
    open_stdin: bool = False
    stdin_once: bool = False
    attach_stdin: bool = False
    attach_stdout: bool = False
    attach_stderr: bool = False
    stop_signal: str = ""
    stop_timeout: int | None = None
    healthcheck: Healthcheck | None = None
    shell: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HostConfig:
    """What runs: the half that belongs to this host."""

    mounts: tuple[MountRequest, ...] = ()
    binds: tuple[str, ...] = ()  # as asked with -v, kept for inspect
    network_mode: str = "bridge"
    ports: tuple[PortBinding, ...] = ()
    publish_all: bool = False
    restart: RestartPolicy = RestartPolicy()
    auto_remove: bool = False
    resources: Resources = Resources()
    privileged: bool = False
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    security_opt: tuple[str, ...] = ()
    read_only: bool = False
    shm_size: int = 64 * 1024 * 1024
    init: bool = False
    group_add: tuple[str, ...] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    extra_hosts: tuple[str, ...] = ()
    ipc_mode: str = ""
    pid_mode: str = ""
    uts_mode: str = ""
    userns_mode: str = ""
    cgroupns_mode: str = ""
    cgroup_parent: str = ""  # empty: the engine's own
    links: tuple[str, ...] = ()  # "name:alias"
    volumes_from: tuple[str, ...] = ()
    log_driver: str = "json-file"
    log_options: Mapping[str, str] = field(default_factory=dict)
    oom_score_adj: int = 0
    runtime: str = ""
    masked_paths: tuple[str, ...] | None = None
    readonly_paths: tuple[str, ...] | None = None
    container_id_file: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)  # for the runtime's hooks
    console_size: tuple[int, int] = (0, 0)  # of the terminal at first, height first; 0: not said


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """All that `ContainerService.create` is told. Config fields left empty are taken from the image."""

    name: str | None
    config: ContainerConfig
    host: HostConfig = HostConfig()
    endpoints: tuple[EndpointRequest, ...] = ()
    platform: str = ""  # that the image must be for: "linux/arm64"
    hidden: bool = False  # a build step: not listed, removed when the engine restarts
    secret_env: tuple[str, ...] = ()  # further variables, stored nowhere: they go with this process


@dataclass(frozen=True, slots=True)
class State:
    """Where a container is in its life. Times are nanoseconds since the epoch, 0: never."""

    status: Status = Status.CREATED
    pid: int = 0
    exit_code: int = 0
    error: str = ""
    oom_killed: bool = False
    started_ns: int = 0
    finished_ns: int = 0
    health: Health | None = None
    restart_count: int = 0
    stopped_by_user: bool = False


@dataclass(frozen=True, slots=True)
class MountPoint:
    """A mount as it is: what `inspect` shows under Mounts.

    *name*: the volume's, or the image's as it was asked for. *driver* for volumes only, *image_id* for images.
    """

    kind: str
    source: str
    target: str
    read_only: bool
    name: str = ""
    driver: str = ""
    propagation: str = ""
    options: str = ""  # data of a tmpfs mount
    image_id: str = ""
    subpath: str = ""  # of the volume or image at *source*
    alone: bool = False  # as in MountRequest
    writable_below: bool = False
    read_only_below: bool = False


@dataclass(frozen=True, slots=True)
class Container:
    """A container. Change it by `dataclasses.replace`; only the service stores it."""

    id: str
    name: str  # without the leading slash
    created_ns: int
    image_id: str  # "sha256:…"
    config: ContainerConfig
    host: HostConfig
    endpoints: tuple[EndpointRequest, ...]
    path: str  # the executable, entrypoint and command joined
    args: tuple[str, ...]
    state: State = State()
    mounts: tuple[MountPoint, ...] = ()
    networks: tuple[Endpoint, ...] = ()  # while it runs
    ports: tuple[PortBinding, ...] = ()  # while it runs, host ports resolved
    apparmor_profile: str = ""  # of its last run; empty where the host has no AppArmor
    hidden: bool = False

    @property
    def is_brief(self) -> bool:
        """Whether it is thrown away when it ends, as it would by a restart of the machine."""
        return self.host.auto_remove or self.hidden

    @property
    def image_ids(self) -> tuple[str, ...]:
        """The images that it needs: the one it is made from, and those mounted in it."""
        return (self.image_id, *(point.image_id for point in self.mounts if point.image_id))


@dataclass(frozen=True, slots=True)
class Pruned:
    """The ids of the containers that a prune removed, and the bytes that it freed."""

    containers: tuple[str, ...]
    reclaimed: int


@dataclass(frozen=True, slots=True)
class ExecRequest:
    """What `docker exec` asks."""

    cmd: tuple[str, ...]
    env: tuple[str, ...] = ()
    user: str = ""
    working_dir: str = ""
    tty: bool = False
    attach_stdin: bool = False
    attach_stdout: bool = False
    attach_stderr: bool = False
    privileged: bool = False
    detach_keys: str = ""  # as asked, for inspect
    detach_bytes: bytes = b""  # what a terminal sends for them


@dataclass(frozen=True, slots=True)
class Exec:
    """An exec as it is. *exit_code* None: still running or never started."""

    id: str
    container_id: str
    request: ExecRequest
    running: bool = False
    exit_code: int | None = None
    pid: int = 0


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of output: *stream* is 1 (stdout) or 2 (stderr); *data* ends with a newline unless the output did not."""

    stream: int
    time_ns: int
    data: bytes


LogBlock = tuple[int, int, bytes]
"""Stream, time in nanoseconds, and whole lines of that time: the form in which many lines are passed on."""


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which lines `logs` returns. *tail* None: all. *timeless*: their times do not matter, which is faster."""

    stdout: bool = True
    stderr: bool = True
    follow: bool = False
    since_ns: int = 0
    until_ns: int = 0
    tail: int | None = None
    timeless: bool = False


@dataclass(frozen=True, slots=True)
class ContainerFiles:
    """Where its files are on the host.

    *etc*: those of hostname, hosts and resolv.conf that there are, after the first start all. *overlay*: its layers.
    *rootfs*: where they are mounted while it runs.
    """

    etc: Mapping[str, str]
    overlay: OverlayMount | None
    rootfs: str
