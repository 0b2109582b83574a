"""What differs between the reference engine's answers and ours, and which of it is known."""

import fnmatch
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import yaml
from tests.parity.cases import FOLDER

MISSING = object()


@dataclass(frozen=True)
class Difference:
    """One field of one case. *kind* is ``differs``, ``absent`` (not in ours) or ``extra`` (only in ours)."""

    endpoint: str
    case: str
    field: str
    kind: str
    reference: Any = None
    ours: Any = None

    def __str__(self) -> str:
        return f"{self.endpoint}: {self.case}: {self.field} {self.kind}: {_short(self.reference)} | {_short(self.ours)}"


@dataclass(frozen=True)
class Known:
    """An entry of differences.yaml: patterns (``*`` and ``?``, commas between several) and the reason."""

    endpoint: str
    field: str
    kind: str
    reason: str
    case: str = "*"
    sometimes: bool = False  # depends on the host; need not differ

    def covers(self, found: Difference) -> bool:
        return (
            self.kind == found.kind
            and _matches(self.endpoint, found.endpoint)
            and _matches(self.field, found.field)
            and _matches(self.case, found.case)
        )


def stale(entries: Sequence[Known], found: Sequence[Difference]) -> list[str]:
    """Return what of *entries* covers none of *found*: each endpoint, field and case that an entry lists must be used."""
    return [
        f"{entry.kind} {entry.endpoint} {entry.field} (case {entry.case}), {word} {part}: {entry.reason}"
        for entry in entries
        if not entry.sometimes
        for word in ("endpoint", "field", "case")
        for part in getattr(entry, word).split(",")
        if not any(replace(entry, **{word: part}).covers(one) for one in found)
    ]


def _short(value: Any) -> str:
    if value is MISSING:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) < 300 else text[:300] + "…"


def _matches(patterns: str, text: str) -> bool:
    escaped = (pattern.strip().replace("[", "[[]") for pattern in patterns.split(","))
    return any(fnmatch.fnmatchcase(text, pattern) for pattern in escaped)


def known() -> tuple[Known, ...]:
    """Return differences.yaml's entries."""
    table: Sequence[Mapping[str, Any]] = yaml.safe_load((FOLDER / "differences.yaml").read_text()) or ()
    return tuple(Known(**entry) for entry in table)


def compare(endpoint: str, case: str, reference: Any, ours: Any) -> list[Difference]:
    return [Difference(endpoint, case, *found) for found in _walk("", reference, ours)]


def _walk(path: str, reference: Any, ours: Any) -> Iterator[tuple[str, str, Any, Any]]:
    """Yield field, kind and both values. List elements are told apart by their place, all as ``[]`` in the field."""
    if isinstance(reference, dict) and isinstance(ours, dict):
        for key in sorted({*reference, *ours}):
            inner = f"{path}.{key}" if path else str(key)
            if key not in ours:
                yield inner, "absent", reference[key], MISSING
            elif key not in reference:
                yield inner, "extra", MISSING, ours[key]
            else:
                yield from _walk(inner, reference[key], ours[key])
    elif isinstance(reference, list) and isinstance(ours, list) and len(reference) == len(ours):
        for left, right in zip(reference, ours, strict=True):
            yield from _walk(f"{path}[]", left, right)
    elif reference != ours or type(reference) is not type(ours):
        yield path, "differs", reference, ours
