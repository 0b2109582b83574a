"""gRPC on HTTP/2: messages with a length before them, a status at the end. Server and client, no code generated.

https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md is what both sides keep to. Compressed messages
are refused: no client sends them unless it is configured to.
"""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote, unquote

import structlog

from yurt.errors import (
    Conflict,
    Forbidden,
    Internal,
    InvalidArgument,
    NotFound,
    Unauthorized,
    Unavailable,
    Unimplemented,
    YurtError,
)
from yurt.server import answers
from yurt.server.buildkit.http2 import Headers, Http2, Pipe, Stream, StreamLost
from yurt.server.buildkit.messages import Status
from yurt.server.buildkit.protobuf import decode, encode

log: structlog.stdlib.BoundLogger = structlog.get_logger("yurt.buildkit")

T = TypeVar("T")

OK, CANCELLED, UNKNOWN, NOT_FOUND, UNIMPLEMENTED, INTERNAL, UNAVAILABLE = 0, 1, 2, 5, 12, 13, 14
_CODES: Mapping[type[YurtError], int] = {
    InvalidArgument: 3,
    NotFound: NOT_FOUND,
    Conflict: 9,  # FAILED_PRECONDITION
    Forbidden: 7,
    Unauthorized: 16,
    Internal: INTERNAL,
    Unimplemented: UNIMPLEMENTED,
    Unavailable: UNAVAILABLE,
}
MAX_MESSAGE = 16 << 20  # bytes, BuildKit's own limit
_HEAD = 5  # bytes before a message: whether it is compressed, and its length


class GrpcError(Exception):
    """A call that ended with another status than OK."""

    def __init__(self, status: Status) -> None:
        super().__init__(status.message)
        self.status = status


def status_of(error: YurtError) -> Status:
    """Return the status that says *error*, its hint included: clients print the message and nothing else."""
    message = f"{error.message} ({error.hint})" if error.hint else error.message
    code = next((code for kind, code in _CODES.items() if isinstance(error, kind)), UNKNOWN)
    return Status(code, message)


class _Messages:
    """Reads messages from a stream."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._buffer = bytearray()

    async def next(self) -> bytes | None:
        """Return the next message; None at the end."""
        while len(self._buffer) < _HEAD or len(self._buffer) < _HEAD + self._size():
            piece = await self._stream.read()
            if not piece:
                if self._buffer:
                    raise StreamLost("the stream ended inside a message")
                return None
            self._buffer += piece
        size = self._size()
        if self._buffer[0]:
            raise Unimplemented("compressed gRPC messages are not supported")
        data = bytes(self._buffer[_HEAD : _HEAD + size])
        del self._buffer[: _HEAD + size]
        return data

    def _size(self) -> int:
        size = int.from_bytes(self._buffer[1:_HEAD], "big")
        if size > MAX_MESSAGE:
            raise InvalidArgument(f"a gRPC message of {size} bytes is too long: at most {MAX_MESSAGE}")
        return size


def _framed(message: Any) -> bytes:
    data = encode(message)
    return b"\0" + len(data).to_bytes(4, "big") + data


class Exchange:
    """A call as its handler sees it. *metadata* are the caller's headers."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._messages = _Messages(stream)
        self._has_begun = False
        self.metadata = dict(stream.headers)

    def all(self, name: str) -> frozenset[str]:
        """Return every value of a header that may come several times."""
        return frozenset(value for key, value in self._stream.headers if key == name)

    async def receive(self, kind: type[T]) -> T | None:
        """Return the caller's next message; None when there is none any more."""
        data = await self._messages.next()
        return None if data is None else decode(kind, data)

    async def request(self, kind: type[T]) -> T:
        """Return the one message of a unary call."""
        found = await self.receive(kind)
        if found is None:
            raise InvalidArgument("the call brought no message")
        return found

    async def begin(self) -> None:
        """Answer that there will be an answer: clients wait for that before they trust a stream."""
        if not self._has_begun:
            self._has_begun = True
            await self._stream.send_headers(((":status", "200"), ("content-type", "application/grpc")))

    async def send(self, message: Any) -> None:
        await self.begin()
        await self._stream.write(_framed(message))

    async def end(self, status: Status) -> None:
        """Say how the call ended."""
        await self.begin()
        trailers = [("grpc-status", str(status.code))]
        if status.message:
            trailers.append(
                ("grpc-message", quote(status.message, safe=" !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~"))
            )
        if status.details:
            details = base64.b64encode(encode(status)).decode().rstrip("=")
            trailers.append(("grpc-status-details-bin", details))
        await self._stream.send_headers(tuple(trailers), end=True)


