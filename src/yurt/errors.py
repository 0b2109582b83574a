"""The few kinds of error, told apart by what the caller can do.

    YurtError
    ├── InvalidArgument   mend the request                      (400)
    ├── Unauthorized      say who you are                       (401)
    ├── Forbidden         ask someone with more rights          (403)
    ├── NotFound          name something that exists            (404)
    ├── Conflict          change the state first                (409)
    ├── NotModified       nothing to do, it is so already       (304)
    ├── Internal          report it                             (500)
    ├── Unimplemented     do it another way                     (501)
    └── Unavailable       try again later, or bring up what is missing (503)

A message says what, which and why; ``hint`` says the next step. Foreign exceptions are translated where
they enter, with `translated`.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager


class YurtError(Exception):
    """Base of all errors that a user may see.

    Parameters
    ----------
      message: what failed, on which object, and why; one sentence, no trailing stop.
      hint: the next step, if there is one.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message


class InvalidArgument(YurtError):
    """The request itself is wrong."""


class Unauthorized(YurtError):
    """The caller is unknown."""


class Forbidden(YurtError):
    """The caller is known and may not."""


class NotFound(YurtError):
    """No such thing."""


class Conflict(YurtError):
    """The thing is in a state that does not allow this."""


class NotModified(YurtError):
    """The thing is already as asked."""


class Internal(YurtError):
    """Something failed that no caller can mend."""


class Unimplemented(YurtError):
    """Not offered here."""


class Unavailable(YurtError):
    """Something this depends on does not answer, or is missing on this host."""


@contextmanager
def translated(
    kinds: Mapping[type[BaseException], type[YurtError]], message: str, *, hint: str | None = None
) -> Iterator[None]:
    """Raise our kind of error for a foreign one, keeping the foreign one as the cause.

    The first entry of *kinds* that matches decides; the text of the foreign error is appended.
    """
    try:
        yield
    except tuple(kinds) as foreign:
        for theirs, ours in kinds.items():
            if isinstance(foreign, theirs):
                raise ours(f"{message}: {foreign}" if str(foreign) else message, hint=hint) from foreign
        raise
