"""Segments of a log that nobody writes any more, compressed: ``output.log.3.gz`` in place of ``output.log.3``.

The compressed one is whole on the disk before it gets its name, and the other is removed after that: whoever looks finds
one of them at any instant; both after a crash between the two, and then the plain one counts.
"""

import contextlib
import os
import signal
import sys
import zlib
from collections.abc import Sequence

SUFFIX = ".gz"
LEVEL = 1  # text shrinks to a tenth at once; more would cost several times the work
_CHUNK = 1 << 20
_GZIP = 16 + zlib.MAX_WBITS


class Packed:
    """A compressed segment, open for reading; as much of it is unpacked, in memory, as was asked for."""

    __slots__ = ("_file", "_memory", "_size", "_unpacker")

    def __init__(self, name: str) -> None:
        """Open *name*, without its suffix; FileNotFoundError when there is none."""
        self._file = os.open(name + SUFFIX, os.O_RDONLY | os.O_CLOEXEC)
        self._memory = -1
        self._size = 0
        self._unpacker = zlib.decompressobj(_GZIP)

    def close(self) -> None:
        os.close(self._file)
        if self._memory >= 0:
            os.close(self._memory)

    def pread(self, length: int, offset: int) -> bytes:
        """Return the bytes there, less at the end."""
        while self._size < offset + length:
            data = os.read(self._file, _CHUNK)
            if not data:
                break
            if self._memory < 0:
                self._memory = os.memfd_create("log", os.MFD_CLOEXEC)
            plain = memoryview(self._unpacker.decompress(data))
            while plain:
                written = os.write(self._memory, plain)
                self._size += written
                plain = plain[written:]
        return os.pread(self._memory, length, offset) if self._memory >= 0 else b""


def pack(name: str) -> None:
    """Afterwards the segment *name* is compressed; OSError when that cannot be, and it is as it was."""
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, _GZIP)
    with open(name, "rb", buffering=0) as source:
        # A file without a name: what is cut short leaves nothing, and two who do the same are not in each other's way.
        target = os.open(os.path.dirname(name) or ".", os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC, 0o640)
        try:
            while data := source.read(_CHUNK):
                _write(target, packer.compress(data))
            _write(target, packer.flush())
            os.fsync(target)
            with contextlib.suppress(FileExistsError):  # one that was killed before the other was removed
                # Any folder's number makes Python call linkat(2), the only one that names such a file.
                os.link(f"/proc/self/fd/{target}", name + SUFFIX, src_dir_fd=target, follow_symlinks=True)
        finally:
            os.close(target)
    removed = name if os.path.exists(name + ".idx") else name + SUFFIX  # the segment was removed meanwhile
    with contextlib.suppress(FileNotFoundError):
        os.unlink(removed)


def _write(target: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(target, view) :]


def fork(names: Sequence[str]) -> int:
    """Fork a process that compresses the segments *names*, with what the machine has to spare; return its number."""
    pid = os.fork()
    if pid:
        return pid
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))  # hold nothing that others would wait for
        os.nice(10)
        for name in names:
            try:
                pack(name)
            except FileNotFoundError:
                continue  # removed meanwhile
            except (
                OSError
            ) as error:  # a full disk: it stays as it is, and is tried again after the next segment
                print(f"log: cannot compress {name}: {error.strerror}", file=sys.stderr)
                break
    finally:
        os._exit(0)  # never back into the shim's loop
