"""Reading a log: segments in their order, and lines out of raw chunks. For the engine and for the forwarder.

A line's time is that of the chunk in which it began. Stdout and stderr may interleave in the log; lines are put
together for each stream apart, and come in the order in which they ended.
"""

import bisect
import os
from collections.abc import Iterator
from typing import Self

from yurt.shim.log import CONTINUES, RECORD, STDOUT, segment_numbers, segment_path
from yurt.shim.packed import Packed

WINDOW = 1 << 20  # bytes of data read at once
LONGEST = 1 << 20  # bytes of a line that are held together; a longer one comes in pieces
_BLOCK = 2048  # records read at once

Record = tuple[int, int, int, int, int]
"""Offset, time in nanoseconds, length, stream, flags."""
Block = tuple[int, int, bytes]
"""Stream, time in nanoseconds, and whole lines of that time; only the last line of a run may lack its end."""


class Segment:
    """One segment, open for reading; FileNotFoundError when there is none."""

    __slots__ = ("_data", "_index", "_packed", "number")

    def __init__(self, path: str, number: int) -> None:
        self.number = number
        name = segment_path(path, number)
        self._index = os.open(name + ".idx", os.O_RDONLY | os.O_CLOEXEC)
        self._data = -1
        self._packed: Packed | None = None
        try:
            try:
                self._data = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                self._packed = Packed(name)
        except BaseException:
            os.close(self._index)
            raise

    def close(self) -> None:
        if self._packed is not None:
            self._packed.close()
        else:
            os.close(self._data)
        os.close(self._index)

    def count(self) -> int:
        """Return how many whole records there are."""
        return os.fstat(self._index).st_size // RECORD.size

    def record(self, number: int) -> Record:
        return RECORD.unpack(os.pread(self._index, RECORD.size, number * RECORD.size))

    def records(self, start: int, end: int) -> list[Record]:
        """Return records from *start* up to, without, *end*: as many as are read at once."""
        wanted = min(_BLOCK, end - start)
        raw = os.pread(self._index, wanted * RECORD.size, start * RECORD.size)
        return list(RECORD.iter_unpack(raw[: len(raw) - len(raw) % RECORD.size]))

    def bytes_of(self, offset: int, length: int) -> bytes:
        if self._packed is not None:
            return self._packed.pread(length, offset)
        return os.pread(self._data, length, offset)

    def torn(self) -> tuple[int, bytes] | None:
        """Return time and bytes of output that a crash left without a record."""
        end = 0
        if self._packed is not None:
            return None
        if count := self.count():
            offset, _time, length, _stream, _flags = self.record(count - 1)
            end = offset + length
        status = os.fstat(self._data)
        if status.st_size <= end:
            return None
        return status.st_mtime_ns, os.pread(self._data, status.st_size - end, end)


