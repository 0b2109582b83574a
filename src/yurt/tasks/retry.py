"""How often and how long apart a failing task is tried again: a value, declared at the task."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from yurt.errors import InvalidArgument


@dataclass(frozen=True, slots=True)
class Backoff:
    """Try again with growing delays: *first*, then *factor* times longer each time, at most *longest*.

    Each delay is spread by ±*jitter* of itself, so that tasks that failed together do not return together.
    With a factor of 2 and the default jitter each delay is still longer than the one before.

    >>> Backoff(on=(OSError,), first=1, jitter=0).delays()
    (1.0, 2.0, 4.0, 8.0)
    """

    on: tuple[type[Exception], ...]  # what is worth another try; anything else fails at once
    attempts: int = 5  # in all, the first included
    first: float = 1.0  # seconds
    factor: float = 2.0
    longest: float = 600.0  # seconds
    jitter: float = 0.2  # share of the delay
    never: tuple[type[Exception], ...] = ()  # not retried although `on` matches

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise InvalidArgument(f"a task needs at least one attempt, not {self.attempts}")
        if self.first < 0 or self.longest < 0 or self.factor < 1 or not 0 <= self.jitter < 1:
            raise InvalidArgument(
                f"cannot back off by {self}",
                hint="delays are at least 0, factor at least 1, jitter from 0 below 1",
            )

    def matches(self, error: BaseException) -> bool:
        """Tell whether *error* is worth another try."""
        return isinstance(error, self.on) and not isinstance(error, self.never)

    def delay(self, retries: int, *, uniform: Callable[[float, float], float] = random.uniform) -> float:
        """Return the seconds to wait after *retries* retries have failed too (0: after the first attempt)."""
        exact = self.longest
        if self.factor == 1:
            exact = min(self.longest, self.first)
        elif retries < 64:  # beyond, the power may not fit a float
            exact = min(self.longest, self.first * self.factor**retries)
        return exact * uniform(1 - self.jitter, 1 + self.jitter)

    def delays(self) -> tuple[float, ...]:
        """Return all delays, without jitter: what to expect, to be shown or summed up."""
        return tuple(self.delay(retry, uniform=lambda _low, _high: 1.0) for retry in range(self.attempts - 1))
