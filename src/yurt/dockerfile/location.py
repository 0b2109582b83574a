"""Where something stands in a Dockerfile, so that every complaint names file and line."""

from dataclasses import dataclass

from yurt.errors import InvalidArgument


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """Lines *first* to *last* of *file*, counted from 1. *column*, from 1, is in the first of them; 0: not known."""

    file: str
    first: int
    last: int
    column: int = 0

    def __str__(self) -> str:
        place = f"{self.file}:{self.first}"
        return f"{place}:{self.column}" if self.column else place

    def error(self, message: str, *, hint: str | None = None) -> InvalidArgument:
        """Return (not raise) the error that says *message* about these lines."""
        return InvalidArgument(f"{self}: {message}", hint=hint)
