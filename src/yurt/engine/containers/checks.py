"""What is wrong in a request itself, and what of it this host cannot do. Messages are Docker's, people search for them."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from yurt.engine.containers import log_drivers, merge, security, signals
from yurt.engine.containers.model import ContainerConfig, CreateRequest, Healthcheck, HostConfig, Resources
from yurt.engine.containers.spec import (
    asked_capabilities,
    init_program,
    may_raise_limits,
    numeric_limit,
    oom_score_adj,
)
from yurt.errors import InvalidArgument
from yurt.linux import apparmor, cgroup, host, isolation
from yurt.oci import capabilities

_SMALLEST_MEMORY = 6 * 1024 * 1024
_SHORTEST_DURATION = 0.001  # seconds, of a health check
_RULE = re.compile(r"[acb] (\d+|\*):(\d+|\*) [rwm]{1,3}")
_RUNTIMES = frozenset({"", "runc", "io.containerd.runc.v2"})
_PLAIN_MODES = {
    "IPC": frozenset({"", "none", "private", "shareable", "host"}),
    "PID": frozenset({"", "host"}),
    "UTS": frozenset({"", "host"}),
    "user namespace": frozenset({"", "host"}),
    "cgroup namespace": frozenset({"", "host", "private"}),
}


def check_request(request: CreateRequest, *, runtime: str) -> None:
    """Raise InvalidArgument for what only a new container can have wrong. *runtime* is the name of the one in use."""
    config, asked = request.config, request.host
    _check_modes(asked)
    _check_network(config, asked)
    if asked.runtime not in {*_RUNTIMES, runtime}:
        raise InvalidArgument(f"unknown or invalid runtime name: {asked.runtime}")
    log_drivers.check(asked.log_driver, asked.log_options)
    if config.stop_signal:
        signals.parse(config.stop_signal)
    if asked.shm_size < 0:
        raise InvalidArgument("SHM size can not be less than 0")
    if not -1000 <= asked.oom_score_adj <= 1000:
        raise InvalidArgument(
            f"Invalid value {asked.oom_score_adj}, range for oom score adj is [-1000, 1000]"
        )
    for variable in config.env:
        if not variable.partition("=")[0]:
            raise InvalidArgument(f"invalid environment variable: {variable}")
    for entry in asked.extra_hosts:
        if not all(entry.partition(":")[::2]):
            raise InvalidArgument(f'bad format for add-host: "{entry}"', hint="write NAME:ADDRESS")
    if config.healthcheck is not None:
        _check_durations(config.healthcheck)


def _check_durations(check: Healthcheck) -> None:
    for name, seconds in (
        ("Interval", check.interval),
        ("Timeout", check.timeout),
        ("StartPeriod", check.start_period),
        ("StartInterval", check.start_interval),
    ):
        if 0 < seconds < _SHORTEST_DURATION:
            raise InvalidArgument(f"{name} in Healthcheck cannot be less than 1ms")


def _check_modes(asked: HostConfig) -> None:
    for what, mode in (
        ("IPC", asked.ipc_mode),
        ("PID", asked.pid_mode),
        ("UTS", asked.uts_mode),
        ("user namespace", asked.userns_mode),
        ("cgroup namespace", asked.cgroupns_mode),
    ):
        joins = what in {"IPC", "PID"} and mode.startswith("container:") and mode != "container:"
        if mode not in _PLAIN_MODES[what] and not joins:
            raise InvalidArgument(f"invalid {what} mode: {mode}")


def _check_network(config: ContainerConfig, asked: HostConfig) -> None:
    """Refuse what would change a network that belongs to another."""
    if asked.uts_mode == "host" and config.hostname:
        raise InvalidArgument("conflicting options: hostname and the UTS mode")
    mode = asked.network_mode
    if mode == "host" and asked.links:
        raise InvalidArgument(
            "conflicting options: host type networking can't be used with links. "
            "This would result in undefined behavior"
        )
    if not mode.startswith("container:"):
        return
    for given, what in (
        (config.hostname, "hostname and the network mode"),
        (
            asked.links,
            "container type network can't be used with links. This would result in undefined behavior",
        ),
        (asked.dns, "dns and the network mode"),
        (asked.extra_hosts, "custom host-to-IP mapping and the network mode"),
        (asked.ports or asked.publish_all, "port publishing and the container type network mode"),
        (config.exposed_ports, "port exposing and the container type network mode"),
    ):
        if given:
            raise InvalidArgument(f"conflicting options: {what}")


def check(config: ContainerConfig, host_config: HostConfig) -> None:
    """Raise InvalidArgument when something is wrong in a container's configuration, new or updated."""
    capabilities.granted(add=host_config.cap_add, drop=host_config.cap_drop)
    _check_memory(host_config.resources)
    _check_cpu(host_config.resources)
    _check_devices(host_config.resources)
    for name, soft, hard in host_config.resources.ulimits:
        if name not in host.LIMITS:
            raise InvalidArgument(f"invalid ulimit type: {name}")
        if numeric_limit(soft) > numeric_limit(hard):
            raise InvalidArgument(
                f"ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}"
            )
    for port in host_config.ports:
        port.validated()
    if config.working_dir and not config.working_dir.startswith("/"):
        raise InvalidArgument(
            f"the working directory '{config.working_dir}' is invalid, it needs to be an absolute path"
        )
    if host_config.network_mode == "host":
        for name in host_config.sysctls:
            if name.startswith("net."):
                raise InvalidArgument(f"sysctl '{name}' not allowed in host network namespace")
    if host_config.init:
        init_program()
    if config.healthcheck is not None:
        merge.health_command(config.healthcheck, config.shell)
    security.parse(host_config.security_opt)


