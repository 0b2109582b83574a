"""Hijacked connections: HTTP up to the answer's head, then bytes both ways until the container's stream ends.

The HTTP parser would take what a client sends right behind its request for the next request, so `Connection`
looks at a request before the parser does: of one that may be hijacked the parser gets its head and body, and
everything behind them waits in an `Inflow`. Nothing that a client sends early is lost, and its half-close is
the end of stdin, not of the connection.
"""

import asyncio
import contextlib
import re
import select
from collections.abc import Callable
from typing import Any, Protocol

from aiohttp.abc import AbstractStreamWriter
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_request import BaseRequest
from aiohttp.web_response import StreamResponse

from yurt.api.version import ApiVersion
from yurt.errors import InvalidArgument
from yurt.server.answers import HEADERS, MULTIPLEXED_STREAM, RAW_STREAM
from yurt.server.call import Call

_HIJACKABLE = re.compile(
    rb"POST (?:/v\d+\.\d+)?/(?:containers/[^/ ]+/attach|exec/[^/ ]+/start|grpc|session)[? ]"
)
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
MAX_HEAD = 64 * 1024
MAX_BACKLOG = 256 * 1024  # bytes of stdin held here while the container does not read
LINGER = 2.0  # seconds that a client has to close after its stream ended
FIRST_MULTIPLEXED = ApiVersion(1, 42)  # older clients do not know the type


class AttachStream(Protocol):
    """A container's (or exec's) standard streams, as the engine hands them out."""

    @property
    def tty(self) -> bool: ...
    async def read(self) -> bytes:
        """Return the next bytes for the client, framed unless there is a terminal; empty at the end."""
        ...

    async def write(self, data: bytes, /) -> None: ...
    async def close_stdin(self) -> None: ...
    async def close(self) -> None: ...


class Inflow:
    """What the client sends on a hijacked connection."""

    def __init__(self, transport: asyncio.Transport, early: bytes) -> None:
        self._transport = transport
        self._data = bytearray(early)
        self._changed = asyncio.Event()
        self._is_paused = False
        self._is_discarding = False
        self.is_ended = False

    def __repr__(self) -> str:
        return f"<Inflow {len(self._data)} bytes{', ended' if self.is_ended else ''}>"

    def feed(self, data: bytes) -> None:
        if self._is_discarding:
            return
        self._data += data
        self._changed.set()
        if len(self._data) >= MAX_BACKLOG and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()

    def feed_end(self) -> None:
        self.is_ended = True
        self._changed.set()

    async def read(self) -> bytes:
        """Return what has come; empty when the client has closed its side."""
        while not self._data:
            if self.is_ended:
                return b""
            self._changed.clear()
            await self._changed.wait()
        data = self.take()
        self._resume()
        return data

    def take(self) -> bytes:
        data = bytes(self._data)
        self._data.clear()
        return data

    async def wait_ended(self) -> None:
        """Drop whatever comes until the client has closed its side."""
        self._is_discarding = True
        self._data.clear()
        self._resume()
        while not self.is_ended:
            self._changed.clear()
            await self._changed.wait()

    def _resume(self) -> None:
        if self._is_paused and not self._transport.is_closing():
            self._is_paused = False
            self._transport.resume_reading()


class Connection(RequestHandler):
    """One client's connection; HTTP until a request of it is hijacked."""

    __slots__ = ("_head", "inflow", "on_lost")

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._head = b""
        self.inflow: Inflow | None = None
        self.on_lost: Callable[[], object] | None = None

    def data_received(self, data: bytes) -> None:
        if self.inflow is not None:
            self.inflow.feed(data)
            return
        is_between_requests = self._current_request is None and not self._messages
        if not self._head and not (is_between_requests and data.startswith(b"POST ")):
            super().data_received(data)
            return
        self._head += data
        if (request := self._whole_request()) is not None:
            self._head = b""
            super().data_received(request)

    def _whole_request(self) -> bytes | None:
        """Return what the parser may have; None: more has to come first."""
        seen = self._head
        end = seen.find(b"\r\n\r\n") + 4
        if end < 4:
            return None if len(seen) < MAX_HEAD else seen
        if not _HIJACKABLE.match(seen) or _CHUNKED.search(seen, 0, end):
            return seen
        length = _LENGTH.search(seen, 0, end)
        end += int(length[1]) if length else 0
        if len(seen) < end:
            return None if end < 2 * MAX_HEAD else seen
        assert self.transport is not None
        self.inflow = Inflow(self.transport, seen[end:])
        return seen[:end]

    def release(self) -> None:
        """Go on with HTTP: the request was answered without being hijacked."""
        if self.inflow is not None:
            inflow, self.inflow = self.inflow, None
            if rest := inflow.take():
                self.data_received(rest)
            if inflow.is_ended and self.transport is not None:
                self.transport.close()

    def eof_received(self) -> bool | None:  # type: ignore[override]
        if self.inflow is None:
            super().eof_received()
            return None
        self.inflow.feed_end()
        return not self._is_hung_up()

    def _is_hung_up(self) -> bool:
        """Tell a client that is gone from one that closed only its sending side: only the first gives POLLHUP."""
        poll = select.poll()
        assert self.transport is not None
        poll.register(self.transport.get_extra_info("socket").fileno(), 0)
        return any(event & select.POLLHUP for _, event in poll.poll(0))

    def connection_lost(self, exc: BaseException | None) -> None:
        if self.inflow is not None:
            self.inflow.feed_end()
        if self.on_lost is not None:
            self.on_lost()
        super().connection_lost(exc)


