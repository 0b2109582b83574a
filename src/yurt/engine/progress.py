"""Progress: what a long operation says while it runs. `server` turns it into Docker's JSON stream."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """One line of news. *id* names a layer (twelve digits) or is empty; *current* and *total* are bytes."""

    status: str
    id: str = ""
    current: int | None = None
    total: int | None = None


ProgressSink = Callable[[Progress], None]
"""Where progress goes: called on the event loop, must not block."""


def silent(_progress: Progress) -> None:
    """Drop the news."""
