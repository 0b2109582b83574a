"""Logging for applications: standard `logging`, made safe to read by machines.

Loggers, handlers, filters, formatters and the five levels stay those of the standard library; this package
adds a JSON formatter, a console formatter, filters, ids that follow a request or task, and one mapping that
`logging.config.dictConfig` takes. Standard library only. Django's side is in `yurt.logs.django`, Celery's in
`yurt.tasks`.
"""

from yurt.logs.config import LogSettings, configure, dict_config, from_env
from yurt.logs.context import bind, bound, fields, new_request_id, request_id, unbind
from yurt.logs.filters import ContextFields, LevelRange, LoggerGlob, Redact
from yurt.logs.formatters import ConsoleFormatter, JSONFormatter
from yurt.logs.handlers import StdoutHandler

__all__ = [
    "ConsoleFormatter",
    "ContextFields",
    "JSONFormatter",
    "LevelRange",
    "LogSettings",
    "LoggerGlob",
    "Redact",
    "StdoutHandler",
    "bind",
    "bound",
    "configure",
    "dict_config",
    "fields",
    "from_env",
    "new_request_id",
    "request_id",
    "unbind",
]
