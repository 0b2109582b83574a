"""``POST /containers/create``: the wire's body to the engine's CreateRequest."""

from collections.abc import Iterator

from yurt.api.types import containers as wire
from yurt.api.types.networks import EndpointSettings
from yurt.engine.containers.model import (
    ContainerConfig,
    CreateRequest,
    DeviceLimit,
    DeviceRequest,
    ExecRequest,
    HostConfig,
    Resources,
    RestartPolicy,
)
from yurt.engine.networks.model import EndpointRequest
from yurt.errors import InvalidArgument
from yurt.server.wire import health, mounts, ports

UNATTACHED_MODES = frozenset({"bridge", "host", "none"})  # need no endpoint of their own
DEFAULT_SHM = 64 * 1024 * 1024
RESTARTS = frozenset({"no", "always", "on-failure", "unless-stopped"})


def request(body: wire.CreateContainer, *, name: str | None, platform: str = "") -> CreateRequest:
    """Return what the engine is asked."""
    if not body.image:
        raise InvalidArgument("no image was named", hint="set Image")
    host = body.host_config or wire.HostConfig()
    _check_host(host)
    mode = _network_mode(body, host)
    networks = (body.networking_config.endpoints_config or {}) if body.networking_config else {}
    return CreateRequest(
        name=(name or "").removeprefix("/") or None,
        config=config(body),
        host=_host(host, mode, networks),
        endpoints=_endpoints(body, mode),
        platform=platform,
    )


def argv(value: list[str] | str | None) -> tuple[str, ...]:
    """Docker takes a text for a list of one."""
    return (value,) if isinstance(value, str) else tuple(value or ())


def _entrypoint(value: list[str] | str | None) -> tuple[str, ...]:
    """An entrypoint of ``[]`` is a wish, too: none, whatever the image says. Inside, that is ``("",)``."""
    return argv(value) if value is None else argv(value) or ("",)


def config(body: wire.ContainerConfig) -> ContainerConfig:
    """Return what a container is to run; also what ``POST /commit`` wants an image to say of it."""
    return ContainerConfig(
        image=body.image or "",
        hostname=body.hostname or "",
        domainname=body.domainname or "",
        user=body.user or "",
        env=tuple(body.env or ()),
        entrypoint=_entrypoint(body.entrypoint),
        cmd=argv(body.cmd),
        working_dir=body.working_dir or "",
        labels=body.labels or {},
        exposed_ports=tuple(ports.normal(key) for key in body.exposed_ports or ()),
        volumes=tuple(body.volumes or ()),
        tty=bool(body.tty),
        open_stdin=bool(body.open_stdin),
        stdin_once=bool(body.stdin_once),
        attach_stdin=bool(body.attach_stdin),
        attach_stdout=bool(body.attach_stdout),
        attach_stderr=bool(body.attach_stderr),
        stop_signal=body.stop_signal or "",
        stop_timeout=body.stop_timeout,
        healthcheck=health.from_wire(body.healthcheck),
        shell=tuple(body.shell or ()),
    )


def resources(limits: wire.Resources) -> Resources:
    return Resources(
        memory=limits.memory or 0,
        memory_swap=limits.memory_swap or 0,
        memory_reservation=limits.memory_reservation or 0,
        nano_cpus=limits.nano_cpus or 0,
        cpu_shares=limits.cpu_shares or 0,
        cpu_period=limits.cpu_period or 0,
        cpu_quota=limits.cpu_quota or 0,
        cpuset_cpus=limits.cpuset_cpus or "",
        cpuset_mems=limits.cpuset_mems or "",
        realtime_period=limits.cpu_realtime_period or 0,
        realtime_runtime=limits.cpu_realtime_runtime or 0,
        memory_swappiness=None if limits.memory_swappiness == -1 else limits.memory_swappiness,
        pids_limit=limits.pids_limit or 0,
        blkio_weight=limits.blkio_weight or 0,
        blkio_devices=_blkio_devices(limits),
        oom_kill_disable=bool(limits.oom_kill_disable),
        ulimits=tuple((limit.name, limit.soft, limit.hard) for limit in limits.ulimits or ()),
        devices=tuple(
            (
                device.path_on_host or "",
                device.path_in_container or device.path_on_host or "",
                device.cgroup_permissions or "rwm",
            )
            for device in limits.devices or ()
        ),
        device_rules=tuple(limits.device_cgroup_rules or ()),
        device_requests=tuple(
            DeviceRequest(
                driver=asked.driver or "",
                count=asked.count or 0,
                ids=tuple(asked.device_ids or ()),
                capabilities=tuple(map(tuple, asked.capabilities or ())),
                options=asked.options or {},
            )
            for asked in limits.device_requests or ()
        ),
    )


