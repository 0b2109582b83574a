"""HTTP/1.1 as bytes: requests are built, responses are taken apart. No I/O here.

A small client of our own because the standard one costs several times Python's own start-up.
It speaks what engines speak: Content-Length, chunked, "until the connection closes", and upgrades.
"""

from __future__ import annotations

from yurt.errors import Internal

TYPE_CHECKING = False  # `typing` alone would cost a fifth of the start-up
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Query = Mapping[str, str | int | bool | Iterable[str] | None]

UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
MAX_HEAD = 1 << 20


def quote(text: str, safe: bytes = b"") -> str:
    """Percent-encode *text* as UTF-8."""
    return "".join(
        chr(byte) if byte in UNRESERVED or byte in safe else f"%{byte:02X}" for byte in text.encode()
    )


def target(path: str, query: Query | None = None) -> str:
    """Return the request target: *path* percent-encoded where needed, then *query*.

    A value of None leaves its key out, booleans become 1 and 0, an iterable of texts repeats the key.
    """
    pairs = []
    for key, value in (query or {}).items():
        if value is None:
            continue
        values = [str(int(value))] if isinstance(value, int) else [value] if isinstance(value, str) else value
        pairs += [f"{quote(key)}={quote(each)}" for each in values]
    encoded = quote(path, safe=b"/:%@!$&'()*+,;=")
    return f"{encoded}?{'&'.join(pairs)}" if pairs else encoded


def build_head(method: str, target: str, headers: Mapping[str, str]) -> bytes:
    """Return the request line and *headers*, with the empty line that ends them."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    for line in lines:
        if "\r" in line or "\n" in line:
            raise Internal(f"a line break inside the request line or a header: {line!r}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8")


def chunk(data: bytes) -> bytes:
    """Return *data* as one chunk of a chunked body; of nothing, the chunk that ends the body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class ResponseParser:
    """One response, fed as it comes.

    `feed` bytes until `head_done`; then `take` the body's bytes until `done`; `rest` is what came after the
    response, or, after an upgrade, the first bytes of the stream.
    """

    def __init__(self, method: str = "GET") -> None:
        self._method = method
        self._raw = bytearray()  # not yet understood
        self._body = bytearray()  # understood, not yet taken
        self._length: int | None = None  # bytes of body (or of the chunk) still to come
        self._chunked = False
        self._in_trailer = False
        self._chunk_end = False  # the line break after a chunk's data is due
        self.status = 0
        self.reason = ""
        self.headers: dict[str, str] = {}  # names in lower case
        self.head_done = False
        self.upgraded = False
        self.done = False
        self.keep_alive = False

    def __repr__(self) -> str:
        state = "done" if self.done else "in the body" if self.head_done else "before the body"
        return f"<ResponseParser {self.status or '…'} {state}>"

    @property
    def rest(self) -> bytes:
        """Bytes that belong to no response."""
        return bytes(self._raw)

    def take(self) -> bytes:
        """Return the body's bytes understood so far, once."""
        body = bytes(self._body)
        self._body.clear()
        return body

    def feed(self, data: bytes) -> None:
        """Understand *data*; raises Internal if it is not HTTP."""
        self._raw += data
        if not self.head_done:
            self._read_head()
        if self.head_done and not self.done:
            self._read_chunks() if self._chunked else self._read_plain()

    def feed_eof(self) -> None:
        """The other side closed: the end of a body without a length, a failure anywhere else."""
        if self.head_done and not self._chunked and self._length is None:
            self.done = True
        if not self.done:
            raise Internal("the engine closed the connection in the middle of its answer")

    def _read_head(self) -> None:
        while (end := self._raw.find(b"\r\n\r\n")) >= 0:
            lines = self._raw[:end].decode("utf-8", "replace").split("\r\n")
            del self._raw[: end + 4]
            version, _, rest = lines[0].partition(" ")
            code, _, self.reason = rest.partition(" ")
            if not version.startswith("HTTP/1.") or not code.isdecimal():
                raise Internal(f"the engine's answer is not HTTP: {lines[0][:80]!r}")
            self.status = int(code)
            self.headers = {
                name.strip().lower(): value.strip()
                for name, _, value in (line.partition(":") for line in lines[1:])
            }
            if self.status != 101 and self.status < 200:
                continue  # 100 Continue and its like: the response is still to come
            self.head_done = True
            self._frame(version)
            return
        if len(self._raw) > MAX_HEAD:
            raise Internal("the engine's answer has no end of headers")

    def _frame(self, version: str) -> None:
        connection = self.headers.get("connection", "").lower()
        self.keep_alive = "close" not in connection and (version == "HTTP/1.1" or "keep-alive" in connection)
        if self.status == 101:
            self.upgraded = self.done = True
        elif self._method == "HEAD" or self.status in (204, 304):
            self.done = True
        elif "chunked" in self.headers.get("transfer-encoding", "").lower():
            self._chunked = True
        elif (length := self.headers.get("content-length", "")).isdecimal():
            self._length = int(length)
            self.done = self._length == 0
        else:
            self.keep_alive = False  # the body ends when the connection does

    def _read_plain(self) -> None:
        if self._length is None:
            self._body += self._raw
            self._raw.clear()
            return
        self._body += self._raw[: self._length]
        taken = min(len(self._raw), self._length)
        del self._raw[:taken]
        self._length -= taken
        self.done = self._length == 0

    def _read_chunks(self) -> None:
        while not self.done:
            if self._length:
                piece = self._raw[: self._length]
                if not piece:
                    return
                self._body += piece
                del self._raw[: len(piece)]
                self._length -= len(piece)
                self._chunk_end = self._length == 0
                continue
            end = self._raw.find(b"\r\n")
            if end < 0:
                return
            line = bytes(self._raw[:end])
            del self._raw[: end + 2]
            if self._chunk_end:
                self._chunk_end = False
            elif self._in_trailer:
                self.done = not line
            else:
                try:
                    self._length = int(line.partition(b";")[0], 16)
                except ValueError:
                    raise Internal(f"the engine's answer has a broken chunk: {line[:40]!r}") from None
                self._in_trailer = self._length == 0
