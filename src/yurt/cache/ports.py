"""What a cache needs of the place where it keeps things."""

from collections.abc import Sequence
from typing import Protocol

from yurt.errors import Unavailable


class TierDown(Unavailable):
    """The tier does not answer; the caller computes."""


class TierSkipped(TierDown):
    """The tier was not even asked, since it failed a moment ago: not worth another warning."""


class Tier(Protocol):
    """Bytes by key, each with a time to live in seconds (None: for ever). Every method may raise TierDown.

    Each call is atomic with respect to all others on the same tier, from whichever thread or process.
    """

    blocking: bool  # True: calls wait for a network, so asyncio code sends them to a thread

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the values in the order of *keys*, None for what is absent or has expired."""

    def set(self, key: str, value: bytes, ttl: float | None) -> None:
        """Afterwards *key* holds *value*."""

    def add(self, key: str, value: bytes, ttl: float | None) -> bool:
        """Set *key* only if it is absent; tell whether it was."""

    def store(self, key: str, value: bytes, ttl: float | None, *, lock: str, token: bytes) -> bool:
        """Set *key* and delete *lock*, only if *lock* holds *token*; tell whether it did."""

    def delete_if(self, key: str, value: bytes) -> bool:
        """Delete *key* only if it holds *value*; tell whether it did."""

    def delete(self, *keys: str) -> int:
        """Delete; return how many of *keys* were there."""
