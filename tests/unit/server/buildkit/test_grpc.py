"""gRPC over a pipe: our client against our server, and broken peers against either."""

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from yurt.errors import NotFound
from yurt.server.buildkit.grpc import UNIMPLEMENTED, Client, Exchange, GrpcError, Handler, serve
from yurt.server.buildkit.http2 import Http2, StreamLost
from yurt.server.buildkit.messages import Any, BytesMessage, Status


class End:
    """One end of a pipe in memory."""

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[bytes] = asyncio.Queue()
        self.other: End = self
        self._is_over = False

    async def read(self) -> bytes:
        if self._is_over:
            return b""
        data = await self.incoming.get()
        self._is_over = not data
        return data

    def write(self, data: bytes, /) -> None:
        self.other.incoming.put_nowait(data)

    async def drain(self) -> None:
        await asyncio.sleep(0)

    def hang_up(self) -> None:
        self.other.incoming.put_nowait(b"")
        self.incoming.put_nowait(b"")


def a_pipe() -> tuple[End, End]:
    left, right = End(), End()
    left.other, right.other = right, left
    return left, right


@asynccontextmanager
async def a_client(methods: dict[str, Handler]) -> AsyncIterator[tuple[Client, End]]:
    """A client connected to a server of *methods*; afterwards both have come to their end."""
    ours, theirs = a_pipe()
    connection = Http2(ours)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(serve(theirs, methods))
        group.create_task(connection.run())
        try:
            yield Client(connection), ours
        finally:
            ours.hang_up()


async def echo(exchange: Exchange) -> None:
    while (message := await exchange.receive(BytesMessage)) is not None:
        await exchange.send(message)


async def test_messages_longer_than_every_window_go_both_ways() -> None:
    """Four megabytes in one message, and again, come back as they went."""
    data = bytes(range(256)) * (1 << 14)
    async with a_client({"/echo": echo}) as (client, _), client.call("/echo") as call:
        for _ in range(2):
            sending = asyncio.create_task(call.send(BytesMessage(data)))
            reply = await call.receive(BytesMessage)
            await sending
            assert reply == BytesMessage(data)
        await call.finish()
        assert await call.receive(BytesMessage) is None


async def test_calls_run_side_by_side() -> None:
    """A call that waits holds up no other."""
    async with a_client({"/echo": echo}) as (client, _), client.call("/echo") as waiting:
        replies = await asyncio.gather(
            *(client.ask("/echo", BytesMessage(bytes([n])), BytesMessage) for n in range(20))
        )
        assert [reply.data for reply in replies] == [bytes([n]) for n in range(20)]
        await waiting.send(BytesMessage(b"still here"))
        assert await waiting.receive(BytesMessage) == BytesMessage(b"still here")


async def test_errors_become_statuses() -> None:
    """Our kinds, statuses with details, methods that are not there, and mistakes of ours."""

    async def missing(_: Exchange) -> None:
        raise NotFound("no such thing: 50 % ä", hint="look again")

    async def detailed(_: Exchange) -> None:
        raise GrpcError(Status(2, "failed", (Any("kind", b"more"),)))

    async def broken(_: Exchange) -> None:
        raise ZeroDivisionError("oops")

    async def full(_: Exchange) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/made")

    async def silent(_: Exchange) -> None:
        return

    methods: dict[str, Handler] = {
        "/missing": missing, "/detailed": detailed, "/broken": broken, "/full": full,
        "/silent": silent,
    }  # fmt: skip
    async with a_client(methods) as (client, _):
        for path, code, message in [
            ("/missing", 5, "no such thing: 50 % ä (look again)"),
            ("/detailed", 2, "failed"),
            (
                "/broken",
                13,
                "internal error: ZeroDivisionError: oops (the traceback is in the daemon's log)",
            ),
            ("/full", 14, "no space left on device: /made (free some space: yurt system prune)"),
            ("/nothing", UNIMPLEMENTED, "nothing is not part of what Yurt offers of BuildKit"),
            ("/silent", 13, "/silent answered without a message"),
        ]:
            with pytest.raises(GrpcError) as refused:
                await client.ask(path, BytesMessage(), BytesMessage)
            assert (refused.value.status.code, str(refused.value)) == (code, message)


async def test_a_caller_that_gives_up_ends_the_handler() -> None:
    """Leaving a call resets its stream; the handler is cancelled, the connection goes on."""
    began, ended = asyncio.Event(), asyncio.Event()

    async def long(_: Exchange) -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with a_client({"/long": long, "/echo": echo}) as (client, _):
        async with client.call("/long") as call:
            await call.send(BytesMessage())
            await began.wait()
        await ended.wait()
        assert await client.ask("/echo", BytesMessage(b"x"), BytesMessage) == BytesMessage(b"x")


async def test_a_peer_that_vanishes_ends_everything() -> None:
    """A hang-up ends handlers on one side and waiting calls on the other."""
    began, ended = asyncio.Event(), asyncio.Event()

    async def long(exchange: Exchange) -> None:
        await exchange.begin()
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with a_client({"/long": long}) as (client, pipe), client.call("/long") as call:
        await began.wait()
        pipe.hang_up()
        with pytest.raises(StreamLost):
            await call.receive(BytesMessage)
        await ended.wait()


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\n\r\n", b"\0" * 100, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nrubbish!!"]
)
async def test_a_peer_that_speaks_something_else_is_sent_away(data: bytes) -> None:
    """The server ends by itself, and says goodbye."""
    ours, theirs = a_pipe()
    async with asyncio.timeout(10):
        serving = asyncio.create_task(serve(theirs, {"/echo": echo}))
        ours.write(data)
        ours.hang_up()
        await serving
    assert not ours.incoming.empty()
