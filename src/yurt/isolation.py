"""The levels of isolation that an engine can have. Pure; which one is in force, `yurt.linux.isolation` finds out."""

from enum import StrEnum
from typing import Self

from yurt.errors import InvalidArgument


class Level(StrEnum):
    """What stands between containers, and between them and their host; each more than the one before.

    ONE_UID: an engine of a normal user whose namespace has that user's number only. Everyone in every container is
    that user, and there is nobody else to become.
    SUBUIDS: an engine of a normal user who has ranges of further numbers. The users of a container are apart.
    ROOT: an engine of the host's root: everything is the kernel's to enforce, limits and devices too.
    """

    ONE_UID = "one-uid"
    SUBUIDS = "subuids"
    ROOT = "root"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raise InvalidArgument, with the words that there are."""
        try:
            return cls(text)
        except ValueError as error:
            raise InvalidArgument(
                f"there is no level of isolation {text!r}", hint=f"use one of {', '.join(cls)}"
            ) from error

    def reaches(self, wanted: "Level") -> bool:
        """Tell whether this level is *wanted* or above."""
        order = list(Level)
        return order.index(self) >= order.index(wanted)

    @property
    def sentence(self) -> str:
        """The level in words, as people are told."""
        return _SENTENCES[self]


_SENTENCES = {
    Level.ONE_UID: "rootless with one uid",
    Level.SUBUIDS: "rootless with subuids",
    Level.ROOT: "root namespaces",
}
