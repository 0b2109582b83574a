"""Filters: which records pass, and what is added to or hidden in those that do."""

import logging
import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from yurt.logs.context import fields
from yurt.logs.record import RECORD_ATTRIBUTES, level_number, rendered

HIDDEN = "[redacted]"
SECRET_KEYS = (
    "password",
    "passwd",
    "secret",
    "token",
    "authorization",
    "cookie",
    "api_key",
    "apikey",
    "private_key",
    "sessionid",
    "csrfmiddlewaretoken",
)


class LevelRange(logging.Filter):
    """Pass records from *minimum* up to and including *maximum*; levels by name or number."""

    def __init__(self, minimum: int | str = logging.NOTSET, maximum: int | str | None = None) -> None:
        super().__init__()
        self.minimum = level_number(minimum)
        self.maximum = None if maximum is None else level_number(maximum)

    def filter(self, record: logging.LogRecord) -> bool:
        return self.minimum <= record.levelno and (self.maximum is None or record.levelno <= self.maximum)


class LoggerGlob(logging.Filter):
    """Pass records of loggers that match one of *include* and none of *exclude* (``shop.*``, ``*.sql``)."""

    def __init__(self, include: Iterable[str] = ("*",), exclude: Iterable[str] = ()) -> None:
        super().__init__()
        self.include = tuple(include)
        self.exclude = tuple(exclude)

    def filter(self, record: logging.LogRecord) -> bool:
        return any(fnmatchcase(record.name, glob) for glob in self.include) and not any(
            fnmatchcase(record.name, glob) for glob in self.exclude
        )


class ContextFields(logging.Filter):
    """Put the bound fields on the record as attributes, so that any formatter can name them.

    It must run in the thread that logs: attach it to the handler that is called there (a `QueueHandler`
    included). A field never replaces what the record has already.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        for name, value in fields().items():
            if name not in record.__dict__ and name not in RECORD_ATTRIBUTES:
                record.__dict__[name] = value
        return True


class Redact(logging.Filter):
    """Hide the values of secret keys, however deep: in extra fields, in arguments, and as key=value in text.

    A key is secret when its name contains one of *keys*, whatever its case (``SMTP_PASSWORD``). The record is
    changed, for all handlers that come later; objects of the application are not. Tracebacks are not searched.
    """

    def __init__(self, keys: Iterable[str] = SECRET_KEYS) -> None:
        super().__init__()
        self.keys = tuple(key.lower() for key in keys)
        names = "|".join(re.escape(key) for key in self.keys)
        self._text = re.compile(
            rf"""(?ix)
            (?P<key> ["']? [\w-]* (?:{names}) [\w-]* ["']? \s* [=:] \s* (?:(?:bearer|basic)\s+)? )
            (?P<value> "[^"]*" | '[^']*' | [^\s,;&}}\])]+ )"""
        )

    def filter(self, record: logging.LogRecord) -> bool:
        if not self.keys:
            return True
        for name, value in list(record.__dict__.items()):
            if name not in RECORD_ATTRIBUTES:
                record.__dict__[name] = HIDDEN if self._is_secret(name) else self._hide(value)
        if isinstance(record.args, Mapping):
            record.args = {
                name: HIDDEN if self._is_secret(str(name)) else value for name, value in record.args.items()
            }
        message, error = rendered(record)
        if error is None:
            hidden = self._text.sub(rf"\g<key>{HIDDEN}", message)
            if hidden != message:
                record.msg, record.args = hidden, None
        return True

    def _is_secret(self, name: str) -> bool:
        lowered = name.lower().replace("-", "_")
        return any(key in lowered for key in self.keys)

    def _hide(self, value: object, depth: int = 8) -> object:
        if depth == 0:
            return value
        if isinstance(value, Mapping):
            return {
                name: HIDDEN if self._is_secret(str(name)) else self._hide(inner, depth - 1)
                for name, inner in value.items()
            }
        if isinstance(value, list | tuple):
            return [self._hide(inner, depth - 1) for inner in value]
        return value
