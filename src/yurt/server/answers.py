"""Answers: JSON, nothing, errors, and bodies that are written as they come into being."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
from aiohttp.web_response import Response, StreamResponse

import yurt
from yurt.api import errors
from yurt.api.types.stream import ErrorDetail, StreamLine
from yurt.api.version import LATEST
from yurt.errors import Internal, NotModified, YurtError, is_full, no_space
from yurt.server.call import Call

HEADERS = {
    "Api-Version": str(LATEST),
    "Docker-Experimental": "false",
    "Ostype": "linux",
    "Server": f"Yurt/{yurt.__version__} (linux)",
}
JSON = "application/json"
RAW_STREAM = "application/vnd.docker.raw-stream"
MULTIPLEXED_STREAM = "application/vnd.docker.multiplexed-stream"
BATCH = 256 * 1024  # bytes a stream may hold back before its source has to wait


def _plain(value: Any) -> str:
    """Encode a `str` of ours (a Digest) as the text it is; anything else is a mistake."""
    if isinstance(value, str):
        return str.__str__(value)
    raise TypeError(f"{type(value).__name__} is no wire type")


encode = msgspec.json.Encoder(enc_hook=_plain).encode
"""Return a wire value as JSON."""


def as_json(value: Any, *, status: int = 200) -> Response:
    return Response(body=encode(value), status=status, content_type=JSON, headers=HEADERS)


def nothing(status: int = 204, *, headers: dict[str, str] | None = None) -> Response:
    return Response(status=status, headers=HEADERS | (headers or {}))


def plain(text: str, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(text=text, status=status, headers=HEADERS | (headers or {}))


def unexpected(error: BaseException) -> YurtError:
    """Return what the client is told of an error that nobody translated: any write may find the disk full."""
    if isinstance(error, BaseExceptionGroup):
        error = next(filter(is_full, error.exceptions), error)
    if is_full(error):
        return no_space(getattr(error, "filename", None) or "the engine's files")
    return Internal(
        f"internal error: {type(error).__name__}: {error}", hint="the traceback is in the daemon's log"
    )


def failure(error: YurtError) -> Response:
    """Return the answer for *error*; a 304 has no body."""
    status = errors.status_of(error)
    if isinstance(error, NotModified):
        return nothing(status)
    return as_json(errors.to_wire(error), status=status)


async def started(call: Call, content_type: str, *, status: int = 200) -> StreamResponse:
    """Return an answer whose head the client has (or will have at once); the body is to be written."""
    response = StreamResponse(status=status, headers=HEADERS | {"Content-Type": content_type})
    response.enable_chunked_encoding()
    call.is_started = True
    await response.prepare(call.request)
    return response


class _Outflow:
    """Bytes on their way to a client, written in batches: whatever gathers in one turn of the loop goes in one write."""

    def __init__(self, response: StreamResponse) -> None:
        self._response = response
        self._pending: list[bytes] = []
        self._size = 0
        self._is_closing = False
        self._filled = asyncio.Event()
        self._drained = asyncio.Event()
        self._writer = asyncio.create_task(self._write(), name="outflow")

    async def put(self, data: bytes) -> None:
        self._pending.append(data)
        self._size += len(data)
        self._filled.set()
        if self._size >= BATCH:
            self._drained.clear()
            await self._drained.wait()
        if self._writer.done():
            await self._writer  # raises why

    async def _write(self) -> None:
        try:
            while self._pending or not self._is_closing:
                await self._filled.wait()
                self._filled.clear()
                data, self._pending, self._size = b"".join(self._pending), [], 0
                if data:
                    await self._response.write(data)
                self._drained.set()
        finally:
            self._drained.set()

    async def close(self) -> None:
        """Afterwards everything is written and the body has ended."""
        self._is_closing = True
        self._filled.set()
        await self._writer
        await self._response.write_eof()

    async def abort(self) -> None:
        """Afterwards nothing is being written; after `close` this does nothing."""
        self._writer.cancel()
        with contextlib.suppress(asyncio.CancelledError, ConnectionError):
            await self._writer


async def body(
    call: Call, source: AsyncIterator[bytes], *, content_type: str, headers: dict[str, str] | None = None
) -> StreamResponse:
    """Answer with *source* as the body.

    The head is sent before the first bytes exist: a client that follows wants to know that it does.
    """
    response = StreamResponse(headers=HEADERS | (headers or {}) | {"Content-Type": content_type})
    response.enable_chunked_encoding()
    call.is_started = True
    await response.prepare(call.request)
    outflow = _Outflow(response)
    try:
        async for data in source:
            await outflow.put(data)
        await outflow.close()
    finally:
        await outflow.abort()
        if close := getattr(source, "aclose", None):
            await close()
    return response


async def begun(source: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    """Return *source* with its first piece made: what fails before that is raised here, and so gets a status."""
    try:
        first = await anext(source, b"")
    except BaseException:
        await source.aclose()
        raise

    async def whole() -> AsyncIterator[bytes]:
        try:
            yield first
            async for piece in source:
                yield piece
        finally:
            await source.aclose()

    return whole()


Emit = Callable[[StreamLine], None]


async def lines(call: Call, work: Callable[[Emit], Awaitable[None]]) -> StreamResponse:
    """Answer with the JSON lines that *work* emits.

    An error before the first line is raised, and so becomes the HTTP status; one after it becomes the stream's
    last line, as Docker's clients expect.
    """
    pending: asyncio.Queue[StreamLine] = asyncio.Queue()
    worker = asyncio.ensure_future(work(pending.put_nowait))
    response: StreamResponse | None = None
    try:
        while not (worker.done() and pending.empty()):
            if pending.empty():
                getter = asyncio.ensure_future(pending.get())
                await asyncio.wait({getter, worker}, return_when=asyncio.FIRST_COMPLETED)
                if not getter.done():
                    getter.cancel()
                    continue
                batch = [getter.result()]
            else:
                batch = []
            while not pending.empty():
                batch.append(pending.get_nowait())
            if response is None:
                response = await started(call, JSON)
            await response.write(b"".join(encode(line) + b"\r\n" for line in batch))
        error = worker.exception()
        if error is not None and (response is None or not isinstance(error, YurtError)):
            if response is not None:
                await response.write(encode(error_line(unexpected(error))) + b"\r\n")
            raise error
        response = response or await started(call, JSON)
        if isinstance(error, YurtError):
            await response.write(encode(error_line(error)) + b"\r\n")
        await response.write_eof()
        return response
    finally:
        if not worker.done():
            worker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await worker


def error_line(error: Exception) -> StreamLine:
    message = str(error)
    code = getattr(error, "exit_code", None)  # of a command that failed; clients end with it
    return StreamLine(
        error_detail=ErrorDetail(code=code, message=message), error=message, hint=getattr(error, "hint", None)
    )
