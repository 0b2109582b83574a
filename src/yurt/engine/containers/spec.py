"""From a container to its runtime specification, adapted to what this host can do."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from yurt.engine.containers import cdi, merge, mounts, security, users
from yurt.engine.containers.model import (
    Container,
    DeviceLimit,
    ExecRequest,
    HostConfig,
    MountPoint,
    Resources,
)
from yurt.errors import InvalidArgument, Unavailable
from yurt.ids import short
from yurt.linux import apparmor, cgroup, host, isolation
from yurt.linux.mount import mounted_below
from yurt.oci import capabilities
from yurt.oci.runtime_spec import (
    MASKED_PATHS,
    READONLY_PATHS,
    SpecBlockDevice,
    SpecDevice,
    SpecDeviceRule,
    SpecMount,
    SpecProcess,
    SpecRequest,
    SpecResources,
    limits_document,
)

INIT_PATH = "/sbin/docker-init"  # where Docker puts it, so that health checks and scripts find it
_INITS = ("docker-init", "tini-static", "tini", "catatonit")
SHAREABLE = "shareable"
TERMINALS = 5  # Debian's group tty, and so Docker's for terminals
_CPU_PERIOD = 100_000


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a start found: where things are, and whom the container joins.

    *pid_of* gives a running container's process number, *shm_of* the shared memory that it shares. *mounts* are the
    container's, with sources to mount from now.
    """

    rootfs: Path
    etc: Path  # holds hosts, hostname and resolv.conf
    netns: Path | None
    user: users.User
    pid_of: Callable[[str], int]
    shm_of: Callable[[str], Path]
    mounts: tuple[MountPoint, ...] = ()
    narrow_programs: bool = True
    secret_env: tuple[str, ...] = ()


def hostname_of(container: Container) -> str:
    """Return the name that the container gives itself."""
    if container.config.hostname:
        return container.config.hostname
    is_the_hosts = container.host.network_mode == "host" or container.host.uts_mode == "host"
    return os.uname().nodename if is_the_hosts else short(container.id)


def init_program() -> str:
    """Return the path of a small init on this host; raise Unavailable when there is none."""
    for name in _INITS:
        if found := shutil.which(name):
            return found
    raise Unavailable("--init needs an init program, and this host has none", hint="apt-get install tini")


def build(container: Container, around: Surroundings) -> SpecRequest:
    """Return the specification of *container* in these surroundings."""
    config, host_config = container.config, container.host
    caps = granted(host_config)
    hostname = hostname_of(container)
    args = (container.path, *container.args)
    mounts.check_propagation(around.mounts)
    own_mounts = [
        *_etc_mounts(around.etc, container),
        *mounts.to_spec(around.mounts, has_mounts_below=_has_mounts_below),
    ]
    devices = tuple(_devices(host_config))
    if isolation.is_rootless():
        own_mounts += [*_of_the_host(host_config), *_moved_devices(host_config)]
    if host_config.init:
        args = (INIT_PATH, "--", *args)
        own_mounts.append(SpecMount(INIT_PATH, "bind", init_program(), ("bind", "ro")))
    guards = security.parse(host_config.security_opt, frozenset(caps))
    namespaces, shm_size, ipc_mounts = _namespaces(container, around)
    privileged = host_config.privileged
    request = SpecRequest(
        process=SpecProcess(
            args=args,
            env=merge.merged_env(
                merge.process_env(config, hostname=hostname, tty=config.tty), around.secret_env
            ),
            cwd=config.working_dir or "/",
            uid=around.user.uid,
            gid=around.user.gid,
            groups=around.user.groups,
            tty=config.tty,
            capabilities=caps,
            no_new_privileges=guards.no_new_privileges,
            apparmor_profile=apparmor_profile(host_config),
            rlimits=rlimits(host_config.resources),
            oom_score_adj=oom_score_adj(host_config),
            console_size=host_config.console_size if all(host_config.console_size) else None,
        ),
        rootfs=str(around.rootfs),
        cgroups_path=f"{cgroup.parent_of(host_config.cgroup_parent)}/{container.id}"
        if cgroup.is_usable()
        else "",
        hostname=hostname,
        domainname=""
        if isolation.is_rootless()
        else config.domainname,  # the kernel's file is the host's root's
        read_only=host_config.read_only,
        namespaces=namespaces,
        mounts=(*own_mounts, *ipc_mounts),
        shm_size=shm_size,
        terminal_group=TERMINALS if isolation.has_group(TERMINALS) else None,
        devices=devices,
        device_rules=tuple(_device_rules(host_config.resources)),
        all_devices=privileged,
        resources=_resources(host_config.resources),
        sysctls=_sysctls(host_config, around.netns),
        masked_paths=MASKED_PATHS if host_config.masked_paths is None else host_config.masked_paths,
        readonly_paths=READONLY_PATHS if host_config.readonly_paths is None else host_config.readonly_paths,
        privileged=privileged,
        seccomp=guards.seccomp,
        writable_cgroups=guards.writable_cgroups,
        narrow_programs=around.narrow_programs,
        propagation=_root_propagation(container),
        annotations=host_config.annotations,
    )
    if not (asked := host_config.resources.device_requests):
        return request
    known = cdi.devices()
    return cdi.apply(request, cdi.edits(cdi.names(asked, known), known))


