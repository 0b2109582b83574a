"""Reading one mapping of a Compose file field by field, with types and good errors.

A `Fields` is asked for each key that its section may have; `close` then refuses whatever was never asked for, so
the list of known keys is exactly what the code reads.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

from yurt.compose import units
from yurt.compose.nodes import MappingNode, Node, ScalarNode, SequenceNode, kind, problem
from yurt.errors import InvalidArgument, Unimplemented

T = TypeVar("T")


class Fields:
    """The fields of one section; *path* is how errors call it (``services.web``)."""

    def __init__(self, node: Node, path: str, *, expected: str = "a mapping") -> None:
        if isinstance(node, ScalarNode) and node.value is None:
            node = MappingNode({}, {}, node.at)
        if not isinstance(node, MappingNode):
            raise problem(node, path, f"is {kind(node)}", expected=expected)
        self.node = node
        self.path = path
        self.known: set[str] = set()

    def of(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def take(self, key: str) -> Node | None:
        """Return what *key* holds; None if it is absent or empty."""
        self.known.add(key)
        node = self.node.entries.get(key)
        return None if node is None or (isinstance(node, ScalarNode) and node.value is None) else node

    def text(self, key: str, default: str = "") -> str:
        node = self.take(key)
        return default if node is None else text(node, self.of(key))

    def choice(self, key: str, allowed: tuple[str, ...], default: str = "") -> str:
        node = self.take(key)
        if node is None:
            return default
        value = text(node, self.of(key))
        if value not in allowed:
            raise problem(node, self.of(key), f"{value!r} is not known", expected=_either(allowed))
        return value

    def flag(self, key: str, *, default: bool = False) -> bool:
        node = self.take(key)
        return default if node is None else flag(node, self.of(key))

    def maybe_flag(self, key: str) -> bool | None:
        node = self.take(key)
        return None if node is None else flag(node, self.of(key))

    def integer(self, key: str, *, least: int = 0) -> int | None:
        node = self.take(key)
        return None if node is None else integer(node, self.of(key), least=least)

    def number(self, key: str) -> float | None:
        node = self.take(key)
        if node is None:
            return None
        try:
            value = (
                float(str(node))
                if isinstance(node, ScalarNode) and not isinstance(node.value, bool)
                else -1.0
            )
        except ValueError:
            value = -1.0
        if value < 0 or not math.isfinite(value):
            raise problem(node, self.of(key), f"is {kind(node)}", expected="a number")
        return value

    def size(self, key: str) -> int | None:
        return self.unit(key, units.size)

    def duration(self, key: str) -> int | None:
        return self.unit(key, units.duration)

    def unit(self, key: str, parse: Callable[[str], T]) -> T | None:
        """Return what *parse* makes of the text of *key*; its InvalidArgument gains the position."""
        node = self.take(key)
        if node is None:
            return None
        with_text = text(node, self.of(key))
        try:
            return parse(with_text)
        except InvalidArgument as error:
            raise problem(node, self.of(key), error.message, hint=error.hint) from error

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts; one text alone is a list of one."""
        node = self.take(key)
        return () if node is None else texts(node, self.of(key))

    def pairs(self, key: str, *, separator: str = "=") -> dict[str, str | None]:
        """Return names to values, from a mapping or from a list of ``NAME=value``; a name alone has None."""
        node = self.take(key)
        return {} if node is None else pairs(node, self.of(key), separator=separator)

    def each(self, key: str) -> list[tuple[str, Node]]:
        """Return the items of the list *key*, each with its path."""
        node = self.take(key)
        if node is None:
            return []
        if not isinstance(node, SequenceNode):
            raise problem(node, self.of(key), f"is {kind(node)}", expected="a list")
        return [(f"{self.of(key)}[{index}]", child) for index, child in enumerate(node.items)]

    def section(self, key: str) -> Fields | None:
        node = self.take(key)
        return None if node is None else Fields(node, self.of(key))

    def ignored(self, *keys: str) -> None:
        """Accept *keys* that mean nothing on one machine."""
        self.known.update(keys)

    def refused(self, *keys: str, why: str, hint: str | None = None) -> None:
        """Refuse *keys* of the specification that Yurt can't honour; *why* completes "not supported: "."""
        self.known.update(keys)
        for key in keys:
            if self.take(key) is not None:
                raise Unimplemented(
                    f"{self.node.position(key)}: {self.of(key)}: not supported: {why}", hint=hint
                )

    def close(self) -> None:
        """Raise for the first key nobody asked for, with the nearest known one; ``x-…`` keys are free."""
        for key in self.node.entries:
            if key not in self.known and not key.startswith("x-"):
                import difflib  # 3 ms, and only for who has mistyped

                near = difflib.get_close_matches(key, self.known, 1, 0.6)
                raise problem(
                    self.node.position(key),
                    self.of(key),
                    "unknown key",
                    hint=f"did you mean {near[0]!r}?" if near else "begin its name with x- if it is your own",
                )


