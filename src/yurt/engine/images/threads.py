"""Between the event loop and threads: bulk work leaves the loop, and a cancelled caller leaves no thread behind."""

import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import CancelledError, Future
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

BATCH = 1 << 20  # bytes handed over at once


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a blocking function in a thread and return its result.

    When the caller is cancelled, the cancellation waits for the function's end: what it undoes on its way
    out is undone when this returns.
    """
    task = asyncio.ensure_future(asyncio.to_thread(functools.partial(function, *args, **kwargs)))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if not task.cancelled():
            await asyncio.wait([task])
            if not task.cancelled():
                task.exception()  # seen: the cancellation is what the caller hears of
        raise


class Feed:
    """An asynchronous stream of bytes, read from a thread as an ordinary iterator, one batch ahead.

    Made on the event loop, iterated once, in a thread. `stop` makes the reading thread fail at once; after `close`
    nobody reads the stream any more.
    """

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._loop = asyncio.get_running_loop()
        self._stopped = threading.Event()
        self._next: Future[bytes] | None = None
        self._reading: asyncio.Task[bytes] | None = None

    def __iter__(self) -> Iterator[bytes]:
        self._next = self._ask()
        while batch := self._wait(self._next):
            self._next = self._ask()
            yield batch

    def stop(self) -> None:
        """Afterwards the reading thread gets no more: it sees `concurrent.futures.CancelledError`."""
        self._stopped.set()
        if self._next is not None:
            self._next.cancel()

    async def close(self) -> None:
        """End the read ahead of a thread that has ended: a connection's body has one reader at a time."""
        self.stop()
        if self._reading is not None:
            await asyncio.wait([self._reading])
            if not self._reading.cancelled():
                self._reading.exception()  # seen: nobody waits for these bytes

    def _ask(self) -> "Future[bytes]":
        return asyncio.run_coroutine_threadsafe(self._batch(), self._loop)

    def _wait(self, batch: "Future[bytes]") -> bytes:
        if self._stopped.is_set():
            batch.cancel()
            raise CancelledError
        return batch.result()

    async def _batch(self) -> bytes:
        """Return the next bytes, some of them as soon as there are many; none at the end."""
        self._reading = asyncio.current_task()
        pieces: list[bytes] = []
        size = 0
        async for chunk in self._chunks:
            pieces.append(chunk)
            size += len(chunk)
            if size >= BATCH:
                break
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def feeding(function: Callable[[Feed], T], chunks: AsyncIterator[bytes]) -> T:
    """Run ``function(feed)`` in a thread while *chunks* are fed to it, and return its result.

    Afterwards nobody reads *chunks*. When the caller is cancelled the thread is stopped and waited for.
    """
    feed = Feed(chunks)
    task = asyncio.ensure_future(asyncio.to_thread(function, feed))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        feed.stop()
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()
        raise
    finally:
        await feed.close()
