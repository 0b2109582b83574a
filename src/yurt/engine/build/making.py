"""Steps that are being made now, in all builds of this engine: each once, and not too many at a time."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

AT_LEAST = 4  # steps at once on the smallest machine: most of them wait for a disk or for the network


class Making:
    """Who makes a step has its key; who wants the same one waits for that, and then finds it made."""

    def __init__(self, *, limit: int = 0) -> None:
        self._slots = asyncio.Semaphore(limit or max(AT_LEAST, os.cpu_count() or 1))
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def __repr__(self) -> str:
        return f"<Making {len(self._locks)} steps>"

    @asynccontextmanager
    async def alone(self, key: str) -> AsyncIterator[None]:
        """While entered, nobody else is in here with *key*."""
        if (lock := self._locks.get(key)) is None:
            lock = self._locks[key] = asyncio.Lock()
        async with lock:
            yield

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """While entered, this is one of the steps that run at once. Not to be waited for with a slot in hand."""
        async with self._slots:
            yield