def exec_process(
    container: Container, request: ExecRequest, user: users.User, *, size: tuple[int, int] = (0, 0)
) -> SpecProcess:
    """Return the process of an exec in *container*; *size* is that of its terminal, height first."""
    host_config = container.host
    if request.privileged:
        host_config = replace(host_config, privileged=True)
    env = merge.process_env(container.config, hostname=hostname_of(container), tty=request.tty)
    return SpecProcess(
        args=request.cmd,
        env=merge.merged_env(env, request.env),
        cwd=request.working_dir or container.config.working_dir or "/",
        uid=user.uid,
        gid=user.gid,
        groups=user.groups,
        tty=request.tty,
        capabilities=granted(host_config),
        no_new_privileges=security.parse(host_config.security_opt).no_new_privileges,
        apparmor_profile=apparmor_profile(host_config),
        rlimits=rlimits(container.host.resources),
        console_size=size if all(size) else None,
    )


def apparmor_profile(host_config: HostConfig) -> str:
    """Return the AppArmor profile of the container's processes; empty where the host has no AppArmor."""
    if not apparmor.is_enabled():
        return ""
    return security.parse(host_config.security_opt).apparmor_profile(privileged=host_config.privileged)


def asked_capabilities(host_config: HostConfig) -> tuple[str, ...]:
    return capabilities.granted(
        add=host_config.cap_add, drop=host_config.cap_drop, privileged=host_config.privileged
    )


def granted(host_config: HostConfig) -> tuple[str, ...]:
    """Return the capabilities of a container here: those asked for that the engine has itself."""
    possible = host.bounding_capabilities(capabilities.ALL)
    return tuple(name for name in asked_capabilities(host_config) if name in possible)


def may_raise_limits() -> bool:
    return not isolation.is_rootless() and "CAP_SYS_RESOURCE" in host.bounding_capabilities(capabilities.ALL)


def oom_score_adj(host_config: HostConfig) -> int | None:
    """Return what to set; a user's engine may not make its processes less likely to be killed than itself."""
    asked = host_config.oom_score_adj
    if not asked or (isolation.is_rootless() and asked < host.oom_score_adj()):
        return None
    return asked


def numeric_limit(value: int) -> int:
    return host.INFINITY if value < 0 else value


def rlimits(resources: Resources) -> tuple[tuple[str, int, int], ...]:
    """Return the limits to set; without CAP_SYS_RESOURCE none is higher than the engine's own."""
    found = []
    for name, soft, hard in resources.ulimits:
        highest = host.INFINITY if may_raise_limits() else host.highest_limit(name)
        found.append(
            (f"RLIMIT_{name.upper()}", min(numeric_limit(soft), highest), min(numeric_limit(hard), highest))
        )
    return tuple(found)


