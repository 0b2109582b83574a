"""A container's streams: attach, logs, wait, resize, stats."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import quote_plus

from aiohttp import WSMsgType
from aiohttp.web_response import StreamResponse
from aiohttp.web_ws import WebSocketResponse

from yurt.api import stream as framing
from yurt.api.keys import DEFAULT_DETACH_KEYS, parse_keys
from yurt.api.types import containers as wire
from yurt.engine.containers.model import Container, LogBlock, LogQuery
from yurt.errors import InvalidArgument
from yurt.server import answers, hijack
from yurt.server.call import Call
from yurt.server.router import Route
from yurt.server.wire import times

CONDITIONS = ("not-running", "next-exit", "removed")
JOINING = ("Docker-Client/", "yurt")  # how clients name themselves that put the frames of a stream together
Framing = Callable[[int, list[bytes]], list[bytes]]
"""Makes of what was gathered of one stream the bytes that go out."""


class WaitResult(Protocol):
    @property
    def exit_code(self) -> int: ...
    @property
    def error(self) -> str: ...


class StreamBackend(Protocol):
    """What these routes need of the engine's containers."""

    def get(self, ref: str) -> Container: ...
    async def attach(
        self,
        ref: str,
        *,
        stdin: bool,
        stdout: bool,
        stderr: bool,
        stream: bool = True,
        logs: bool = False,
        detach_keys: bytes = b"",
    ) -> hijack.AttachStream: ...
    def log_bursts(self, ref: str, query: LogQuery) -> AsyncIterator[Sequence[LogBlock]]: ...
    def log_attributes(self, ref: str) -> Mapping[str, str]: ...
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
            detach_keys=detach_keys(call.text("detachKeys"), what="detach"),
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
        if call.request.headers.get("Upgrade", "").lower() != "websocket":
            self._containers.get(call.places["id"])  # the first mistake is told
            raise InvalidArgument("not websocket protocol", hint="send Upgrade: websocket, or POST to attach")
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
        since, until = times.parse(call.text("since")), times.parse(call.text("until"))
        stamped = call.flag("timestamps")
        query = LogQuery(
            stdout=call.flag("stdout"),
            stderr=call.flag("stderr"),
            follow=call.flag("follow"),
            since_ns=since,
            until_ns=until,
            tail=_tail(call.text("tail", "all")),
            timeless=not (since or until or stamped),
        )
        if not (query.stdout or query.stderr):
            raise InvalidArgument("Bad parameters: you must choose at least one stream")
        bursts = self._containers.log_bursts(container.id, query)
        tty = container.config.tty
        details = _details(self._containers.log_attributes(container.id)) if call.flag("details") else b""
        return await answers.body(
            call,
            _rendered(bursts, _framing(call, tty=tty), timestamps=stamped, details=details),
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


def detach_keys(text: str, *, what: str) -> bytes:
    """Return the bytes of the keys that a client named, or of the usual ones; *what* is Docker's word in its refusal."""
    try:
        return parse_keys(text or DEFAULT_DETACH_KEYS)
    except InvalidArgument as wrong:
        raise InvalidArgument(f"Invalid {what} keys ({text}) provided", hint=wrong.hint) from wrong


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


def _details(attributes: Mapping[str, str]) -> bytes:
    """Return what ``--details`` puts in front of each line."""
    pairs = sorted(f"{quote_plus(key)}={quote_plus(value)}" for key, value in attributes.items())
    return ",".join(pairs).encode() + b" "


async def _rendered(
    bursts: AsyncIterator[Sequence[LogBlock]], frames: Framing, *, timestamps: bool, details: bytes
) -> AsyncIterator[bytes]:
    """Yield what the client gets."""
    prefixed = timestamps or bool(details)
    async for burst in bursts:
        pieces: list[bytes] = []
        gathered: list[bytes] = []
        current = 0
        for stream, time_ns, lines in burst:
            data = lines
            if prefixed:
                prefix = times.fixed(time_ns).encode() + b" " + details if timestamps else details
                data = prefix + lines[:-1].replace(b"\n", b"\n" + prefix) + lines[-1:]
            if stream != current and gathered:
                pieces += frames(current, gathered)
                gathered = []
            current = stream
            gathered.append(data)
        pieces += frames(current, gathered)
        yield b"".join(pieces)


def _framing(call: Call, *, tty: bool) -> Framing:
    """Return how this client gets its lines. Who is known to put frames together gets many lines in one.

    Docker makes a frame of each line, and programs on docker-py take what they iterate over for lines.
    """
    if tty:
        return _unframed
    return _together if call.request.headers.get("User-Agent", "").startswith(JOINING) else _line_by_line


def _unframed(_stream: int, gathered: list[bytes]) -> list[bytes]:
    return gathered


def _together(stream: int, gathered: list[bytes]) -> list[bytes]:
    return [framing.header(stream, sum(map(len, gathered))), *gathered]


def _line_by_line(stream: int, gathered: list[bytes]) -> list[bytes]:
    header = framing.header
    *lines, rest = b"".join(gathered).split(b"\n")
    pieces = [header(stream, len(line) + 1) + line + b"\n" for line in lines]
    return [*pieces, header(stream, len(rest)), rest] if rest else pieces


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
