"""Several Compose files as one, by the specification's rules.

Mappings are merged key by key, lists are appended, anything else is replaced; the exceptions are in the tables
below. ``!reset`` drops what earlier files said, ``!override`` replaces it whole. Pure.
"""

from collections.abc import Callable, Sequence

from yurt.compose.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yurt.values import replace

Path = tuple[str, ...]  # names of services, networks… stand as "*"

# Lists that are a command line: the later file's whole.
REPLACED: frozenset[Path] = frozenset(
    {
        ("services", "*", "command"),
        ("services", "*", "entrypoint"),
        ("services", "*", "healthcheck", "test"),
    }
)

# Fields written as a mapping or as a list of NAME=value: merged as mappings.
NAMED: dict[Path, str] = {
    ("services", "*", "environment"): "=",
    ("services", "*", "labels"): "=",
    ("services", "*", "annotations"): "=",
    ("services", "*", "sysctls"): "=",
    ("services", "*", "build", "args"): "=",
    ("services", "*", "build", "labels"): "=",
    ("services", "*", "build", "additional_contexts"): "=",
    ("services", "*", "deploy", "labels"): "=",
    ("services", "*", "storage_opt"): "=",
    ("services", "*", "networks"): "",
    ("services", "*", "depends_on"): "",
    ("services", "*", "models"): "",
    ("networks", "*", "labels"): "=",
    ("volumes", "*", "labels"): "=",
    ("configs", "*", "labels"): "=",
    ("secrets", "*", "labels"): "=",
}

# Written as a mapping of names to addresses, or as a list: a name may have several, so they are appended.
HOSTS: frozenset[Path] = frozenset(
    {("services", "*", "extra_hosts"), ("services", "*", "build", "extra_hosts")}
)

# One text stands for a list of one.
LISTED: frozenset[Path] = frozenset(
    ("services", "*", key) for key in ("dns", "dns_search", "dns_opt", "tmpfs", "env_file", "label_file")
)

_DEPENDS_ON = ("services", "*", "depends_on")


def _mount_target(node: Node) -> str | None:
    """Return where a volume, device, secret or config appears in the container."""
    if isinstance(node, MappingNode):
        found = node.entries.get("target") or node.entries.get("source")
        return str(found) if isinstance(found, ScalarNode) else None
    if not isinstance(node, ScalarNode):
        return None
    parts = str(node).split(":")
    return parts[0] if len(parts) == 1 else parts[1]


def _port_identity(node: Node) -> str | None:
    if isinstance(node, MappingNode):
        fields = ("host_ip", "published", "target", "protocol")
        values = [str(node.entries[key]) if key in node.entries else "" for key in fields]
        values[3] = values[3] or "tcp"
        return "|".join(values)
    if not isinstance(node, ScalarNode):
        return None
    address, _, protocol = str(node).partition("/")
    parts = address.rsplit(":", 2)
    return "|".join([*[""] * (3 - len(parts)), *parts, protocol or "tcp"])


def _itself(node: Node) -> str | None:
    return str(node) if isinstance(node, ScalarNode) else None


# Lists in which a later item takes the place of the earlier one with the same identity.
KEYED: dict[Path, Callable[[Node], str | None]] = {
    ("services", "*", "volumes"): _mount_target,
    ("services", "*", "devices"): _mount_target,
    ("services", "*", "secrets"): _mount_target,
    ("services", "*", "configs"): _mount_target,
    ("services", "*", "ports"): _port_identity,
    **{
        ("services", "*", key): _itself
        for key in (
            "expose",
            "cap_add",
            "cap_drop",
            "security_opt",
            "profiles",
            "group_add",
            "dns",
            "dns_opt",
            "dns_search",
            "env_file",
            "label_file",
            "links",
            "external_links",
            "extra_hosts",
            "tmpfs",
            "volumes_from",
        )
    },
    **{("services", "*", "build", key): _itself for key in ("tags", "platforms", "extra_hosts")},
    ("services", "*", "networks", "*", "aliases"): _itself,
}


def merged(documents: Sequence[MappingNode]) -> MappingNode:
    """Return the documents as one, later ones over earlier ones."""
    result: Node = documents[0]
    for document in documents[1:]:
        result = merge(result, document, ())
    cleaned = _without_tags(result)
    assert isinstance(cleaned, MappingNode)
    return cleaned


