"""The memory of one process, bounded: what was used longest ago makes room."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

DEFAULT_BYTES = 64 * 1024 * 1024


class MemoryTier:
    """At most *max_entries* values of together at most *max_bytes*; a value larger than that is not kept."""

    blocking = False

    def __init__(
        self,
        *,
        max_entries: int = 10_000,
        max_bytes: int = DEFAULT_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.max_entries = max_entries
        self.max_bytes = max_bytes
        self.evictions = 0
        self._clock = clock
        self._mutex = threading.Lock()
        self._held: OrderedDict[str, tuple[bytes, float | None]] = OrderedDict()
        self._bytes = 0

    def __repr__(self) -> str:
        return (
            f"<MemoryTier {len(self._held)}/{self.max_entries} entries, {self._bytes}/{self.max_bytes} bytes>"
        )

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        with self._mutex:
            return [self._get(key) for key in keys]

    def set(self, key: str, value: bytes, ttl: float | None) -> None:
        with self._mutex:
            self._set(key, value, ttl)

    def add(self, key: str, value: bytes, ttl: float | None) -> bool:
        with self._mutex:
            if self._get(key) is not None:
                return False
            self._set(key, value, ttl)
            return True

    def store(self, key: str, value: bytes, ttl: float | None, *, lock: str, token: bytes) -> bool:
        with self._mutex:
            if self._get(lock) != token:
                return False
            self._drop(lock)
            self._set(key, value, ttl)
            return True

    def delete_if(self, key: str, value: bytes) -> bool:
        with self._mutex:
            return self._get(key) == value and self._drop(key)

    def delete(self, *keys: str) -> int:
        with self._mutex:
            return sum(self._get(key) is not None and self._drop(key) for key in keys)

    def clear(self) -> None:
        """Afterwards nothing is held."""
        with self._mutex:
            self._held.clear()
            self._bytes = 0

    def _get(self, key: str) -> bytes | None:
        found = self._held.get(key)
        if found is None:
            return None
        value, ends = found
        if ends is not None and ends <= self._clock():
            self._drop(key)
            return None
        self._held.move_to_end(key)
        return value

    def _set(self, key: str, value: bytes, ttl: float | None) -> None:
        self._drop(key)
        size = len(key) + len(value)
        if size > self.max_bytes:
            return
        self._held[key] = value, None if ttl is None else self._clock() + ttl
        self._bytes += size
        while len(self._held) > self.max_entries or self._bytes > self.max_bytes:
            self._drop(next(iter(self._held)))
            self.evictions += 1

    def _drop(self, key: str) -> bool:
        found = self._held.pop(key, None)
        if found is None:
            return False
        self._bytes -= len(key) + len(found[0])
        return True
