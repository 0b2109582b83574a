"""One service's section of a Compose file to a `Service`."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from yurt.compose import fields, short, words
from yurt.compose.fields import Fields
from yurt.compose.model import (
    Attachment,
    Build,
    Condition,
    Dependency,
    Healthcheck,
    Mount,
    Port,
    Resources,
    Service,
    Ulimit,
)
from yurt.compose.nodes import MappingNode, Node, ScalarNode, SequenceNode, kind, problem
from yurt.errors import InvalidArgument, Unimplemented

CONDITIONS = tuple(condition.value for condition in Condition)
PULL_POLICIES = ("always", "never", "missing", "if_not_present", "build", "newer")
RESTARTS = ("no", "always", "on-failure", "unless-stopped")
SECRET_PLACE = "/run/secrets/"  # noqa: S105 - a folder, no secret


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a service's section is read against."""

    directory: str
    home: str
    environ: Mapping[str, str]
    read_env_file: Callable[
        [str, bool], dict[str, str] | None
    ]  # path, raw → variables; None if there is no file
    files: Mapping[str, Mapping[str, str]]  # "secrets" and "configs": key → absolute path of the file

    def path(self, text: str) -> str:
        return short.host_path(text, self.directory, self.home)


def service(name: str, node: Node, project: str, around: Surroundings) -> Service:
    """Return the service that *node* describes; raises InvalidArgument with the position of a mistake."""
    at = Fields(node, f"services.{name}")
    at.ignored("develop", "attach")
    at.unsupported("provider", "models", "label_file", "external_links", "post_start", "pre_stop")
    at.unsupported("storage_opt", "credential_spec", "blkio_config", "gpus", "use_api_socket")
    deploy = _deploy(at)
    built = _build(at, around)
    image = at.text("image")
    if not image and built is None:
        raise problem(at.node, at.path, "has neither an image nor a build", expected="`image:` or `build:`")
    network_mode = at.text("network_mode")
    networks = _networks(at)
    if network_mode and at.take("networks") is not None:
        raise problem(
            at.node.position("networks"), at.of("networks"), f"excludes network_mode: {network_mode}"
        )
    logging = at.section("logging")
    driver, options = "", dict[str, str]()
    if logging is not None:
        driver, options = logging.text("driver"), _values(logging, "options")
        logging.close()
    container_name = at.text("container_name")
    replicas = deploy.replicas
    if container_name and replicas > 1:
        raise problem(
            at.node.position("container_name"),
            at.of("container_name"),
            f"can't be used with {replicas} replicas, as names are unique",
        )
    result = Service(
        name=name,
        image=image or f"{project}-{name}",
        build=built,
        command=_command(at, "command"),
        entrypoint=_command(at, "entrypoint"),
        environment=_environment(at, around),
        labels=_values(at, "labels"),
        annotations=_values(at, "annotations"),
        ports=_ports(at),
        expose=at.texts("expose"),
        mounts=_mounts(at, around),
        tmpfs=at.texts("tmpfs"),
        volumes_from=at.texts("volumes_from"),
        networks=networks,
        network_mode=network_mode,
        depends_on=_depends_on(at, network_mode),
        healthcheck=_healthcheck(at),
        restart=at.unit("restart", _restart) or deploy.restart,
        profiles=at.texts("profiles"),
        replicas=replicas,
        resources=_resources(at, deploy),
        container_name=container_name,
        hostname=at.text("hostname"),
        domainname=at.text("domainname"),
        user=at.text("user"),
        working_dir=at.text("working_dir"),
        cap_add=at.texts("cap_add"),
        cap_drop=at.texts("cap_drop"),
        privileged=at.flag("privileged"),
        read_only=at.flag("read_only"),
        init=at.maybe_flag("init"),
        stdin_open=at.flag("stdin_open"),
        tty=at.flag("tty"),
        stop_signal=at.text("stop_signal"),
        stop_grace_period=at.duration("stop_grace_period"),
        shm_size=at.size("shm_size"),
        ulimits=_ulimits(at),
        sysctls=_values(at, "sysctls"),
        extra_hosts=_extra_hosts(at),
        dns=at.texts("dns"),
        dns_search=at.texts("dns_search"),
        dns_opt=at.texts("dns_opt"),
        logging_driver=driver,
        logging_options=options,
        security_opt=at.texts("security_opt"),
        group_add=at.texts("group_add"),
        devices=at.texts("devices"),
        device_cgroup_rules=at.texts("device_cgroup_rules"),
        cgroup=at.choice("cgroup", ("host", "private")),
        cgroup_parent=at.text("cgroup_parent"),
        ipc=at.text("ipc"),
        pid=at.text("pid"),
        uts=at.text("uts"),
        userns_mode=at.text("userns_mode"),
        runtime=at.text("runtime"),
        isolation=at.text("isolation"),
        mac_address=at.text("mac_address"),
        platform=at.text("platform"),
        pull_policy=at.choice("pull_policy", PULL_POLICIES),
        at=at.node.at,
    )
    at.close()
    return result


