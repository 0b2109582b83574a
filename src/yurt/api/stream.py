"""The framing of a container's output when it has no terminal: stdout and stderr on one connection.

Each frame is an 8-byte header, ``[stream, 0, 0, 0, size (big endian, 4 bytes)]``, and the payload.
With a terminal there are no frames, only raw bytes. Bytes in, bytes out: no I/O here.
"""

from __future__ import annotations

from yurt.errors import InvalidArgument

STDIN = 0
STDOUT = 1
STDERR = 2
SYSTEM_ERROR = 3  # the engine's own message, ends the stream

HEADER_SIZE = 8
MAX_PAYLOAD = 0xFFFFFFFF


def header(stream: int, size: int) -> bytes:
    """Return the header of a frame with *size* bytes of payload."""
    return bytes((stream, 0, 0, 0)) + size.to_bytes(4, "big")


def encode(stream: int, payload: bytes) -> bytes:
    """Return one frame."""
    return header(stream, len(payload)) + payload


class FrameDecoder:
    """Takes a stream of frames apart, whatever way it was cut on its way.

    Payloads are handed out as they come: a long frame may arrive as several pieces of the same stream, so that
    nothing waits for its end and memory stays bounded by what was fed.
    """

    def __init__(self) -> None:
        self._pending = b""  # an incomplete header
        self._stream = STDIN
        self._left = 0  # bytes of the current payload still to come

    def __repr__(self) -> str:
        if self._left:
            return f"<FrameDecoder in stream {self._stream}, {self._left} bytes to come>"
        return f"<FrameDecoder between frames, {len(self._pending)} bytes of a header>"

    @property
    def is_between_frames(self) -> bool:
        """True when the stream may end here without anything being lost."""
        return not self._left and not self._pending

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Return the (stream, bytes) pairs in *data*, in order; raises InvalidArgument if it is no such stream."""
        if self._pending:
            data = self._pending + data
            self._pending = b""
        found: list[tuple[int, bytes]] = []
        position, end = 0, len(data)
        while position < end:
            if self._left:
                piece = data[position : position + self._left]
                position += len(piece)
                self._left -= len(piece)
                found.append((self._stream, piece))
                continue
            if end - position < HEADER_SIZE:
                self._pending = data[position:]
                break
            stream = data[position]
            if stream > SYSTEM_ERROR or data[position + 1 : position + 4] != b"\0\0\0":
                raise InvalidArgument(
                    f"not a framed stream: header {data[position : position + HEADER_SIZE].hex()}",
                    hint="the container may have a terminal, whose output comes without frames",
                )
            self._stream = stream
            self._left = int.from_bytes(data[position + 4 : position + HEADER_SIZE], "big")
            position += HEADER_SIZE
        return found
