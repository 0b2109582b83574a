"""Versions of the Engine API: the ``/v1.44`` in front of a path.

Imported on the start-up path of the command line, hence no dataclass here.
"""

from __future__ import annotations

from yurt.errors import InvalidArgument


class ApiVersion(tuple[int, int]):
    """A version such as 1.44; ordered by number, not by text."""

    __slots__ = ()

    def __new__(cls, major: int, minor: int) -> ApiVersion:  # noqa: PYI034 - `typing` is too dear for start-up
        return super().__new__(cls, (major, minor))

    @classmethod
    def parse(cls, text: str) -> ApiVersion:
        """Read ``1.44`` or ``v1.44``; anything else raises InvalidArgument."""
        major, dot, minor = text.removeprefix("v").partition(".")
        if not (dot and _is_number(major) and _is_number(minor)):
            raise InvalidArgument(f"invalid API version {text!r}", hint=f"a version looks like {LATEST}")
        return cls(int(major), int(minor))

    def __str__(self) -> str:
        return f"{self[0]}.{self[1]}"

    def __repr__(self) -> str:
        return f"ApiVersion({self})"


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


OLDEST = ApiVersion(1, 24)  # below: refused, as Docker 28 does
LATEST = ApiVersion(1, 51)  # spoken when the other side allows it


def is_supported(version: ApiVersion) -> bool:
    """Tell whether *version* lies between OLDEST and LATEST, both included."""
    return OLDEST <= version <= LATEST


def negotiated(theirs: ApiVersion) -> ApiVersion:
    """Return the version to speak with an engine whose newest is *theirs*."""
    return min(theirs, LATEST)


def split_path(path: str) -> tuple[ApiVersion | None, str]:
    """Take ``/v1.44/containers/json`` apart into the version and the rest; (None, path) when there is none."""
    head, slash, rest = path[1:].partition("/")
    if path.startswith("/v") and slash:
        major, dot, minor = head[1:].partition(".")
        if dot and _is_number(major) and _is_number(minor):
            return ApiVersion(int(major), int(minor)), "/" + rest
    return None, path
