"""Variables that remember who asked for them, and what a name that nobody declared may have meant."""

import difflib
from collections.abc import Iterable, Iterator, Mapping


class Looked(Mapping[str, str]):
    """A mapping that notes which names were *found* in it and which it *missed*, each once, in order."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self.found: dict[str, None] = {}
        self.missed: dict[str, None] = {}

    def __repr__(self) -> str:
        return f"<Looked found={list(self.found)} missed={list(self.missed)}>"

    def __getitem__(self, name: str) -> str:
        try:
            value = self._variables[name]
        except KeyError:
            self.missed[name] = None
            raise
        self.found[name] = None
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._variables)

    def __len__(self) -> int:
        return len(self._variables)


def meant(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence that asks for the nearest of *known*; empty when none is near."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.7)
    return f" (did you mean {close[0]}?)" if close else ""
