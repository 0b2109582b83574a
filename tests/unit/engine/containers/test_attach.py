"""A client's end of a container's stdio."""

import pytest

from yurt.engine.containers.attach import AttachStream, frame, pair
from yurt.engine.containers.execs import unframed


def test_frame() -> None:
    """A frame is a header of eight bytes and the data."""
    assert frame(2, b"abc") == b"\x02\0\0\0\0\0\0\x03abc"
    assert unframed(frame(1, b"a") + frame(2, b"b")) == "ab"


async def test_both_ways() -> None:
    """Bytes go both ways; closing stdin leaves the output; at the end there is nothing more."""
    ours, theirs = pair()
    stream = AttachStream(ours, tty=False)
    with theirs:
        await stream.write(b"in")
        await stream.close_stdin()
        assert (theirs.recv(10), theirs.recv(10)) == (b"in", b"")
        theirs.send(b"out")
        assert await stream.read() == b"out"
    assert await stream.read() == b""
    await stream.write(b"nobody hears")
    await stream.close()
    await stream.close()
    assert await stream.read() == b""
    assert repr(stream) == "<AttachStream tty=False closed>"


@pytest.mark.parametrize(
    ("typed", "passed"),
    [
        ([b"abc"], b"abc"),
        ([b"\x10", b"x"], b"\x10x"),
        ([b"\x10\x10\x11"], b"\x10"),
        ([b"a\x10", b"\x11"], b"a"),
    ],
)
async def test_detach_keys(typed: list[bytes], passed: bytes) -> None:
    """The sequence is held back while it may be one, passed on when it was not, and ends the stream when it was."""
    ours, theirs = pair()
    stream = AttachStream(ours, tty=True, detach_keys=b"\x10\x11")
    with theirs:
        for piece in typed:
            await stream.write(piece)
        await stream.close()
        theirs.setblocking(True)
        got = b""
        while piece := theirs.recv(100):
            got += piece
    assert got == passed
