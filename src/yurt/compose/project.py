"""From a folder and the options of a command to a `Project`: finds the files, reads them, joins and checks them.

The only module here that reads files besides the build context. The environment is handed in.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping

from yurt.compose import dotenv, parse, short
from yurt.compose.fields import Fields
from yurt.compose.interpolate import interpolated
from yurt.compose.load import load
from yurt.compose.model import Attachment, Network, Project, Service, Source, Volume
from yurt.compose.nodes import MappingNode, Node, ScalarNode, problem
from yurt.compose.sources import UNREADABLE, Sources, void
from yurt.errors import InvalidArgument, NotFound, translated
from yurt.values import Value, replace

NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
OVERRIDES = ("compose.override.yaml", "compose.override.yml", "docker-compose.override.yml",
             "docker-compose.override.yaml")  # fmt: skip
DEFAULT = "default"  # the network of services that name none

_PROJECT_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_SERVICE_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]*")


class Options(Value):
    """What the flags before a command say about which project is meant."""

    files: tuple[str, ...] = ()
    name: str = ""
    profiles: tuple[str, ...] = ()
    env_files: tuple[str, ...] = ()
    directory: str = ""


class Location(Value):
    """The project's files and variables, before any of the YAML is read."""

    directory: str
    files: tuple[tuple[str, bytes], ...]  # absolute path, content
    variables: Mapping[str, str]  # the environment over the .env files
    env_files: tuple[str, ...]
    profiles: tuple[str, ...]
    name: str  # as chosen by flag or variable; empty: the file or the folder says
    cwd: str


def locate(
    options: Options, *, cwd: str, environ: Mapping[str, str], read_stdin: Callable[[], bytes]
) -> Location:
    """Return what belongs to the project that *options* mean, seen from *cwd*.

    Raises NotFound when there is no Compose file here or in any folder above.
    """
    base = os.path.join(cwd, options.directory) if options.directory else cwd
    variables, env_files = _variables(options, base, environ)
    paths = list(options.files)
    if not paths and (listed := variables.get("COMPOSE_FILE")):
        paths = [path for path in listed.split(variables.get("COMPOSE_PATH_SEPARATOR") or os.pathsep) if path]
    found = [path if path == "-" else os.path.normpath(os.path.join(cwd, path)) for path in paths] or _search(
        base
    )
    if not found:
        raise NotFound(
            f"no Compose file in {base} or any folder above it",
            hint=f"create {NAMES[0]}, or name one with -f",
        )
    directory = os.path.normpath(base) if options.directory or found[0] == "-" else os.path.dirname(found[0])
    if directory != base and not options.env_files and "COMPOSE_ENV_FILES" not in environ:
        variables, env_files = _variables(options, directory, environ)
    content = []
    for path in found:
        if path == "-":
            content.append(("-", read_stdin()))
            continue
        with translated(UNREADABLE, f"cannot read {_shown(path, cwd)}"), open(path, "rb") as file:
            content.append((path, file.read()))
    profiles = options.profiles or tuple(
        name.strip() for name in variables.get("COMPOSE_PROFILES", "").split(",") if name.strip()
    )
    return Location(
        directory=directory,
        files=tuple(content),
        variables=variables,
        env_files=env_files,
        profiles=profiles,
        name=_checked_name(options.name or variables.get("COMPOSE_PROJECT_NAME", "")),
        cwd=cwd,
    )


def chosen_name(options: Options, environ: Mapping[str, str]) -> str:
    """Return the project's name as chosen by flag or environment alone: what `down` can do without a file."""
    return _checked_name(options.name or environ.get("COMPOSE_PROJECT_NAME", ""))


def _checked_name(name: str) -> str:
    if name and not _PROJECT_NAME.fullmatch(name):
        raise InvalidArgument(
            f"{name!r} is no project name, expected small letters, digits, '-' and '_', beginning with a letter or digit"
        )
    return name


def folder_name(directory: str) -> str:
    """Return the project name that a folder gives."""
    name = re.sub(r"[^a-z0-9_-]", "", os.path.basename(directory.rstrip("/")).lower()).lstrip("_-")
    if not name:
        raise InvalidArgument(f"the folder {directory} gives no project name", hint="choose one with -p NAME")
    return name


