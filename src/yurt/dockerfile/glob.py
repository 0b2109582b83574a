"""Path patterns as Go's ``filepath.Match`` has them, and ``**`` as .dockerignore adds it, to what matches paths."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from yurt.dockerfile.automaton import FOLDERS, Automaton, Piece, Test, anything, many, no_slash, one

FEW = 2  # wildcards that a regular expression may have: with more its time could grow beyond all bounds


class Matcher(Protocol):
    """A pattern that is ready; both `re.Pattern` and `Automaton` are."""

    def fullmatch(self, text: str, /) -> object:
        """Return something true when the whole *text* matches."""
        ...


def has_wildcards(pattern: str) -> bool:
    """Say whether *pattern* can match more than one path."""
    return any(char in pattern for char in "*?[\\")


def compiled(pattern: str, *, deep: bool = False) -> Matcher:
    """Return what matches the paths that *pattern* means; raise ValueError when it is malformed.

    ``*`` and ``?`` stop at a slash, ``[a-z]`` and ``[^a-z]`` are classes, a backslash takes the next character
    literally. *deep*: ``**`` matches any number of folders.
    """
    parts = list(_parts(pattern, deep=deep))
    if _is_costly(parts):
        return Automaton(_pieces(parts))
    return re.compile("".join(parts), re.DOTALL)


def compiled_with_all_below(patterns: Sequence[str]) -> Matcher:
    """Return what matches the paths that any of *patterns*, deep ones, means, and all paths below those."""
    simple: list[str] = []
    costly: list[Matcher] = []
    for pattern in patterns:
        parts = list(_parts(pattern, deep=True))
        if _is_costly(parts):
            costly += [Automaton(_pieces(parts)), Automaton([*_pieces(parts), *_pieces(["/", _ALL])])]
        else:
            simple.append("".join(parts))
    found: list[Matcher] = [re.compile(f"(?:{'|'.join(simple)})(?:/.*)?", re.DOTALL)] if simple else []
    found += costly
    return found[0] if len(found) == 1 else _AnyOf(found)


class _AnyOf:
    def __init__(self, matchers: Iterable[Matcher]) -> None:
        self._matchers = tuple(matchers)

    def __repr__(self) -> str:
        return f"<AnyOf {len(self._matchers)} patterns>"

    def fullmatch(self, text: str, /) -> object:
        return any(matcher.fullmatch(text) for matcher in self._matchers)


_NAMES, _FOLDERS, _ALL = "[^/]*", "(?:.*/)?", ".*"
_WILD = {_NAMES: many(no_slash), _FOLDERS: FOLDERS, _ALL: many(anything)}


def _is_costly(parts: Sequence[str]) -> bool:
    return sum(part in _WILD for part in parts) > FEW


def _pieces(parts: Iterable[str]) -> list[Piece]:
    return [_WILD[part] if part in _WILD else one(_test(part)) for part in parts]


def _test(part: str) -> Test:
    expression = re.compile(part, re.DOTALL)
    return lambda char: expression.fullmatch(char) is not None


def _parts(pattern: str, *, deep: bool) -> Iterator[str]:
    """Yield a regular expression for each part of *pattern*; wildcards are those of _WILD."""
    index, length = 0, len(pattern)
    while index < length:
        char = pattern[index]
        index += 1
        if char == "*":
            if deep and pattern[index : index + 1] == "*":
                index += 1
                while pattern[index : index + 1] == "*":
                    index += 1
                if pattern[index : index + 1] == "/":
                    index += 1
                    yield _FOLDERS
                else:
                    yield _ALL
            else:
                yield _NAMES
        elif char == "?":
            yield "[^/]"
        elif char == "[":
            text, index = _class(pattern, index)
            yield text
        elif char == "\\":
            if index >= length:
                raise ValueError("a backslash at the end")
            yield re.escape(pattern[index])
            index += 1
        else:
            yield re.escape(char)


def _class(pattern: str, index: int) -> tuple[str, int]:
    """Return the expression of the class that starts at *index* (behind the bracket) and the index behind it."""
    negated = pattern[index : index + 1] == "^"
    index += negated
    ranges: list[str] = []
    while pattern[index : index + 1] != "]" or not ranges:
        low, index = _member(pattern, index)
        high = low
        if pattern[index : index + 1] == "-":
            high, index = _member(pattern, index + 1)
        if low <= high:
            ranges.append(f"{re.escape(low)}-{re.escape(high)}")
        else:
            ranges.append("")  # an empty range matches nothing
    body = "".join(ranges)
    if not body:
        return ("[^/]" if negated else r"[^\s\S]"), index + 1
    return (f"(?!/)[^{body}]" if negated else f"(?!/)[{body}]"), index + 1


def _member(pattern: str, index: int) -> tuple[str, int]:
    char = pattern[index : index + 1]
    if char == "\\":
        index += 1
        char = pattern[index : index + 1]
    elif char in {"-", "]"}:
        raise ValueError("a malformed [class]")
    if not char:
        raise ValueError("a [class] without an end")
    return char, index + 1
