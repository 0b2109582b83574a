"""What can be asked of a `logging.LogRecord` without ever failing, whatever an application put into it."""

import datetime as dt
import decimal
import enum
import logging
import math
import traceback
import uuid
from collections.abc import Mapping
from collections.abc import Set as AbstractSet

# All that logging itself sets; whatever else a record has came as `extra` or from a filter.
RECORD_ATTRIBUTES = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}

MAX_DEPTH = 12


def level_number(level: int | str) -> int:
    """Return the number of a level given by name or number; an unknown name raises ValueError."""
    if isinstance(level, int):
        return level
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        known = ", ".join(logging.getLevelNamesMapping())
        raise ValueError(f"unknown log level {level!r}; known are {known}")
    return number


def rendered(record: logging.LogRecord) -> tuple[str, str | None]:
    """Return the message with its arguments, and what went wrong while rendering it, if anything.

    A wrong number or kind of arguments gives the bare message followed by the arguments: the record is kept.
    """
    try:
        return record.getMessage(), None
    except Exception as error:
        text = f"{readable(record.msg)} {readable(record.args)}" if record.args else readable(record.msg)
        return text, f"{type(error).__name__}: {readable(error)}"


def extras(record: logging.LogRecord) -> dict[str, object]:
    """Return the fields that the application added, in their order."""
    return {name: value for name, value in record.__dict__.items() if name not in RECORD_ATTRIBUTES}


def exception_text(record: logging.LogRecord) -> str | None:
    """Return the traceback as text, None when the record has none."""
    if record.exc_info and record.exc_info[0] is not None:
        try:
            return "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
        except Exception as error:
            return f"{record.exc_info[0].__name__} (its traceback cannot be shown: {type(error).__name__})"
    return record.exc_text or None


def readable(value: object) -> str:
    """Return ``str(value)``, or a note when that fails."""
    try:
        return str(value)
    except Exception as error:
        return f"<{type(value).__name__} whose str() raised {type(error).__name__}>"


def plain(value: object, depth: int = MAX_DEPTH) -> object:
    """Return *value* as JSON can hold it: no NaN, no loops, no foreign objects; never raises."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, enum.Enum):
        return plain(value.value, depth)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else repr(value)
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, decimal.Decimal | uuid.UUID):
        return str(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if depth == 0:
        return "..."
    try:
        if isinstance(value, Mapping):
            return {readable(name): plain(inner, depth - 1) for name, inner in value.items()}
        if isinstance(value, list | tuple | AbstractSet):
            return [plain(inner, depth - 1) for inner in value]
    except Exception as error:
        return f"<{type(value).__name__} that cannot be read: {type(error).__name__}>"
    return readable(value)
