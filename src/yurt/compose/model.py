"""What a Compose project asks for, as values: no file, no engine, no variable is left to look at.

Names follow the specification. Sizes are bytes, durations nanoseconds, paths absolute.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from yurt.compose.nodes import Position
from yurt.errors import InvalidArgument, NotFound
from yurt.values import Value, made, replace

MAX_CHAIN = 200
NOWHERE = Position("compose.yaml", 1, 1)


class Condition(StrEnum):
    """What a dependency must have reached before the dependant starts."""

    STARTED = "service_started"
    HEALTHY = "service_healthy"
    COMPLETED = "service_completed_successfully"


class Port(Value):
    """A published port; ``published`` is empty (any), a port or a range, ``host_ip`` empty for all addresses."""

    target: int
    published: str = ""
    host_ip: str = ""
    protocol: str = "tcp"

    def __str__(self) -> str:
        host = f"[{self.host_ip}]" if ":" in self.host_ip else self.host_ip
        left = f"{host}:{self.published}:" if host else f"{self.published}:" if self.published else ""
        return f"{left}{self.target}/{self.protocol}"


class Mount(Value):
    """One mount: ``source`` is an absolute host path, a volume's key, or empty (anonymous volume, tmpfs)."""

    type: str  # "bind", "volume", "tmpfs" or "image"
    target: str
    source: str = ""
    read_only: bool = False
    propagation: str = ""
    selinux: str = ""
    create_host_path: bool = True
    recursive: str = ""  # bind: "", "enabled", "disabled", "writable" or "readonly"
    nocopy: bool = False
    subpath: str = ""
    labels: Mapping[str, str] = made(factory=dict)  # of an anonymous volume
    size: int | None = None
    mode: int | None = None


class Dependency(Value):
    """An edge of ``depends_on``."""

    service: str
    condition: Condition = Condition.STARTED
    restart: bool = False
    required: bool = True


class Healthcheck(Value):
    """How the engine probes; an empty ``test`` keeps the image's, ``disable`` turns it off."""

    test: tuple[str, ...] = ()
    interval: int | None = None
    timeout: int | None = None
    start_period: int | None = None
    start_interval: int | None = None
    retries: int | None = None
    disable: bool = False


class File(Value):
    """A secret or config that is written into the container before it starts; *content* is what it holds."""

    target: str
    content: bytes
    uid: int = 0
    gid: int = 0
    mode: int = 0o444


class Source(Value):
    """What the top-level ``configs`` or ``secrets`` say: a file of the host, or content (of a *variable*)."""

    name: str
    file: str = ""
    content: bytes | None = None
    variable: str = ""
    labels: Mapping[str, str] = made(factory=dict)


class Hook(Value):
    """A command in a container that runs: after its start, or before its stop."""

    command: tuple[str, ...]
    user: str = ""
    privileged: bool = False
    working_dir: str = ""
    environment: Mapping[str, str] = made(factory=dict)


class WatchAction(StrEnum):
    """What `watch` does when a file has changed."""

    REBUILD = "rebuild"
    RESTART = "restart"
    SYNC = "sync"
    SYNC_RESTART = "sync+restart"
    SYNC_EXEC = "sync+exec"


class WatchRule(Value):
    """One entry of ``develop.watch``; ``ignore`` and ``include`` are patterns as in ``.dockerignore``."""

    path: str
    action: WatchAction
    target: str = ""
    ignore: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    initial_sync: bool = False
    hook: Hook | None = None


class DeviceRequest(Value):
    """Devices asked for by what they can: ``count`` of them (-1: all), or those of ``device_ids``."""

    capabilities: tuple[str, ...] = ()
    driver: str = ""
    count: int = 0
    device_ids: tuple[str, ...] = ()
    options: Mapping[str, str] = made(factory=dict)


class BlockLimits(Value):
    """Limits of block devices: weights from 10 to 1000, rates in bytes or operations a second by device."""

    weight: int = 0
    weight_device: tuple[tuple[str, int], ...] = ()
    device_read_bps: tuple[tuple[str, int], ...] = ()
    device_write_bps: tuple[tuple[str, int], ...] = ()
    device_read_iops: tuple[tuple[str, int], ...] = ()
    device_write_iops: tuple[tuple[str, int], ...] = ()


class Rollover(Value):
    """How ``up --rollover`` replaces containers, from ``deploy.update_config``: durations in nanoseconds."""

    delay: int | None = None
    monitor: int | None = None
    order: str = ""


