"""The log of a container: its raw output in files, and beside each an index of fixed-size records.

Writing costs two small appends whatever the output is: no escaping, no line splitting. Each record tells where
a chunk lies, how long it is, which stream it came on and when, and whether it goes on with a line begun before.
Data is appended before its record, so that after a crash at any instant at most the last chunk lacks its record:
`repair` gives it one. What a full disk does not take is owed: kept in memory, in order and up to a bound, and
written as soon as there is room.

A log with a bound is a row of segments: ``output.log``, ``output.log.1``, ``output.log.2``, …; the highest number
is written, the lowest is removed when there are too many. No file is ever renamed, so a crash between any two
steps leaves a row that reads the same, and who follows knows the name of the next segment.
"""

import contextlib
import itertools
import os
import struct
import time
from collections import deque
from collections.abc import Callable, Sequence

from yurt.shim.packed import SUFFIX, Packed

RECORD = struct.Struct("<QQIBB2x")  # offset, time in nanoseconds, length, stream, flags: 24 bytes
STDOUT = 1
STDERR = 2
CONTINUES = 1  # flag: the chunk begins inside a line of its stream
OWED = 1 << 20  # bytes kept for a disk that takes no more; what comes beyond them is lost
_LOOK_BACK = 4096  # records searched for what a stream wrote last


def segment_path(path: str, number: int) -> str:
    """Return where segment *number* of the log *path* lies, compressed with ``.gz``; its index is there with ``.idx``."""
    return f"{path}.{number}" if number else path


def segment_numbers(path: str, suffix: str = "") -> list[int]:
    """Return the numbers of the segments that there are, in the order written."""
    folder, name = os.path.split(path)
    found = set()
    try:
        entries = os.listdir(folder or ".")
    except FileNotFoundError:
        return []
    for entry in entries:
        if not (entry.startswith(name) and entry.endswith(suffix)):
            continue
        number = entry[len(name) : len(entry) - len(suffix)]
        if not suffix:
            number = number.removesuffix(SUFFIX)
        if not number:
            found.add(0)
        elif number[0] == "." and number[1:].isdecimal():
            found.add(int(number[1:]))
    return sorted(found)


class _Segment:
    """One segment, open: *base* is the number of its first record in the whole log, *start* of its first byte."""

    __slots__ = ("base", "count", "data", "end", "index", "name", "number", "packed", "start", "torn")

    def __init__(self, path: str, number: int, base: int, start: int) -> None:
        self.number = number
        self.base = base
        self.start = start
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self.name = name = segment_path(path, number)
        self.data = -1  # of one that is compressed
        self.packed: Packed | None = None
        # The index first: whoever sees a segment sees its index.
        self.index = os.open(name + ".idx", flags, 0o640)
        self.count = os.fstat(self.index).st_size // RECORD.size
        if os.path.exists(name) or not os.path.exists(name + SUFFIX):
            try:
                self.data = os.open(name, flags, 0o640)
            except BaseException:
                os.close(self.index)
                raise
            self.end = os.fstat(self.data).st_size
        else:
            offset, _time, length, _stream, _flags = (
                _record(self.index, self.count - 1) if self.count else (0,) * 5
            )
            self.end = offset + length
        self.torn = False  # whether a piece was written in part

    @property
    def is_packed(self) -> bool:
        return self.data < 0

    def forget_plain(self) -> None:
        """Close the data, if the compressed has taken its place; else it would go on taking room on the disk."""
        if not self.is_packed and not os.path.exists(self.name) and os.path.exists(self.name + SUFFIX):
            os.close(self.data)
            self.data = -1

    def pread(self, length: int, offset: int) -> bytes:
        if not self.is_packed:
            return os.pread(self.data, length, offset)
        self.packed = self.packed or Packed(self.name)
        return self.packed.pread(length, offset)

    def even_out(self) -> None:
        """Afterwards it holds only what was written whole."""
        if self.torn:
            os.ftruncate(self.data, self.end)
            os.ftruncate(self.index, self.count * RECORD.size)
            self.torn = False

    def close(self) -> None:
        if self.packed is not None:
            self.packed.close()
        if not self.is_packed:
            os.close(self.data)
        os.close(self.index)


