"""Containers and execs to the wire: inspect, and the entries of the list."""

import shlex
import time
from collections.abc import Callable

from yurt.api.types import containers as wire
from yurt.api.types.base import OMITTED
from yurt.api.version import LATEST, ApiVersion
from yurt.api.words import duration
from yurt.engine.containers.model import (
    Container,
    ContainerConfig,
    ContainerFiles,
    Exec,
    HostConfig,
    State,
    Status,
)
from yurt.server.wire import endpoints, health, mounts, ports, times
from yurt.server.wire.create import BLKIO_LISTS

ImageName = Callable[[Container], str]
"""Return what the list shows as a container's image: the name it was made from, or the id if that moved on."""

MASKED_PATHS = (
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
)
READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


def inspect(
    container: Container,
    *,
    network_id: endpoints.NetworkId,
    isolation: str,
    files: ContainerFiles,
    exec_ids: tuple[str, ...] = (),
) -> wire.ContainerInspect:
    """Return the answer of ``GET /containers/{id}/json``."""
    return wire.ContainerInspect(
        id=container.id,
        created=times.rfc3339(container.created_ns),
        path=container.path,
        args=list(container.args),
        state=state(container.state),
        image=container.image_id,
        name="/" + container.name,
        restart_count=container.state.restart_count,
        app_armor_profile=container.apparmor_profile,
        isolation=isolation,
        exec_ids=list(exec_ids) or None,
        host_config=host_config(container.host, name=container.name),
        resolv_conf_path=files.etc.get("resolv.conf", ""),
        hostname_path=files.etc.get("hostname", ""),
        hosts_path=files.etc.get("hosts", ""),
        graph_driver=graph_driver(container.id, files),
        mounts=mounts.to_mount_points(container.mounts, container.host.binds),
        config=config(container),
        network_settings=endpoints.settings(container, network_id),
    )


def graph_driver(container_id: str, files: ContainerFiles) -> wire.GraphDriver:
    """Return the folders of a container's layers; what is merged is there while the container runs."""
    overlay = files.overlay
    if overlay is None:
        return wire.GraphDriver()
    return wire.GraphDriver(
        data={
            "ID": container_id,
            "LowerDir": ":".join(map(str, overlay.lower)),
            "MergedDir": files.rootfs,
            "UpperDir": str(overlay.upper),
            "WorkDir": str(overlay.work),
        }
    )


def state(value: State) -> wire.ContainerState:
    status = value.status
    return wire.ContainerState(
        status=status.value,
        running=status in {Status.RUNNING, Status.PAUSED, Status.RESTARTING},
        paused=status is Status.PAUSED,
        restarting=status is Status.RESTARTING,
        oom_killed=value.oom_killed,
        dead=status is Status.DEAD,
        pid=value.pid,
        exit_code=value.exit_code,
        error=value.error,
        started_at=times.rfc3339(value.started_ns),
        finished_at=times.rfc3339(value.finished_ns),
        health=health.state_to_wire(value.health),
    )


def config(container: Container) -> wire.ContainerConfig:
    value: ContainerConfig = container.config
    return wire.ContainerConfig(
        hostname=value.hostname or container.id[:12],
        domainname=value.domainname,
        user=value.user,
        attach_stdin=value.attach_stdin,
        attach_stdout=value.attach_stdout,
        attach_stderr=value.attach_stderr,
        exposed_ports={ports.normal(key): {} for key in value.exposed_ports} or OMITTED,
        tty=value.tty,
        open_stdin=value.open_stdin,
        stdin_once=value.stdin_once,
        env=list(value.env),
        cmd=list(value.cmd) or None,
        healthcheck=health.to_wire(value.healthcheck) or OMITTED,
        image=value.image,
        volumes={target: {} for target in value.volumes} or None,
        working_dir=value.working_dir,
        entrypoint=[word for word in value.entrypoint if word] or None,
        labels=dict(value.labels),
        stop_signal=value.stop_signal or OMITTED,
        stop_timeout=OMITTED if value.stop_timeout is None else value.stop_timeout,
        shell=list(value.shell) or OMITTED,
        network_disabled=OMITTED,
        mac_address=OMITTED,
    )