def _block_device(limit: DeviceLimit) -> SpecBlockDevice:
    number = os.stat(limit.path).st_rdev
    return SpecBlockDevice(limit.kind, os.major(number), os.minor(number), limit.value)


def _device_rules(limits: Resources) -> Iterator[SpecDeviceRule]:
    for rule in limits.device_rules:
        kind, numbers, access = rule.split()
        major, _colon, minor = numbers.partition(":")
        first, second = (None if number == "*" else int(number) for number in (major, minor))
        yield SpecDeviceRule(kind, first, second, access)


def _resources(limits: Resources) -> SpecResources:
    """Return the limits that this host can set."""
    here = host.controllers()
    has_memory, has_cpu, has_cpuset = "memory" in here, "cpu" in here, "cpuset" in here
    swap: int | None = None
    if limits.memory and host.limits_swap():
        swap = limits.memory_swap or limits.memory * 2
    quota, period = limits.cpu_quota or None, limits.cpu_period or None
    if limits.nano_cpus:
        quota, period = limits.nano_cpus * _CPU_PERIOD // 1_000_000_000, _CPU_PERIOD
    return SpecResources(
        memory=limits.memory or None if has_memory else None,
        memory_swap=swap if has_memory else None,
        memory_reservation=limits.memory_reservation or None if has_memory else None,
        oom_kill_disable=limits.oom_kill_disable and has_memory,
        cpu_shares=limits.cpu_shares or None if has_cpu else None,
        cpu_quota=quota if has_cpu else None,
        cpu_period=period if has_cpu else None,
        cpuset_cpus=limits.cpuset_cpus if has_cpuset else "",
        cpuset_mems=limits.cpuset_mems if has_cpuset else "",
        realtime_period=limits.realtime_period or None,
        realtime_runtime=limits.realtime_runtime or None,
        memory_swappiness=limits.memory_swappiness if cgroup.mode() is not cgroup.Mode.V2 else None,
        pids=limits.pids_limit or None if "pids" in here else None,
        blkio_weight=limits.blkio_weight or None if host.weighs_block_io() else None,
        block_devices=tuple(
            _block_device(limit)
            for limit in limits.blkio_devices
            if limit.kind != "weight" or host.weighs_block_devices()
        ),
    )


def update_document(resources: Resources) -> dict[str, Any]:
    """Return the limits as ``runc update`` takes them."""
    return limits_document(_resources(resources))


def _has_mounts_below(source: str) -> bool:
    return host.protects_mounts_below() and any(
        point != Path(source) for point in mounted_below(Path(source))
    )


def _etc_mounts(etc: Path, container: Container) -> Iterator[SpecMount]:
    covered = {point.target for point in container.mounts}
    for name in ("resolv.conf", "hostname", "hosts"):
        target = f"/etc/{name}"
        if target not in covered and "/etc" not in covered:
            yield SpecMount(target, "bind", str(etc / name), ("rbind", "rprivate"))


def _of_the_host(host_config: HostConfig) -> Iterator[SpecMount]:
    """File systems of namespaces that are the host's: only its root can mount them, so they are shown as they are."""
    if host_config.pid_mode == "host":
        yield SpecMount("/proc", "bind", "/proc", ("rbind", "nosuid", "noexec", "nodev"))
    if host_config.ipc_mode == "host":
        has_queues = os.path.isdir("/dev/mqueue")
        yield (
            SpecMount("/dev/mqueue", "bind", "/dev/mqueue", ("rbind", "nosuid", "noexec", "nodev"))
            if has_queues
            else SpecMount("/dev/mqueue", "tmpfs", "tmpfs", ("nosuid", "noexec", "nodev", "size=0"))
        )


