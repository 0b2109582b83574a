"""Containers on the wire: create, inspect, list, exec, wait, update, prune."""

from msgspec import field

from yurt.api.types.base import OMITTED, Empty, Wire
from yurt.api.types.networks import EndpointSettings


class HealthConfig(Wire, omit_defaults=True, kw_only=True):
    """Durations are nanoseconds; 0 means: inherit, or the default."""

    test: list[str] | None = None
    interval: int | None = 0
    timeout: int | None = 0
    start_period: int | None = 0
    start_interval: int | None = 0
    retries: int | None = 0


class ContainerConfig(Wire, kw_only=True):
    """The portable half of a container, as asked and as shown by inspect."""

    hostname: str | None = ""
    domainname: str | None = ""
    user: str | None = ""
    attach_stdin: bool | None = False
    attach_stdout: bool | None = False
    attach_stderr: bool | None = False
    exposed_ports: dict[str, Empty | None] | None = None
    tty: bool | None = False
    open_stdin: bool | None = False
    stdin_once: bool | None = False
    env: list[str] | None = None
    cmd: list[str] | str | None = None
    healthcheck: HealthConfig | None = None
    image: str | None = ""
    volumes: dict[str, Empty | None] | None = None
    working_dir: str | None = ""
    entrypoint: list[str] | str | None = None
    network_disabled: bool | None = None
    mac_address: str | None = None
    on_build: list[str] | None = None
    labels: dict[str, str] | None = None
    stop_signal: str | None = None
    stop_timeout: int | None = None
    shell: list[str] | None = None


class PortBinding(Wire, kw_only=True):
    host_ip: str | None = ""
    host_port: str | None = ""


class RestartPolicy(Wire, kw_only=True):
    name: str | None = ""
    maximum_retry_count: int | None = 0


class LogConfig(Wire, kw_only=True):
    type: str | None = ""
    config: dict[str, str] | None = None


class Ulimit(Wire, kw_only=True):
    name: str = ""
    soft: int = 0
    hard: int = 0


class DeviceMapping(Wire, kw_only=True):
    path_on_host: str | None = ""
    path_in_container: str | None = ""
    cgroup_permissions: str | None = ""


class BindOptions(Wire, omit_defaults=True, kw_only=True):
    propagation: str | None = None
    non_recursive: bool | None = None
    read_only_non_recursive: bool | None = None
    read_only_force_recursive: bool | None = None
    create_mountpoint: bool | None = None


class DriverConfig(Wire, omit_defaults=True, kw_only=True):
    name: str | None = None
    options: dict[str, str] | None = None


class VolumeOptions(Wire, omit_defaults=True, kw_only=True):
    no_copy: bool | None = None
    labels: dict[str, str] | None = None
    subpath: str | None = None
    driver_config: DriverConfig | None = None


class TmpfsOptions(Wire, omit_defaults=True, kw_only=True):
    size_bytes: int | None = None
    mode: int | None = None
    options: list[list[str]] | None = None


class ImageOptions(Wire, omit_defaults=True):
    subpath: str | None = None


class Mount(Wire, omit_defaults=True, kw_only=True):
    """One entry of ``HostConfig.Mounts``."""

    type: str | None = None
    source: str | None = None
    target: str | None = None
    read_only: bool | None = None
    consistency: str | None = None
    bind_options: BindOptions | None = None
    volume_options: VolumeOptions | None = None
    image_options: ImageOptions | None = None
    tmpfs_options: TmpfsOptions | None = None


class BlkioLimit(Wire, omit_defaults=True, kw_only=True):
    """A limit of block I/O on one device: *weight* in one list, *rate* in the others."""

    path: str = ""
    weight: int = 0
    rate: int = 0


class DeviceRequest(Wire, kw_only=True):
    driver: str | None = ""
    count: int | None = 0
    device_ids: list[str] | None = field(default=None, name="DeviceIDs")
    capabilities: list[list[str]] | None = None
    options: dict[str, str] | None = None


