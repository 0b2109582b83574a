"""The log of a container: its raw output in one file, and beside it an index of fixed-size records.

Writing costs two small appends whatever the output is: no escaping, no line splitting. Each record tells where
a chunk lies, how long it is, which stream it came on and when. Data is appended before its record, so that after
a crash at any instant at most the last chunk lacks its record: `repair` gives it one.
"""

import os
import struct
import time

RECORD = struct.Struct("<QQIB3x")  # offset, time in nanoseconds, length, stream: 24 bytes
STDOUT = 1
STDERR = 2


class LogFile:
    """An append-only log, open for writing; also reads back what it wrote."""

    def __init__(self, path: str) -> None:
        """Open or make the log at *path* (the index is ``path.idx``), repaired, at its end."""
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._data = os.open(path, flags, 0o640)
        self._index = os.open(path + ".idx", flags, 0o640)
        self.count, self._end = repair(self._data, self._index)

    def append(self, stream: int, chunk: bytes) -> None:
        """Add *chunk*; afterwards it is in the log, whole. On OSError (a full disk) nothing of it counts."""
        view = memoryview(chunk)
        try:
            while view:
                view = view[os.write(self._data, view) :]
            record = RECORD.pack(self._end, time.time_ns(), len(chunk), stream)
            if os.write(self._index, record) != RECORD.size:
                raise OSError("short write to the index")
        except OSError:
            os.ftruncate(self._data, self._end)
            os.ftruncate(self._index, self.count * RECORD.size)
            raise
        self._end += len(chunk)
        self.count += 1

    def read(self, number: int) -> tuple[int, bytes]:
        """Return stream and bytes of record *number*, which is below `count`."""
        offset, _time, length, stream = RECORD.unpack(
            os.pread(self._index, RECORD.size, number * RECORD.size)
        )
        return stream, os.pread(self._data, length, offset)


def repair(data: int, index: int) -> tuple[int, int]:
    """Make two open files agree after a crash; return how many records there are, and the length of the data.

    A record cut short, or one whose data is not there, is dropped; data without a record gets one.
    """
    size = os.fstat(data).st_size
    count = os.fstat(index).st_size // RECORD.size
    end = 0
    while count:
        offset, _time, length, _stream = RECORD.unpack(
            os.pread(index, RECORD.size, (count - 1) * RECORD.size)
        )
        if offset + length <= size:
            end = offset + length
            break
        count -= 1
    os.ftruncate(index, count * RECORD.size)
    while end < size:
        length = min(size - end, 0x7FFFFFFF)
        os.write(index, RECORD.pack(end, time.time_ns(), length, STDOUT))
        end += length
        count += 1
    return count, end
