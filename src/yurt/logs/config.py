"""One mapping for `logging.config.dictConfig`, from a few settings.

Library code reads no environment; `from_env` is for entry points that want it.
"""

import logging.config
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from yurt.errors import InvalidArgument
from yurt.logs.filters import SECRET_KEYS
from yurt.logs.record import level_number

Format = Literal["auto", "json", "console"]


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What an application may choose about its log."""

    level: str = "INFO"
    levels: Mapping[str, str] = field(default_factory=dict)  # by logger: {"django.db": "WARNING"}
    format: Format = "auto"  # console on a terminal, else JSON
    colours: bool | None = None  # None: on a terminal
    fields: Mapping[str, object] = field(default_factory=dict)  # in every JSON record: {"service": "web"}
    redact: tuple[str, ...] = SECRET_KEYS

    def __post_init__(self) -> None:
        for level in (self.level, *self.levels.values()):
            try:
                level_number(level)
            except ValueError as error:
                raise InvalidArgument(str(error)) from error
        if self.format not in get_args(Format):
            raise InvalidArgument(
                f"unknown log format {self.format!r}; known are {', '.join(get_args(Format))}"
            )


def from_env(environ: Mapping[str, str]) -> LogSettings:
    """Return settings from an environment: for entry points, which pass ``os.environ``.

    ``YURT_LOG_LEVEL=INFO``, ``YURT_LOG_LEVELS=django.db=DEBUG,shop=INFO``, ``YURT_LOG_FORMAT=json``,
    ``YURT_LOG_SERVICE=web`` (a field of every record), ``NO_COLOR`` and ``FORCE_COLOR``.
    """
    levels: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in environ.get("YURT_LOG_LEVELS", "").split(","))):
        name, sign, level = pair.partition("=")
        if not sign:
            raise InvalidArgument(
                f"YURT_LOG_LEVELS: {pair!r} is not LOGGER=LEVEL",
                hint="for example django.db=WARNING,shop=DEBUG",
            )
        levels[name.strip()] = level.strip()
    chosen: Any = environ.get("YURT_LOG_FORMAT") or "auto"  # LogSettings says which are known
    colours = False if environ.get("NO_COLOR") else True if environ.get("FORCE_COLOR") else None
    service = environ.get("YURT_LOG_SERVICE")
    return LogSettings(
        level=environ.get("YURT_LOG_LEVEL") or "INFO",
        levels=levels,
        format=chosen,
        colours=colours,
        fields={"service": service} if service else {},
    )


def dict_config(settings: LogSettings | None = None) -> dict[str, Any]:
    """Return a mapping that `logging.config.dictConfig` takes; the caller may add to it.

    One handler, ``stdout``, on the root logger; loggers that exist already are kept.
    """
    chosen = settings or LogSettings()
    terminal = sys.stdout is not None and sys.stdout.isatty()
    console = chosen.format == "console" or (chosen.format == "auto" and terminal)
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {
            "context": {"()": "yurt.logs.filters.ContextFields"},
            "redact": {"()": "yurt.logs.filters.Redact", "keys": list(chosen.redact)},
        },
        "formatters": {
            "json": {"()": "yurt.logs.formatters.JSONFormatter", "fields": dict(chosen.fields)},
            "console": {
                "()": "yurt.logs.formatters.ConsoleFormatter",
                "colours": terminal if chosen.colours is None else chosen.colours,
            },
        },
        "handlers": {
            "stdout": {
                "()": "yurt.logs.handlers.StdoutHandler",
                "formatter": "console" if console else "json",
                "filters": ["context", "redact"],
            },
        },
        "root": {"level": chosen.level.upper(), "handlers": ["stdout"]},
        "loggers": {name: {"level": level.upper()} for name, level in chosen.levels.items()},
    }


def configure(settings: LogSettings | None = None) -> None:
    """Set up logging for this process, replacing the root logger's handlers."""
    logging.config.dictConfig(dict_config(settings))
    logging.captureWarnings(capture=True)
