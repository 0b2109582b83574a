"""What a cache really served, counted in this process."""

import threading
from dataclasses import dataclass, fields, replace


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts since the start of the process."""

    hits: int = 0
    misses: int = 0  # all of: absent, corrupted, invalidated
    corrupted: int = 0  # could not be decoded, so were computed anew
    invalidated: int = 0  # a tag had changed since
    computed: int = 0
    failed: int = 0  # computations that raised
    waited: int = 0  # answers of a computation that another thread or process was making
    discarded: int = 0  # results not kept: invalidated or overtaken while they were computed
    down: int = 0  # calls that the tier did not answer

    @property
    def hit_rate(self) -> float:
        """Return hits as a share of all reads, 0 before the first."""
        reads = self.hits + self.misses
        return self.hits / reads if reads else 0.0


NAMES = frozenset(field.name for field in fields(Stats))


class Counters:
    """A `Stats` that grows; threads may share it."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._counts = dict.fromkeys(NAMES, 0)

    def add(self, *names: str) -> None:
        """Count one more of each name."""
        with self._mutex:
            for name in names:
                self._counts[name] += 1

    def snapshot(self) -> Stats:
        """Return the counts of now."""
        with self._mutex:
            return replace(Stats(), **self._counts)
