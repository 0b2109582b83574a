"""A Compose document as a tree that remembers where each part was written.

Everything between the YAML file and the model (interpolation, merging, validation) works on these nodes, so that
any error can name file, line and column. Nothing here reads a file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from yurt.errors import InvalidArgument
from yurt.values import Value

PlainScalar: TypeAlias = str | int | float | bool | None


class Position(Value):
    """A place in a file; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class ScalarNode(Value):
    """One value; ``text`` is how it was written (without quotes), ``value`` what YAML makes of it."""

    value: PlainScalar
    at: Position
    text: str = ""
    tag: str = ""

    def __str__(self) -> str:
        return self.text if self.text or self.value is None else str(self.value)


class SequenceNode(Value):
    """An ordered list."""

    items: tuple[Node, ...]
    at: Position
    tag: str = ""


class MappingNode(Value):
    """Keys (always text) to nodes, in the order of the file; ``keys`` holds where each key stands."""

    entries: dict[str, Node]
    keys: dict[str, Position]
    at: Position
    tag: str = ""

    def position(self, key: str) -> Position:
        """Return where *key* stands, or where the mapping begins if it has no such key."""
        return self.keys.get(key, self.at)

    def with_entry(self, key: str, node: Node, at: Position | None = None) -> MappingNode:
        """Return a copy in which *key* is *node*."""
        return MappingNode({**self.entries, key: node}, {**self.keys, key: at or node.at}, self.at, self.tag)

    def without(self, *names: str) -> MappingNode:
        """Return a copy that lacks *names*."""
        entries = {key: node for key, node in self.entries.items() if key not in names}
        return MappingNode(entries, {key: self.keys.get(key, self.at) for key in entries}, self.at, self.tag)


Node: TypeAlias = ScalarNode | SequenceNode | MappingNode


def kind(node: Node) -> str:
    """Return the word for what *node* is, as an error message says it."""
    if isinstance(node, MappingNode):
        return "a mapping"
    if isinstance(node, SequenceNode):
        return "a list"
    match node.value:
        case None:
            return "nothing"
        case bool():
            return f"{str(node.value).lower()}"
        case str():
            return f"the text {shortened(node.value)!r}"
        case _:
            return f"the number {node.text or node.value}"


def shortened(text: str, limit: int = 60) -> str:
    """Return *text*, cut to *limit* characters with an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def problem(
    at: Node | Position, path: str, what: str, *, expected: str = "", hint: str | None = None
) -> InvalidArgument:
    """Return the error about one place of a document: ``compose.yaml:12:5: services.web.ports: …, expected …``."""
    position = at if isinstance(at, Position) else at.at
    place = f"{position}: {path}: " if path else f"{position}: "
    return InvalidArgument(f"{place}{what}{f', expected {expected}' if expected else ''}", hint=hint)


def plain(node: Node) -> Any:
    """Return *node* as ordinary Python values."""
    match node:
        case MappingNode():
            return {key: plain(child) for key, child in node.entries.items()}
        case SequenceNode():
            return [plain(child) for child in node.items]
        case ScalarNode():
            return node.value


def walk(node: Node, path: str = "") -> Iterator[tuple[str, Node]]:
    """Yield every node below and including *node* with its dotted path, parents first."""
    yield path, node
    if isinstance(node, MappingNode):
        for key, child in node.entries.items():
            yield from walk(child, f"{path}.{key}" if path else key)
    elif isinstance(node, SequenceNode):
        for index, child in enumerate(node.items):
            yield from walk(child, f"{path}[{index}]")
