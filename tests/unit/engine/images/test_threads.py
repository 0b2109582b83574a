"""Bytes go from the loop to a thread, and a cancelled caller leaves no thread behind."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from yurt.engine.images.threads import BATCH, Feed, feeding, in_thread


async def chunks(count: int, size: int = 100_000) -> AsyncIterator[bytes]:
    for number in range(count):
        yield bytes([number % 256]) * size


async def test_a_thread_reads_what_the_loop_receives() -> None:
    """All of it, in order, in batches."""
    whole = b"".join([chunk async for chunk in chunks(50)])
    batches = await feeding(list, chunks(50))
    assert b"".join(batches) == whole
    assert min(map(len, batches[:-1])) >= BATCH
    assert await feeding(list, chunks(0)) == []


async def test_a_failing_source_fails_in_the_thread() -> None:
    """And so in the caller."""

    async def broken() -> AsyncIterator[bytes]:
        yield b"x"
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError, match="gone"):
        await feeding(list, broken())


async def test_a_thread_that_fails_fails_the_caller() -> None:
    """The rest is not read."""

    def fail(feed: Feed) -> None:
        next(iter(feed))
        raise ValueError("bad")

    with pytest.raises(ValueError, match="bad"):
        await feeding(fail, chunks(50))


async def test_nobody_reads_on_when_the_thread_has_ended() -> None:
    """The server reads away what the thread did not want, and two may not wait for one connection's bytes."""
    waits = False

    async def slow() -> AsyncIterator[bytes]:
        nonlocal waits
        yield b"x" * BATCH
        waits = True
        try:
            await asyncio.Event().wait()
        finally:
            waits = False

    def take_one(feed: Feed) -> bytes:
        return next(iter(feed))

    assert await feeding(take_one, slow()) == b"x" * BATCH
    assert not waits


async def test_cancelling_stops_the_thread_and_waits_for_it() -> None:
    """What it undoes is undone when the cancellation arrives."""
    undone = threading.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield b"x" * BATCH
        await asyncio.Event().wait()

    def work(feed: Feed) -> None:
        try:
            for _ in feed:
                pass
        finally:
            undone.set()

    task = asyncio.create_task(feeding(work, endless()))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert undone.is_set()


async def test_cancelling_waits_for_a_function_that_cannot_be_stopped() -> None:
    """in_thread returns only when its thread has ended."""
    ended = threading.Event()
    go = threading.Event()

    def work() -> None:
        go.wait(5)
        ended.set()

    task = asyncio.create_task(in_thread(work))
    await asyncio.sleep(0.02)
    task.cancel()
    asyncio.get_running_loop().call_later(0.05, go.set)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()
