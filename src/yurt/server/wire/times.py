"""Times on the wire: RFC 3339 with nanoseconds one way, Unix seconds or RFC 3339 the other."""

import time
from collections.abc import Iterable
from datetime import UTC, datetime

from yurt.dockerfile.duration import parse_duration
from yurt.errors import InvalidArgument

NEVER = "0001-01-01T00:00:00Z"  # Go's zero time
SECOND = 1_000_000_000


def now() -> int:
    """Return this moment in nanoseconds since the epoch."""
    return time.time_ns()


def rfc3339(time_ns: int) -> str:
    """Return *time_ns* as ``2026-11-24T06:52:09.858780536Z``; 0 is Go's zero time."""
    if not time_ns:
        return NEVER
    seconds, fraction = divmod(time_ns, SECOND)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    digits = f"{fraction:09d}".rstrip("0")
    return f"{text}.{digits}Z" if digits else f"{text}Z"


def fixed(time_ns: int) -> str:
    """Return *time_ns* with all nine digits, as in front of a log line: columns stay aligned."""
    seconds, fraction = divmod(time_ns, SECOND)
    return f"{datetime.fromtimestamp(seconds, UTC).strftime('%Y-%m-%dT%H:%M:%S')}.{fraction:09d}Z"


def parse(text: str | None) -> int:
    """Return nanoseconds since the epoch for ``1795503129``, ``1795503129.858``, or RFC 3339; nothing is 0."""
    if not text or text == NEVER:
        return 0
    seconds, dot, fraction = text.partition(".")
    if seconds.removeprefix("-").isdecimal() and (not dot or fraction.isdecimal()):
        return int(seconds) * SECOND + int((fraction + "000000000")[:9])
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as broken:
        raise InvalidArgument(
            f"invalid time {text!r}", hint="use Unix seconds or RFC 3339, such as 2026-11-24T06:52:09Z"
        ) from broken
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp()) * SECOND + moment.microsecond * 1000


def cutoff(texts: Iterable[str]) -> int:
    """Return the earliest moment of a prune's ``until`` filters: moments, or durations before now (``24h``); none is 0."""
    found = []
    for text in texts:
        try:
            found.append(now() - parse_duration(text))
        except ValueError:
            found.append(parse(text))
    return min(found, default=0)
