"""Patterns with many wildcards, matched in time proportional to text times pattern.

A regular expression tries the lengths of its stars one after the other, which takes longer than anyone lives when a
hostile pattern has a dozen of them. Here all possibilities go along at once. Slower for simple patterns, so
those are left to `re`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

Test = Callable[[str], bool]


def anything(_char: str) -> bool:
    """Say that every character will do."""
    return True


def no_slash(char: str) -> bool:
    """Say whether *char* can stand in a name."""
    return char != "/"


def exactly(wanted: str) -> Test:
    """Return the test for one character."""
    return lambda char: char == wanted


@dataclass(frozen=True, slots=True)
class Piece:
    """One part of a pattern: *advance* consumes a character and goes on, *loop* consumes one and stays.

    *skip*: it may match nothing; *skip_first*: only when nothing was consumed by it.
    """

    advance: Test | None = None
    loop: Test | None = None
    skip: bool = False
    skip_first: bool = False


def one(test: Test) -> Piece:
    """One character."""
    return Piece(advance=test)


def many(test: Test) -> Piece:
    """Any number of characters, also none."""
    return Piece(loop=test, skip=True)


FOLDERS = Piece(advance=exactly("/"), loop=anything, skip_first=True)
"""Any number of folders, each with its slash."""


class Automaton:
    """A pattern made of pieces."""

    def __init__(self, pieces: list[Piece]) -> None:
        self._pieces = pieces

    def __repr__(self) -> str:
        return f"<Automaton of {len(self._pieces)} pieces>"

    def ends(self, text: str, start: int = 0) -> Iterator[int]:
        """Yield each place where a match that begins at *start* may end, the nearest first."""
        last = len(self._pieces)
        here = self._arrived(set(), 0)
        if last in here:
            yield start
        for place in range(start, len(text)):
            here = self._after(here, text[place])
            if not here:
                return
            if last in here:
                yield place + 1

    def fullmatch(self, text: str) -> bool:
        """Say whether the whole *text* matches."""
        here = self._arrived(set(), 0)
        for char in text:
            here = self._after(here, char)
            if not here:
                return False
        return len(self._pieces) in here

    def starts(self, text: str) -> list[bool]:
        """Return for each place in *text*, its end included, whether the reverse of this matches up to some place.

        Called on the pattern reversed with the text reversed, this says where matches begin.
        """
        last = len(self._pieces)
        here: set[int] = set()
        found = []
        for char in text:
            self._arrived(here, 0)
            found.append(last in here)
            here = self._after(here, char)
        self._arrived(here, 0)
        found.append(last in here)
        return found

    def reversed(self) -> "Automaton":
        """Return the pattern that matches reversed texts; only for pieces made by `one` and `many`."""
        return Automaton(self._pieces[::-1])

    def _arrived(self, states: set[int], state: int) -> set[int]:
        states.add(state)
        while state < len(self._pieces) and (self._pieces[state].skip or self._pieces[state].skip_first):
            state += 1
            states.add(state)
        return states

    def _after(self, states: set[int], char: str) -> set[int]:
        found: set[int] = set()
        for state in states:
            if state == len(self._pieces):
                continue
            piece = self._pieces[state]
            if piece.loop is not None and piece.loop(char):
                if piece.skip:
                    self._arrived(found, state)
                else:
                    found.add(state)
            if piece.advance is not None and piece.advance(char):
                self._arrived(found, state + 1)
        return found
