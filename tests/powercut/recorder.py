"""A disk that remembers every write and every flush in their order: one file in a FUSE file system.

A loop device on that file passes the kernel's block writes on as they are, and a flush of the drive's cache as
fsync. The record is a row of entries: kind, offset, length, and the bytes of a write. Run as a process of its own:
``python -m tests.powercut.recorder MOUNTPOINT SIZE RECORD``; it ends when the file system is unmounted.
"""

import errno
import os
import stat
import struct
import sys
from pathlib import Path
from typing import BinaryIO

import mfusepy

ENTRY = struct.Struct("<cQI")  # kind, offset, length
WRITE, FLUSH = b"W", b"F"
NAME = "disk"


class Recorder(mfusepy.Operations):  # type: ignore[misc] # published without types
    """The file ``/disk`` of *size* bytes, all zero at first; what happens to it is appended to *record*."""

    use_ns = True

    def __init__(self, size: int, content: Path, record: Path) -> None:
        self._size = size
        self._content = os.open(content, os.O_RDWR | os.O_CREAT, 0o600)
        os.ftruncate(self._content, size)
        self._record: BinaryIO = record.open("ab", buffering=0)

    def getattr(self, path: str, fh: int | None = None) -> dict[str, int]:
        if path == "/":
            return {"st_mode": stat.S_IFDIR | 0o700, "st_nlink": 2}
        if path != f"/{NAME}":
            raise mfusepy.FuseOSError(errno.ENOENT)
        return {"st_mode": stat.S_IFREG | 0o600, "st_nlink": 1, "st_size": self._size}

    def readdir(self, path: str, fh: int) -> list[str]:
        return [".", "..", NAME]

    def open(self, path: str, flags: int) -> int:
        return 0

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        return os.pread(self._content, size, offset)

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        os.pwrite(self._content, data, offset)
        self._record.write(ENTRY.pack(WRITE, offset, len(data)) + data)
        return len(data)

    def fsync(self, path: str, datasync: int, fh: int) -> int:
        self._record.write(ENTRY.pack(FLUSH, 0, 0))
        return 0


def main() -> None:
    mountpoint, size, record = sys.argv[1:]
    path = Path(record)
    mfusepy.FUSE(
        Recorder(int(size), path.with_suffix(".img"), path),
        mountpoint,
        foreground=True,
        nothreads=True,  # so that the record has one order
    )


if __name__ == "__main__":
    main()