Handler = Callable[[Exchange], Awaitable[None]]
"""Answers a call: receives and sends messages. A YurtError or GrpcError becomes the call's status."""


async def serve(pipe: Pipe, methods: Mapping[str, Handler]) -> None:
    """Answer calls of *methods* (by path) on *pipe* until it ends; afterwards no handler runs any more.

    A handler is cancelled when its caller gives the call up or goes away.
    """
    running: set[asyncio.Task[None]] = set()

    def begin(stream: Stream) -> None:
        task = asyncio.create_task(_answer(connection, stream, methods), name="grpc.call")
        stream.on_lost = task.cancel
        running.add(task)
        task.add_done_callback(running.discard)

    connection = Http2(pipe, on_stream=begin)
    try:
        await connection.run()
    finally:
        left = tuple(running)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)


async def _answer(connection: Http2, stream: Stream, methods: Mapping[str, Handler]) -> None:
    exchange = Exchange(stream)
    path = exchange.metadata.get(":path", "")
    try:
        status = await _status(exchange, path, methods)
        stream.on_lost = None
        await exchange.end(status)
    except StreamLost:
        log.debug("grpc.lost", path=path)
    except asyncio.CancelledError:
        stream.reset()
        raise
    finally:
        connection.forget(stream)


async def _status(exchange: Exchange, path: str, methods: Mapping[str, Handler]) -> Status:
    handler = methods.get(path)
    try:
        if handler is None:
            raise Unimplemented(
                f"{path.lstrip('/') or 'this method'} is not part of what Yurt offers of BuildKit"
            )
        await handler(exchange)
    except GrpcError as error:
        return error.status
    except YurtError as error:
        return status_of(error)
    except StreamLost:
        raise
    except Exception as error:
        log.exception("grpc.failed", path=path)
        return status_of(answers.unexpected(error))
    return Status()


class Call:
    """A call that this side makes."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._messages = _Messages(stream)

    async def send(self, message: Any) -> None:
        await self._stream.write(_framed(message))

    async def finish(self) -> None:
        """Say that no more messages come from this side."""
        await self._stream.write(b"", end=True)

    async def receive(self, kind: type[T]) -> T | None:
        """Return the next message; None at the end, if the status is OK; else raise GrpcError."""
        data = await self._messages.next()
        if data is not None:
            return decode(kind, data)
        headers = dict(self._stream.trailers or self._stream.headers)
        status = headers.get("grpc-status", "")
        if status != "0":
            message = unquote(headers.get("grpc-message", "")) or "the call ended without a status"
            raise GrpcError(Status(int(status) if status.isdecimal() else UNKNOWN, message))
        return None


class Client:
    """Calls methods at the other end of *connection*, which somebody else runs."""

    def __init__(self, connection: Http2) -> None:
        self._connection = connection

    @contextlib.asynccontextmanager
    async def call(self, path: str, metadata: Iterable[tuple[str, str]] = ()) -> AsyncIterator[Call]:
        """Call *path*; when the block is left the call is over, finished or not."""
        headers: Headers = (
            (":method", "POST"),
            (":scheme", "http"),
            (":path", path),
            (":authority", "localhost"),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
            *metadata,
        )
        stream = await self._connection.open(headers)
        try:
            yield Call(stream)
        finally:
            stream.reset()
            self._connection.forget(stream)

    async def ask(self, path: str, request: Any, kind: type[T]) -> T:
        """Call a unary method and return its reply."""
        async with self.call(path) as call:
            await call.send(request)
            await call.finish()
            reply = await call.receive(kind)
            if reply is None:
                raise GrpcError(Status(INTERNAL, f"{path} answered without a message"))
            return reply