class Resources(Wire, kw_only=True):
    """The limits, which ``update`` shares with ``HostConfig``."""

    cpu_shares: int | None = 0
    memory: int | None = 0
    nano_cpus: int | None = 0
    cgroup_parent: str | None = ""
    blkio_weight: int | None = 0
    blkio_weight_device: list[BlkioLimit] | None = None
    blkio_device_read_bps: list[BlkioLimit] | None = None
    blkio_device_write_bps: list[BlkioLimit] | None = None
    blkio_device_read_i_ops: list[BlkioLimit] | None = field(default=None, name="BlkioDeviceReadIOps")
    blkio_device_write_i_ops: list[BlkioLimit] | None = field(default=None, name="BlkioDeviceWriteIOps")
    cpu_period: int | None = 0
    cpu_quota: int | None = 0
    cpu_percent: int | None = 0
    cpu_count: int | None = 0
    io_maximum_i_ops: int | None = field(default=0, name="IOMaximumIOps")
    io_maximum_bandwidth: int | None = field(default=0, name="IOMaximumBandwidth")
    cpu_realtime_period: int | None = 0
    cpu_realtime_runtime: int | None = 0
    cpuset_cpus: str | None = ""
    cpuset_mems: str | None = ""
    devices: list[DeviceMapping] | None = None
    device_cgroup_rules: list[str] | None = None
    device_requests: list[DeviceRequest] | None = None
    memory_reservation: int | None = 0
    memory_swap: int | None = 0
    memory_swappiness: int | None = None
    oom_kill_disable: bool | None = None
    pids_limit: int | None = None
    ulimits: list[Ulimit] | None = None


class HostConfig(Resources, kw_only=True):
    """The half of a container that belongs to its host, as asked and as shown by inspect."""

    binds: list[str] | None = None
    container_id_file: str | None = field(default="", name="ContainerIDFile")
    log_config: LogConfig | None = None
    network_mode: str | None = ""
    port_bindings: dict[str, list[PortBinding] | None] | None = None
    restart_policy: RestartPolicy | None = None
    auto_remove: bool | None = False
    volume_driver: str | None = ""
    volumes_from: list[str] | None = None
    console_size: list[int] | None = None
    cap_add: list[str] | None = None
    cap_drop: list[str] | None = None
    cgroupns_mode: str | None = ""
    dns: list[str] | None = None
    dns_options: list[str] | None = None
    dns_search: list[str] | None = None
    extra_hosts: list[str] | None = None
    group_add: list[str] | None = None
    ipc_mode: str | None = ""
    cgroup: str | None = ""
    links: list[str] | None = None
    oom_score_adj: int | None = 0
    pid_mode: str | None = ""
    privileged: bool | None = False
    publish_all_ports: bool | None = False
    readonly_rootfs: bool | None = False
    security_opt: list[str] | None = None
    tmpfs: dict[str, str] | None = None
    mounts: list[Mount] | None = None
    storage_opt: dict[str, str] | None = OMITTED
    annotations: dict[str, str] | None = OMITTED
    uts_mode: str | None = field(default="", name="UTSMode")
    userns_mode: str | None = ""
    shm_size: int | None = 0
    sysctls: dict[str, str] | None = None
    runtime: str | None = ""
    isolation: str | None = ""
    init: bool | None = None
    masked_paths: list[str] | None = None
    readonly_paths: list[str] | None = None


class NetworkingConfig(Wire, kw_only=True):
    endpoints_config: dict[str, EndpointSettings | None] | None = None


class CreateContainer(ContainerConfig, kw_only=True):
    """The body of ``POST /containers/create``."""

    host_config: HostConfig | None = None
    networking_config: NetworkingConfig | None = None


class Succeed(Wire, kw_only=True):
    """The body of ``POST /yurt/containers/{id}/succeed``: *of* is the container whose ports and names are taken over."""

    of: str = ""
    port_bindings: dict[str, list[PortBinding] | None] | None = None
    aliases: dict[str, list[str] | None] | None = None  # by network


class Created(Wire, kw_only=True):
    id: str
    warnings: list[str]


class HealthLogEntry(Wire, kw_only=True):
    start: str
    end: str
    exit_code: int
    output: str


class HealthState(Wire, kw_only=True):
    status: str
    failing_streak: int
    log: list[HealthLogEntry]


class ContainerState(Wire, omit_defaults=True, kw_only=True):
    status: str
    running: bool
    paused: bool
    restarting: bool
    oom_killed: bool = field(name="OOMKilled")
    dead: bool
    pid: int
    exit_code: int
    error: str
    started_at: str
    finished_at: str
    health: HealthState | None = None


class MountPoint(Wire, omit_defaults=True, kw_only=True):
    """One entry of ``Mounts`` in inspect and in the list."""

    type: str
    name: str = ""
    source: str
    destination: str
    driver: str = ""
    mode: str
    read_write: bool = field(name="RW")
    propagation: str