def _resources(host: HostConfig) -> wire.Resources:
    limits = host.resources
    answer = wire.Resources(
        cpu_shares=limits.cpu_shares,
        memory=limits.memory,
        nano_cpus=limits.nano_cpus,
        blkio_weight=limits.blkio_weight,
        cpu_period=limits.cpu_period,
        cpu_quota=limits.cpu_quota,
        cpuset_cpus=limits.cpuset_cpus,
        cpuset_mems=limits.cpuset_mems,
        cpu_realtime_period=limits.realtime_period,
        cpu_realtime_runtime=limits.realtime_runtime,
        devices=[
            wire.DeviceMapping(path_on_host=there, path_in_container=here, cgroup_permissions=permissions)
            for there, here, permissions in limits.devices
        ],
        memory_reservation=limits.memory_reservation,
        memory_swap=limits.memory_swap,
        oom_kill_disable=limits.oom_kill_disable,
        memory_swappiness=limits.memory_swappiness,
        pids_limit=limits.pids_limit if limits.pids_limit > 0 else None,
        device_cgroup_rules=list(limits.device_rules) or None,
        device_requests=[
            wire.DeviceRequest(
                driver=asked.driver,
                count=asked.count,
                device_ids=list(asked.ids) or None,
                capabilities=[list(some) for some in asked.capabilities] or None,
                options=dict(asked.options) or ({} if asked.driver != "cdi" else None),
            )
            for asked in limits.device_requests
        ]
        or None,
        cgroup_parent=host.cgroup_parent,
        ulimits=[wire.Ulimit(name=name, soft=soft, hard=hard) for name, soft, hard in limits.ulimits],
    )
    for limit in limits.blkio_devices:
        given = {"weight" if limit.kind == "weight" else "rate": limit.value}
        field = BLKIO_LISTS[limit.kind]
        setattr(answer, field, [*(getattr(answer, field) or ()), wire.BlkioLimit(path=limit.path, **given)])
    return answer


def _link(link: str, name: str) -> str:
    other, _colon, alias = link.partition(":")
    return f"/{other}:/{name}/{alias}"


def host_config(host: HostConfig, *, name: str = "") -> wire.HostConfig:
    limits = _resources(host)
    return wire.HostConfig(
        **{name: getattr(limits, name) for name in wire.Resources.__struct_fields__},
        binds=list(host.binds) or None,
        container_id_file=host.container_id_file,
        log_config=wire.LogConfig(type=host.log_driver, config=dict(host.log_options)),
        network_mode=host.network_mode,
        port_bindings=ports.to_wire(host.ports),
        restart_policy=wire.RestartPolicy(name=host.restart.name, maximum_retry_count=host.restart.maximum),
        auto_remove=host.auto_remove,
        volumes_from=list(host.volumes_from) or None,
        console_size=list(host.console_size),
        cap_add=list(host.cap_add) or None,
        cap_drop=list(host.cap_drop) or None,
        cgroupns_mode=host.cgroupns_mode or "private",
        dns=list(host.dns),
        dns_options=list(host.dns_options),
        dns_search=list(host.dns_search),
        extra_hosts=list(host.extra_hosts) or None,
        group_add=list(host.group_add) or None,
        links=[_link(link, name) for link in host.links] or None,
        ipc_mode=host.ipc_mode or "private",
        oom_score_adj=host.oom_score_adj,
        pid_mode=host.pid_mode,
        privileged=host.privileged,
        publish_all_ports=host.publish_all,
        readonly_rootfs=host.read_only,
        security_opt=list(host.security_opt) or None,
        tmpfs=mounts.to_tmpfs(host) or OMITTED,
        mounts=mounts.to_mounts(host) or OMITTED,
        annotations=dict(host.annotations) or OMITTED,
        uts_mode=host.uts_mode,
        userns_mode=host.userns_mode,
        shm_size=host.shm_size,
        sysctls=dict(host.sysctls) or OMITTED,
        runtime=host.runtime or "runc",
        init=host.init or OMITTED,
        masked_paths=_paths(host.masked_paths, MASKED_PATHS, privileged=host.privileged),
        readonly_paths=_paths(host.readonly_paths, READONLY_PATHS, privileged=host.privileged),
    )