class Hijacked(StreamResponse):
    """Tells the HTTP server that the answer has been given in full."""

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:  # noqa: ARG002
        self.force_close()
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        pass


class Pipe:
    """A hijacked connection as bytes both ways."""

    def __init__(self, call: Call, inflow: Inflow, transport: asyncio.Transport) -> None:
        self._call = call
        self._transport = transport
        self.read = inflow.read

    def write(self, data: bytes, /) -> None:
        self._transport.write(data)

    async def drain(self) -> None:
        """Wait until the client has read most of what was written."""
        await self._call.request.writer.drain()


def take_over(call: Call, *, protocol: str) -> Pipe:
    """Answer that the connection speaks *protocol* from here on, and hand it over; end the call with `Hijacked`."""
    if not (asked := call.request.headers.get("Upgrade")):
        raise InvalidArgument("no upgrade proto in request", hint=f"send Upgrade: {protocol}")
    if asked != protocol:
        raise InvalidArgument(f"protocol {asked} not supported", hint=f"send Upgrade: {protocol}")
    connection = connection_of(call)
    inflow, transport = connection.inflow, connection.transport
    if inflow is None or not isinstance(transport, asyncio.Transport):
        raise InvalidArgument("cannot hijack this connection", hint="send the request's length")
    call.is_started = True
    lines = ["HTTP/1.1 101 UPGRADED", "Connection: Upgrade", f"Upgrade: {protocol}"]
    lines += [f"{name}: {value}" for name, value in HEADERS.items()]
    transport.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    return Pipe(call, inflow, transport)


def content_type(call: Call, *, tty: bool) -> str:
    """Return the type of a container's output for this client."""
    return RAW_STREAM if tty or call.version < FIRST_MULTIPLEXED else MULTIPLEXED_STREAM


def connection_of(call: Call) -> Connection:
    connection = call.request.protocol
    assert isinstance(connection, Connection)
    return connection


async def serve(call: Call, stream: AttachStream, *, stdin: bool) -> StreamResponse:
    """Join the client with *stream* until the stream ends or the client goes; afterwards *stream* is closed."""
    try:
        connection = connection_of(call)
        inflow, transport = connection.inflow, connection.transport
        if inflow is None or transport is None:
            raise InvalidArgument("cannot hijack this connection", hint="send the request's length")
        call.is_started = True
        transport.write(_head(call, tty=stream.tty))
        feeder = asyncio.create_task(_feed(inflow, stream), name="hijack.stdin") if stdin else None
        try:
            while data := await stream.read():
                transport.write(data)
                await call.request.writer.drain()
        finally:
            if feeder is not None:
                feeder.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await feeder
        if transport.can_write_eof() and not transport.is_closing():
            transport.write_eof()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LINGER):
                    await inflow.wait_ended()
        return Hijacked()
    finally:
        await stream.close()


async def _feed(inflow: Inflow, stream: AttachStream) -> None:
    while data := await inflow.read():
        try:
            await stream.write(data)
        except (ConnectionError, BrokenPipeError):  # the container no longer reads; its output goes on
            return
    await stream.close_stdin()


def _head(call: Call, *, tty: bool) -> bytes:
    if call.request.headers.get("Upgrade"):
        lines = [
            "HTTP/1.1 101 UPGRADED",
            f"Content-Type: {content_type(call, tty=tty)}",
            "Connection: Upgrade",
            "Upgrade: tcp",
        ]
    else:
        lines = ["HTTP/1.1 200 OK", f"Content-Type: {RAW_STREAM}"]
    lines += [f"{name}: {value}" for name, value in HEADERS.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