@dataclass(frozen=True, slots=True)
class _Deploy:
    replicas: int = 1
    restart: str = ""
    cpus: float | None = None
    memory: int | None = None
    memory_reservation: int | None = None
    pids: int | None = None


def _deploy(at: Fields) -> _Deploy:
    scale = at.integer("scale")
    found = at.section("deploy")
    if found is None:
        return _Deploy(1 if scale is None else scale)
    replicas = found.integer("replicas")
    found.ignored("mode", "endpoint_mode", "labels", "update_config", "rollback_config", "placement")
    restart, limits, reserved = "", None, None
    if (policy := found.section("restart_policy")) is not None:
        condition = policy.choice("condition", ("none", "on-failure", "any"), "any")
        attempts = policy.integer("max_attempts")
        policy.ignored("delay", "window")
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
    if limits is not None:
        limits.close()
    if reserved is not None:
        reserved.ignored("cpus", "pids")
        reserved.unsupported("devices", "generic_resources")
        reserved.close()
    found.close()
    chosen = replicas if replicas is not None else scale if scale is not None else 1
    return _Deploy(chosen, restart, cpus, memory, reservation, pids)


def _restart(text: str) -> str:
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


def _values(at: Fields, key: str) -> dict[str, str]:
    return {name: value or "" for name, value in at.pairs(key).items()}


def _command(at: Fields, key: str) -> tuple[str, ...] | None:
    node = at.take(key)
    if node is None:
        return None
    if isinstance(node, SequenceNode):
        return at.texts(key)
    return at.unit(key, words.split)


def _environment(at: Fields, around: Surroundings) -> dict[str, str]:
    found: dict[str, str] = {}
    node = at.take("env_file")
    items = [(at.of("env_file"), node)] if isinstance(node, ScalarNode) else at.each("env_file")
    for path, item in items:
        required, raw = True, False
        if isinstance(item, MappingNode):
            entry = Fields(item, path)
            where = entry.text("path")
            required, raw = entry.flag("required", default=True), entry.choice("format", ("raw",)) == "raw"
            entry.close()
        else:
            where = fields.text(item, path)
        if not where:
            raise problem(item, path, "names no file", expected="a path")
        variables = around.read_env_file(around.path(where), raw)
        if variables is None and required:
            raise problem(
                item, path, f"no such file: {where}", hint="create it, or write `required: false` beside it"
            )
        found.update(variables or {})
    for name, value in at.pairs("environment").items():
        if value is not None:
            found[name] = value
        elif name in around.environ:
            found[name] = around.environ[name]
    return found


def _build(at: Fields, around: Surroundings) -> Build | None:
    node = at.take("build")
    if node is None:
        return None
    if isinstance(node, ScalarNode):
        return Build(around.path(at.text("build")))
    found = Fields(node, at.of("build"), expected="a path or a mapping")
    found.ignored("cache_to", "privileged", "isolation", "provenance", "sbom", "ulimits")
    found.unsupported("ssh", "secrets", "additional_contexts", "entitlements")
    platforms = found.texts("platforms")
    context = found.text("context", ".")
    if "://" in context or context.startswith("git@"):
        raise Unimplemented(
            f"{found.node.position('context')}: {found.of('context')}: only local folders can be built"
        )
    inline = found.text("dockerfile_inline")
    if inline and found.take("dockerfile") is not None:
        raise problem(
            found.node.position("dockerfile_inline"), found.of("dockerfile_inline"), "excludes dockerfile"
        )
    args = {
        name: around.environ[name] if value is None else value
        for name, value in found.pairs("args").items()
        if value is not None or name in around.environ
    }
    built = Build(
        context=around.path(context),
        dockerfile=found.text("dockerfile", "Dockerfile"),
        dockerfile_inline=inline,
        args=args,
        labels=_values(found, "labels"),
        target=found.text("target"),
        network=found.text("network"),
        platform=platforms[0] if len(platforms) == 1 else "",
        extra_hosts=_extra_hosts(found),
        shm_size=found.size("shm_size"),
        cache_from=found.texts("cache_from"),
        tags=found.texts("tags"),
        no_cache=found.flag("no_cache"),
        pull=found.flag("pull"),
    )
    found.close()
    return built


