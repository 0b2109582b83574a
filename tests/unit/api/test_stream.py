import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yurt.api.stream import STDERR, STDOUT, FrameDecoder, encode, header
from yurt.errors import InvalidArgument

FRAMES = st.lists(st.tuples(st.integers(0, 3), st.binary(max_size=40)), max_size=8)


def joined(pairs):
    """Return the pairs with neighbours of the same stream joined, empty ones dropped."""
    result: list[tuple[int, bytes]] = []
    for stream, data in pairs:
        if result and result[-1][0] == stream:
            result[-1] = (stream, result[-1][1] + data)
        elif data:
            result.append((stream, data))
    return result


@given(FRAMES, st.lists(st.integers(0, 400)))
def test_frames_arrive_whatever_way_they_were_cut(frames, cuts):
    """Decoding a stream cut anywhere gives the payloads that were encoded, in order."""
    data = b"".join(encode(stream, payload) for stream, payload in frames)
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    decoder = FrameDecoder()
    found = [pair for start, end in itertools.pairwise(edges) for pair in decoder.feed(data[start:end])]
    assert joined(found) == joined(frames)
    assert decoder.is_between_frames


def test_a_long_frame_is_handed_out_as_it_comes():
    """Nothing waits for the end of a frame."""
    decoder = FrameDecoder()
    assert decoder.feed(header(STDOUT, 1000) + b"first") == [(STDOUT, b"first")]
    assert decoder.feed(b"second") == [(STDOUT, b"second")]
    assert repr(decoder) == "<FrameDecoder in stream 1, 989 bytes to come>"
    assert not decoder.is_between_frames


def test_an_incomplete_header_waits():
    """A header may come byte by byte."""
    decoder = FrameDecoder()
    for byte in header(STDERR, 2):
        assert decoder.feed(bytes([byte])) == []
    assert decoder.feed(b"ok") == [(STDERR, b"ok")]


@pytest.mark.parametrize(
    "data", [b"plain text without frames", b"\x04\0\0\0\0\0\0\x01", b"\x01\x01\0\0\0\0\0\x01"]
)
def test_what_is_no_stream_of_frames_is_refused(data):
    """Raw terminal output is not taken for frames."""
    with pytest.raises(InvalidArgument, match="not a framed stream"):
        FrameDecoder().feed(data)