BLKIO_LISTS = {
    "weight": "blkio_weight_device",
    "read_bps": "blkio_device_read_bps",
    "write_bps": "blkio_device_write_bps",
    "read_iops": "blkio_device_read_i_ops",
    "write_iops": "blkio_device_write_i_ops",
}


def _blkio_devices(limits: wire.Resources) -> tuple[DeviceLimit, ...]:
    return tuple(
        DeviceLimit(kind, limit.path, limit.weight if kind == "weight" else limit.rate)
        for kind, name in BLKIO_LISTS.items()
        for limit in getattr(limits, name) or ()
    )


def restart_policy(policy: wire.RestartPolicy | None) -> RestartPolicy:
    name, maximum = (policy.name or "no", policy.maximum_retry_count or 0) if policy else ("no", 0)
    if name not in RESTARTS:
        raise InvalidArgument(
            f"invalid restart policy: unknown policy '{name}'; "
            "use one of 'no', 'always', 'on-failure', or 'unless-stopped'"
        )
    if maximum < 0:
        raise InvalidArgument("invalid restart policy: maximum retry count cannot be negative")
    if maximum and name != "on-failure":
        raise InvalidArgument(
            "invalid restart policy: maximum retry count can only be used with 'on-failure'"
        )
    return RestartPolicy(name, maximum)


def _host(host: wire.HostConfig, mode: str, networks: dict[str, EndpointSettings | None]) -> HostConfig:
    restart = restart_policy(host.restart_policy)
    if host.auto_remove and restart.name != "no":
        raise InvalidArgument("can't create 'AutoRemove' container with restart policy")
    log = host.log_config or wire.LogConfig()
    return HostConfig(
        mounts=tuple(mounts.requests(host)),
        binds=tuple(host.binds or ()),
        network_mode=mode,
        ports=ports.from_wire(host.port_bindings),
        publish_all=bool(host.publish_all_ports),
        restart=restart,
        auto_remove=bool(host.auto_remove),
        resources=resources(host),
        privileged=bool(host.privileged),
        cap_add=tuple(host.cap_add or ()),
        cap_drop=tuple(host.cap_drop or ()),
        security_opt=tuple(host.security_opt or ()),
        read_only=bool(host.readonly_rootfs),
        shm_size=host.shm_size or DEFAULT_SHM,
        init=bool(host.init),
        group_add=tuple(host.group_add or ()),
        sysctls=host.sysctls or {},
        dns=tuple(host.dns or ()),
        dns_search=tuple(host.dns_search or ()),
        dns_options=tuple(host.dns_options or ()),
        extra_hosts=tuple(host.extra_hosts or ()),
        ipc_mode=host.ipc_mode or "",
        pid_mode=host.pid_mode or "",
        uts_mode=host.uts_mode or "",
        userns_mode=host.userns_mode or "",
        cgroupns_mode=host.cgroupns_mode or "",
        cgroup_parent=host.cgroup_parent or "",
        links=tuple(_links(host, networks)),
        volumes_from=tuple(host.volumes_from or ()),
        log_driver=log.type or "json-file",
        log_options=log.config or {},
        oom_score_adj=host.oom_score_adj or 0,
        runtime=host.runtime or "",
        masked_paths=None if host.masked_paths is None else tuple(host.masked_paths),
        readonly_paths=None if host.readonly_paths is None else tuple(host.readonly_paths),
        container_id_file=host.container_id_file or "",
        annotations=host.annotations or {},
        console_size=_console_size(host),
    )