def _search(start: str) -> list[str]:
    folder = os.path.normpath(start)
    while True:
        for name in NAMES:
            if os.path.isfile(path := os.path.join(folder, name)):
                override = next((o for o in OVERRIDES if os.path.isfile(os.path.join(folder, o))), None)
                return [path, os.path.join(folder, override)] if override else [path]
        above = os.path.dirname(folder)
        if above == folder:
            return []
        folder = above


def _shown(path: str, cwd: str) -> str:
    return path[len(cwd) + 1 :] if path.startswith(f"{cwd}/") else path


def _variables(
    options: Options, directory: str, environ: Mapping[str, str]
) -> tuple[Mapping[str, str], tuple[str, ...]]:
    named = options.env_files or tuple(
        path for path in environ.get("COMPOSE_ENV_FILES", "").split(",") if path
    )
    paths = [os.path.normpath(os.path.join(directory, path)) for path in named]
    if not named and environ.get("COMPOSE_DISABLE_ENV_FILE", "") not in ("1", "true"):
        default = os.path.join(directory, ".env")
        paths = [default] if os.path.isfile(default) else []
    found: dict[str, str] = {}
    for path in paths:
        found.update(dotenv.parse(_text(path), _shown(path, directory), {**found, **environ}))
    return {**found, **environ}, tuple(paths)


def _text(path: str) -> str:
    with translated(UNREADABLE, f"cannot read {path}"), open(path, "rb") as file:
        content = file.read()
    with translated({UnicodeDecodeError: InvalidArgument}, f"{path} is not UTF-8 text"):
        return content.decode("utf-8")


def load_project(location: Location, *, warn: Callable[[str], None] = lambda _: None) -> Project:
    """Return the project of *location*, all of it checked.

    Raises InvalidArgument for the first mistake, with file, line, column and what was expected.
    """
    environ = location.variables
    name = location.name or _written_name(location) or folder_name(location.directory)
    environ = {**environ, "COMPOSE_PROJECT_NAME": name}
    unset: dict[str, None] = {}
    sources = Sources(cwd=location.cwd, home=environ.get("HOME", "/"), missing=unset.setdefault)
    whole = sources.whole(location.files, location.directory, environ)
    for variable in unset:
        warn(f"the variable {variable} is not set; it becomes empty")
    top = Fields(whole, "")
    top.ignored("version", "name")
    top.refused(
        "models",
        why="models run in Docker's own model runner, which the Engine API does not have",
        hint="run the model's server as a service",
    )
    sources_of = {group: _sources(top, group, name, location, environ) for group in ("secrets", "configs")}
    around = parse.Surroundings(
        directory=location.directory,
        home=environ.get("HOME", "/"),
        environ=environ,
        read_env_file=lambda path, raw, before: _env_file(path, raw, {**before, **environ}, location.cwd),
        sources=sources_of,
    )
    networks = {key: _network(key, node, name) for key, node in _section(top, "networks")}
    volumes = {key: _volume(key, node, name) for key, node in _section(top, "volumes")}
    services = {}
    for key, node in _section(top, "services"):
        if not _SERVICE_NAME.fullmatch(key):
            at = _expected(top, "services").position(key)
            raise problem(
                at, f"services.{key}", "is no service name", expected="letters, digits, '_', '.' and '-'"
            )
        services[key] = _joined(parse.service(key, node, name, around))
    top.close()
    if not services:
        raise InvalidArgument(
            f"{whole.at.file}: no services", hint="a Compose file has `services:` with at least one"
        )
    if any(attachment.network == DEFAULT for each in services.values() for attachment in each.networks):
        networks.setdefault(DEFAULT, Network(DEFAULT, f"{name}_{DEFAULT}"))
    _check(services, networks, volumes, _expected(top, "services"))
    on = {key: each for key, each in services.items() if _enabled(each, location.profiles)}
    return Project(
        name=name,
        directory=location.directory,
        files=tuple(path for path, _ in location.files),
        services=on,
        disabled={key: each for key, each in services.items() if key not in on},
        networks=networks,
        volumes=volumes,
        configs=sources_of["configs"],
        secrets=sources_of["secrets"],
        environment_files=location.env_files,
        extensions=parse.extensions(whole),
    )