class Reader:
    """The segments that there were when it was opened, and on demand those that came since.

    A position is (index in *segments*, record). What is open stays readable when the writer removes it.
    """

    def __init__(self, path: str) -> None:
        """Open what is there; FileNotFoundError when there is no log."""
        self._path = path
        self.segments: list[Segment] = []
        for number in segment_numbers(path):
            try:
                self.segments.append(Segment(path, number))
            except FileNotFoundError:  # removed just now
                continue
        if not self.segments:
            raise FileNotFoundError(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        for segment in self.segments:
            segment.close()
        self.segments = []

    def open_next(self) -> bool:
        """Open the segment that follows the last one; whether there is one. Then the last one grows no more."""
        last = self.segments[-1].number
        try:
            self.segments.append(Segment(self._path, last + 1))
        except FileNotFoundError:
            for number in segment_numbers(self._path):  # the next one may be gone already
                if number > last + 1:
                    try:
                        self.segments.append(Segment(self._path, number))
                    except FileNotFoundError:
                        continue
                    return True
            return False
        return True

    def drop_first(self) -> None:
        """Close the oldest segment, which has been read."""
        self.segments.pop(0).close()

    def first_at(self, time_ns: int) -> tuple[int, int]:
        """Return the position of the first record at or after a time; clocks that went back make it approximate."""
        for place, segment in enumerate(self.segments):
            count = segment.count()
            record = segment.record
            found = bisect.bisect_left(range(count), time_ns, key=lambda number: record(number)[1])
            if found < count or place == len(self.segments) - 1:
                return place, found
        return 0, 0

    def last_lines(self, wanted: int, streams: frozenset[int]) -> tuple[int, int]:
        """Return a position from which on the last *wanted* lines of *streams* can be read whole."""
        # One more for each stream, whose first line may begin earlier, and one for a line that is not ended.
        missing = wanted + len(streams) + 1
        ended = 0
        cut: dict[int, int] = {}  # by stream in the middle of a line: how many lines end after that one
        place, number = len(self.segments) - 1, 0
        while place >= 0:
            segment = self.segments[place]
            number = segment.count()
            while number > 0 and (missing > ended or any(later < wanted for later in cut.values())):
                number -= 1
                offset, _time, length, stream, flags = segment.record(number)
                if stream not in streams:
                    continue
                lines = segment.bytes_of(offset, length).count(b"\n")
                ended += lines
                if not flags & CONTINUES:
                    cut.pop(stream, None)
                elif lines:
                    cut[stream] = ended - 1
                else:
                    cut.setdefault(stream, 0)
            if number > 0 or place == 0:
                break
            place -= 1
        return max(0, place), number


class Assembler:
    """Puts whole lines together out of chunks of *streams*; the rest of a line whose beginning is not there is dropped."""

    def __init__(self, streams: frozenset[int]) -> None:
        self._streams = streams
        self._open: dict[int, tuple[int, bytearray]] = {}

    def is_inside_line(self, stream: int) -> bool:
        return stream in self._open

    def feed(self, stream: int, time_ns: int, chunk: bytes, flags: int) -> list[Block]:
        """Return the lines that *chunk* ends."""
        if stream not in self._streams:
            return []
        found: list[Block] = []
        head = self._open.get(stream)
        if flags & CONTINUES:
            if head is None:
                _lost, newline, chunk = chunk.partition(b"\n")
                if not newline:
                    return []
        elif head is not None:  # another run of the container: its first line is its own
            del self._open[stream]
            if head[1]:
                found.append((stream, head[0], bytes(head[1])))
            head = None
        cut = chunk.rfind(b"\n") + 1
        if head is not None and cut:
            first = chunk.find(b"\n") + 1
            head[1].extend(chunk[:first])
            del self._open[stream]
            found.append((stream, head[0], bytes(head[1])))
            if first < cut:
                found.append((stream, time_ns, chunk[first:cut]))
        elif cut:
            found.append((stream, time_ns, chunk if cut == len(chunk) else chunk[:cut]))
        if cut < len(chunk):
            began, rest = self._open.setdefault(stream, (time_ns, bytearray()))
            rest.extend(chunk[cut:])
            if len(rest) > LONGEST:
                found.append((stream, began, bytes(rest)))
                rest.clear()
        return found

    def flush(self) -> list[Block]:
        """Return the lines that were not ended."""
        found = [(stream, began, bytes(rest)) for stream, (began, rest) in self._open.items() if rest]
        self._open = {}
        return sorted(found, key=lambda block: block[1])


def blocks_of(
    segment: Segment, assembler: Assembler, start: int, end: int, *, timeless: bool = False
) -> Iterator[Block]:
    """Yield blocks of the records from *start* to *end*. *timeless*: times may be those of earlier chunks, for speed."""
    while start < end:
        records = segment.records(start, end)
        if not records:
            return
        start += len(records)
        window, window_start, window_end = b"", 0, 0
        place, total = 0, len(records)
        while place < total:
            offset, time_ns, length, stream, flags = records[place]
            place += 1
            if timeless:
                while place < total and records[place][3] == stream and length < WINDOW:
                    length += records[place][2]
                    place += 1
            if offset < window_start or offset + length > window_end:
                window = segment.bytes_of(offset, max(length, WINDOW))
                window_start, window_end = offset, offset + len(window)
            chunk = window[offset - window_start : offset - window_start + length]
            yield from assembler.feed(stream, time_ns, chunk, flags)


def torn_of(segment: Segment, assembler: Assembler) -> list[Block]:
    """Return the lines of what a crash left without a record; only of a log that nobody writes any more."""
    torn = segment.torn()
    if torn is None:
        return []
    flags = CONTINUES if assembler.is_inside_line(STDOUT) else 0
    return assembler.feed(STDOUT, torn[0], torn[1], flags)