class NetworkSettings(Wire, kw_only=True):
    bridge: str = ""
    sandbox_id: str = field(default="", name="SandboxID")
    sandbox_key: str = ""
    ports: dict[str, list[PortBinding] | None]
    hairpin_mode: bool = False
    link_local_ipv6_address: str = field(default="", name="LinkLocalIPv6Address")
    link_local_ipv6_prefix_len: int = field(default=0, name="LinkLocalIPv6PrefixLen")
    secondary_ip_addresses: None = field(default=None, name="SecondaryIPAddresses")
    secondary_ipv6_addresses: None = field(default=None, name="SecondaryIPv6Addresses")
    endpoint_id: str = field(default="", name="EndpointID")
    gateway: str = ""
    global_ipv6_address: str = field(default="", name="GlobalIPv6Address")
    global_ipv6_prefix_len: int = field(default=0, name="GlobalIPv6PrefixLen")
    ip_address: str = field(default="", name="IPAddress")
    ip_prefix_len: int = field(default=0, name="IPPrefixLen")
    ipv6_gateway: str = field(default="", name="IPv6Gateway")
    mac_address: str = ""
    networks: dict[str, EndpointSettings]


class GraphDriver(Wire, kw_only=True):
    data: dict[str, str] | None = None
    name: str = "overlay2"


class ContainerInspect(Wire, kw_only=True):
    """The answer of ``GET /containers/{id}/json``."""

    id: str
    created: str
    path: str
    args: list[str]
    state: ContainerState
    image: str
    resolv_conf_path: str = ""
    hostname_path: str = ""
    hosts_path: str = ""
    log_path: str = ""
    name: str
    restart_count: int
    driver: str = "overlay2"
    platform: str = "linux"
    mount_label: str = ""
    process_label: str = ""
    app_armor_profile: str = ""
    isolation: str  # ours: what holds its processes back, in words
    exec_ids: list[str] | None = field(default=None, name="ExecIDs")
    host_config: HostConfig
    graph_driver: GraphDriver
    size_rw: int | None = OMITTED
    size_root_fs: int | None = OMITTED
    mounts: list[MountPoint]
    config: ContainerConfig
    network_settings: NetworkSettings


class Port(Wire, omit_defaults=True, kw_only=True):
    """One entry of ``Ports`` in the list."""

    ip: str = field(default="", name="IP")
    private_port: int
    public_port: int = 0
    type: str


class SummaryHostConfig(Wire, omit_defaults=True, kw_only=True):
    network_mode: str
    annotations: dict[str, str] | None = None


class SummaryNetworks(Wire, kw_only=True):
    networks: dict[str, EndpointSettings]


class ContainerSummary(Wire, kw_only=True):
    """One entry of ``GET /containers/json``."""

    id: str
    names: list[str]
    image: str
    image_id: str = field(name="ImageID")
    command: str
    created: int
    ports: list[Port]
    size_rw: int | None = OMITTED
    size_root_fs: int | None = OMITTED
    labels: dict[str, str]
    state: str
    status: str
    host_config: SummaryHostConfig
    network_settings: SummaryNetworks
    mounts: list[MountPoint]


class WaitError(Wire, kw_only=True):
    message: str


class WaitAnswer(Wire, omit_defaults=True, kw_only=True):
    status_code: int
    error: WaitError | None = None


class TopAnswer(Wire, kw_only=True):
    processes: list[list[str]]
    titles: list[str]


class UpdateContainer(Resources, kw_only=True):
    restart_policy: RestartPolicy | None = None


class Warnings(Wire, kw_only=True):
    warnings: list[str] | None = None


class ContainersPruned(Wire, kw_only=True):
    containers_deleted: list[str] | None
    space_reclaimed: int


class CreateExec(Wire, kw_only=True):
    """The body of ``POST /containers/{id}/exec``."""

    user: str | None = ""
    privileged: bool | None = False
    tty: bool | None = False
    console_size: list[int] | None = None
    attach_stdin: bool | None = False
    attach_stderr: bool | None = False
    attach_stdout: bool | None = False
    detach: bool | None = False
    detach_keys: str | None = ""
    env: list[str] | None = None
    working_dir: str | None = ""
    cmd: list[str] | str | None = None


class StartExec(Wire, kw_only=True):
    """The body of ``POST /exec/{id}/start``."""

    detach: bool | None = False
    tty: bool | None = False
    console_size: list[int] | None = None


class ProcessConfig(Wire, rename="lower", omit_defaults=True, kw_only=True):
    tty: bool
    entrypoint: str
    arguments: list[str]
    privileged: bool
    user: str = ""


class ExecInspect(Wire, kw_only=True):
    id: str = field(name="ID")
    running: bool
    exit_code: int | None
    process_config: ProcessConfig
    open_stdin: bool
    open_stderr: bool
    open_stdout: bool
    can_remove: bool
    container_id: str = field(name="ContainerID")
    detach_keys: str
    pid: int


class Change(Wire, kw_only=True):
    """One entry of ``GET /containers/{id}/changes``; *kind* is 0 modified, 1 added, 2 deleted."""

    path: str
    kind: int
