"""Bodies that are written as they come into being."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp.web_response import StreamResponse
from tests.unit.server.conftest import Serve

from yurt.api.types.stream import StreamLine
from yurt.errors import NotFound, Unavailable
from yurt.server import answers
from yurt.server.answers import Emit
from yurt.server.call import Call
from yurt.server.router import Route


def streaming(work: Callable[[Emit], Awaitable[None]]) -> list[Route]:
    async def handler(call: Call) -> StreamResponse:
        return await answers.lines(call, work)

    return [Route("POST", "/thing", handler)]


async def test_lines_arrive_in_order(serve: Serve) -> None:
    """What is emitted is one JSON object a line."""

    async def work(emit: Emit) -> None:
        emit(StreamLine(status="one"))
        await asyncio.sleep(0)
        emit(StreamLine(status="two", id="x"))

    wire = await (await serve(streaming(work)))()
    answer = await wire.ask("POST", "/thing")
    assert answer.headers["content-type"] == "application/json"
    assert [json.loads(line) for line in answer.body.splitlines()] == [
        {"status": "one"},
        {"status": "two", "id": "x"},
    ]


async def test_a_failure_before_the_first_line_is_a_status(serve: Serve) -> None:
    """Nothing was said yet, so the error is the answer."""

    async def work(_emit: Emit) -> None:
        raise NotFound("No such image: x")

    wire = await (await serve(streaming(work)))()
    answer = await wire.ask("POST", "/thing")
    assert (answer.status, json.loads(answer.body)) == (404, {"message": "No such image: x"})


async def test_a_failure_after_the_first_line_is_the_last_line(serve: Serve) -> None:
    """The status is out, so the error closes the stream, as Docker's clients expect."""

    async def work(emit: Emit) -> None:
        emit(StreamLine(status="pulling"))
        await asyncio.sleep(0.01)
        raise Unavailable("the registry is away", hint="try later")

    wire = await (await serve(streaming(work)))()
    answer = await wire.ask("POST", "/thing")
    last = json.loads(answer.body.splitlines()[-1])
    assert answer.status == 200
    assert last["errorDetail"] == {"message": "the registry is away"}
    assert (last["error"], last["hint"]) == ("the registry is away", "try later")


async def test_work_without_a_word_is_an_empty_stream(serve: Serve) -> None:
    """Success needs no line."""

    async def work(_emit: Emit) -> None:
        pass

    wire = await (await serve(streaming(work)))()
    answer = await wire.ask("POST", "/thing")
    assert (answer.status, answer.body) == (200, b"")


async def test_a_body_comes_whole_and_in_order(serve: Serve) -> None:
    """Small pieces are gathered into few writes; none is lost."""
    pieces = [f"line {number}\n".encode() for number in range(20_000)]

    async def handler(call: Call) -> StreamResponse:
        async def source() -> AsyncIterator[bytes]:
            for piece in pieces:
                yield piece

        return await answers.body(call, source(), content_type="text/plain")

    wire = await (await serve([Route("GET", "/thing", handler)]))()
    assert (await wire.ask("GET", "/thing")).body == b"".join(pieces)


async def test_a_body_that_breaks_off_is_not_taken_for_whole(serve: Serve) -> None:
    """A source that fails halfway cuts the connection, so that no client takes half for all."""

    async def handler(call: Call) -> StreamResponse:
        async def source() -> AsyncIterator[bytes]:
            yield b"half"
            await asyncio.sleep(0.01)
            raise Unavailable("the disk is away")

        return await answers.body(call, source(), content_type="text/plain")

    wire = await (await serve([Route("GET", "/thing", handler)]))()
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError, ValueError)):
        await wire.ask("GET", "/thing")


async def test_the_head_comes_before_the_first_bytes(serve: Serve) -> None:
    """A client that follows knows at once that it does."""
    more = asyncio.Event()

    async def handler(call: Call) -> StreamResponse:
        async def source() -> AsyncIterator[bytes]:
            await more.wait()
            yield b"late"

        return await answers.body(call, source(), content_type="text/plain")

    wire = await (await serve([Route("GET", "/thing", handler)]))()
    await wire.send(b"GET /thing HTTP/1.1\r\nHost: d\r\n\r\n")
    async with asyncio.timeout(5):
        assert (await wire.head()).status == 200
    more.set()
