"""The ``filters`` query parameter: a JSON object of lists.

Two encodings are in use: ``{"label":["a=b"]}`` and, since API 1.22, ``{"label":{"a=b":true}}``; we write the
second, which every engine knows, and read both.
"""

from __future__ import annotations

import json

from yurt.errors import InvalidArgument

TYPE_CHECKING = False  # `typing` alone would cost a fifth of the command line's start-up
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def encode(filters: Mapping[str, Iterable[str]]) -> str:
    """Return *filters* as text for the query; keys without values are left out."""
    wire = {key: dict.fromkeys(values, True) for key, values in filters.items()}
    return json.dumps({key: values for key, values in wire.items() if values}, separators=(",", ":"))


def decode(text: str | None) -> dict[str, tuple[str, ...]]:
    """Read either encoding; nothing or an empty text is no filter. Raises InvalidArgument."""
    if not text:
        return {}
    try:
        wire = json.loads(text)
    except ValueError as broken:
        raise InvalidArgument(f"invalid filters: not JSON: {text!r}") from broken
    if not isinstance(wire, dict):
        raise InvalidArgument(f"invalid filters: expected an object, got {text!r}")
    return {key: _values(key, values) for key, values in wire.items()}


def _values(key: str, values: object) -> tuple[str, ...]:
    if isinstance(values, dict):
        values = [value for value, wanted in values.items() if wanted]
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise InvalidArgument(f"invalid filters: {key!r} needs a list of texts")
    return tuple(values)