class Build(Value):
    """How to make the image; ``dockerfile`` is relative to ``context`` or absolute, ``context`` a folder or an address.

    ``secrets`` are by the ids that RUN --mount has, ``ssh`` is ID or ID=SOCKET.
    """

    context: str
    dockerfile: str = "Dockerfile"
    dockerfile_inline: str = ""
    args: Mapping[str, str] = made(factory=dict)
    labels: Mapping[str, str] = made(factory=dict)
    target: str = ""
    network: str = ""
    platform: str = ""
    extra_hosts: tuple[str, ...] = ()
    shm_size: int | None = None
    cache_from: tuple[str, ...] = ()
    cache_to: tuple[str, ...] = ()
    additional_contexts: Mapping[str, str] = made(factory=dict)
    secrets: Mapping[str, Source] = made(factory=dict)
    ssh: tuple[str, ...] = ()
    ssh_agent: str = ""  # the user's own socket
    ulimits: tuple[Ulimit, ...] = ()
    entitlements: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    no_cache: bool = False
    pull: bool = False


class Attachment(Value):
    """A service's place in one network, named by the network's key."""

    network: str
    aliases: tuple[str, ...] = ()
    ipv4_address: str = ""
    ipv6_address: str = ""
    link_local_ips: tuple[str, ...] = ()
    mac_address: str = ""
    driver_opts: Mapping[str, str] = made(factory=dict)
    priority: int = 0
    gw_priority: int = 0
    interface_name: str = ""


class Resources(Value):
    """Limits, from ``deploy.resources`` and the older fields beside it."""

    nano_cpus: int | None = None
    memory: int | None = None
    memory_reservation: int | None = None
    memory_swap: int | None = None
    memory_swappiness: int | None = None
    pids: int | None = None
    cpu_shares: int | None = None
    cpu_period: int | None = None
    cpu_quota: int | None = None
    cpuset: str = ""
    cpu_rt_period: int | None = None
    cpu_rt_runtime: int | None = None
    oom_kill_disable: bool | None = None
    oom_score_adj: int | None = None


class Ulimit(Value):
    name: str
    soft: int
    hard: int


class Service(Value):
    """One service."""

    name: str
    image: str
    build: Build | None = None
    command: tuple[str, ...] | None = None  # None: the image's; (): none at all
    entrypoint: tuple[str, ...] | None = None
    environment: Mapping[str, str] = made(factory=dict)
    labels: Mapping[str, str] = made(factory=dict)
    annotations: Mapping[str, str] = made(factory=dict)
    ports: tuple[Port, ...] = ()
    expose: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    files: tuple[File, ...] = ()
    tmpfs: tuple[str, ...] = ()
    volumes_from: tuple[str, ...] = ()
    networks: tuple[Attachment, ...] = ()
    network_mode: str = ""
    links: tuple[str, ...] = ()
    external_links: tuple[str, ...] = ()
    depends_on: tuple[Dependency, ...] = ()
    post_start: tuple[Hook, ...] = ()
    pre_stop: tuple[Hook, ...] = ()
    watch: tuple[WatchRule, ...] = ()
    attach: bool = True
    rollover: Rollover = Rollover()
    healthcheck: Healthcheck | None = None
    restart: str = ""
    profiles: tuple[str, ...] = ()
    replicas: int = 1
    resources: Resources = Resources()
    container_name: str = ""
    hostname: str = ""
    domainname: str = ""
    user: str = ""
    working_dir: str = ""
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    privileged: bool = False
    read_only: bool = False
    init: bool | None = None
    stdin_open: bool = False
    tty: bool = False
    stop_signal: str = ""
    stop_grace_period: int | None = None
    shm_size: int | None = None
    ulimits: tuple[Ulimit, ...] = ()
    sysctls: Mapping[str, str] = made(factory=dict)
    extra_hosts: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_opt: tuple[str, ...] = ()
    logging_driver: str = ""
    logging_options: Mapping[str, str] = made(factory=dict)
    security_opt: tuple[str, ...] = ()
    group_add: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    device_cgroup_rules: tuple[str, ...] = ()
    device_requests: tuple[DeviceRequest, ...] = ()
    block: BlockLimits = BlockLimits()
    storage_opt: Mapping[str, str] = made(factory=dict)
    cgroup: str = ""
    cgroup_parent: str = ""
    ipc: str = ""
    pid: str = ""
    uts: str = ""
    userns_mode: str = ""
    runtime: str = ""
    isolation: str = ""
    mac_address: str = ""
    platform: str = ""
    pull_policy: str = ""
    given: Mapping[str, Any] = made(factory=dict)  # configs and secrets as they were written, for `config`
    extensions: Mapping[str, Any] = made(factory=dict)  # x-… keys
    at: Position = NOWHERE

    def dependency(self, service: str) -> Dependency | None:
        return next((edge for edge in self.depends_on if edge.service == service), None)