class LogFile:
    """An append-only log, open for writing; also reads back what it wrote.

    With *size*, a segment that has so many bytes is followed by the next, and *files* of them are kept.
    Records are numbered from the oldest segment that was there when the log was opened.
    """

    def __init__(self, path: str, *, size: int = 0, files: int = 1, packs: bool = False) -> None:
        """Open or make the log at *path*, repaired, at its end. *packs*: who has it compresses `closed` segments."""
        self._path = path
        self._size = size
        self._files = max(1, files)
        self._unended: set[int] = set()  # streams whose last chunk did not end a line
        self._owed: deque[tuple[int, bytes, int]] = deque()  # stream, chunk, time
        self._segments: list[_Segment] = []
        self._packs = packs
        base = start = 0
        is_new = _is_new(path)  # as most are: then nothing is there to be put right
        if not is_new:
            _remove_strays(path)
        for number in [0] if is_new else segment_numbers(path) or [0]:
            segment = _Segment(path, number, base, start)
            self._segments.append(segment)
            base, start = base + segment.count, start + segment.end
        if self._segments[-1].is_packed:  # whoever compressed it had begun the next
            last = self._segments[-1]
            self._segments.append(_Segment(path, last.number + 1, base, start))
        last = self._segments[-1]
        last.count, last.end = repair(last.data, last.index, is_unended=self._is_unended)
        self.may_pack = packs and bool(
            self.closed
        )  # there is something to compress since this was last set to False
        for number in () if is_new else segment_numbers(path, ".idx"):
            if number < self._segments[0].number:  # a removal that was cut short
                os.unlink(segment_path(path, number) + ".idx")
        self._remove_oldest()

    @property
    def closed(self) -> Sequence[str]:
        """The paths of segments that are written no more, and are not compressed."""
        return [segment.name for segment in self._segments[:-1] if not segment.is_packed]

    def packed(self) -> None:
        """Take notice that segments were compressed."""
        for segment in self._segments[:-1]:
            segment.forget_plain()

    @property
    def first(self) -> int:
        """The number of the oldest record that is kept."""
        return self._segments[0].base

    @property
    def count(self) -> int:
        """How many records there were so far: the number of the next."""
        last = self._segments[-1]
        return last.base + last.count

    @property
    def is_bounded(self) -> bool:
        return bool(self._size)

    @property
    def kept(self) -> int:
        """How many of the last bytes are kept for sure, if no line is longer than 64 KiB; only of a bounded log."""
        return max(0, self._size - 65536) * (self._files - 1)

    def behind(self, number: int) -> int:
        """Return how many bytes were logged from record *number* on."""
        last = self._segments[-1]
        end = last.start + last.end
        if number >= self.count:
            return 0
        segment = self._segment_of(number)
        offset = RECORD.unpack(self._raw(segment, number))[0]
        return end - segment.start - int(offset)

    def close(self) -> None:
        """Close its files; what was appended stays."""
        for segment in self._segments:
            segment.close()
        self._segments = []

    @property
    def owes(self) -> bool:
        """Whether something was appended that is not in the log yet."""
        return bool(self._owed)

    def append(self, stream: int, chunk: bytes, *, time_ns: int = 0) -> bool:
        """Add *chunk*, which came at a time, or now; return whether it is in the log, whole. Else it is owed.

        While more than OWED bytes are owed it is lost.
        """
        if not self._owed:
            chunk = self._logged(stream, chunk, time_ns)
        if chunk and sum(len(owed) for _stream, owed, _time in self._owed) < OWED:
            self._owed.append((stream, chunk, time_ns or time.time_ns()))
        return self.settle()

    def settle(self) -> bool:
        """Write what is owed, if there is room again; return whether nothing is owed any more."""
        while self._owed:
            stream, chunk, time_ns = self._owed.popleft()
            if rest := self._logged(stream, chunk, time_ns):
                self._owed.appendleft((stream, rest, time_ns))
                return False
        return True

    def _logged(self, stream: int, chunk: bytes, time_ns: int) -> bytes:
        """Write *chunk*; return what the disk did not take of it, of which no piece is half there."""
        try:
            while chunk:
                chunk = self._step(stream, chunk, time_ns)
        except OSError:
            return chunk
        return b""

    def _step(self, stream: int, chunk: bytes, time_ns: int) -> bytes:
        """Write as much of *chunk* as the segment takes, or begin the next; return the rest."""
        if self._size:
            end = self._segments[-1].end
            room = self._size - end
            if len(chunk) > room:
                cut = chunk.rfind(b"\n", 0, max(0, room)) + 1
                if not cut and not end:
                    cut = chunk.find(b"\n") + 1 or len(chunk)  # a line that is longer than a segment
                if not cut:
                    self._rotate()
                    return chunk
                self._write(stream, chunk[:cut], time_ns)
                return chunk[cut:]
        self._write(stream, chunk, time_ns)
        return b""

    def _write(self, stream: int, chunk: bytes, time_ns: int) -> None:
        segment = self._segments[-1]
        view = memoryview(chunk)
        flags = CONTINUES if stream in self._unended else 0
        try:
            segment.even_out()
            while view:
                view = view[os.write(segment.data, view) :]
            record = RECORD.pack(segment.end, time_ns or time.time_ns(), len(chunk), stream, flags)
            if os.write(segment.index, record) != RECORD.size:
                raise OSError("short write to the index")
        except OSError:
            segment.torn = True
            with contextlib.suppress(OSError):  # then before the next piece
                segment.even_out()
            raise
        segment.end += len(chunk)
        segment.count += 1
        if chunk.endswith(b"\n"):
            self._unended.discard(stream)
        else:
            self._unended.add(stream)

    def _rotate(self) -> None:
        """Begin the next segment, and remove the oldest when there are too many."""
        last = self._segments[-1]
        following = _Segment(self._path, last.number + 1, last.base + last.count, last.start + last.end)
        self._segments.append(following)
        self._remove_oldest()
        self.may_pack = self._packs and bool(self.closed)

    def _remove_oldest(self) -> None:
        while self._size and len(self._segments) > self._files:
            oldest = self._segments.pop(0)
            oldest.close()
            name = oldest.name
            for path in (
                name,
                name + SUFFIX,
                name + ".idx",
            ):  # in this order: no segment is seen without its index
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)

    def _is_unended(self, count: int) -> bool:
        """Return whether the last that stdout wrote did not end a line: in the last segment's first *count* records,
        or, where it wrote none there, in an earlier segment.
        """
        records = (
            (segment, number)
            for segment in reversed(self._segments)
            for number in reversed(range(count if segment is self._segments[-1] else segment.count))
        )
        for segment, number in itertools.islice(records, _LOOK_BACK):
            offset, _time, length, stream, _flags = _record(segment.index, number)
            if stream == STDOUT and length:
                return segment.pread(1, offset + length - 1) != b"\n"
        return False

    def read(self, number: int) -> tuple[int, bytes]:
        """Return stream and bytes of record *number*, which is not below `first` and below `count`."""
        segment = self._segment_of(number)
        offset, _time, length, stream, _flags = RECORD.unpack(self._raw(segment, number))
        return stream, segment.pread(length, offset)

    def _segment_of(self, number: int) -> _Segment:
        for segment in reversed(self._segments):
            if number >= segment.base:
                return segment
        raise IndexError(f"record {number} is no longer kept")

    def _raw(self, segment: _Segment, number: int) -> bytes:
        return os.pread(segment.index, RECORD.size, (number - segment.base) * RECORD.size)