def _namespaces(
    container: Container, around: Surroundings
) -> tuple[dict[str, str], int | None, tuple[SpecMount, ...]]:
    """Return the namespaces, the size of /dev/shm (None: not ours to make), and its mount when it is another's."""
    host_config = container.host
    namespaces = {"mount": ""}
    if host_config.uts_mode != "host":
        namespaces["uts"] = ""
    if around.netns is not None:
        namespaces["network"] = str(around.netns)
    shm_size: int | None = host_config.shm_size
    ipc_mounts: tuple[SpecMount, ...] = ()
    ipc = host_config.ipc_mode
    if ipc == "host":
        shm_size, ipc_mounts = None, (_shared_memory("/dev/shm"),)  # noqa: S108
    elif ipc.startswith("container:"):
        other = ipc.removeprefix("container:")
        namespaces["ipc"] = f"/proc/{around.pid_of(other)}/ns/ipc"
        shm_size, ipc_mounts = None, (_shared_memory(str(around.shm_of(other))),)
    else:
        namespaces["ipc"] = ""
        if ipc == "none":
            shm_size = None
        elif ipc == SHAREABLE:  # mounted by the engine, where others can join it
            shm_size, ipc_mounts = None, (_shared_memory(str(around.shm_of(container.id))),)
    pid_mode = host_config.pid_mode
    if pid_mode.startswith("container:"):
        namespaces["pid"] = f"/proc/{around.pid_of(pid_mode.removeprefix('container:'))}/ns/pid"
    elif pid_mode != "host":
        namespaces["pid"] = ""
    private = cgroup.mode() is cgroup.Mode.V2 and not host_config.privileged
    if host_config.cgroupns_mode == "private" or (private and host_config.cgroupns_mode != "host"):
        namespaces["cgroup"] = ""
    return namespaces, shm_size, ipc_mounts


def _shared_memory(source: str) -> SpecMount:
    return SpecMount("/dev/shm", "bind", source, ("rbind", "nosuid", "noexec", "nodev"))  # noqa: S108


def _sysctls(host_config: HostConfig, netns: Path | None) -> dict[str, str]:
    own = netns is not None and not host_config.network_mode.startswith("container:")
    bridged = {
        "net.ipv4.ip_unprivileged_port_start": "0",
        "net.ipv4.ping_group_range": f"0 {isolation.highest_group()}",
    }
    return {**(bridged if own else {}), **host_config.sysctls}


def _devices(host_config: HostConfig) -> Iterator[SpecDevice]:
    for node, device in _found_devices(host_config):
        if device.path == str(node) or isolation.makes_devices():
            yield device


def _moved_devices(host_config: HostConfig) -> Iterator[SpecMount]:
    """Where none can be made, runtimes show the host's nodes, but know them by one path: those with two are mounts."""
    for node, device in _found_devices(host_config):
        if device.path != str(node):
            yield SpecMount(device.path, "bind", str(node), ("bind", "rprivate", "nosuid", "noexec"))


def _found_devices(host_config: HostConfig) -> Iterator[tuple[Path, SpecDevice]]:
    if host_config.privileged:
        for node in host.device_nodes(Path("/dev")):
            if device := _device(node, str(node), "rwm"):
                yield node, device
    for source, target, access in host_config.resources.devices:
        with _naming_device(source):
            nodes = host.device_nodes(Path(source))
            for node in nodes:
                inside = target if str(node) == source else f"{target}/{node.relative_to(source)}"
                device = _device(node, inside, access)
                if device is None:
                    raise InvalidArgument(
                        f"error gathering device information: {source} is not a device node"
                    )
                yield node, device


@contextmanager
def _naming_device(source: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise InvalidArgument(
            f'error gathering device information while adding custom device "{source}": no such file or directory'
        ) from None


def _device(node: Path, inside: str, access: str) -> SpecDevice | None:
    status = node.stat()
    kind = "c" if node.is_char_device() else "b" if node.is_block_device() else ""
    if not kind:
        return None
    return SpecDevice(
        path=inside,
        kind=kind,
        major=os.major(status.st_rdev),
        minor=os.minor(status.st_rdev),
        mode=status.st_mode & 0o777,
        uid=status.st_uid,
        gid=status.st_gid,
        access=access or "rwm",
    )


def _root_propagation(container: Container) -> str:
    """A mount that travels needs a root that lets it through."""
    wanted = {point.propagation for point in container.mounts}
    if wanted & {"shared", "rshared"}:
        return "rshared"
    if wanted & {"slave", "rslave"}:
        return "rslave"
    return "rprivate"
