"""Signals by the names that people use: ``TERM``, ``SIGTERM``, ``15``, ``RTMIN+3``. Pure."""

import re
import signal

from yurt.errors import InvalidArgument

_REALTIME = re.compile(r"RT(MIN|MAX)([+-]\d+)?")


def parse(text: str) -> int:
    """Return the signal's number; raise InvalidArgument, in Docker's words, when there is none of that name."""
    name = text.strip().upper().removeprefix("SIG")
    if name.isdecimal() and 0 < int(name) <= signal.SIGRTMAX:
        return int(name)
    if match := _REALTIME.fullmatch(name):
        base = signal.SIGRTMIN if match[1] == "MIN" else signal.SIGRTMAX
        number = base + int(match[2] or 0)
        if signal.SIGRTMIN <= number <= signal.SIGRTMAX:
            return number
    elif f"SIG{name}" in signal.Signals.__members__:
        return signal.Signals[f"SIG{name}"].value
    raise InvalidArgument(f"invalid signal: {text}")
