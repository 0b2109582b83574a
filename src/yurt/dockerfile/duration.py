"""Durations as Go writes them: ``1h30m``, ``2.5s``, ``100ms``."""

import re
from fractions import Fraction

_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)")
_LONGEST = 1 << 63  # nanoseconds that fit Go's int64


def parse_duration(text: str) -> int:
    """Return nanoseconds; raise ValueError when *text* is not a duration, or negative, or beyond 292 years."""
    if text == "0":
        return 0
    total, at = Fraction(0), 0
    while match := _PART.match(text, at):
        total += Fraction(match[1] if match[1] != "." else "0") * _UNITS[match[2]]
        at = match.end()
    if at != len(text) or not text:
        raise ValueError(f"{text!r} is not a duration")
    if total >= _LONGEST:
        raise ValueError(f"{text!r} is too long")
    return int(total)
