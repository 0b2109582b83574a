"""Fields that belong to all records of one request, task or job: bound once, carried by contextvars.

Each thread and each asyncio task sees its own. Values should be identifiers, never objects or secrets.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

REQUEST_ID = "request_id"
TRACE_ID = "trace_id"

_NOTHING: Mapping[str, object] = MappingProxyType({})
_fields: ContextVar[Mapping[str, object]] = ContextVar("yurt_log_fields", default=_NOTHING)

# What may be taken over from a client: it ends up in headers and logs, so nothing that could forge either.
_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")


def fields() -> Mapping[str, object]:
    """Return the fields bound here, read-only."""
    return _fields.get()


def bind(**new: object) -> None:
    """Add *new* to the fields bound here, replacing those of the same name."""
    _fields.set(MappingProxyType({**_fields.get(), **new}))


def unbind(*names: str) -> None:
    """Take *names* away; a name that is not bound is no error."""
    _fields.set(MappingProxyType({name: value for name, value in _fields.get().items() if name not in names}))


@contextmanager
def bound(**new: object) -> Iterator[None]:
    """Bind *new* inside the block; afterwards the fields are those of before, whatever was bound inside.

    >>> with bound(order=7):
    ...     fields()["order"]
    7
    >>> "order" in fields()
    False
    """
    before = _fields.get()
    bind(**new)
    try:
        yield
    finally:
        # Not reset(token): the block may end in another Context (async generators, Django's streaming).
        _fields.set(before)


def request_id() -> str | None:
    """Return the id of the request that is being served, in the web process and in its tasks alike."""
    found = _fields.get().get(REQUEST_ID)
    return None if found is None else str(found)


def new_request_id() -> str:
    """Return a fresh id: 32 hexadecimal digits, also valid as a W3C trace id."""
    return os.urandom(16).hex()


def accepted_request_id(text: str | None) -> str | None:
    """Return a client's X-Request-ID when it is harmless, else None."""
    return text if text and _REQUEST_ID.fullmatch(text) else None


def trace_id(traceparent: str | None) -> str | None:
    """Return the trace id in a W3C ``traceparent`` header, None when there is none or it is invalid."""
    match = _TRACEPARENT.fullmatch((traceparent or "").strip().lower())
    if match is None or traceparent is None or traceparent.strip().startswith("ff"):
        return None
    return None if match[1] == "0" * 32 else match[1]