def merged_document(location: Location, *, interpolate: bool) -> MappingNode:
    """Return the files as one document, not yet read as a project: what is short stays short, paths relative."""
    name = location.name or _written_name(location) or folder_name(location.directory)
    environ = {**location.variables, "COMPOSE_PROJECT_NAME": name}
    sources = Sources(cwd=location.cwd, home=environ.get("HOME", "/"), missing=void, interpolate=interpolate)
    whole = sources.whole(location.files, location.directory, environ)
    return whole if "name" in whole.entries else whole.with_entry("name", ScalarNode(name, whole.at, name))


def _written_name(location: Location) -> str:
    for path, content in reversed(location.files):
        if re.search(rb"^[\"']?name[\"']?[ \t]*:", content, re.MULTILINE) is None and b"{" not in content[:1]:
            continue  # reading it twice would cost as much as all the rest
        document = load(content, _shown(path, location.cwd))
        if (node := document.entries.get("name")) is not None:
            only = interpolated(MappingNode({"name": node}, {}, node.at), location.variables, missing=void)
            text = Fields(only, "").text("name")
            if text and not _PROJECT_NAME.fullmatch(text):
                raise problem(
                    node, "name", f"{text!r} is no project name", expected="small letters, digits, '-' or '_'"
                )
            return text
    return ""


def _enabled(service: Service, profiles: tuple[str, ...]) -> bool:
    return not service.profiles or "*" in profiles or any(profile in profiles for profile in service.profiles)


def _joined(service: Service) -> Service:
    if service.networks or service.network_mode:
        return service
    return replace(service, networks=(Attachment(DEFAULT),))


def _expected(top: Fields, key: str) -> MappingNode:
    node = top.take(key)
    return MappingNode({}, {}, top.node.at) if node is None else parse.expected_mapping(node, key)


def _section(top: Fields, key: str) -> list[tuple[str, Node]]:
    return [(name, node) for name, node in _expected(top, key).entries.items() if not name.startswith("x-")]


def _env_file(path: str, raw: bool, environ: Mapping[str, str], cwd: str) -> dict[str, str] | None:  # noqa: FBT001
    if not os.path.exists(path):
        return None
    return dotenv.parse(_text(path), _shown(path, cwd), environ, raw=raw)


def _external(at: Fields) -> tuple[bool, str]:
    """Return whether the thing is another's, and the name that the older form gives it."""
    node = at.take("external")
    if isinstance(node, MappingNode):
        old = Fields(node, at.of("external"))
        name = old.text("name")
        old.close()
        return True, name
    return at.flag("external"), ""


def _network(key: str, node: Node, project: str) -> Network:
    at = Fields(node, f"networks.{key}")
    external, old_name = _external(at)
    ipam_driver, pools, ipam_options = "", list[Mapping[str, object]](), dict[str, str]()
    if (ipam := at.section("ipam")) is not None:
        ipam_driver = ipam.text("driver")
        ipam_options = _values(ipam, "options")
        for path, item in ipam.each("config"):
            pool = Fields(item, path)
            wire: dict[str, object] = {
                wire: value
                for name, wire in (("subnet", "Subnet"), ("ip_range", "IPRange"), ("gateway", "Gateway"))
                if (value := pool.text(name))
            }
            if others := _values(pool, "aux_addresses"):
                wire["AuxiliaryAddresses"] = others
            pools.append(wire)
            pool.close()
        ipam.close()
    network = Network(
        key,
        at.text("name") or old_name or (key if external else f"{project}_{key}"),
        external=external,
        driver=at.text("driver"),
        driver_opts=_values(at, "driver_opts"),
        internal=at.flag("internal"),
        attachable=at.flag("attachable"),
        enable_ipv6=at.maybe_flag("enable_ipv6"),
        enable_ipv4=at.maybe_flag("enable_ipv4"),
        ipam_driver=ipam_driver,
        ipam_options=ipam_options,
        ipam=tuple(pools),
        labels=_values(at, "labels"),
    )
    at.close()
    return network