def _is_new(path: str) -> bool:
    """Tell whether nothing of a log is there, whole or half removed."""
    folder, name = os.path.split(path)
    try:
        return not any(entry.startswith(name) for entry in os.listdir(folder or "."))
    except FileNotFoundError:
        return True


def _remove_strays(path: str) -> None:
    """Remove compressed segments that were removed while they were compressed."""
    indexes = set(segment_numbers(path, ".idx"))
    for number in set(segment_numbers(path, SUFFIX)) - indexes:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(segment_path(path, number) + SUFFIX)


def repair(data: int, index: int, *, is_unended: Callable[[int], bool]) -> tuple[int, int]:
    """Make two open files agree after a crash; return how many records there are, and the length of the data.

    A record cut short, one whose data is not there, or one of zeros, as a power cut may leave them at the end of a
    file, is dropped; data without a record gets one. *is_unended* tells, by how many records there are, whether
    that goes on with a line begun before.
    """
    size = os.fstat(data).st_size
    count = os.fstat(index).st_size // RECORD.size
    end = 0
    while count:
        offset, _time, length, stream, _flags = _record(index, count - 1)
        if stream in (STDOUT, STDERR) and offset + length <= size:
            end = offset + length
            break
        count -= 1
    os.ftruncate(index, count * RECORD.size)
    flags = CONTINUES if end < size and is_unended(count) else 0
    while end < size:
        length = min(size - end, 0x7FFFFFFF)
        os.write(index, RECORD.pack(end, time.time_ns(), length, STDOUT, flags))
        end += length
        count += 1
        flags = CONTINUES
    return count, end


def _record(index: int, number: int) -> tuple[int, int, int, int, int]:
    return RECORD.unpack(os.pread(index, RECORD.size, number * RECORD.size))
