"""Formatters: a record as one JSON object a line, or as a line for people.

Neither loses nor forges a record: what an application logs can't end the line, start another, or steer a
terminal, and a mistake in the arguments is shown in the record instead of raised.
"""

import json
import logging
import re
from collections.abc import Mapping
from datetime import datetime

from yurt.logs.record import exception_text, extras, plain, rendered

# JSON escapes C0 itself. These too end a line for some readers (str.splitlines, JavaScript of old), or are
# half of a surrogate pair, which no UTF-8 stream can take.
_JSON_UNSAFE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_TEXT_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

RESET, DIM, BOLD = "\x1b[0m", "\x1b[2m", "\x1b[1m"
COLOURS = {
    logging.DEBUG: "\x1b[36m",
    logging.INFO: "\x1b[32m",
    logging.WARNING: "\x1b[33m",
    logging.ERROR: "\x1b[31m",
    logging.CRITICAL: "\x1b[1;37;41m",
}


class JSONFormatter(logging.Formatter):
    """One JSON object a line.

    First ``time`` (RFC 3339 with the offset, microseconds), ``level``, ``logger``, ``message``, ``process``;
    then *fields* (the same in every record: ``{"service": "web"}``) and what was bound or given as ``extra``;
    last ``exception`` and ``stack`` as single strings. ``format_error`` says why a message could not be
    rendered. An extra field that bears one of these names is kept as ``extra.<name>``.
    """

    def __init__(self, fields: Mapping[str, object] | None = None) -> None:
        super().__init__()
        self.fields = dict(fields or {})

    def format(self, record: logging.LogRecord) -> str:
        message, error = rendered(record)
        line: dict[str, object] = {
            "time": timestamp(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": message,
            "process": record.process,
        }
        last = {
            "format_error": error,
            "exception": exception_text(record),
            "stack": record.stack_info or None,
        }
        for name, value in {**self.fields, **extras(record)}.items():
            line[f"extra.{name}" if name in line or name in last else name] = plain(value)
        line.update({name: value for name, value in last.items() if value})
        text = json.dumps(line, ensure_ascii=False, separators=(",", ":"))
        return _JSON_UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class ConsoleFormatter(logging.Formatter):
    """A line for people: time, level, logger, message, then the fields; a traceback indented below it."""

    def __init__(self, *, colours: bool = False) -> None:
        super().__init__()
        self.colours = colours

    def format(self, record: logging.LogRecord) -> str:
        message, error = rendered(record)
        shown = extras(record)
        if error is not None:
            shown["format_error"] = error
        level = self._painted(f"{record.levelname:<8}", COLOURS.get(record.levelno, ""))
        parts = [
            self._painted(datetime.fromtimestamp(record.created).strftime("%H:%M:%S.%f")[:-3], DIM),
            level,
            self._painted(one_line(record.name), DIM),
            self._painted(one_line(message), BOLD if record.levelno >= logging.WARNING else ""),
            *(f"{self._painted(one_line(name), DIM)}={value_text(value)}" for name, value in shown.items()),
        ]
        blocks = [" ".join(parts)]
        for block in (exception_text(record), record.stack_info):
            if block:
                blocks += [f"    {one_line(row)}" for row in block.splitlines()]
        return "\n".join(blocks)

    def _painted(self, text: str, colour: str) -> str:
        return f"{colour}{text}{RESET}" if self.colours and colour else text


def timestamp(created: float) -> str:
    """Return seconds since the epoch as RFC 3339 in local time with its offset."""
    return datetime.fromtimestamp(created).astimezone().isoformat(timespec="microseconds")


def one_line(text: str) -> str:
    """Return *text* with control characters escaped, so that it stays on its line and steers no terminal."""
    return _TEXT_UNSAFE.sub(lambda found: _SHORT.get(found[0], _escaped(found[0])), text)


def value_text(value: object) -> str:
    """Return a field's value for people; quoted when a space or quote would make it ambiguous."""
    held = plain(value)
    text = one_line(held if isinstance(held, str) else json.dumps(held, ensure_ascii=False))
    return (
        json.dumps(text, ensure_ascii=False)
        if isinstance(held, str) and re.search(r'[\s"=]|^$', text)
        else text
    )


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"
