"""Folders of ``RUN --mount=type=cache``: they outlive builds, and *sharing* says who may be in one at a time."""

import asyncio
import hashlib
import shutil
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from weakref import WeakValueDictionary

from yurt.engine.images.threads import in_thread

MAX_PRIVATE = 1000  # folders of one private cache, one for each RUN that wants it at the same time


class CacheMounts:
    """The caches below *folder*, by what tells them apart."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._users: Counter[Path] = Counter()

    def __repr__(self) -> str:
        return f"<CacheMounts {sum(self._users.values())} in use>"

    async def use(self, key: str, sharing: str, undo: AsyncExitStack) -> Path:
        """Return the folder of the cache *key*, which need not exist yet, for as long as *undo* is not unwound.

        ``locked`` waits until nobody else has it, ``private`` gives everybody their own, ``shared`` the same one.
        """
        name = hashlib.sha256(key.encode()).hexdigest()[:32]
        if sharing == "locked":
            if (lock := self._locks.get(name)) is None:
                lock = self._locks[name] = asyncio.Lock()
            await undo.enter_async_context(lock)
        place = self._folder / name
        if sharing == "private":
            places = [place, *(self._folder / f"{name}-{number}" for number in range(1, MAX_PRIVATE))]
            place = next((each for each in places if not self._users[each]), place)
        self._users[place] += 1
        undo.callback(self._leave, place)
        return place

    def _leave(self, place: Path) -> None:
        self._users[place] -= 1
        if not self._users[place]:
            del self._users[place]

    async def clear(self) -> None:
        """Afterwards the caches that nobody uses now are gone."""
        await in_thread(self._remove, frozenset(self._users))

    def _remove(self, kept: frozenset[Path]) -> None:
        if self._folder.is_dir():
            for place in self._folder.iterdir():
                if place not in kept:
                    shutil.rmtree(place, ignore_errors=True)
