"""``.dockerignore``: which files of a folder are left out of the build context.

The last pattern that matches a path, or a folder above it, decides; ``!`` takes a path back in. Used by the
client, which walks a folder and must not enter what is left out, and by the server for clients that send all.
"""

import posixpath
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from yurt.dockerfile.glob import Matcher, compiled, compiled_with_all_below
from yurt.dockerfile.location import Location


@dataclass(frozen=True, slots=True)
class _Group:
    """Neighbouring patterns of one sign as one expression; *parts* of each as expressions per folder."""

    keeps: bool
    expression: Matcher
    parts: tuple[tuple[Matcher | None, ...], ...]  # None: ** from here


class IgnoreRules:
    """The rules of one .dockerignore. Paths are relative to the context, with slashes, no ``./`` before them."""

    __slots__ = ("_groups",)

    def __init__(self, groups: Iterable[_Group] = ()) -> None:
        self._groups = tuple(reversed(tuple(groups)))

    def __bool__(self) -> bool:
        return bool(self._groups)

    @classmethod
    def parse(cls, text: str, *, file: str = ".dockerignore") -> Self:
        """Return the rules in *text*; raise InvalidArgument naming the line of a malformed pattern."""
        groups: list[tuple[bool, list[str]]] = []
        for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
            if line.startswith("#") or not (pattern := line.strip()):
                continue
            keeps = pattern.startswith("!")
            if keeps and not (pattern := pattern[1:].strip()):
                raise Location(file, number, number).error('"!" without a pattern')
            pattern = posixpath.normpath(pattern).lstrip("/")
            if pattern in {"", "."}:
                continue
            try:
                compiled(pattern, deep=True)
            except ValueError as bad:
                raise Location(file, number, number).error(f"pattern {pattern!r}: {bad}") from bad
            if not groups or groups[-1][0] != keeps:
                groups.append((keeps, []))
            groups[-1][1].append(pattern)
        return cls(
            _Group(keeps, compiled_with_all_below(patterns), tuple(map(_split, patterns)))
            for keeps, patterns in groups
        )

    def ignores(self, path: str) -> bool:
        """Say whether *path* is left out."""
        for group in self._groups:
            if group.expression.fullmatch(path):
                return not group.keeps
        return False

    def prunes(self, folder: str) -> bool:
        """Say whether nothing in *folder* can be taken in, so that a walk need not enter it."""
        names = folder.split("/")
        for group in self._groups:
            if group.keeps:
                if group.expression.fullmatch(folder) or any(
                    _may_hold(parts, names) for parts in group.parts
                ):
                    return False
            elif group.expression.fullmatch(folder):
                return True
        return False


def _split(pattern: str) -> tuple[Matcher | None, ...]:
    parts: list[Matcher | None] = []
    for part in pattern.split("/"):
        if "**" in part:
            parts.append(None)
            break
        try:
            parts.append(compiled(part))
        except ValueError:  # a slash inside a [class]: look everywhere rather than miss something
            parts.append(None)
            break
    return tuple(parts)


def _may_hold(parts: tuple[Matcher | None, ...], names: list[str]) -> bool:
    """Say whether a path below the folder *names* can match the pattern that *parts* came from."""
    for part, name in zip(parts, names, strict=False):
        if part is None:
            return True
        if not part.fullmatch(name):
            return False
    return len(parts) > len(names)
