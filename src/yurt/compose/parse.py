"""One service's section of a Compose file to a `Service`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from yurt.compose import building, developing, fields, limits, linking, mounts, short, units, words
from yurt.compose.fields import Fields
from yurt.compose.model import Healthcheck, Port, Service, Source
from yurt.compose.nodes import MappingNode, Node, ScalarNode, SequenceNode, kind, plain, problem
from yurt.errors import InvalidArgument
from yurt.values import Value

PULL_POLICIES = (
    "always",
    "never",
    "missing",
    "if_not_present",
    "build",
    "newer",
    "refresh",
    "daily",
    "weekly",
)


class Surroundings(Value):
    """What a service's section is read against."""

    directory: str
    home: str
    environ: Mapping[str, str]
    # path, raw, what earlier files set → variables; None if there is no file
    read_env_file: Callable[[str, bool, Mapping[str, str]], dict[str, str] | None]
    sources: Mapping[str, Mapping[str, Source]]  # "secrets" and "configs" by key

    def path(self, text: str) -> str:
        return short.host_path(text, self.directory, self.home)


def service(name: str, node: Node, project: str, around: Surroundings) -> Service:
    """Return the service that *node* describes; raises InvalidArgument with the position of a mistake."""
    at = Fields(node, f"services.{name}")
    at.ignored("pull_refresh_after")  # no version of Docker Compose reads it
    _refuse(at)
    deploy = limits.deploy(at)
    built = building.build(at, around.path, around.environ, around.sources["secrets"])
    image = at.text("image")
    if not image and built is None:
        raise problem(at.node, at.path, "has neither an image nor a build", expected="`image:` or `build:`")
    network_mode = at.text("network_mode")
    networks = linking.networks(at)
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
    policy = at.unit("restart", limits.restart) or ""  # that of `deploy` wins, as in Docker Compose
    mounted, files = mounts.mounts(at, around.path, around.directory, around.home, around.sources)
    result = Service(
        name=name,
        image=image or f"{project}-{name}",
        build=built,
        command=_command(at, "command"),
        entrypoint=_command(at, "entrypoint"),
        environment=_environment(at, around),
        labels=_labels(at, around),
        annotations=_values(at, "annotations"),
        ports=_ports(at),
        expose=at.texts("expose"),
        mounts=mounted,
        files=files,
        tmpfs=at.texts("tmpfs"),
        volumes_from=at.texts("volumes_from"),
        networks=networks,
        network_mode=network_mode,
        links=at.texts("links"),
        external_links=at.texts("external_links"),
        depends_on=linking.depends_on(at, network_mode),
        post_start=developing.hooks(at, "post_start", around.environ),
        pre_stop=developing.hooks(at, "pre_stop", around.environ),
        watch=developing.watch(at, around.path, around.environ),
        attach=at.flag("attach", default=True),
        rollover=deploy.rollover,
        healthcheck=_healthcheck(at),
        restart=deploy.restart or policy,
        profiles=at.texts("profiles"),
        replicas=replicas,
        resources=limits.resources(at, deploy),
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
        ulimits=limits.ulimits(at),
        sysctls=_values(at, "sysctls"),
        extra_hosts=building.extra_hosts(at),
        dns=at.texts("dns"),
        dns_search=at.texts("dns_search"),
        dns_opt=at.texts("dns_opt"),
        logging_driver=driver,
        logging_options=options,
        security_opt=at.texts("security_opt"),
        group_add=at.texts("group_add"),
        devices=limits.devices(at),
        device_cgroup_rules=at.texts("device_cgroup_rules"),
        device_requests=(*limits.device_requests(at), *deploy.devices),
        block=limits.block(at),
        storage_opt=_values(at, "storage_opt"),
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
        pull_policy=at.unit("pull_policy", pull_policy) or "",
        given={key: plain(at.node.entries[key]) for key in ("configs", "secrets") if key in at.node.entries},
        extensions=extensions(at.node),
        at=at.node.at,
    )
    at.close()
    return result


def extensions(node: MappingNode) -> dict[str, Any]:
    """Return the keys that are the user's own."""
    return {key: plain(child) for key, child in node.entries.items() if key.startswith("x-")}


def _refuse(at: Fields) -> None:
    at.refused("provider", why="a plugin of Docker's would run it, outside of the engine",
               hint="give the service an image, or start the thing beside the project")  # fmt: skip
    at.refused("models", why="models run in Docker's own model runner, which the Engine API does not have",
               hint="run the model's server as a service")  # fmt: skip
    at.refused("credential_spec", why="it is for containers of Windows, and these are Linux's")
    at.refused("use_api_socket", why="a container that has the engine's socket rules the host",
               hint="mount the socket yourself, if that is meant")  # fmt: skip


def pull_policy(text: str) -> str:
    """Return when a service's image is pulled; InvalidArgument for what Compose does not know."""
    if text not in PULL_POLICIES:
        interval = text.removeprefix("every_")
        if interval == text:
            raise InvalidArgument(
                f"{text!r} is not known, expected {', '.join(PULL_POLICIES)} or every_DURATION"
            )
        refresh_after(text)
    return text


def refresh_after(policy: str) -> int | None:
    """Return the nanoseconds after which an image is pulled again; None if its age does not matter."""
    if policy in ("daily", "weekly"):
        return units.duration("24h" if policy == "daily" else "168h")
    if policy.startswith("every_"):
        weeks = policy.removeprefix("every_")
        if weeks.endswith("w") and weeks[:-1].isdigit() and len(weeks) < 5:
            return int(weeks[:-1]) * units.duration("168h")
        return units.duration(weeks)
    return None


def _labels(at: Fields, around: Surroundings) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in at.texts("label_file"):
        node = at.node.entries["label_file"]
        read = around.read_env_file(around.path(name), False, {})
        if read is None:
            raise problem(node, at.of("label_file"), f"no such file: {name}")
        found |= read
    return found | _values(at, "labels")


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
        variables = around.read_env_file(around.path(where), raw, found)
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


def expected_mapping(node: Node, path: str) -> MappingNode:
    """Return *node* as the mapping it must be."""
    if not isinstance(node, MappingNode):
        raise problem(node, path, f"is {kind(node)}", expected="a mapping of names")
    return node
