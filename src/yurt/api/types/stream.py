"""Lines of the JSON streams of pull, push, load, import and build."""

from typing import Any

from msgspec import field

from yurt.api.types.base import Wire


class ProgressDetail(Wire, rename="lower", omit_defaults=True, kw_only=True):
    current: int | None = None
    total: int | None = None


class ErrorDetail(Wire, rename="lower", omit_defaults=True, kw_only=True):
    code: int | None = None
    message: str


class StreamLine(Wire, rename="camel", omit_defaults=True, kw_only=True):
    """One line; which fields it has says what it is."""

    stream: str | None = None
    status: str | None = None
    id: str | None = None
    progress_detail: ProgressDetail | None = None
    progress: str | None = None
    aux: dict[str, Any] | None = None
    error_detail: ErrorDetail | None = None
    error: str | None = None
    hint: str | None = field(default=None)