def _extra_hosts(at: Fields) -> tuple[str, ...]:
    node = at.take("extra_hosts")
    if isinstance(node, MappingNode):
        hosts: list[str] = []
        for name, child in node.entries.items():
            hosts += [
                f"{name}:{address}" for address in fields.texts(child, f"{at.of('extra_hosts')}.{name}")
            ]
        return tuple(hosts)
    found = []
    for path, item in at.each("extra_hosts"):
        entry = fields.text(item, path)
        cut = min((place for mark in "=:" if (place := entry.find(mark)) > 0), default=-1)
        if cut < 0 or cut == len(entry) - 1:
            raise problem(item, path, f"{entry!r} has no address", expected="NAME=ADDRESS")
        found.append(f"{entry[:cut]}:{entry[cut + 1 :].removeprefix('[').removesuffix(']')}")
    return tuple(found)


def _ports(at: Fields) -> tuple[Port, ...]:
    found: list[Port] = []
    for path, item in at.each("ports"):
        if isinstance(item, MappingNode):
            entry = Fields(item, path)
            target = entry.integer("target", least=1)
            published = entry.text("published")
            protocol = entry.choice("protocol", ("tcp", "udp", "sctp"), "tcp")
            host_ip = entry.text("host_ip")
            entry.ignored("mode", "app_protocol", "name")
            entry.close()
            if target is None or target > 65535:
                raise problem(item, path, "has no target", expected="`target:`, a port of the container")
            if published:
                entry.unit("published", short.port_range)
            found.append(Port(target, published, host_ip, protocol))
            continue
        try:
            found += short.ports(fields.text(item, path))
        except InvalidArgument as error:
            if error.message.startswith(str(item.at)):
                raise
            raise problem(item, path, error.message, hint=error.hint) from error
    return tuple(dict.fromkeys(found))


def _mounts(at: Fields, around: Surroundings) -> tuple[Mount, ...]:
    found: dict[str, Mount] = {}
    for path, item in at.each("volumes"):
        if isinstance(item, MappingNode):
            mount = _long_mount(Fields(item, path), around)
        else:
            text = fields.text(item, path)
            try:
                mount = short.mount(text, around.directory, around.home)
            except InvalidArgument as error:
                raise problem(item, path, error.message, hint=error.hint) from error
        found[mount.target] = mount
    for group, place in (("secrets", SECRET_PLACE), ("configs", "/")):
        for path, item in at.each(group):
            mount = _file_mount(item, path, group, place, around)
            found[mount.target] = mount
    return tuple(found.values())


def _file_mount(item: Node, path: str, group: str, place: str, around: Surroundings) -> Mount:
    target = ""
    if isinstance(item, MappingNode):
        entry = Fields(item, path)
        source, target = entry.text("source"), entry.text("target")
        entry.ignored("uid", "gid", "mode")
        entry.close()
    else:
        source = fields.text(item, path)
    known = around.files[group]
    if source not in known:
        raise problem(
            item, path, f"no such {group[:-1]}: {source!r}", expected=f"one of the top-level `{group}:`"
        )
    target = target or source
    return Mount("bind", target if target.startswith("/") else place + target, known[source], read_only=True,
                 create_host_path=False)  # fmt: skip


def _long_mount(entry: Fields, around: Surroundings) -> Mount:
    form = entry.choice("type", ("volume", "bind", "tmpfs", "npipe", "cluster", "image"), "volume")
    target = entry.text("target")
    source = entry.text("source")
    if not target.startswith("/"):
        raise problem(
            entry.node, entry.of("target"), f"is {target!r}", expected="an absolute path in the container"
        )
    if form not in ("volume", "bind", "tmpfs"):
        raise Unimplemented(f"{entry.node.at}: {entry.of('type')}: {form} is not supported by yurt compose")
    if form == "bind" and not source:
        raise problem(entry.node, entry.of("source"), "is missing", expected="a path of the host")
    bind, volume, tmpfs = entry.section("bind"), entry.section("volume"), entry.section("tmpfs")
    entry.ignored("consistency")
    mount = Mount(
        form,
        posixpath.normpath(target),
        around.path(source) if form == "bind" else source if form == "volume" else "",
        entry.flag("read_only"),
        propagation=bind.text("propagation") if bind else "",
        selinux=bind.text("selinux") if bind else "",
        create_host_path=bind.flag("create_host_path", default=True) if bind else True,
        nocopy=volume.flag("nocopy") if volume else False,
        subpath=volume.text("subpath") if volume else "",
        size=tmpfs.size("size") if tmpfs else None,
        mode=tmpfs.integer("mode") if tmpfs else None,
    )
    if bind:
        bind.ignored("recursive")
    if volume:
        volume.ignored("labels")
    for section in (bind, volume, tmpfs, entry):
        if section is not None:
            section.close()
    return mount


