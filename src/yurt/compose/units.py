"""Sizes and durations as Compose files write them."""

import re

from yurt.compose.nodes import shortened
from yurt.errors import InvalidArgument

_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([kmgtp]?)i?b?\s*", re.IGNORECASE)
_SCALE = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40, "p": 50}
_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h|d)")
_NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
}


def size(text: str) -> int:
    """Return the bytes that *text* (``512m``, ``1.5gb``, ``1024``) stands for."""
    found = _SIZE.fullmatch(text)
    if found is None:
        raise InvalidArgument(
            f"{shortened(text)!r} is not a size, expected a number with b, k, m or g, such as 512m"
        )
    value = float(found[1]) * (1 << _SCALE[found[2].lower()])
    if value >= 1 << 63:
        raise InvalidArgument(
            f"{shortened(text)!r} is more than any machine has, expected a size such as 512m"
        )
    return int(value)


def duration(text: str) -> int:
    """Return the nanoseconds that *text* (``1m30s``, ``250ms``) stands for."""
    total, at = 0.0, 0
    text = text.strip()
    if text == "0":
        return 0
    while at < len(text):
        part = _PART.match(text, at)
        if part is None:
            break
        total += float(part[1]) * _NANOSECONDS[part[2]]
        at = part.end()
    if not text or at < len(text) or total > 1 << 62:
        raise InvalidArgument(f"{shortened(text)!r} is not a duration, expected such as 30s, 1m30s or 500ms")
    return round(total)
