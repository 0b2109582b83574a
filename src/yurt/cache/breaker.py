"""A circuit breaker: a server that just failed is left alone for a moment, so that its callers don't wait."""

import threading
import time
from collections.abc import Callable


class Breaker:
    """Open for *pause* seconds after a failure, then one caller may try; each failed try doubles the pause."""

    def __init__(
        self, *, pause: float = 1.0, longest: float = 15.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.pause = pause
        self.longest = longest
        self._clock = clock
        self._mutex = threading.Lock()
        self._failures = 0
        self._until = 0.0

    def __repr__(self) -> str:
        return f"<Breaker {'open' if self.is_open else 'closed'}, {self._failures} failures>"

    @property
    def is_open(self) -> bool:
        """Tell whether calls are being refused."""
        return self._failures > 0 and self._clock() < self._until

    def allows(self) -> bool:
        """Tell whether a call may be made now. While it has failed, only one caller per pause is let through."""
        with self._mutex:
            if self._failures == 0:
                return True
            if self._clock() < self._until:
                return False
            self._until = self._clock() + self.pause  # the others wait for this one's outcome
            return True

    def failed(self) -> None:
        """Note a failure."""
        with self._mutex:
            self._until = self._clock() + min(self.longest, self.pause * 2 ** min(self._failures, 16))
            self._failures += 1

    def succeeded(self) -> None:
        """Note a success: calls flow again."""
        if self._failures:
            with self._mutex:
                self._failures = 0
