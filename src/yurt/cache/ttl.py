"""How long a value is kept, as people write it."""

import re
from datetime import timedelta

from yurt.errors import InvalidArgument

TTL = str | float | timedelta | None

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)\s*")


def seconds(ttl: TTL) -> float | None:
    """Return seconds; None stays None and means for ever.

    >>> seconds("1h30m"), seconds("250ms"), seconds(5)
    (5400.0, 0.25, 5.0)
    """
    if ttl is None:
        return None
    if isinstance(ttl, timedelta):
        amount = ttl.total_seconds()
    elif isinstance(ttl, str):
        parts = _PART.findall(ttl)
        if not parts or _PART.sub("", ttl.strip()):
            raise InvalidArgument(f"cannot read the ttl {ttl!r}", hint='write "90s", "5m", "1h30m" or "2d"')
        amount = sum(float(number) * _UNITS[unit] for number, unit in parts)
    else:
        amount = float(ttl)
    if not amount > 0:
        raise InvalidArgument(f"a ttl must be longer than nothing, not {ttl!r}", hint="None means for ever")
    return amount
