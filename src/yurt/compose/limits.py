"""How much a service may use, and how many containers of it there are: ``deploy`` and the older fields beside it."""

from __future__ import annotations

from yurt.compose import fields, units
from yurt.compose.fields import Fields
from yurt.compose.model import BlockLimits, DeviceRequest, Resources, Rollover, Ulimit
from yurt.compose.nodes import MappingNode, Node, ScalarNode, SequenceNode, kind, problem
from yurt.errors import InvalidArgument
from yurt.values import Value

RESTARTS = ("no", "always", "on-failure", "unless-stopped")
_SWARM = "it is for a swarm of machines, and Yurt is for one"


class Deploy(Value):
    """What ``deploy`` says, as far as one machine can honour it."""

    replicas: int = 1
    restart: str = ""
    cpus: float | None = None
    memory: int | None = None
    memory_reservation: int | None = None
    pids: int | None = None
    devices: tuple[DeviceRequest, ...] = ()
    rollover: Rollover = Rollover()


def deploy(at: Fields) -> Deploy:
    scale = at.integer("scale")
    found = at.section("deploy")
    if found is None:
        return Deploy(1 if scale is None else scale)
    replicas = found.integer("replicas")
    if replicas is not None and scale is not None and scale != replicas:
        raise problem(at.node.position("scale"), at.of("scale"), f"is {scale}, and deploy.replicas is {replicas}",
                      expected="one of them")  # fmt: skip
    found.ignored("endpoint_mode", "labels", "placement", "rollback_config")  # of the swarm's services
    if (mode := found.choice("mode", ("replicated", "global", "replicated-job", "global-job"))) and mode[
        -3:
    ] == "job":
        found.refused("mode", why=_SWARM)
    restart, limits, reserved = "", None, None
    if (policy := found.section("restart_policy")) is not None:
        condition = policy.choice("condition", ("none", "on-failure", "any"), "any")
        attempts = policy.integer("max_attempts")
        policy.ignored("delay", "window")  # the engine waits longer each time, by itself
        policy.close()
        restart = {"none": "no", "any": "always"}.get(
            condition, f"on-failure:{attempts}" if attempts else "on-failure"
        )
    if (resources := found.section("resources")) is not None:
        limits, reserved = resources.section("limits"), resources.section("reservations")
        resources.close()
    cpus = limits.number("cpus") if limits else None
    memory = limits.size("memory") if limits else None
    pids = limits.integer("pids") if limits else None
    reservation = reserved.size("memory") if reserved else None
    requested: tuple[DeviceRequest, ...] = ()
    if limits is not None:
        limits.close()
    if reserved is not None:
        reserved.ignored("cpus", "pids")  # nothing is scheduled on one machine
        reserved.refused("generic_resources", why=_SWARM)
        requested = tuple(_device_request(item, path) for path, item in reserved.each("devices"))
        reserved.close()
    rollover = _rollover(found)
    found.close()
    chosen = replicas if replicas is not None else scale if scale is not None else 1
    return Deploy(chosen, restart, cpus, memory, reservation, pids, requested, rollover)


def _rollover(found: Fields) -> Rollover:
    update = found.section("update_config")
    if update is None:
        return Rollover()
    order = update.choice("order", ("start-first", "stop-first"))
    update.choice("failure_action", ("continue", "pause", "rollback"))
    update.integer("parallelism")
    update.number("max_failure_ratio")
    result = Rollover(update.duration("delay"), update.duration("monitor"), order)
    update.close()
    return result


def restart(text: str) -> str:
    """Return a restart policy; InvalidArgument for what is none."""
    policy, colon, attempts = text.partition(":")
    if policy in RESTARTS and (
        not colon or (policy == "on-failure" and attempts.isdigit() and len(attempts) < 6)
    ):
        return text
    if text == "false":  # `restart: no` of a YAML 1.1 writer
        return "no"
    raise InvalidArgument(
        f"{text!r} is no restart policy, expected no, always, unless-stopped or on-failure[:TIMES]"
    )


def resources(at: Fields, wanted: Deploy) -> Resources:
    cpus = at.number("cpus")
    memory, reservation, pids = (
        at.size("mem_limit"),
        at.size("mem_reservation"),
        at.integer("pids_limit", least=-1),
    )
    for key, mine, theirs, name in (
        ("cpus", cpus, wanted.cpus, "limits.cpus"),
        ("mem_limit", memory, wanted.memory, "limits.memory"),
        ("mem_reservation", reservation, wanted.memory_reservation, "reservations.memory"),
        ("pids_limit", pids, wanted.pids, "limits.pids"),
    ):
        if mine is not None and theirs is not None and mine != theirs:
            raise problem(at.node.position(key), at.of(key), f"is not what deploy.resources.{name} says",
                          expected="one of them")  # fmt: skip
    at.refused(
        "cpu_count",
        "cpu_percent",
        why="it bounds containers of Windows, and these are Linux's",
        hint="cpus and cpu_shares bound ours",
    )
    cpus = wanted.cpus if cpus is None else cpus
    swap = None if at.text("memswap_limit") == "-1" else at.size("memswap_limit")
    return Resources(
        nano_cpus=None if cpus is None else round(cpus * 1e9),
        memory=wanted.memory if memory is None else memory,
        memory_reservation=wanted.memory_reservation if reservation is None else reservation,
        memory_swap=-1 if at.text("memswap_limit") == "-1" else swap,
        memory_swappiness=at.integer("mem_swappiness"),
        pids=wanted.pids if pids is None else pids,
        cpu_shares=at.integer("cpu_shares"),
        cpu_period=_microseconds(at, "cpu_period"),
        cpu_quota=_microseconds(at, "cpu_quota"),
        cpuset=at.text("cpuset"),
        cpu_rt_period=_microseconds(at, "cpu_rt_period"),
        cpu_rt_runtime=_microseconds(at, "cpu_rt_runtime"),
        oom_kill_disable=at.maybe_flag("oom_kill_disable"),
        oom_score_adj=at.integer("oom_score_adj", least=-1000),
    )