def _console_size(host: wire.HostConfig) -> tuple[int, int]:
    height, width = host.console_size or (0, 0)
    return height, width


def _network_mode(body: wire.CreateContainer, host: wire.HostConfig) -> str:
    if body.network_disabled:
        return "none"
    mode = host.network_mode or "bridge"
    return "bridge" if mode == "default" else mode


def endpoint(network: str, settings: EndpointSettings | None) -> EndpointRequest:
    if settings is None:
        return EndpointRequest(network)
    ipam = settings.ipam_config
    return EndpointRequest(
        network=network,
        aliases=tuple(settings.aliases or ()),
        ipv4=(ipam.ipv4_address or None) if ipam else None,
        mac=settings.mac_address or None,
        ipv6=(ipam.ipv6_address or None) if ipam else None,
        link_local=tuple((ipam.link_local_ips if ipam else None) or ()),
        gateway_priority=settings.gw_priority or 0,
        options=settings.driver_opts or {},
    )


def _endpoints(body: wire.CreateContainer, mode: str) -> tuple[EndpointRequest, ...]:
    """The network that the mode names comes first: it gives the default route and the published ports."""
    asked = {
        "bridge" if name == "default" else name: settings
        for name, settings in (
            (body.networking_config.endpoints_config or {}) if body.networking_config else {}
        ).items()
    }
    if mode.startswith("container:") or mode in {"host", "none"}:
        return ()
    if body.mac_address:
        main = asked.setdefault(mode, None) or EndpointSettings()
        main.mac_address = main.mac_address or body.mac_address
        asked[mode] = main
    if mode not in asked and mode in UNATTACHED_MODES:
        return tuple(endpoint(name, settings) for name, settings in asked.items())
    first = endpoint(mode, asked.pop(mode, None))
    return (first, *(endpoint(name, settings) for name, settings in asked.items()))


def _links(host: wire.HostConfig, networks: dict[str, EndpointSettings | None]) -> Iterator[str]:
    """Yield ``name:alias`` of each link, wherever it was asked for."""
    asked = [*(host.links or ()), *(link for one in networks.values() if one for link in one.links or ())]
    for link in dict.fromkeys(asked):
        name, _colon, alias = link.partition(":")
        yield f"{name.removeprefix('/')}:{(alias or name).rpartition('/')[2]}"


def _check_host(host: wire.HostConfig) -> None:
    """Refuse what no engine on Linux, or this one, has."""
    if host.isolation not in {None, "", "default"}:
        raise InvalidArgument(f"invalid isolation ({host.isolation}): linux only supports 'default'")
    for option in host.storage_opt or {}:
        if option.lower() != "size":
            raise InvalidArgument(f"Unknown option {option}")
        raise InvalidArgument(
            "--storage-opt is supported only for overlay over xfs with 'pquota' mount option",
            hint="limit what may fill the disk with --tmpfs or a volume of its own",
        )


def exec_request(body: wire.CreateExec, detach_bytes: bytes = b"") -> ExecRequest:
    """Translate what an exec is to do; *detach_bytes* are what a terminal sends for its detach keys."""
    cmd = argv(body.cmd)
    if not cmd:
        raise InvalidArgument("no exec command specified", hint="set Cmd")
    return ExecRequest(
        cmd=cmd,
        env=tuple(body.env or ()),
        user=body.user or "",
        working_dir=body.working_dir or "",
        tty=bool(body.tty),
        attach_stdin=bool(body.attach_stdin),
        attach_stdout=bool(body.attach_stdout),
        attach_stderr=bool(body.attach_stderr),
        privileged=bool(body.privileged),
        detach_keys=body.detach_keys or "",
        detach_bytes=detach_bytes,
    )
