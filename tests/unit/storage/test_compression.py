"""Compressed streams are told by their beginning and read by native code."""

import bz2
import gzip
import lzma
import os
from collections.abc import Callable, Iterator

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from yurt.errors import InvalidArgument
from yurt.storage.compression import decompress, gzip_compressor, kind_of

KINDS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}
PLAIN = os.urandom(50_000) + bytes(300_000) + b"end"


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1000, 1 << 20])
def test_every_kind_is_read_in_any_pieces(kind: str, size: int) -> None:
    """One member, several, or one with padding behind it."""
    packed = KINDS[kind](PLAIN)
    assert kind_of(packed) == kind
    assert b"".join(decompress(pieces(packed, size))) == PLAIN
    assert b"".join(decompress(pieces(packed + packed, size))) == PLAIN + PLAIN
    assert b"".join(decompress(pieces(packed + bytes(2000), size))) == PLAIN


@settings(deadline=None)
@given(st.binary(max_size=50).filter(lambda data: kind_of(data) == "plain"), st.integers(1, 10))
def test_anything_else_is_plain(data: bytes, size: int) -> None:
    """It passes through as it is."""
    assert b"".join(decompress(pieces(data, size))) == data


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cut", [8, 1000, -1])
def test_a_truncated_stream_is_broken(kind: str, cut: int) -> None:
    """Wherever it ends early."""
    with pytest.raises(InvalidArgument, match=f"the {kind} stream is damaged"):
        list(decompress(pieces(KINDS[kind](PLAIN)[:cut], 4096)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_changed_stream_is_broken(kind: str) -> None:
    """Checksums are checked."""
    packed = bytearray(KINDS[kind](PLAIN))
    packed[len(packed) // 2] ^= 0xFF
    with pytest.raises(InvalidArgument, match="damaged"):
        list(decompress(pieces(bytes(packed), 4096)))


def test_a_bomb_comes_in_small_pieces() -> None:
    """Memory stays bounded however much a stream grows."""
    for pack in (gzip.compress, zstandard.ZstdCompressor().compress):
        assert max(map(len, decompress([pack(bytes(64 << 20))]))) <= 16 << 20


def test_gzip_is_the_same_for_the_same_input() -> None:
    """No time stamp in it: a layer's blob can be made again."""

    def packed() -> bytes:
        compressor = gzip_compressor()
        return bytes(compressor.compress(PLAIN) + compressor.flush())

    assert packed() == packed()
    assert gzip.decompress(packed()) == PLAIN
