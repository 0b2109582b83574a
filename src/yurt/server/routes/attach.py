"""A container's streams: attach, logs, wait, resize, stats."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import Any, Protocol

from aiohttp import WSMsgType
from aiohttp.web_response import StreamResponse
from aiohttp.web_ws import WebSocketResponse

from yurt.api import stream as framing
from yurt.api.types import containers as wire
from yurt.engine.containers.model import Container, LogLine, LogQuery
from yurt.errors import InvalidArgument
from yurt.server import answers, hijack
from yurt.server.call import Call
from yurt.server.router import Route
from yurt.server.wire import times

CONDITIONS = ("not-running", "next-exit", "removed")


class WaitResult(Protocol):
    @property
    def exit_code(self) -> int: ...
    @property
    def error(self) -> str: ...


class StreamBackend(Protocol):
    """What these routes need of the engine's containers."""

    def get(self, ref: str) -> Container: ...
    async def attach(
        self, ref: str, *, stdin: bool, stdout: bool, stderr: bool, stream: bool = True, logs: bool = False
    ) -> hijack.AttachStream: ...
    def log_bursts(self, ref: str, query: LogQuery) -> AsyncIterator[Sequence[LogLine]]: ...
    def waiter(self, ref: str, condition: str = "not-running") -> Awaitable[WaitResult]: ...
    async def resize(self, ref: str, *, height: int, width: int) -> None: ...
    def stats(self, ref: str, *, stream: bool, one_shot: bool = False) -> AsyncIterator[dict[str, Any]]: ...


class AttachRoutes:
    def __init__(self, containers: StreamBackend) -> None:
        self._containers = containers

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("POST", "/containers/{id}/attach", self.attach, ends_with_client=True),
            Route("GET", "/containers/{id}/attach/ws", self.attach_websocket, ends_with_client=True),
            Route("GET", "/containers/{id}/logs", self.logs, ends_with_client=True),
            Route("POST", "/containers/{id}/wait", self.wait, ends_with_client=True),
            Route("POST", "/containers/{id}/resize", self.resize),
            Route("GET", "/containers/{id}/stats", self.stats, ends_with_client=True),
        )

    async def _open(self, call: Call, *, default: bool = False) -> hijack.AttachStream:
        return await self._containers.attach(
            call.places["id"],
            stdin=call.flag("stdin", default=default),
            stdout=call.flag("stdout", default=default),
            stderr=call.flag("stderr", default=default),
            stream=call.flag("stream", default=default),
            logs=call.flag("logs"),
        )

    async def attach(self, call: Call) -> StreamResponse:
        stream = await self._open(call)
        return await hijack.serve(call, stream, stdin=call.flag("stdin") and call.flag("stream"))

    async def attach_websocket(self, call: Call) -> StreamResponse:
        """The same over a websocket: output as binary messages without frames, input as it comes."""
        stream = await self._open(call, default=True)
        socket = WebSocketResponse()
        call.is_started = True
        try:
            await socket.prepare(call.request)
            await _join(socket, stream)
        finally:
            await stream.close()
        return socket

    async def logs(self, call: Call) -> StreamResponse:
        container = self._containers.get(call.places["id"])
        query = LogQuery(
            stdout=call.flag("stdout"),
            stderr=call.flag("stderr"),
            follow=call.flag("follow"),
            since_ns=times.parse(call.text("since")),
            until_ns=times.parse(call.text("until")),
            tail=_tail(call.text("tail", "all")),
        )
        if not (query.stdout or query.stderr):
            raise InvalidArgument("Bad parameters: you must choose at least one stream")
        bursts = self._containers.log_bursts(container.id, query)
        tty = container.config.tty
        return await answers.body(
            call,
            _rendered(bursts, framed=not tty, timestamps=call.flag("timestamps")),
            content_type=hijack.content_type(call, tty=tty),
        )

    async def wait(self, call: Call) -> StreamResponse:
        """The head goes out once the condition is registered: only then does `docker run` start the container."""
        condition = call.text("condition") or "not-running"
        if condition not in CONDITIONS:
            raise InvalidArgument(f'invalid condition: "{condition}"')
        waiter = self._containers.waiter(call.places["id"], condition)
        response = await answers.started(call, answers.JSON)
        result = await waiter
        # Docker tells of a failed start by its exit code here and by `start` in words: a client would say it twice.
        said = result.error if result.exit_code == 0 else ""
        answer = wire.WaitAnswer(
            status_code=result.exit_code, error=wire.WaitError(message=said) if said else None
        )
        await response.write(answers.encode(answer) + b"\n")
        await response.write_eof()
        return response

    async def resize(self, call: Call) -> StreamResponse:
        height, width = size(call)
        await self._containers.resize(call.places["id"], height=height, width=width)
        return answers.nothing(200)

    async def stats(self, call: Call) -> StreamResponse:
        container = self._containers.get(call.places["id"])
        samples = self._containers.stats(
            container.id, stream=call.flag("stream", default=True), one_shot=call.flag("one-shot")
        )
        return await answers.body(call, _encoded(samples), content_type=answers.JSON)


def size(call: Call) -> tuple[int, int]:
    height, width = call.integer("h"), call.integer("w")
    if height is None or width is None or height < 0 or width < 0:
        raise InvalidArgument("invalid terminal size", hint="give h and w as numbers")
    return height, width


def _tail(text: str) -> int | None:
    """A number, or anything else for all, as in Docker."""
    return int(text) if text.isdecimal() else None


async def _encoded(values: AsyncIterator[Any]) -> AsyncIterator[bytes]:
    async for value in values:
        yield answers.encode(value) + b"\r\n"


async def _rendered(
    bursts: AsyncIterator[Sequence[LogLine]], *, framed: bool, timestamps: bool
) -> AsyncIterator[bytes]:
    async for burst in bursts:
        pieces: list[bytes] = []
        for line in burst:
            stamp = times.fixed(line.time_ns).encode() + b" " if timestamps else b""
            if framed:
                pieces.append(framing.header(line.stream, len(stamp) + len(line.data)))
            pieces += (stamp, line.data)
        yield b"".join(pieces)


async def _join(socket: WebSocketResponse, stream: hijack.AttachStream) -> None:
    async def feed() -> None:
        async for message in socket:
            if message.type is WSMsgType.BINARY:
                await stream.write(message.data)
            elif message.type is WSMsgType.TEXT:
                await stream.write(message.data.encode())
        await stream.close_stdin()

    feeder = asyncio.create_task(feed(), name="websocket.stdin")
    decoder = framing.FrameDecoder()
    try:
        while data := await stream.read():
            pieces = [(1, data)] if stream.tty else decoder.feed(data)
            for _, piece in pieces:
                await socket.send_bytes(piece)
        await socket.close()
    finally:
        feeder.cancel()
        await asyncio.gather(feeder, return_exceptions=True)
