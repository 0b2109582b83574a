"""Reading a container's log for a client: what a query asks, in bursts, and on as the log grows.

A log is handed out in blocks: whole lines of one stream that share a time. Who wants lines cuts them; who passes
millions of lines on need not.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path

from yurt.engine.containers.model import LogLine, LogQuery
from yurt.shim.log import STDERR, STDOUT
from yurt.shim.reader import Assembler, Block, Reader, blocks_of, torn_of

BURST = 1 << 18  # bytes of output handled between two turns of the event loop

Growth = Callable[[], Awaitable[bool]]
"""Waits until the log grew; False when it will grow no more."""


async def flattened(found: AsyncIterator[Sequence[Block]]) -> AsyncIterator[LogLine]:
    """Yield the lines of blocks one by one."""
    async for burst in found:
        for stream, time_ns, data in burst:
            *lines, rest = data.split(b"\n")
            for line in lines:
                yield LogLine(stream, time_ns, line + b"\n")
            if rest:
                yield LogLine(stream, time_ns, rest)


async def bursts(
    path: Path,
    query: LogQuery,
    *,
    finished: bool,
    grown: Growth | None = None,
) -> AsyncIterator[Sequence[Block]]:
    """Yield what *query* asks of the log at *path*, as much at once as is there; nothing when there is no log.

    With *grown*, go on until it says that the log is whole; otherwise end at what is there now, a line without
    its end included. *finished*: no shim writes any more, so what lacks its record is the last output of a crash.
    """
    streams = frozenset({STDOUT} if query.stdout else ()) | frozenset({STDERR} if query.stderr else ())
    try:
        reader = Reader(str(path))
    except FileNotFoundError:
        return
    with reader:
        place, start = reader.first_at(query.since_ns) if query.since_ns else (0, 0)
        if query.tail is not None:
            place, start = max((place, start), reader.last_lines(query.tail, streams))
        for _read in range(place):
            reader.drop_first()
        assembler = Assembler(streams)
        progress = _Progress(reader, assembler, start, timeless=query.timeless)
        past = _selected(progress.catch_up(whole=grown is None, torn=finished), query)
        async for burst in _slowly(past if query.tail is None else iter(last_lines(past, query.tail))):
            yield burst
        while grown is not None:
            more = await grown()
            found = progress.catch_up(whole=not more, torn=not more)
            async for burst in _slowly(_selected(found, query)):
                yield burst
            if not more or (query.until_ns and time.time_ns() > query.until_ns):
                return


class _Progress:
    """How far a log has been read: up to record *start* of the reader's first segment."""

    def __init__(self, reader: Reader, assembler: Assembler, start: int, *, timeless: bool) -> None:
        self._reader = reader
        self._assembler = assembler
        self._start = start
        self._timeless = timeless

    def catch_up(self, *, whole: bool, torn: bool) -> Iterator[Block]:
        """Yield what was written since; *whole*: and what is left without its end, with a crash's *torn* output."""
        reader, assembler = self._reader, self._assembler
        while True:
            segment = reader.segments[0]
            # Asked before the count is: of a segment that has a successor, that count is the last.
            is_closed = len(reader.segments) > 1 or reader.open_next()
            end = segment.count()
            yield from blocks_of(segment, assembler, self._start, end, timeless=self._timeless)
            self._start = end
            if not is_closed:
                break
            reader.drop_first()
            self._start = 0
        if whole:
            if torn:
                yield from torn_of(segment, assembler)
            yield from assembler.flush()


def last_lines(found: Iterator[Block], wanted: int) -> list[Block]:
    """Return the last *wanted* lines."""
    blocks = list(found)
    kept: list[Block] = []
    while blocks and wanted > 0:
        stream, time_ns, data = blocks.pop()
        lines = data.count(b"\n") + (not data.endswith(b"\n"))
        if lines > wanted:
            data = data.split(b"\n", lines - wanted)[-1]
        wanted -= lines
        kept.append((stream, time_ns, data))
    kept.reverse()
    return kept


async def _slowly(found: Iterator[Block]) -> AsyncIterator[Sequence[Block]]:
    """Gather blocks into bursts, and let others have their turn on the event loop after each."""
    burst: list[Block] = []
    size = 0
    for block in found:
        burst.append(block)
        size += len(block[2])
        if size > BURST:
            yield burst
            burst, size = [], 0
            await asyncio.sleep(0)
    if burst:
        yield burst


def _selected(found: Iterator[Block], query: LogQuery) -> Iterator[Block]:
    """Keep the lines between since and until."""
    if not (query.since_ns or query.until_ns):
        return found
    return (
        block
        for block in found
        if block[1] >= query.since_ns and (not query.until_ns or block[1] <= query.until_ns)
    )