def _paths(asked: tuple[str, ...] | None, default: tuple[str, ...], *, privileged: bool) -> list[str] | None:
    if asked is not None:
        return list(asked)
    return None if privileged else list(default)


def command(container: Container) -> str:
    """Return the command as one line; words that need it are quoted."""
    return " ".join([container.path, *(shlex.quote(arg) if " " in arg else arg for arg in container.args)])


def status(value: State, *, now_ns: int) -> str:
    """Return the sentence of `docker ps`: ``Up 3 minutes (healthy)``, ``Exited (0) 2 hours ago``."""
    since_start = duration((now_ns - value.started_ns) / times.SECOND)
    since_end = duration((now_ns - value.finished_ns) / times.SECOND)
    match value.status:
        case Status.CREATED:
            return "Created"
        case Status.RUNNING:
            if value.health is None or value.health.status == "none":
                return f"Up {since_start}"
            word = "health: starting" if value.health.status == "starting" else value.health.status
            return f"Up {since_start} ({word})"
        case Status.PAUSED:
            return f"Up {since_start} (Paused)"
        case Status.RESTARTING:
            return f"Restarting ({value.exit_code}) {since_end} ago"
        case Status.REMOVING:
            return "Removal In Progress"
        case Status.DEAD:
            return "Dead"
        case _:
            return f"Exited ({value.exit_code}) {since_end} ago" if value.finished_ns else "Created"


WITH_ANNOTATIONS = ApiVersion(1, 46)  # the first version whose list tells of them


def summary(
    container: Container,
    *,
    network_id: endpoints.NetworkId,
    image_name: ImageName,
    now_ns: int | None = None,
    version: ApiVersion = LATEST,
) -> wire.ContainerSummary:
    """Return one entry of ``GET /containers/json``."""
    exposed = container.config.exposed_ports if container.networks else ()
    annotations = dict(container.host.annotations) if version >= WITH_ANNOTATIONS else {}
    return wire.ContainerSummary(
        id=container.id,
        names=["/" + container.name],
        image=image_name(container),
        image_id=container.image_id,
        command=command(container),
        created=container.created_ns // times.SECOND,
        ports=ports.to_list(container.ports, exposed),
        labels=dict(container.config.labels),
        state=container.state.status.value,
        status=status(container.state, now_ns=now_ns or time.time_ns()),
        host_config=wire.SummaryHostConfig(
            network_mode=container.host.network_mode, annotations=annotations or None
        ),
        network_settings=wire.SummaryNetworks(networks=endpoints.to_wire(container, network_id)),
        mounts=mounts.to_mount_points(container.mounts, container.host.binds),
    )


def exec_inspect(value: Exec) -> wire.ExecInspect:
    """Return the answer of ``GET /exec/{id}/json``."""
    asked = value.request
    return wire.ExecInspect(
        id=value.id,
        running=value.running,
        exit_code=value.exit_code,
        process_config=wire.ProcessConfig(
            tty=asked.tty,
            entrypoint=asked.cmd[0] if asked.cmd else "",
            arguments=list(asked.cmd[1:]),
            privileged=asked.privileged,
            user=asked.user,
        ),
        open_stdin=asked.attach_stdin,
        open_stderr=asked.attach_stderr,
        open_stdout=asked.attach_stdout,
        can_remove=False,
        container_id=value.container_id,
        detach_keys=asked.detach_keys,
        pid=value.pid,
    )
