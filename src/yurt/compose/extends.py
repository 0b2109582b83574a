"""``extends``: a service that takes over what another one says, of the same file or of one beside it. Pure."""

from __future__ import annotations

from collections.abc import Callable

from yurt.compose.fields import Fields
from yurt.compose.merge import merge
from yurt.compose.nodes import MappingNode, Node, ScalarNode, problem

MAX_STEPS = 64
SERVICE = ("services", "*")
Read = Callable[[Node, str, str], MappingNode]  # where it is named, its path, the file → that file's document


def extended(document: MappingNode, read: Read) -> MappingNode:
    """Return *document* with every ``extends`` done: the service laid on the one it extends."""
    services = document.entries.get("services")
    if not isinstance(services, MappingNode):
        return document
    entries = {name: _extended(name, services, read, ()) for name in services.entries}
    done = MappingNode(entries, services.keys, services.at, services.tag)
    return document.with_entry("services", done, document.position("services"))


def _extended(name: str, services: MappingNode, read: Read, trail: tuple[str, ...]) -> Node:
    service = services.entries[name]
    if not isinstance(service, MappingNode) or "extends" not in service.entries:
        return service
    wish, path = service.entries["extends"], f"services.{name}.extends"
    here = f"{service.at.file}:{name}"
    if here in trail:
        circle = " → ".join(each.rpartition(":")[2] for each in (*trail[trail.index(here) :], here))
        raise problem(wish, path, f"goes in a circle: {circle}")
    if len(trail) > MAX_STEPS:
        raise problem(wish, path, f"goes on for more than {MAX_STEPS} steps")
    base_name, file = _wished(wish, path)
    if file:
        found = read(wish, path, file).entries.get("services")
        services = found if isinstance(found, MappingNode) else MappingNode({}, {}, wish.at)
    if base_name not in services.entries:
        raise problem(
            wish, path, f"no such service: {base_name!r}", expected=f"one of {', '.join(services.entries)}"
        )
    base = _extended(base_name, services, read, (*trail, here))
    return merge(base, service.without("extends"), SERVICE)


def _wished(node: Node, path: str) -> tuple[str, str]:
    """Return the service, and the file if one is named."""
    if isinstance(node, ScalarNode):
        node = MappingNode({"service": node}, {"service": node.at}, node.at)
    fields = Fields(node, path)
    service, file = fields.text("service"), fields.text("file")
    fields.close()
    if not service:
        raise problem(node, path, "names no service", expected="`service:`")
    return service, file
