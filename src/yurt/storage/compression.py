"""Compressed streams: which kind a stream is, by its first bytes, and native code for each."""

import bz2
import lzma
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import zstandard
from isal import igzip_lib, isal_zlib

from yurt.errors import InvalidArgument

MAGIC = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
}
_LONGEST = max(map(len, MAGIC))
_WINDOW = 31  # zlib's largest window, in gzip's frame
_OUTPUT = 1 << 20  # bytes asked of a decompressor at once: bounds what a bomb can take of memory
_ERRORS: tuple[type[Exception], ...] = (
    igzip_lib.IsalError,  # type: ignore[assignment]  # its stub calls the class an instance
    zstandard.ZstdError,
    lzma.LZMAError,
    OSError,
    EOFError,
    ValueError,
)


def kind_of(head: bytes) -> str:
    """Return gzip, zstd, bzip2, xz or plain."""
    return next((kind for magic, kind in MAGIC.items() if head.startswith(magic)), "plain")


def decompress(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the plain bytes of a stream, whatever it is compressed with.

    Raise InvalidArgument when it is damaged or ends early.
    """
    source = iter(chunks)
    head = b""
    for chunk in source:
        head += chunk
        if len(head) >= _LONGEST:
            break
    kind = kind_of(head)
    whole = _prepend(head, source)
    if kind == "plain":
        yield from whole
        return
    try:
        yield from _members(whole, _DECOMPRESSORS[kind])
    except _ERRORS as error:
        raise InvalidArgument(f"broken archive: the {kind} stream is damaged: {error}") from error


def gzip_compressor() -> Any:
    """Return a compressor with `compress` and `flush`: fast, and without a time stamp, so that equal input is equal output."""
    return isal_zlib.compressobj(1, isal_zlib.DEFLATED, _WINDOW)


def _prepend(head: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if head:
        yield head
    yield from rest


def _members(chunks: Iterator[bytes], make: Callable[[], Any]) -> Iterator[bytes]:
    """Decompress one member after another, as concatenated streams are one stream.

    Decompressors have the shape of `bz2.BZ2Decompressor`: decompress(data, limit), needs_input, eof, unused_data.
    """
    decompressor = None
    for chunk in chunks:
        data = chunk
        while data:
            if decompressor is None:
                data = data.lstrip(b"\0") if not data.strip(b"\0") else data  # padding after the last member
                if not data:
                    break
                decompressor = make()
            yield decompressor.decompress(data, _OUTPUT)
            while not decompressor.eof and not decompressor.needs_input:
                yield decompressor.decompress(b"", _OUTPUT)
            data = b""
            if decompressor.eof:
                data, decompressor = decompressor.unused_data, None
    if decompressor is not None:
        raise EOFError("it ends early")


class _Zstd:
    """zstandard's decompressor in the shape of the others.

    It has no limit on output, so it is fed small pieces: a block of four bytes can stand for 128 KiB
    (RFC 8878, Block_Maximum_Size), so one piece for 16 MiB. The window of a frame is bounded too.
    """

    def __init__(self) -> None:
        self._object = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
        self._waiting = memoryview(b"")
        self.unused_data = b""

    def decompress(self, data: bytes, limit: int) -> bytes:
        if data:
            self._waiting = memoryview(data)
        plain: list[bytes] = []
        while limit > 0 and self._waiting and not self.eof:
            piece, self._waiting = self._waiting[:512], self._waiting[512:]
            plain.append(self._object.decompress(piece))
            limit -= len(plain[-1])
        if self.eof:
            self.unused_data = self._object.unused_data + bytes(self._waiting)
        return b"".join(plain)

    @property
    def needs_input(self) -> bool:
        return not self._waiting

    @property
    def eof(self) -> bool:
        return bool(self._object.eof)


_DECOMPRESSORS: dict[str, Callable[[], Any]] = {
    "gzip": lambda: igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP),
    "zstd": _Zstd,
    "bzip2": bz2.BZ2Decompressor,
    "xz": lzma.LZMADecompressor,
}
