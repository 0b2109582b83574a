"""Hijacked connections."""

import asyncio
import json

import pytest
from aiohttp.web_response import StreamResponse
from tests.unit.server.conftest import Serve

from yurt.errors import Conflict
from yurt.server import answers, hijack
from yurt.server.call import Call
from yurt.server.router import Route

UPGRADE = "Connection: Upgrade\r\nUpgrade: tcp\r\n"


class Echo:
    """A container that says what it hears, and *farewell* when its stdin ends."""

    def __init__(self, *, tty: bool = True, farewell: bytes = b"") -> None:
        self.tty = tty
        self.heard = b""
        self.closed = asyncio.Event()
        self._out: asyncio.Queue[bytes] = asyncio.Queue()
        self._farewell = farewell

    async def read(self) -> bytes:
        return await self._out.get()

    async def write(self, data: bytes) -> None:
        self.heard += data
        self._out.put_nowait(data)

    async def close_stdin(self) -> None:
        if self._farewell:
            self._out.put_nowait(self._farewell)
        self._out.put_nowait(b"")

    async def close(self) -> None:
        self.closed.set()


def attaching(stream: Echo) -> Route:
    async def handler(call: Call) -> StreamResponse:
        await call.request.read()
        return await hijack.serve(call, stream, stdin=True)

    return Route("POST", "/containers/{id}/attach", handler, ends_with_client=True)


async def fine(_call: Call) -> StreamResponse:
    return answers.nothing()


@pytest.mark.parametrize(
    ("tty", "version", "expected"),
    [
        (False, "1.51", answers.MULTIPLEXED_STREAM),
        (False, "1.41", answers.RAW_STREAM),
        (True, "1.51", answers.RAW_STREAM),
    ],
)
async def test_an_upgrade_is_answered_with_101(serve: Serve, tty: bool, version: str, expected: str) -> None:
    """The type says frames only to clients that know it, and never with a terminal."""
    wire = await (await serve([attaching(Echo(tty=tty))]))()
    await wire.send(
        f"POST /v{version}/containers/x/attach?stream=1 HTTP/1.1\r\nHost: d\r\n{UPGRADE}\r\n".encode()
    )
    head = await wire.head()
    assert (head.status, head.reason) == (101, "UPGRADED")
    assert (head.headers["upgrade"], head.headers["content-type"]) == ("tcp", expected)


async def test_without_an_upgrade_the_stream_is_raw(serve: Serve) -> None:
    """Old clients get 200 and the bytes behind it."""
    wire = await (await serve([attaching(Echo())]))()
    await wire.send(b"POST /containers/x/attach HTTP/1.1\r\nHost: d\r\n\r\n")
    head = await wire.head()
    assert (head.status, head.headers["content-type"]) == (200, answers.RAW_STREAM)
    await wire.send(b"hello")
    assert await wire.reader.readexactly(5) == b"hello"


async def test_what_is_sent_early_is_not_lost(serve: Serve) -> None:
    """Bytes right behind the request, in the same packet, are stdin."""
    stream = Echo(farewell=b"bye")
    wire = await (await serve([attaching(stream)]))()
    await wire.send(
        f"POST /containers/x/attach HTTP/1.1\r\nHost: d\r\n{UPGRADE}Content-Length: 2\r\n\r\n".encode()
        + b"{}early "
    )
    await wire.send(b"and late")
    wire.writer.write_eof()
    await wire.head()
    assert await wire.reader.read() == b"early and latebye"
    assert stream.heard == b"early and late"


async def test_a_half_close_ends_stdin_only(serve: Serve) -> None:
    """The output that comes after the client closed its side still arrives."""
    wire = await (await serve([attaching(Echo(farewell=b"the end"))]))()
    await wire.send(f"POST /containers/x/attach HTTP/1.1\r\nHost: d\r\n{UPGRADE}\r\n".encode())
    await wire.head()
    wire.writer.write_eof()
    assert await wire.reader.read() == b"the end"


async def test_a_client_that_goes_closes_the_stream(serve: Serve) -> None:
    """Afterwards the container's stream is let go."""
    stream = Echo()
    wire = await (await serve([attaching(stream)]))()
    await wire.send(f"POST /containers/x/attach HTTP/1.1\r\nHost: d\r\n{UPGRADE}\r\n".encode())
    await wire.head()
    await wire.close()
    async with asyncio.timeout(5):
        await stream.closed.wait()


async def test_a_refusal_leaves_http_as_it_was(serve: Serve) -> None:
    """An attach that fails is an ordinary answer, and the connection serves the next request."""

    async def refuse(_call: Call) -> StreamResponse:
        raise Conflict("not running")

    routes = [Route("POST", "/exec/{id}/start", refuse), Route("GET", "/thing", fine)]
    wire = await (await serve(routes))()
    answer = await wire.ask("POST", "/exec/x/start", b"{}", UPGRADE)
    assert (answer.status, json.loads(answer.body)["message"]) == (409, "not running")
    assert (await wire.ask("GET", "/thing")).status == 204


async def test_a_connection_is_hijacked_after_other_requests(serve: Serve) -> None:
    """docker-py attaches over a connection from its pool."""
    wire = await (await serve([attaching(Echo()), Route("POST", "/containers/create", fine)]))()
    assert (await wire.ask("POST", "/containers/create", b"{}")).status == 204
    await wire.send(f"POST /containers/x/attach HTTP/1.1\r\nHost: d\r\n{UPGRADE}\r\nhi".encode())
    await wire.head()
    assert await wire.reader.readexactly(2) == b"hi"


async def test_much_stdin_comes_through_whole(serve: Serve) -> None:
    """More than is held back at once arrives, in order."""
    stream = Echo()
    wire = await (await serve([attaching(stream)]))()
    await wire.send(f"POST /containers/x/attach HTTP/1.1\r\nHost: d\r\n{UPGRADE}\r\n".encode())
    await wire.head()
    data = bytes(range(256)) * 8192
    sending = asyncio.create_task(wire.send(data))
    assert await wire.reader.readexactly(len(data)) == data
    await sending
