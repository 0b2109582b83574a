"""What the soak believes of one thing: the values it may have. Certain when there is one."""

from typing import Generic, TypeVar

Value = TypeVar("Value")


class Violation(AssertionError):
    """The engine did something that it must never do."""


class Belief(Generic[Value]):
    """The possible values of one property. What fails half-way widens it, what is acknowledged or seen narrows it."""

    def __init__(self, *values: Value) -> None:
        self.possible = set(values)

    def __repr__(self) -> str:
        return " or ".join(sorted(map(repr, self.possible)))

    @property
    def is_certain(self) -> bool:
        return len(self.possible) == 1

    def is_surely(self, *values: Value) -> bool:
        """Return whether it can't be anything but one of *values*."""
        return self.possible <= set(values)

    def may_also_be(self, *values: Value) -> None:
        self.possible.update(values)

    def settle(self, *values: Value) -> None:
        """From now on it is one of *values*."""
        self.possible = set(values)

    def learn(self, seen: Value, what: str) -> None:
        """It was *seen* to be so; raises Violation when that was not possible."""
        if seen not in self.possible:
            raise Violation(f"{what} is {seen!r}; it can only be {self!r}")
        self.possible = {seen}
