"""The relative paths of a document made absolute, as when it is included or extended from another folder. Pure.

A path in a Compose file is relative to the folder of its project. What one project takes from another keeps its
meaning only if its paths are bound to that folder before both are joined.
"""

from __future__ import annotations

from collections.abc import Callable

from yurt.compose.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yurt.compose.short import host_path

Change = Callable[[str], str]


def rebased(document: MappingNode, directory: str, home: str) -> MappingNode:
    """Return *document* with its paths absolute: relative ones are below *directory*, ``~`` is *home*."""

    def absolute(text: str) -> str:
        return host_path(text, directory, home) if text else text

    return _children(document, {"services": lambda node: _each(node, lambda each: _service(each, absolute)),
                                "secrets": lambda node: _each(node, lambda each: _file(each, absolute)),
                                "configs": lambda node: _each(node, lambda each: _file(each, absolute))})  # fmt: skip


def _service(node: Node, absolute: Change) -> Node:
    return _children(
        node,
        {
            "build": lambda build: _build(build, absolute),
            "env_file": lambda files: _paths(files, absolute),
            "label_file": lambda files: _paths(files, absolute),
            "volumes": lambda volumes: _items(volumes, lambda each: _volume(each, absolute)),
            "extends": lambda wish: _file(wish, absolute),
            "develop": lambda develop: _children(
                develop, {"watch": lambda rules: _items(rules, lambda each: _path(each, absolute))}
            ),
        },
    )


def _build(node: Node, absolute: Change) -> Node:
    def local(text: str) -> str:
        return text if "://" in text or text.startswith(("git@", "service:", "target:")) else absolute(text)

    if isinstance(node, ScalarNode):
        return _text(node, local)
    changes: dict[str, Callable[[Node], Node]] = {
        "context": lambda context: _text(context, local),
        "additional_contexts": lambda contexts: _contexts(contexts, local),
    }
    if isinstance(node, MappingNode) and "context" not in node.entries:
        node = node.with_entry("context", ScalarNode(".", node.at, "."))
    return _children(node, changes)


def _contexts(node: Node, local: Change) -> Node:
    if isinstance(node, MappingNode):
        return _each(node, lambda each: _text(each, local))

    def named(text: str) -> str:
        name, mark, path = text.partition("=")
        return f"{name}={local(path)}" if mark else text

    return _items(node, lambda each: _text(each, named))


def _volume(node: Node, absolute: Change) -> Node:
    if isinstance(node, MappingNode):
        is_bind = str(node.entries.get("type", "")) == "bind"
        return _children(node, {"source": lambda source: _text(source, absolute)}) if is_bind else node

    def short(text: str) -> str:
        source, colon, rest = text.partition(":")
        return f"{absolute(source)}:{rest}" if colon and source[:1] in "/.~" and source else text

    return _text(node, short)


def _paths(node: Node, absolute: Change) -> Node:
    return (
        _path(node, absolute)
        if isinstance(node, ScalarNode)
        else _items(node, lambda each: _path(each, absolute))
    )


def _path(node: Node, absolute: Change) -> Node:
    if isinstance(node, ScalarNode):
        return _text(node, absolute)
    return _children(node, {"path": lambda path: _text(path, absolute)})


def _file(node: Node, absolute: Change) -> Node:
    return _children(node, {"file": lambda file: _text(file, absolute)})


def _text(node: Node, change: Change) -> Node:
    if not isinstance(node, ScalarNode) or not isinstance(node.value, str):
        return node
    value = change(node.value)
    return node if value == node.value else ScalarNode(value, node.at, value, node.tag)


def _each(node: Node, change: Callable[[Node], Node]) -> Node:
    if not isinstance(node, MappingNode):
        return node
    return MappingNode(
        {key: change(child) for key, child in node.entries.items()}, node.keys, node.at, node.tag
    )


def _items(node: Node, change: Callable[[Node], Node]) -> Node:
    return (
        SequenceNode(tuple(map(change, node.items)), node.at, node.tag)
        if isinstance(node, SequenceNode)
        else node
    )


def _children(node: Node, changes: dict[str, Callable[[Node], Node]]) -> MappingNode:
    if not isinstance(node, MappingNode):
        return node  # type: ignore[return-value]  # what is no mapping is refused by whoever reads it
    entries = {key: changes[key](child) if key in changes else child for key, child in node.entries.items()}
    return MappingNode(entries, node.keys, node.at, node.tag)