def _check_memory(limits: Resources) -> None:
    if 0 < limits.memory < _SMALLEST_MEMORY:
        raise InvalidArgument("Minimum memory limit allowed is 6MB")
    if limits.memory > 0 and 0 < limits.memory_swap < limits.memory:
        raise InvalidArgument("Minimum memoryswap limit should be larger than memory limit, see usage")
    if not limits.memory and limits.memory_swap > 0:
        raise InvalidArgument("You should always set the Memory limit when using Memoryswap limit, see usage")
    if 0 < limits.memory_reservation < _SMALLEST_MEMORY:
        raise InvalidArgument("Minimum memory reservation allowed is 6MB")
    if 0 < limits.memory < limits.memory_reservation:
        raise InvalidArgument("Minimum memory limit can not be less than memory reservation limit, see usage")
    swappiness = limits.memory_swappiness
    if swappiness is not None and not 0 <= swappiness <= 100:
        raise InvalidArgument(f"Invalid value: {swappiness}, valid memory swappiness range is 0-100")


def _check_cpu(limits: Resources) -> None:
    if limits.nano_cpus and limits.cpu_period:
        raise InvalidArgument("Conflicting options: Nano CPUs and CPU Period cannot both be set")
    if limits.nano_cpus and limits.cpu_quota:
        raise InvalidArgument("Conflicting options: Nano CPUs and CPU Quota cannot both be set")
    count = os.cpu_count() or 1
    if limits.nano_cpus and not 0 < limits.nano_cpus <= count * 1_000_000_000:
        raise InvalidArgument(
            f"range of CPUs is from 0.01 to {count}.00, as there are only {count} CPUs available"
        )
    if limits.realtime_period or limits.realtime_runtime:
        if not host.schedules_realtime():
            raise InvalidArgument("kernel does not support CPU real-time scheduler")
        if 0 < limits.realtime_period < limits.realtime_runtime:
            raise InvalidArgument("cpu real-time runtime cannot be higher than cpu real-time period")
    if limits.cpu_shares < 0:
        raise InvalidArgument(f"invalid CPU shares ({limits.cpu_shares}): value must be a positive integer")
    if limits.cpu_period and not 1000 <= limits.cpu_period <= 1_000_000:
        raise InvalidArgument(
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)"
        )
    if 0 < limits.cpu_quota < 1000:
        raise InvalidArgument("CPU cfs quota can not be less than 1ms (i.e. 1000)")
    _check_set(limits.cpuset_cpus, "cpuset cpus", "CPUs", "cpu")
    _check_set(limits.cpuset_mems, "cpuset mems", "memory nodes", "node")


