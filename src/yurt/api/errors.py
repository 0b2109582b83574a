"""The one table between kinds of error and HTTP statuses, and the JSON body of an error.

On the wire an error is ``{"message": …}`` as Docker's clients expect; the next step, if there is one, travels
beside it as ``"hint"``, which they ignore.
"""

from __future__ import annotations

from yurt.errors import (
    Conflict,
    Forbidden,
    Internal,
    InvalidArgument,
    NotFound,
    NotModified,
    Unauthorized,
    Unavailable,
    Unimplemented,
    YurtError,
)

STATUS_OF: dict[type[YurtError], int] = {
    NotModified: 304,
    InvalidArgument: 400,
    Unauthorized: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    Internal: 500,
    Unimplemented: 501,
    Unavailable: 503,
}
KIND_OF: dict[int, type[YurtError]] = {status: kind for kind, status in STATUS_OF.items()}


def status_of(error: BaseException) -> int:
    """Return the HTTP status of *error*; 500 for anything that is not a YurtError."""
    for kind in type(error).__mro__:
        if (status := STATUS_OF.get(kind)) is not None:
            return status
    return 500


def to_wire(error: YurtError) -> dict[str, str]:
    """Return the JSON body of *error*."""
    return {"message": error.message} | ({"hint": error.hint} if error.hint else {})


def from_wire(status: int, body: object, reason: str = "") -> YurtError:
    """Return the error that an answer with *status* and decoded *body* stands for.

    Unknown statuses become the nearest kind: 4xx InvalidArgument, the rest Internal.
    """
    message, hint = reason or f"the engine answered {status}", None
    if isinstance(body, dict):
        message = str(body.get("message") or body.get("cause") or message)
        hint = str(body["hint"]) if body.get("hint") else None
    elif isinstance(body, str) and body.strip():
        message = body
    message = message.strip()
    if hint is None:
        message, mark, rest = message.partition("\nhint: ")
        hint = rest or None if mark else None
    kind = KIND_OF.get(status) or (InvalidArgument if 400 <= status < 500 else Internal)
    return kind(message, hint=hint)