def _volume(key: str, node: Node, project: str) -> Volume:
    at = Fields(node, f"volumes.{key}")
    external, old_name = _external(at)
    volume = Volume(
        key,
        at.text("name") or old_name or (key if external else f"{project}_{key}"),
        external=external,
        driver=at.text("driver"),
        driver_opts=_values(at, "driver_opts"),
        labels=_values(at, "labels"),
    )
    at.close()
    return volume


def _values(at: Fields, key: str) -> dict[str, str]:
    return {name: value or "" for name, value in at.pairs(key).items()}


def _sources(
    top: Fields, group: str, project: str, location: Location, environ: Mapping[str, str]
) -> dict[str, Source]:
    """Return what is behind the top-level secrets or configs: each a file, a variable or content."""
    found = {}
    for key, node in _section(top, group):
        at = Fields(node, f"{group}.{key}")
        if at.flag("external") if not isinstance(at.take("external"), MappingNode) else True:
            at.refused("external", why="only a swarm keeps them, and Yurt is for one machine",
                       hint="give it a file, a variable or content")  # fmt: skip
        at.refused("driver", "driver_opts", "template_driver", why="only a swarm has such drivers")
        given = {form: at.take(form) for form in ("file", "environment", "content")}
        named = [form for form, value in given.items() if value is not None]
        if len(named) != 1 or (group == "secrets" and named == ["content"]):
            forms = (
                "`file:` or `environment:`" if group == "secrets" else "`file:`, `environment:` or `content:`"
            )
            raise problem(at.node, at.path, f"has {' and '.join(named) or 'no source'}", expected=forms)
        name = at.text("name") or f"{project}_{key}"
        content: bytes | None = None
        file, variable = "", at.text("environment")
        if named == ["file"]:
            file = short.host_path(at.text("file"), location.directory, environ.get("HOME", "/"))
        elif named == ["content"]:
            content = at.text("content").encode()
        else:
            if variable not in environ:
                raise problem(at.node.position("environment"), at.of("environment"),
                              f"the variable {variable} is not set", expected=f"{variable} in the environment or in .env")  # fmt: skip
            content = environ[variable].encode()
        found[key] = Source(name, file, content, variable, _values(at, "labels"))
        at.close()
    return found


def _check(
    services: Mapping[str, Service],
    networks: Mapping[str, Network],
    volumes: Mapping[str, Volume],
    section: MappingNode,
) -> None:
    """Refuse references to services, networks and volumes that the project does not have."""
    names: dict[str, str] = {}
    for service in services.values():
        node = section.entries[service.name]

        def refuse(field: str, what: str, expected: str, node: Node = node, name: str = service.name) -> None:
            at = (
                node.entries[field].at if isinstance(node, MappingNode) and field in node.entries else node.at
            )
            raise problem(at, f"services.{name}.{field}", what, expected=expected)

        for attachment in service.networks:
            if attachment.network not in networks:
                refuse(
                    "networks", f"no such network: {attachment.network!r}", "one of the top-level `networks:`"
                )
        for mount in service.mounts:
            if mount.type == "volume" and mount.source and mount.source not in volumes:
                refuse(
                    "volumes",
                    f"no such volume: {mount.source!r}",
                    "one of the top-level `volumes:`, or ./PATH",
                )
        for edge in service.depends_on:
            field = "depends_on" if not service.network_mode.endswith(f":{edge.service}") else "network_mode"
            if edge.service not in services:
                refuse(field, f"no such service: {edge.service!r}", f"one of {', '.join(services)}")
            if edge.service == service.name:
                refuse(field, "a service can't depend on itself", "another service")
        if service.container_name:
            other = names.setdefault(service.container_name, service.name)
            if other != service.name:
                refuse(
                    "container_name",
                    f"{service.container_name!r} is also the name of {other}'s",
                    "another name",
                )
