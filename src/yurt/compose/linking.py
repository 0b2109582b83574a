"""How a service reaches and needs others: ``networks``, ``links``, ``depends_on``, and what it shares with them."""

from __future__ import annotations

from yurt.compose.fields import Fields
from yurt.compose.model import Attachment, Condition, Dependency
from yurt.compose.nodes import MappingNode

CONDITIONS = tuple(condition.value for condition in Condition)


def networks(at: Fields) -> tuple[Attachment, ...]:
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
                driver_opts={name: value or "" for name, value in entry.pairs("driver_opts").items()},
                priority=entry.integer("priority", least=-(1 << 31)) or 0,
                gw_priority=entry.integer("gw_priority", least=-(1 << 31)) or 0,
                interface_name=entry.text("interface_name"),
            )
        )
        entry.close()
    return tuple(sorted(found, key=lambda attachment: (-attachment.priority, attachment.network)))


def depends_on(at: Fields, network_mode: str) -> tuple[Dependency, ...]:
    """Return what must be up first: what is said, and what is linked to or shared with."""
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
        found.setdefault(link.partition(":")[0], Dependency(link.partition(":")[0], restart=True))
    modes = [network_mode, *(at.text(key) for key in ("ipc", "pid"))]
    shared = [mode[8:] for mode in modes if mode.startswith("service:")]
    shared += [
        each.partition(":")[0] for each in at.texts("volumes_from") if not each.startswith("container:")
    ]
    for name in shared:
        if name not in found:
            found[name] = Dependency(name, restart=True)
    return tuple(found.values())