class Network(Value):
    """A network under its key; ``name`` is what the engine calls it."""

    key: str
    name: str
    external: bool = False
    driver: str = ""
    driver_opts: Mapping[str, str] = made(factory=dict)
    internal: bool = False
    attachable: bool = False
    enable_ipv6: bool | None = None
    ipam_driver: str = ""
    ipam: tuple[Mapping[str, object], ...] = ()  # as the engine takes it
    ipam_options: Mapping[str, str] = made(factory=dict)
    enable_ipv4: bool | None = None
    labels: Mapping[str, str] = made(factory=dict)


class Volume(Value):
    """A named volume under its key; ``name`` is what the engine calls it."""

    key: str
    name: str
    external: bool = False
    driver: str = ""
    driver_opts: Mapping[str, str] = made(factory=dict)
    labels: Mapping[str, str] = made(factory=dict)


class Project(Value):
    """A whole project; ``services`` are those whose profiles are on, ``disabled`` the others."""

    name: str
    directory: str
    files: tuple[str, ...]
    services: Mapping[str, Service]
    disabled: Mapping[str, Service] = made(factory=dict)
    networks: Mapping[str, Network] = made(factory=dict)
    volumes: Mapping[str, Volume] = made(factory=dict)
    configs: Mapping[str, Source] = made(factory=dict)
    secrets: Mapping[str, Source] = made(factory=dict)
    environment_files: tuple[str, ...] = ()
    extensions: Mapping[str, Any] = made(factory=dict)

    def service(self, name: str) -> Service:
        """Return a service that is on; NotFound names those that are."""
        if found := self.services.get(name):
            return found
        if name in self.disabled:
            profiles = ", ".join(self.disabled[name].profiles)
            raise NotFound(
                f"service {name!r} is off: its profiles are {profiles}", hint="turn one on with --profile"
            )
        known = ", ".join(self.services) or "none"
        raise NotFound(f"no such service: {name}", hint=f"this project has: {known}")

    def enabling(self, names: Iterable[str]) -> Project:
        """Return the project with *names*, and what they need, on even if no profile says so."""
        services, disabled = dict(self.services), dict(self.disabled)
        waiting = [name for name in names if name in disabled]
        while waiting:
            name = waiting.pop()
            if name in disabled:
                services[name] = disabled.pop(name)
                waiting += [edge.service for edge in services[name].depends_on]
        return replace(self, services=services, disabled=disabled)

    def selection(self, names: Iterable[str], *, dependencies: bool = True) -> tuple[Service, ...]:
        """Return the services named, or all, with what they depend on, dependencies first.

        Raises InvalidArgument for a circle, or for a required dependency that is off.
        """
        wanted = list(names) or list(self.services)
        order: list[Service] = []
        state: dict[str, bool] = {}  # False while on the way, True when placed
        for name in wanted:
            self._place(self.service(name), order, state, (), dependencies=dependencies)
        if not dependencies:
            keep = set(wanted)
            full: list[Service] = []
            self_state: dict[str, bool] = {}
            for name in wanted:
                self._place(self.service(name), full, self_state, (), dependencies=True, lenient=True)
            return tuple(service for service in full if service.name in keep)
        return tuple(order)

    def _place(
        self,
        service: Service,
        order: list[Service],
        state: dict[str, bool],
        trail: tuple[str, ...],
        *,
        dependencies: bool,
        lenient: bool = False,
    ) -> None:
        if state.get(service.name):
            return
        trail = (*trail, service.name)
        if service.name in state:
            circle = " → ".join(trail[trail.index(service.name) :])
            raise InvalidArgument(
                f"{service.at}: services.{service.name}.depends_on: goes in a circle: {circle}"
            )
        if len(trail) > MAX_CHAIN:
            raise InvalidArgument(
                f"{service.at}: services.{service.name}: a chain of more than {MAX_CHAIN} dependencies"
            )
        state[service.name] = False
        for edge in service.depends_on if dependencies else ():
            needed = self.services.get(edge.service)
            if needed is not None:
                self._place(needed, order, state, trail, dependencies=True, lenient=lenient)
            elif edge.required and not lenient:
                raise InvalidArgument(
                    f"{service.at}: services.{service.name}.depends_on: {edge.service!r} is off by its profiles",
                    hint="turn its profile on, or write `required: false`",
                )
        state[service.name] = True
        order.append(service)
