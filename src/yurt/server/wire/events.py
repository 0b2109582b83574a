"""Events to the wire, and which of them a client asked for."""

from collections.abc import Mapping

from yurt.api.types import system as wire
from yurt.engine.events import Event
from yurt.server.wire import times

WITH_OLD_FIELDS = frozenset({"container", "image"})  # carry `status`, `id` and `from` as before API 1.22


def to_wire(event: Event) -> wire.EventMessage:
    is_old = event.kind in WITH_OLD_FIELDS
    return wire.EventMessage(
        status=event.action if is_old else None,
        id=(event.actor or None) if is_old else None,
        from_=event.attributes.get("image") if event.kind == "container" else None,
        type=event.kind,
        action=event.action,
        actor=wire.EventActor(id=event.actor, attributes=dict(event.attributes)),
        scope="local",
        time=event.time_ns // times.SECOND,
        time_nano=event.time_ns,
    )


def matches(event: Event, filters: Mapping[str, tuple[str, ...]]) -> bool:
    """Tell whether *event* passes: every key must match, by any of its values."""
    return all(_matches(event, key, values) for key, values in filters.items() if values)


def _matches(event: Event, key: str, values: tuple[str, ...]) -> bool:
    attributes = event.attributes
    match key:
        case "type":
            return event.kind in values
        case "event" | "action":
            # `health_status: healthy` is also found by `health_status`, `exec_start: true` by `exec_start`.
            return event.action in values or event.action.partition(":")[0] in values
        case "label":
            return all(_has_label(attributes, label) for label in values)
        case "container" | "network" | "volume" as kind:
            # Only what happened to the thing itself, not what others did with it; the beginning is enough.
            names = (event.actor, attributes.get("name", "")) if event.kind == kind else ()
            return any(name.startswith(value) for name in names for value in values)
        case "image":  # also what containers of it do, and also without the tag
            names = (event.actor, attributes.get("name" if event.kind == "image" else "image", ""))
            return any(value in (name, _untagged(name)) for name in names for value in values)
        case "scope":
            return "local" in values
        case _:
            return False


def _untagged(name: str) -> str:
    return name.rpartition(":")[0] if ":" in name.rpartition("/")[2] else name


def _has_label(attributes: Mapping[str, str], label: str) -> bool:
    key, equals, value = label.partition("=")
    return key in attributes and (not equals or attributes[key] == value)
