"""What was asked of an engine and what it acknowledged, each with its place in the disk's record."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

Thing = tuple[str, str]
"""A kind (image, container, volume, network) and a name."""

ABSENT = frozenset({"absent"})


@dataclass(slots=True)
class Change:
    """From *begun* on a thing may be in one of *states*; from *acknowledged* on it is."""

    thing: Thing
    states: frozenset[str]
    begun: int
    acknowledged: int | None = None


@dataclass
class History:
    """Changes in their order; one at a time. *now* is the present place in the record."""

    now: Callable[[], int]
    changes: list[Change] = field(default_factory=list)

    @contextlib.contextmanager
    def changing(self, kind: str, name: str, *states: str) -> Iterator[None]:
        """Ask for a change in the block, which ends when it is acknowledged."""
        change = self.happening(kind, name, *states)
        yield
        change.acknowledged = self.now()
        for earlier in self.changes:
            if earlier.acknowledged is None:
                earlier.acknowledged = change.acknowledged

    def happening(self, kind: str, name: str, *states: str) -> Change:
        """Note a change that nobody asked for, such as an exit: it is certain from the next acknowledgement on."""
        change = Change((kind, name), frozenset(states), self.now())
        self.changes.append(change)
        return change

    def allowed(self, at: int) -> dict[Thing, frozenset[str]]:
        """Return the states in which each thing may be when the power was cut at the place *at*."""
        found: dict[Thing, frozenset[str]] = {change.thing: ABSENT for change in self.changes}
        for change in self.changes:
            if change.acknowledged is not None and change.acknowledged <= at:
                found[change.thing] = change.states
            elif change.begun <= at:
                found[change.thing] |= change.states
        return found
