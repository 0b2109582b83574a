"""From a connection to a handler's answer."""

import asyncio
import errno
import json
import os

import pytest
from aiohttp.web_response import StreamResponse
from tests.unit.server.conftest import Serve

from yurt.errors import Conflict, InvalidArgument, NotFound, NotModified, YurtError
from yurt.server import answers
from yurt.server.call import Call
from yurt.server.router import Handler, Route

OLD_SENTENCE = (
    "client version 1.23 is too old. Minimum supported API version is 1.24, "
    "please upgrade your client to a newer version"
)


async def ok(_call: Call) -> StreamResponse:
    return answers.as_json({"ok": True})


def raising(error: Exception) -> Handler:
    async def handler(_call: Call) -> StreamResponse:
        raise error

    return handler


@pytest.mark.parametrize("path", ["/thing", "/v1.24/thing", "/v1.51/thing"])
async def test_a_path_may_have_a_version(serve: Serve, path: str) -> None:
    """The version in front of a path is optional and may be any from 1.24 on."""
    wire = await (await serve([Route("GET", "/thing", ok)]))()
    answer = await wire.ask("GET", path)
    assert answer.status == 200
    assert answer.headers["api-version"] == "1.51"
    assert answer.headers["ostype"] == "linux"
    assert answer.headers["server"].startswith("Yurt/")


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ("1.52", "client version 1.52 is too new. Maximum supported API version is 1.51"),
        (
            "1.23",
            OLD_SENTENCE,
        ),
    ],
)
async def test_a_version_out_of_range_is_refused_in_dockers_words(
    serve: Serve, version: str, message: str
) -> None:
    """Too new or too old a version is 400, with the sentence that clients parse."""
    wire = await (await serve([Route("GET", "/thing", ok)]))()
    answer = await wire.ask("GET", f"/v{version}/thing")
    assert (answer.status, json.loads(answer.body)["message"]) == (400, message)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotFound("No such container: x"), 404),
        (Conflict("in use"), 409),
        (InvalidArgument("bad", hint="mend it"), 400),
    ],
)
async def test_errors_become_statuses(serve: Serve, error: YurtError, status: int) -> None:
    """An error's kind is the status, its message the body's."""
    wire = await (await serve([Route("GET", "/thing", raising(error))]))()
    answer = await wire.ask("GET", "/thing")
    assert answer.status == status
    assert json.loads(answer.body)["message"] == str(error)
    assert json.loads(answer.body).get("hint") == error.hint


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize(
    ("path", "grouped", "what"),
    [("/engine/thing", False, "/engine/thing"), (None, False, "the engine's files"), ("/b", True, "/b")],
)
async def test_a_full_disk_is_no_internal_error(
    serve: Serve, number: int, path: str | None, grouped: bool, what: str
) -> None:
    """Whichever write it was that failed, the answer says why, and what to do."""
    full = OSError(number, os.strerror(number), path)
    error = ExceptionGroup("not torn down", [ValueError("x"), full]) if grouped else full
    wire = await (await serve([Route("GET", "/thing", raising(error))]))()
    answer = await wire.ask("GET", "/thing")
    said = {"message": f"no space left on device: {what}", "hint": "free some space: yurt system prune"}
    assert (answer.status, json.loads(answer.body)) == (503, said)


async def test_not_modified_has_no_body(serve: Serve) -> None:
    """304 is an answer without a body, and the connection goes on."""
    wire = await (await serve([Route("POST", "/thing", raising(NotModified("so already")))]))()
    assert (await wire.ask("POST", "/thing")).status == 304
    assert (await wire.ask("POST", "/thing")).status == 304


async def test_the_unexpected_is_500_in_one_sentence(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """A bug is told to the client in a sentence; the traceback stays in the log."""
    wire = await (await serve([Route("GET", "/thing", raising(ZeroDivisionError("oh")))]))()
    answer = await wire.ask("GET", "/thing")
    assert answer.status == 500
    assert json.loads(answer.body)["message"] == "internal error: ZeroDivisionError: oh"


async def test_an_unknown_path_is_not_found(serve: Serve) -> None:
    """What the API does not have is 404 with Docker's message."""
    wire = await (await serve([Route("GET", "/thing", ok)]))()
    answer = await wire.ask("GET", "/other")
    assert (answer.status, json.loads(answer.body)["message"]) == (404, "page not found")


async def test_a_client_that_goes_away_ends_its_stream(serve: Serve) -> None:
    """A handler that only serves its listener is cancelled when the listener is gone."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def forever(_call: Call) -> StreamResponse:
        begun.set()
        try:
            await asyncio.Event().wait()
            return answers.nothing()
        finally:
            ended.set()

    wire = await (await serve([Route("GET", "/thing", forever, ends_with_client=True)]))()
    await wire.send(b"GET /thing HTTP/1.1\r\nHost: d\r\n\r\n")
    await begun.wait()
    await wire.close()
    async with asyncio.timeout(5):
        await ended.wait()


async def test_requests_share_a_connection(serve: Serve) -> None:
    """A connection serves one request after the other."""
    wire = await (await serve([Route("POST", "/thing", ok), Route("GET", "/thing", ok)]))()
    for method in ("POST", "GET", "POST"):
        assert (await wire.ask(method, "/thing", b"{}" if method == "POST" else b"")).status == 200


async def test_a_split_request_is_one_request(serve: Serve) -> None:
    """A head that arrives in pieces is waited for."""
    wire = await (await serve([Route("POST", "/thing", ok)]))()
    for piece in (b"POST /th", b"ing HTTP/1.1\r\nHost: d\r\nContent-Le", b"ngth: 2\r\n\r", b"\n{}"):
        await wire.send(piece)
        await asyncio.sleep(0.01)
    assert (await wire.answer()).status == 200
