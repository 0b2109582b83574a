"""Errors that decide the exit code themselves."""

from __future__ import annotations

from yurt.errors import YurtError


class Failure(YurtError):
    """A command failed; *code* is the exit code."""

    def __init__(self, message: str, *, hint: str | None = None, code: int = 1) -> None:
        super().__init__(message, hint=hint)
        self.code = code


class UsageError(Failure):
    """The command line itself is wrong."""
