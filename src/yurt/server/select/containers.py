"""Filters of ``GET /containers/json``."""

import re
from collections.abc import Callable, Iterable, Mapping

from yurt.engine.containers.model import Container, Status
from yurt.errors import InvalidArgument
from yurt.server.select import labels
from yurt.server.wire import ports

KNOWN = (
    "ancestor", "before", "exited", "expose", "health", "id", "is-task", "isolation", "label",
    "name", "network", "publish", "since", "status", "volume",
)  # fmt: skip
HEALTH = ("none", "starting", "healthy", "unhealthy")
SHOWN_UNASKED = frozenset({Status.RUNNING, Status.PAUSED, Status.RESTARTING})

Lookup = Callable[[str], Container]
Ancestry = Callable[[Container, str], bool]
"""Tell whether a container's image is, or descends from, the image of that name."""


def select(
    containers: Iterable[Container],
    filters: Mapping[str, tuple[str, ...]],
    *,
    everything: bool,
    limit: int | None,
    lookup: Lookup,
    descends: Ancestry,
    network_id: Callable[[str], str],
) -> list[Container]:
    """Return what the list shows, newest first. Asking for a status or a number shows stopped ones, too."""
    for status in filters.get("status", ()):
        if status not in set(Status):
            raise InvalidArgument(
                f"invalid filter 'status={status}': invalid value for state ({status}): "
                f"must be one of {', '.join(Status)}"
            )
    for value in filters.get("health", ()):
        if value not in HEALTH:
            raise InvalidArgument(
                f"invalid filter 'health={value}': invalid value for health ({value}): "
                f"must be one of {', '.join(HEALTH)}"
            )
    for value in filters.get("exited", ()):
        if not value.removeprefix("-").isdecimal():
            raise InvalidArgument(f"invalid filter 'exited={value}'", hint="an exit code is a number")
    for value in filters.get("is-task", ()):
        if value.lower() not in {"true", "false", "1", "0"}:
            raise InvalidArgument(f"invalid filter 'is-task={value}'", hint="true or false")
    before = [lookup(ref).created_ns for ref in filters.get("before", ())]
    since = [lookup(ref).created_ns for ref in filters.get("since", ())]
    names = [_name_pattern(text) for text in filters.get("name", ())]
    is_everything = (
        everything
        or bool(limit and limit > 0)
        or any(filters.get(key) for key in ("status", "exited", "before", "since"))
    )
    found = [
        container
        for container in sorted(containers, key=lambda one: one.created_ns, reverse=True)
        if (is_everything or container.state.status in SHOWN_UNASKED)
        and labels.match(container.config.labels, filters)
        and all(container.created_ns < moment for moment in before)
        and all(container.created_ns > moment for moment in since)
        and (not names or any(pattern(container.name) for pattern in names))
        and all(
            any(_matches(container, key, value, descends, network_id) for value in values)
            for key, values in filters.items()
            if values and key not in {"label", "before", "since", "name"}
        )
    ]
    return found[:limit] if limit and limit > 0 else found


def _name_pattern(text: str) -> Callable[[str], bool]:
    """Docker takes a name filter as a regular expression, over the name with and without its slash."""
    try:
        pattern = re.compile(text)
    except re.error:
        return lambda name: text in name
    return lambda name: bool(pattern.search(name) or pattern.search("/" + name))


def _matches(
    container: Container, key: str, value: str, descends: Ancestry, network_id: Callable[[str], str]
) -> bool:
    match key:
        case "id":
            return container.id.startswith(value)
        case "status":
            return container.state.status == value
        case "exited":
            # Docker counts a container that never ran as one that exited with 0; we do not.
            return container.state.status is Status.EXITED and str(container.state.exit_code) == value
        case "health":
            return (container.state.health.status if container.state.health else "none") == value
        case "ancestor":
            return descends(container, value)
        case "network":
            return _is_on(container, value, network_id)
        case "volume":
            return any(value in {mount.name, mount.target, mount.source} for mount in container.mounts)
        case "publish":
            return any(_in_range(value, binding.host_port, binding.protocol) for binding in container.ports)
        case "expose":
            exposed = [ports.split(port) for port in container.config.exposed_ports]
            exposed += [(binding.container_port, binding.protocol) for binding in container.host.ports]
            return any(_in_range(value, number, protocol) for number, protocol in exposed)
        case "is-task":
            return value in {"false", "0"}
        case _:
            return True


def _is_on(container: Container, value: str, network_id: Callable[[str], str]) -> bool:
    names = {request.network for request in container.endpoints} | {container.host.network_mode}
    names |= {
        name for endpoint in container.networks for name in (endpoint.network_name, endpoint.network_id)
    }
    wanted = network_id(value)
    return value in names or (bool(wanted) and wanted in {network_id(name) for name in names})


def _in_range(text: str, number: int, protocol: str) -> bool:
    numbers, _, wanted_protocol = text.partition("/")
    first, _, last = numbers.partition("-")
    if not first.isdecimal() or (last and not last.isdecimal()):
        raise InvalidArgument(f"invalid port {text!r}", hint="write 80/tcp or 8000-8010")
    return int(first) <= number <= int(last or first) and protocol == (wanted_protocol or "tcp")