def _microseconds(at: Fields, key: str) -> int | None:
    node = at.take(key)
    if isinstance(node, ScalarNode) and isinstance(node.value, str) and not node.value.lstrip("-").isdigit():
        found = at.duration(key)
        return None if found is None else found // 1000
    return at.integer(key, least=-1)


def ulimits(at: Fields) -> tuple[Ulimit, ...]:
    node = at.take("ulimits")
    if node is None:
        return ()
    section = Fields(node, at.of("ulimits"))
    found = []
    for name, child in section.node.entries.items():
        if isinstance(child, MappingNode):
            entry = Fields(child, section.of(name))
            soft, hard = entry.integer("soft", least=-1), entry.integer("hard", least=-1)
            entry.close()
            if soft is None or hard is None:
                raise problem(child, section.of(name), "is not whole", expected="`soft:` and `hard:`")
            found.append(Ulimit(name, soft, hard))
        else:
            value = fields.integer(child, section.of(name), least=-1)
            found.append(Ulimit(name, value, value))
    return tuple(found)


def device_requests(at: Fields) -> tuple[DeviceRequest, ...]:
    """Return ``gpus``: ``all``, or a list of what is wanted."""
    node = at.take("gpus")
    if node is None:
        return ()
    if isinstance(node, ScalarNode):
        if str(node) != "all":
            raise problem(node, at.of("gpus"), f"is {kind(node)}", expected="all, or a list")
        return (DeviceRequest(("gpu",), count=-1),)
    return tuple(_device_request(item, path, default=("gpu",)) for path, item in at.each("gpus"))


def _device_request(item: Node, path: str, default: tuple[str, ...] = ()) -> DeviceRequest:
    entry = Fields(item, path)
    ids = entry.texts("device_ids")
    node = entry.take("count")
    if node is not None and ids:
        raise problem(entry.node.position("count"), entry.of("count"), "excludes device_ids")
    count = -1 if isinstance(node, ScalarNode) and str(node) == "all" else entry.integer("count", least=-1)
    result = DeviceRequest(
        entry.texts("capabilities") or default,
        entry.text("driver"),
        (0 if ids else -1) if count is None else count,
        ids,
        {name: value or "" for name, value in entry.pairs("options").items()},
    )
    if not result.capabilities:
        raise problem(item, path, "names no capabilities", expected="`capabilities:`, such as [gpu]")
    entry.close()
    return result


def block(at: Fields) -> BlockLimits:
    found = at.section("blkio_config")
    if found is None:
        return BlockLimits()
    result = BlockLimits(
        found.integer("weight") or 0,
        _by_device(found, "weight_device", "weight"),
        _by_device(found, "device_read_bps", "rate"),
        _by_device(found, "device_write_bps", "rate"),
        _by_device(found, "device_read_iops", "rate"),
        _by_device(found, "device_write_iops", "rate"),
    )
    found.close()
    return result


def _by_device(at: Fields, key: str, amount: str) -> tuple[tuple[str, int], ...]:
    found = []
    for path, item in at.each(key):
        entry = Fields(item, path)
        device = entry.text("path")
        value = entry.unit(amount, units.size) if key.endswith("bps") else entry.integer(amount)
        if not device or value is None:
            raise problem(item, path, "is not whole", expected=f"`path:` and `{amount}:`")
        entry.close()
        found.append((device, value))
    return tuple(found)


def devices(at: Fields) -> tuple[str, ...]:
    """Return ``devices`` as ``SOURCE:TARGET:PERMISSIONS``, from both forms."""
    node = at.take("devices")
    if not isinstance(node, SequenceNode):
        return at.texts("devices")
    found = []
    for path, item in at.each("devices"):
        if not isinstance(item, MappingNode):
            found.append(fields.text(item, path))
            continue
        entry = Fields(item, path)
        source = entry.text("source")
        if not source:
            raise problem(item, path, "names no device", expected="`source:`")
        found.append(f"{source}:{entry.text('target', source)}:{entry.text('permissions', 'rwm')}")
        entry.close()
    return tuple(found)