def _networks(at: Fields) -> tuple[Attachment, ...]:
    node = at.take("networks")
    if node is None:
        return ()
    if not isinstance(node, MappingNode):
        return tuple(Attachment(name) for name in sorted(set(at.texts("networks"))))
    found = []
    for key, child in node.entries.items():
        entry = Fields(child, f"{at.of('networks')}.{key}")
        found.append(
            Attachment(
                key,
                aliases=entry.texts("aliases"),
                ipv4_address=entry.text("ipv4_address"),
                ipv6_address=entry.text("ipv6_address"),
                link_local_ips=entry.texts("link_local_ips"),
                mac_address=entry.text("mac_address"),
                driver_opts=_values(entry, "driver_opts"),
                priority=entry.integer("priority", least=-(1 << 31)) or 0,
            )
        )
        entry.ignored("gw_priority", "interface_name")
        entry.close()
    return tuple(sorted(found, key=lambda attachment: (-attachment.priority, attachment.network)))


def _depends_on(at: Fields, network_mode: str) -> tuple[Dependency, ...]:
    found: dict[str, Dependency] = {}
    node = at.take("depends_on")
    if isinstance(node, MappingNode):
        for name, child in node.entries.items():
            entry = Fields(child, f"{at.of('depends_on')}.{name}")
            condition = Condition(entry.choice("condition", CONDITIONS, Condition.STARTED.value))
            restart, required = entry.flag("restart"), entry.flag("required", default=True)
            found[name] = Dependency(name, condition, restart, required)
            entry.close()
    elif node is not None:
        found = {name: Dependency(name) for name in at.texts("depends_on")}
    for link in at.texts("links"):
        found.setdefault(link.partition(":")[0], Dependency(link.partition(":")[0]))
    modes = [network_mode, *(at.text(key) for key in ("ipc", "pid"))]
    shared = [mode[8:] for mode in modes if mode.startswith("service:")]
    shared += [
        each.partition(":")[0] for each in at.texts("volumes_from") if not each.startswith("container:")
    ]
    for name in shared:
        if name not in found:
            found[name] = Dependency(name, restart=True)
    return tuple(found.values())


def _healthcheck(at: Fields) -> Healthcheck | None:
    found = at.section("healthcheck")
    if found is None:
        return None
    node = found.take("test")
    test: tuple[str, ...] = ()
    if isinstance(node, SequenceNode):
        test = found.texts("test")
        if test and test[0] not in ("NONE", "CMD", "CMD-SHELL"):
            raise problem(
                node, found.of("test"), f"begins with {test[0]!r}", expected="NONE, CMD or CMD-SHELL first"
            )
    elif node is not None:
        test = ("CMD-SHELL", found.text("test"))
    result = Healthcheck(
        test,
        interval=found.duration("interval"),
        timeout=found.duration("timeout"),
        start_period=found.duration("start_period"),
        start_interval=found.duration("start_interval"),
        retries=found.integer("retries"),
        disable=found.flag("disable") or test == ("NONE",),
    )
    found.close()
    return result


def _resources(at: Fields, deploy: _Deploy) -> Resources:
    cpus = at.number("cpus")
    memory, reservation, pids = (
        at.size("mem_limit"),
        at.size("mem_reservation"),
        at.integer("pids_limit", least=-1),
    )
    at.ignored("cpu_count", "cpu_percent", "cpu_rt_period", "cpu_rt_runtime")
    cpus = deploy.cpus if cpus is None else cpus
    swap = None if at.text("memswap_limit") == "-1" else at.size("memswap_limit")
    return Resources(
        nano_cpus=None if cpus is None else round(cpus * 1e9),
        memory=deploy.memory if memory is None else memory,
        memory_reservation=deploy.memory_reservation if reservation is None else reservation,
        memory_swap=-1 if at.text("memswap_limit") == "-1" else swap,
        memory_swappiness=at.integer("mem_swappiness"),
        pids=deploy.pids if pids is None else pids,
        cpu_shares=at.integer("cpu_shares"),
        cpu_period=_microseconds(at, "cpu_period"),
        cpu_quota=_microseconds(at, "cpu_quota"),
        cpuset=at.text("cpuset"),
        oom_kill_disable=at.maybe_flag("oom_kill_disable"),
        oom_score_adj=at.integer("oom_score_adj", least=-1000),
    )


def _microseconds(at: Fields, key: str) -> int | None:
    node = at.take(key)
    if isinstance(node, ScalarNode) and isinstance(node.value, str) and not node.value.lstrip("-").isdigit():
        found = at.duration(key)
        return None if found is None else found // 1000
    return at.integer(key, least=-1)


def _ulimits(at: Fields) -> tuple[Ulimit, ...]:
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


def expected_mapping(node: Node, path: str) -> MappingNode:
    """Return *node* as the mapping it must be."""
    if not isinstance(node, MappingNode):
        raise problem(node, path, f"is {kind(node)}", expected="a mapping of names")
    return node