def merge(base: Node, over: Node, path: Path) -> Node:
    """Return *base* with *over* laid on it; *path* says which rules apply."""
    if over.tag:
        return over
    base, over = _regular(base, path), _regular(over, path)
    if path in REPLACED or (isinstance(over, ScalarNode) and over.value is None):
        return base if isinstance(over, ScalarNode) and over.value is None and path not in REPLACED else over
    if isinstance(base, MappingNode) and isinstance(over, MappingNode):
        if path == ("services", "*", "logging") and _differ(base, over, "driver"):
            return over
        entries, keys = dict(base.entries), dict(base.keys)
        for key, node in over.entries.items():
            entries[key] = merge(entries[key], node, _below(path, key)) if key in entries else node
            keys[key] = over.position(key)
        return MappingNode(entries, keys, over.at)
    if isinstance(base, SequenceNode) and isinstance(over, SequenceNode):
        return SequenceNode(_appended(base.items, over.items, KEYED.get(path)), over.at)
    return over


def _below(path: Path, key: str) -> Path:
    return (*path, "*") if len(path) == 1 or path == ("services", "*", "networks") else (*path, key)


def _differ(base: MappingNode, over: MappingNode, key: str) -> bool:
    mine, theirs = base.entries.get(key), over.entries.get(key)
    return theirs is not None and mine is not None and str(mine) != str(theirs)


def _appended(
    base: tuple[Node, ...], over: tuple[Node, ...], identity: Callable[[Node], str | None] | None
) -> tuple[Node, ...]:
    if identity is None:
        return base + over
    result = list(base)
    places = {identity(node): index for index, node in enumerate(base)}
    for node in over:
        name = identity(node)
        if name is not None and name in places:
            result[places[name]] = node
        else:
            places[name] = len(result)
            result.append(node)
    return tuple(result)


def _regular(node: Node, path: Path) -> Node:
    """Return the long form of what may be written short, so that both sides have one shape."""
    if path in NAMED and isinstance(node, SequenceNode):
        separators = NAMED[path]
        if all(isinstance(item, ScalarNode) for item in node.items):
            entries: dict[str, Node] = {}
            for item in node.items:
                assert isinstance(item, ScalarNode)
                text = str(item)
                cut = min((at for mark in separators if (at := text.find(mark)) >= 0), default=-1)
                key = text if cut < 0 else text[:cut]
                value = None if cut < 0 else text[cut + 1 :]
                entries[key] = (
                    _dependency(item) if path == _DEPENDS_ON else ScalarNode(value, item.at, value or "")
                )
            return MappingNode(entries, {key: child.at for key, child in entries.items()}, node.at, node.tag)
    if path in HOSTS:
        return _host_list(node)
    if path == ("services", "*", "build") and isinstance(node, ScalarNode) and node.value is not None:
        return MappingNode({"context": node}, {"context": node.at}, node.at, node.tag)
    if path in LISTED and isinstance(node, ScalarNode) and node.value is not None:
        return SequenceNode((node,), node.at, node.tag)
    return node


def _host_list(node: Node) -> Node:
    if isinstance(node, MappingNode):
        items = []
        for name, child in node.entries.items():
            for address in child.items if isinstance(child, SequenceNode) else (child,):
                text = f"{name}={address}" if isinstance(address, ScalarNode) else name
                items.append(ScalarNode(text, address.at, text))
        return SequenceNode(tuple(items), node.at, node.tag)
    if isinstance(node, SequenceNode):
        return SequenceNode(tuple(_one_host(item) for item in node.items), node.at, node.tag)
    return node


def _one_host(item: Node) -> Node:
    if not isinstance(item, ScalarNode) or "=" in str(item):
        return item
    text = str(item).replace(":", "=", 1)
    return ScalarNode(text, item.at, text, item.tag)


def _dependency(item: ScalarNode) -> MappingNode:
    condition = ScalarNode("service_started", item.at, "service_started")
    return MappingNode({"condition": condition}, {"condition": item.at}, item.at)


def _without_tags(node: Node) -> Node:
    """Return *node* without what ``!reset`` names, and with ``!override`` done."""
    if isinstance(node, MappingNode):
        entries = {key: _without_tags(child) for key, child in node.entries.items() if child.tag != "!reset"}
        return MappingNode(entries, {key: node.position(key) for key in entries}, node.at)
    if isinstance(node, SequenceNode):
        return SequenceNode(
            tuple(_without_tags(child) for child in node.items if child.tag != "!reset"), node.at
        )
    return replace(node, tag="")