def _check_set(text: str, option: str, what: str, kind: str) -> None:
    if not text:
        return
    available = Path(f"/sys/devices/system/{kind}/online").read_text().strip()
    try:
        wanted = _numbers(text)
    except ValueError as error:
        raise InvalidArgument(f"Invalid value {text} for {option}: invalid format: {text}") from error
    if not wanted <= _numbers(available):
        raise InvalidArgument(
            f"Requested {what} are not available - requested {text}, available: {available}"
        )


def _numbers(text: str) -> set[int]:
    """Read a list such as ``0-2,5``."""
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        low, high = int(first), int(last) if dash else int(first)
        if not 0 <= low <= high < 1 << 20:
            raise ValueError(f"{part} is no range")
        found.update(range(low, high + 1))
    return found


def _check_devices(limits: Resources) -> None:
    if limits.blkio_weight and not 10 <= limits.blkio_weight <= 1000:
        raise InvalidArgument("Range of blkio weight is from 10 to 1000")
    for rule in limits.device_rules:
        if not _RULE.fullmatch(rule):
            raise InvalidArgument(f"invalid device cgroup rule format: '{rule}'")
    for limit in limits.blkio_devices:
        if limit.kind == "weight" and not host.weighs_block_devices():
            continue  # discarded, with a warning
        if not os.path.exists(limit.path):
            raise InvalidArgument(f"stat {limit.path}: no such file or directory")


def warnings(host_config: HostConfig) -> tuple[str, ...]:
    """Return what of a request this host cannot do, and what happens instead."""
    return tuple(_warnings(host_config))


def name_warnings(config: ContainerConfig) -> tuple[str, ...]:
    """Return what of a new container's names has no effect here."""
    if config.domainname and isolation.is_rootless():
        return ("The domain name is in /etc/hosts only: a rootless engine cannot tell it to the kernel",)
    return ()


def _warnings(host_config: HostConfig) -> Iterator[str]:
    limits = host_config.resources
    for wanted, controller, what in (
        (limits.memory, "memory", "memory"),
        (limits.pids_limit > 0, "pids", "pids"),
        (limits.nano_cpus or limits.cpu_quota or limits.cpu_shares, "cpu", "CPU"),
        (limits.cpuset_cpus, "cpuset", "cpuset"),
    ):
        if wanted and controller not in host.controllers():
            yield (
                f"Your kernel does not support {what} limits or the cgroup is not mounted. Limitation discarded."
            )
    if limits.memory and limits.memory_swap and not host.limits_swap():
        yield (
            "Your kernel does not support swap limit capabilities or the cgroup is not mounted. "
            "Memory limited without swap."
        )
    if limits.blkio_weight and not host.weighs_block_io():
        yield "Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded."
    if not host.weighs_block_devices() and any(limit.kind == "weight" for limit in limits.blkio_devices):
        yield (
            "Your kernel does not support Block I/O weight_device or the cgroup is not mounted. "
            "Weight-device discarded."
        )
    if limits.oom_kill_disable and not limits.memory:
        yield (
            "OOM killer is disabled for the container, but no memory limit is set, this can result in the system "
            "running out of resources."
        )
    if limits.memory_swappiness is not None and cgroup.mode() is cgroup.Mode.V2:
        yield (
            "Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. "
            "Memory swappiness discarded."
        )
    if host_config.oom_score_adj and oom_score_adj(host_config) is None:
        yield "The OOM score stays the engine's own: a rootless engine cannot set a lower one"
    for name, soft, hard in limits.ulimits:
        highest = host.highest_limit(name) if name in host.LIMITS else host.INFINITY
        if max(numeric_limit(soft), numeric_limit(hard)) > highest and not may_raise_limits():
            yield f"ulimit {name} is held to {highest}: the engine has no CAP_SYS_RESOURCE to raise it"
    missing = set(asked_capabilities(host_config)) - host.bounding_capabilities(capabilities.ALL)
    if missing and not host_config.privileged:
        yield f"not granted, because the engine itself has not got it: {', '.join(sorted(missing))}"
    profile = security.parse(host_config.security_opt).apparmor
    if profile not in {"", apparmor.UNCONFINED} and not apparmor.is_enabled():
        yield f"The AppArmor profile {profile} has no effect: this host has no AppArmor"
    if host_config.network_mode == "host" and host_config.ports:
        yield "Published ports are discarded when using host network mode"
