"""Which level a line of a container's log has: of JSON records, and of lines as Python's `logging` writes them.

A line that names no level counts as info. What belongs to the line before (an indented line, a traceback and the
exception that ends it) has the level of that line.
"""

from __future__ import annotations

import json
import re

from yurt.errors import InvalidArgument

DEBUG, INFO, WARNING, ERROR, CRITICAL = 10, 20, 30, 40, 50
NAMES = {
    "trace": DEBUG,
    "debug": DEBUG,
    "info": INFO,
    "notice": INFO,
    "information": INFO,
    "warning": WARNING,
    "warn": WARNING,
    "error": ERROR,
    "err": ERROR,
    "critical": CRITICAL,
    "fatal": CRITICAL,
    "panic": CRITICAL,
    "alert": CRITICAL,
    "emergency": CRITICAL,
}
_FIELDS = ("level", "levelname", "severity", "log.level", "lvl", "levelno")
_WORD = re.compile(
    rb"\b(?:level=\"?(trace|debug|info|warn(?:ing)?|error|fatal|critical|panic)\b"
    rb"|(TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|CRITICAL|FATAL|PANIC)\b)",
)
_SEARCHED = 160  # a level stands near the beginning of a line


def parse(text: str) -> int:
    """Return the level called *text*; InvalidArgument names those there are."""
    level = NAMES.get(text.lower())
    if level is None:
        raise InvalidArgument(f"no such level: {text!r}", hint="one of debug, info, warning, error, critical")
    return level


def named(line: bytes) -> int | None:
    """Return the level that *line* names, None if it names none."""
    stripped = line.lstrip()
    if stripped.startswith(b"{"):
        try:
            record = json.loads(stripped)
        except (ValueError, RecursionError):
            record = None
        if isinstance(record, dict):
            for field in _FIELDS:
                value = record.get(field)
                if isinstance(value, str) and value.lower() in NAMES:
                    return NAMES[value.lower()]
                if isinstance(value, int) and not isinstance(value, bool):
                    return value
            return None
    found = _WORD.search(line, 0, _SEARCHED)
    return NAMES[(found[1] or found[2]).decode().lower()] if found else None


class LevelFilter:
    """Decides for the lines of one stream, in their order, which are of *least* or worse."""

    def __init__(self, least: int) -> None:
        self._least = least
        self._last = INFO
        self._in_block = False  # the line before was indented, or began a traceback

    def passes(self, line: bytes) -> bool:
        level = None if line[:1] in (b" ", b"\t") else named(line)
        if level is None:
            continues = line[:1] in (b" ", b"\t") or line.startswith(b"Traceback (")
            level = self._last if continues or self._in_block else INFO
            self._in_block = continues
            if not continues and level != INFO and not line.strip():
                level = INFO
        else:
            self._in_block = False
            self._last = level
        if not self._in_block and level == INFO:
            self._last = INFO
        return level >= self._least
