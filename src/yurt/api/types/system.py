"""The engine itself on the wire: version, info, events, disk usage."""

from typing import Any

from msgspec import field

from yurt.api.types.base import OMITTED, Wire
from yurt.api.types.containers import ContainerSummary
from yurt.api.types.images import ImageSummary
from yurt.api.types.volumes import Volume


class Platform(Wire, kw_only=True):
    name: str


class Component(Wire, kw_only=True):
    name: str
    version: str
    details: dict[str, str]


class VersionAnswer(Wire, kw_only=True):
    platform: Platform
    components: list[Component]
    version: str
    api_version: str
    min_api_version: str = field(name="MinAPIVersion")
    git_commit: str = ""
    go_version: str = ""
    os: str = "linux"
    arch: str
    kernel_version: str
    build_time: str = ""


class PluginsInfo(Wire, kw_only=True):
    volume: list[str]
    network: list[str]
    authorization: list[str] | None = None
    log: list[str]


class Runtime(Wire, rename="lower", kw_only=True):
    path: str


class DiscoveredDevice(Wire, kw_only=True):
    source: str
    id: str = field(name="ID")


class InfoAnswer(Wire, kw_only=True):
    id: str = field(name="ID")
    containers: int
    containers_running: int
    containers_paused: int
    containers_stopped: int
    images: int
    driver: str
    driver_status: list[list[str]]
    plugins: PluginsInfo
    memory_limit: bool
    swap_limit: bool
    cpu_cfs_period: bool
    cpu_cfs_quota: bool
    cpu_shares: bool = field(name="CPUShares")
    cpu_set: bool = field(name="CPUSet")
    pids_limit: bool
    ipv4_forwarding: bool = field(name="IPv4Forwarding")
    debug: bool
    n_fd: int = field(name="NFd")
    oom_kill_disable: bool
    n_goroutines: int
    system_time: str
    logging_driver: str
    cgroup_driver: str
    cgroup_version: str
    n_events_listener: int
    kernel_version: str
    operating_system: str
    os_version: str = field(name="OSVersion")
    os_type: str = field(default="linux", name="OSType")
    architecture: str
    index_server_address: str = "https://index.docker.io/v1/"
    registry_config: dict[str, Any]
    ncpu: int = field(name="NCPU")
    mem_total: int
    generic_resources: None = None
    docker_root_dir: str
    http_proxy: str
    https_proxy: str
    no_proxy: str
    name: str
    labels: list[str]
    experimental_build: bool
    server_version: str
    runtimes: dict[str, Runtime]
    default_runtime: str
    swarm: dict[str, Any]
    live_restore_enabled: bool
    isolation: str = ""
    init_binary: str
    containerd_commit: dict[str, str]
    runc_commit: dict[str, str]
    init_commit: dict[str, str]
    security_options: list[str]
    warnings: list[str] | None = None
    cdi_spec_dirs: list[str] = field(default_factory=lambda: ["/etc/cdi", "/var/run/cdi"], name="CDISpecDirs")
    discovered_devices: list[DiscoveredDevice] = OMITTED
    kernel_memory_tcp: bool = field(default=True, name="KernelMemoryTCP")
    firewall_backend: dict[str, str] = OMITTED
    bridge_nf_iptables: bool = OMITTED
    bridge_nf_ip6tables: bool = field(default=OMITTED, name="BridgeNfIp6tables")


class BuildCacheEntry(Wire, kw_only=True):
    """A layer that only the build cache has."""

    id: str = field(name="ID")
    type: str
    description: str = ""
    in_use: bool = False
    shared: bool = False
    size: int = 0
    created_at: str = "0001-01-01T00:00:00Z"
    last_used_at: str | None = None
    usage_count: int = 1


class DiskUsageAnswer(Wire, kw_only=True):
    layers_size: int
    images: list[ImageSummary] | None
    containers: list[ContainerSummary] | None
    volumes: list[Volume] | None
    build_cache: list[BuildCacheEntry] | None


class EventActor(Wire, kw_only=True):
    id: str = field(name="ID")
    attributes: dict[str, str]


class EventMessage(Wire, omit_defaults=True, kw_only=True):
    """One line of ``GET /events``; the lower-case fields are those of before API 1.22."""

    status: str | None = field(default=None, name="status")
    id: str | None = field(default=None, name="id")
    from_: str | None = field(default=None, name="from")
    type: str
    action: str
    actor: EventActor
    scope: str = field(name="scope")
    time: int = field(name="time")
    time_nano: int = field(name="timeNano")


class AuthConfig(Wire, rename="lower", kw_only=True):
    """The body of ``POST /auth``, and what ``X-Registry-Auth`` carries."""

    username: str | None = ""
    password: str | None = ""
    auth: str | None = ""
    serveraddress: str | None = ""
    identitytoken: str | None = ""
    registrytoken: str | None = ""


class AuthAnswer(Wire, kw_only=True):
    status: str
    identity_token: str = ""


class BuildPruned(Wire, kw_only=True):
    caches_deleted: list[str] | None
    space_reclaimed: int