def _either(allowed: tuple[str, ...]) -> str:
    return allowed[0] if len(allowed) == 1 else f"{', '.join(allowed[:-1])} or {allowed[-1]}"


def text(node: Node, path: str) -> str:
    """Return a scalar as text, the way it was written."""
    if isinstance(node, ScalarNode) and node.value is not None:
        value = str(node)
        if "\0" in value:
            raise problem(node, path, "holds a NUL byte", expected="text")
        return value
    raise problem(node, path, f"is {kind(node)}", expected="text")


def flag(node: Node, path: str) -> bool:
    if isinstance(node, ScalarNode):
        if isinstance(node.value, bool):
            return node.value
        if (word := str(node).lower()) in ("true", "false", "yes", "no", "on", "off", "1", "0", "y", "n"):
            return word in ("true", "yes", "on", "1", "y")
    raise problem(node, path, f"is {kind(node)}", expected="true or false")


def integer(node: Node, path: str, *, least: int = 0) -> int:
    value: int | None = None
    if isinstance(node, ScalarNode) and not isinstance(node.value, bool):
        if isinstance(node.value, int):
            value = node.value
        elif isinstance(node.value, str) and len(node.value) < 20:
            try:
                value = int(node.value, 0) if node.value[:2] in ("0o", "0x") else int(node.value)
            except ValueError:
                value = None
    if value is None or value < least or value >= 1 << 63:
        lowest = f" of {least} or more" if least else ""
        raise problem(node, path, f"is {kind(node)}", expected=f"a whole number{lowest}")
    return value


def texts(node: Node, path: str) -> tuple[str, ...]:
    if isinstance(node, SequenceNode):
        return tuple(text(child, f"{path}[{index}]") for index, child in enumerate(node.items))
    if isinstance(node, ScalarNode):
        return (text(node, path),)
    raise problem(node, path, f"is {kind(node)}", expected="a list")


def _value(node: ScalarNode) -> str | None:
    """Return a value as Docker Compose gives it to containers: numbers by their value, ``0x10`` as 16."""
    match node.value:
        case None:
            return None
        case bool():
            return str(node.value).lower()
        case int():
            return str(node.value)
        case float() if math.isfinite(node.value):
            shown = repr(node.value)
            return shown.removesuffix(".0") if "e" not in shown and abs(node.value) < 1e21 else shown
        case _:
            return str(node)


def pairs(node: Node, path: str, *, separator: str = "=") -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    if isinstance(node, MappingNode):
        for key, child in node.entries.items():
            if isinstance(child, ScalarNode):
                found[key] = _value(child)
            else:
                raise problem(child, f"{path}.{key}", f"is {kind(child)}", expected="one value")
            if "\0" in (found[key] or ""):
                raise problem(child, f"{path}.{key}", "holds a NUL byte", expected="text")
        return found
    if isinstance(node, SequenceNode):
        for index, child in enumerate(node.items):
            entry = text(child, f"{path}[{index}]")
            key, is_set, value = entry.partition(separator)
            if not key.strip():
                raise problem(
                    child, f"{path}[{index}]", f"{entry!r} has no name", expected=f"NAME{separator}value"
                )
            found[key.strip()] = value if is_set else None
        return found
    raise problem(node, path, f"is {kind(node)}", expected=f"a mapping, or a list of NAME{separator}value")
