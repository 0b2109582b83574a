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

import errno
import os

TYPE_CHECKING = False  # `typing` and `contextlib` would be a third of the command line's start-up
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self


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

    def at(self, where: str) -> "Self":
        """Return this error with *where* before its message; its kind, its hint and all else that it has stay."""
        message = f"{where}: {self.message}"
        told = type(self).__new__(type(self), message)  # whatever arguments its kind is made with
        told.__dict__.update(self.__dict__, message=message)
        return told


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


def is_full(error: BaseException) -> bool:
    """Tell whether a call failed because a disk, or somebody's quota on it, is full."""
    return isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}


def no_space(where: str) -> Unavailable:
    """Return what anyone is told when a full disk did not take *where*: a path, or what should have been stored."""
    return Unavailable(f"no space left on device: {where}", hint="free some space: yurt system prune")


def reason_of(error: BaseException) -> str:
    """Return what *error* says, for people: of a failed call its path and reason, not its number."""
    if isinstance(error, OSError) and error.strerror:
        reason = error.strerror
        if error.errno and reason.startswith("Connect call failed"):  # asyncio says where, and not why
            reason = os.strerror(error.errno)
        where = f"{error.filename!s}: " if error.filename is not None else ""
        return f"{where}{reason}"
    return str(error)


class translated:  # noqa: N801 - used as a verb: ``with translated(…):``
    """While entered, raise our kind of error for a foreign one, keeping the foreign one as the cause.

    The first entry of *kinds* that matches decides; the text of the foreign error is appended.
    """

    __slots__ = ("_hint", "_kinds", "_message")

    def __init__(
        self,
        kinds: "Mapping[type[BaseException], type[YurtError]]",
        message: str,
        *,
        hint: str | None = None,
    ) -> None:
        self._kinds = kinds
        self._message = message
        self._hint = hint

    def __enter__(self) -> None:
        """Nothing is done before something fails."""

    def __exit__(self, _kind: object, foreign: BaseException | None, _trace: object) -> None:
        if foreign is None:
            return
        for theirs, ours in self._kinds.items():
            if isinstance(foreign, theirs):
                reason = reason_of(foreign)
                text = f"{self._message}: {reason}" if reason else self._message
                raise ours(text, hint=self._hint) from foreign
