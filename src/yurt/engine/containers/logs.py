"""Reading a container's log: lines out of raw chunks and their index (`yurt.shim.log` writes them).

A line's time is that of the chunk in which it began. Stdout and stderr may interleave inside the index; lines are
put together for each stream apart, and come in the order in which they ended.
"""

import asyncio
import bisect
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Self

from yurt.engine.containers.model import LogLine, LogQuery
from yurt.shim.log import RECORD, STDERR, STDOUT

BURST = 1 << 16  # bytes of output handled between two turns of the event loop
LOOK_BACK = 4096  # records searched for the beginning of a stream's line
_BLOCK = 1024  # records read at once

Growth = Callable[[], Awaitable[bool]]
"""Waits until the log grew; False when it will grow no more."""


class Log:
    """An open log. *finished*: no shim writes it any more, so what lacks its record is the last output of a crash."""

    def __init__(self, path: Path, *, finished: bool) -> None:
        self._data = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._index = os.open(f"{path}.idx", os.O_RDONLY | os.O_CLOEXEC)
        except BaseException:
            os.close(self._data)
            raise
        self._finished = finished

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        os.close(self._data)
        os.close(self._index)

    def count(self) -> int:
        """Return how many whole records there are."""
        return os.fstat(self._index).st_size // RECORD.size

    def record(self, number: int) -> tuple[int, int, int, int]:
        """Return offset, time, length and stream."""
        return RECORD.unpack(os.pread(self._index, RECORD.size, number * RECORD.size))

    def records(self, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
        """Yield the records from *start* up to, without, *end*."""
        while start < end:
            wanted = min(_BLOCK, end - start)
            block = os.pread(self._index, wanted * RECORD.size, start * RECORD.size)
            block = block[: len(block) - len(block) % RECORD.size]
            if not block:
                return
            yield from RECORD.iter_unpack(block)
            start += len(block) // RECORD.size

    def bytes_of(self, offset: int, length: int) -> bytes:
        return os.pread(self._data, length, offset)

    def torn(self) -> tuple[int, bytes] | None:
        """Return time and bytes of output that a crash left without a record."""
        if not self._finished:
            return None
        end = 0
        if count := self.count():
            offset, _time, length, _stream = self.record(count - 1)
            end = offset + length
        status = os.fstat(self._data)
        if status.st_size <= end:
            return None
        return status.st_mtime_ns, os.pread(self._data, status.st_size - end, end)

    def first_at(self, time_ns: int) -> int:
        """Return the first record at or after a time; clocks that went back make it approximate."""
        return bisect.bisect_left(range(self.count()), time_ns, key=lambda number: self.record(number)[1])

    def last_lines(self, wanted: int, streams: frozenset[int]) -> int:
        """Return a record from which on there are at least *wanted* whole lines of *streams*."""
        # One more for each stream, whose first line may begin earlier, and one for a line that is not ended.
        missing = wanted + len(streams) + 1
        number = self.count()
        while number > 0 and missing > 0:
            number -= 1
            offset, _time, length, stream = self.record(number)
            if stream in streams:
                missing -= self.bytes_of(offset, length).count(b"\n")
        return number

    def begins_inside_line(self, number: int, stream: int) -> bool:
        """Return whether, at this record, a line of *stream* had begun and not ended."""
        for earlier in range(number - 1, max(-1, number - 1 - LOOK_BACK), -1):
            offset, _time, length, its_stream = self.record(earlier)
            if its_stream == stream and length:
                return self.bytes_of(offset + length - 1, 1) != b"\n"
        return False


class Assembler:
    """Puts lines together out of chunks; *skipping* names the streams whose first, partial line is dropped."""

    def __init__(self, streams: frozenset[int], skipping: frozenset[int] = frozenset()) -> None:
        self._streams = streams
        self._skipping = set(skipping)
        self._open: dict[int, tuple[int, bytearray]] = {}

    def feed(self, stream: int, time_ns: int, chunk: bytes) -> Iterator[LogLine]:
        if stream not in self._streams:
            return
        if stream in self._skipping:
            _lost, newline, chunk = chunk.partition(b"\n")
            if not newline:
                return
            self._skipping.discard(stream)
        *lines, rest = chunk.split(b"\n")
        for line in lines:
            if stream in self._open:
                began, head = self._open.pop(stream)
                yield LogLine(stream, began, bytes(head) + line + b"\n")
            else:
                yield LogLine(stream, time_ns, line + b"\n")
        if rest:
            self._open.setdefault(stream, (time_ns, bytearray()))[1].extend(rest)

    def flush(self) -> Iterator[LogLine]:
        """Yield the lines that were not ended."""
        for stream, (began, head) in sorted(self._open.items(), key=lambda item: item[1][0]):
            yield LogLine(stream, began, bytes(head))
        self._open = {}


async def flattened(found: AsyncIterator[Sequence[LogLine]]) -> AsyncIterator[LogLine]:
    """Yield the lines of bursts one by one."""
    async for burst in found:
        for line in burst:
            yield line


async def bursts(
    path: Path, query: LogQuery, *, finished: bool, grown: Growth | None = None
) -> AsyncIterator[Sequence[LogLine]]:
    """Yield what *query* asks of the log at *path*, as many lines at once as are there; nothing when there is no log.

    With *grown*, go on until it says that the log is whole; otherwise end at what is there now, a line without
    its end included.
    """
    streams = frozenset({STDOUT} if query.stdout else ()) | frozenset({STDERR} if query.stderr else ())
    try:
        log = Log(path, finished=finished)
    except FileNotFoundError:
        return
    with log:
        start = log.first_at(query.since_ns) if query.since_ns else 0
        if query.tail is not None:
            start = max(start, log.last_lines(query.tail, streams))
        skipping = frozenset(stream for stream in streams if start and log.begins_inside_line(start, stream))
        assembler = Assembler(streams, skipping)
        end = log.count()
        past = _selected(_read(log, assembler, start, end, whole=grown is None), query)
        async for burst in _slowly(past if query.tail is None else iter(deque(past, maxlen=query.tail))):
            yield burst
        while grown is not None:
            more = await grown()
            start, end = end, log.count()
            found = _read(log, assembler, start, end, whole=not more)
            async for burst in _slowly(_selected(found, query)):
                yield burst
            if not more or (query.until_ns and time.time_ns() > query.until_ns):
                return


def _read(log: Log, assembler: Assembler, start: int, end: int, *, whole: bool) -> Iterator[LogLine]:
    """Yield the lines of the records from *start* to *end*; *whole*: and what is left without its end."""
    for offset, time_ns, length, stream in log.records(start, end):
        yield from assembler.feed(stream, time_ns, log.bytes_of(offset, length))
    if whole:
        if torn := log.torn():
            yield from assembler.feed(STDOUT, *torn)
        yield from assembler.flush()


async def _slowly(found: Iterator[LogLine]) -> AsyncIterator[Sequence[LogLine]]:
    """Gather lines into bursts, and let others have their turn on the event loop after each."""
    burst: list[LogLine] = []
    size = 0
    for line in found:
        burst.append(line)
        size += len(line.data)
        if size > BURST:
            yield burst
            burst, size = [], 0
            await asyncio.sleep(0)
    if burst:
        yield burst


def _selected(found: Iterator[LogLine], query: LogQuery) -> Iterator[LogLine]:
    """Keep the lines between since and until."""
    if not (query.since_ns or query.until_ns):
        return found
    return (
        line
        for line in found
        if line.time_ns >= query.since_ns and (not query.until_ns or line.time_ns <= query.until_ns)
    )
