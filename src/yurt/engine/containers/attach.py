"""AttachStream: a client's end of a container's (or an exec's) stdio. The shim at the other end does the framing."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable

from yurt.engine.containers.model import LogLine

CHUNK = 1 << 18


class AttachStream:
    """Bytes to and from a process.

    `read` gives the next bytes for the client: Docker's frames, each with a header of eight bytes, or raw bytes
    when *tty*; empty at the end. With *detach_keys*, that sequence in the input of a terminal ends the stream, not
    the process; then *on_detach* is called.
    """

    def __init__(
        self,
        sock: socket.socket,
        *,
        tty: bool,
        detach_keys: bytes = b"",
        on_detach: Callable[[], None] = lambda: None,
    ) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._detach_keys = detach_keys if tty else b""
        self._on_detach = on_detach
        self._matched = 0  # how much of the detach sequence was typed so far
        self._buffer = memoryview(bytearray(CHUNK))  # of which only what was ever filled costs memory
        self.tty = tty

    def __repr__(self) -> str:
        return f"<AttachStream tty={self.tty} {'open' if self._sock.fileno() >= 0 else 'closed'}>"

    async def read(self) -> bytes:
        """Return the next bytes; b"" at the end."""
        if self._sock.fileno() < 0:
            return b""
        try:
            return self._buffer[: await self._loop.sock_recv_into(self._sock, self._buffer)].tobytes()
        except (ConnectionResetError, BrokenPipeError):
            return b""

    async def write(self, data: bytes) -> None:
        """Send stdin; returns when the shim took it. What the process does not want any more is dropped."""
        detached = False
        if self._detach_keys:
            data, detached = self._without_detach_keys(data)
        if data and self._sock.fileno() >= 0:
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                await self._loop.sock_sendall(self._sock, data)
        if detached:
            with contextlib.suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)
            self._on_detach()

    async def close_stdin(self) -> None:
        """End stdin; output goes on."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    async def close(self) -> None:
        """Hang up; the process goes on. Idempotent."""
        self._sock.close()

    def _without_detach_keys(self, data: bytes) -> tuple[bytes, bool]:
        """Return what to pass on, and whether the sequence is complete. A begun sequence is held back."""
        passed = bytearray()
        for byte in data:
            if byte == self._detach_keys[self._matched]:
                self._matched += 1
                if self._matched == len(self._detach_keys):
                    return bytes(passed), True
                continue
            passed += self._detach_keys[: self._matched]
            self._matched = 0
            if byte == self._detach_keys[0]:
                self._matched = 1
            else:
                passed.append(byte)
        return bytes(passed), False


class RecordedStream:
    """The log so far, as an attach stream that ends: for a container that does not run."""

    def __init__(self, lines: AsyncIterator[LogLine], *, tty: bool) -> None:
        self._lines = lines
        self.tty = tty

    async def read(self) -> bytes:
        async for line in self._lines:
            return line.data if self.tty else frame(line.stream, line.data)
        return b""

    async def write(self, data: bytes) -> None:
        """Drop it: no process is there."""

    async def close_stdin(self) -> None:
        """Nothing is open."""

    async def close(self) -> None:
        """Nothing is open."""


def frame(stream: int, data: bytes) -> bytes:
    """Return *data* behind Docker's header: the stream, three zero bytes, the length."""
    return bytes((stream, 0, 0, 0)) + len(data).to_bytes(4, "big") + data


def pair() -> tuple[socket.socket, socket.socket]:
    """Return two connected ends: the client's, and the one to hand to a shim."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
