"""What is broken on purpose at the moment, and so excuses a failure."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum


class Kind(StrEnum):
    ENGINE = "engine killed or restarting"
    DISK = "disk full"
    RUNTIME = "runtime or zygote killed"


class Weather:
    """The spells of bad weather so far, with their begin and end on the monotonic clock."""

    def __init__(self) -> None:
        self._spells: list[tuple[Kind, float, float]] = []
        self._mutex = threading.Lock()

    @contextmanager
    def spell(self, kind: Kind) -> Iterator[None]:
        """Something is broken until the block ends."""
        begun = time.monotonic()
        with self._mutex:
            self._spells.append((kind, begun, float("inf")))
        try:
            yield
        finally:
            with self._mutex:
                self._spells.remove((kind, begun, float("inf")))
                self._spells.append((kind, begun, time.monotonic()))

    def since(self, moment: float) -> set[Kind]:
        """Return what was broken at any time from *moment* until now."""
        with self._mutex:
            return {kind for kind, _begun, ended in self._spells if ended >= moment}
