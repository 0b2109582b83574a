"""`yurt.logs.django`: one id a request, in every record and in the answer."""

import asyncio
import logging
import sys
import types
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from yurt.logs import fields
from yurt.logs.django import RequestMiddleware, dict_config

log = logging.getLogger("view")
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def seen(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """The fields that were bound when the view ran."""
    caplog.set_level(logging.DEBUG)
    return []


def served(seen: list[dict[str, Any]], path: str = "/", **headers: str) -> HttpResponse:
    def view(request: HttpRequest) -> HttpResponse:
        seen.append(dict(fields()))
        return HttpResponse(status=201)

    response = RequestMiddleware(view)(RequestFactory().get(path, headers=headers))
    assert isinstance(response, HttpResponse)
    return response


def test_a_request_without_an_id_gets_one(seen: list[dict[str, Any]]) -> None:
    """Bound while it is served, sent back, gone afterwards."""
    response = served(seen)
    assert response.headers["X-Request-ID"] == seen[0]["request_id"]
    assert len(seen[0]["request_id"]) == 32
    assert not fields()


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X-Request-ID": "abc-1"}, "abc-1"),
        ({"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}, TRACE),
        ({"X-Request-ID": "abc-1", "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}, "abc-1"),
    ],
)
def test_an_id_that_came_with_it_is_kept(
    seen: list[dict[str, Any]], headers: dict[str, str], expected: str
) -> None:
    """The client's own first, else the trace's."""
    assert served(seen, **headers).headers["X-Request-ID"] == expected
    assert seen[0].get("trace_id") == (TRACE if "traceparent" in headers else None)


def test_an_id_that_could_forge_a_header_is_replaced(seen: list[dict[str, Any]]) -> None:
    """It would be sent back and logged."""
    assert (
        served(seen, **{"X-Request-ID": "a b;c"}).headers["X-Request-ID"] == seen[0]["request_id"] != "a b;c"
    )


def test_each_request_is_one_record(seen: list[dict[str, Any]], caplog: pytest.LogCaptureFixture) -> None:
    """At INFO; what the health check asks, at DEBUG."""
    served(seen, "/orders/?page=2")
    served(seen, "/health/")
    first, second = [record for record in caplog.records if record.name == "yurt.request"]
    shown = first.__dict__
    assert (first.levelno, shown["method"], shown["path"], shown["status"]) == (20, "GET", "/orders/", 201)
    assert shown["duration_ms"] >= 0
    assert second.levelno == logging.DEBUG


async def test_it_serves_asynchronously_too(seen: list[dict[str, Any]]) -> None:
    """Requests at once do not see each other's id."""

    async def view(request: HttpRequest) -> HttpResponse:
        await asyncio.sleep(0)
        seen.append(dict(fields()))
        return HttpResponse()

    serve: Any = RequestMiddleware(view)
    factory = RequestFactory()
    await asyncio.gather(*(serve(factory.get("/", headers={"X-Request-ID": f"r{n}"})) for n in range(3)))
    assert sorted(found["request_id"] for found in seen) == ["r0", "r1", "r2"]


def test_the_user_is_bound_when_there_is_a_session(seen: list[dict[str, Any]]) -> None:
    """Without its cookie no session is read."""
    request = RequestFactory().get("/")
    request.session = types.SimpleNamespace(get={"_auth_user_id": "7"}.get)  # type: ignore[assignment]

    def view(inner: HttpRequest) -> HttpResponse:
        middleware.process_view(inner)
        seen.append(dict(fields()))
        return HttpResponse()

    middleware = RequestMiddleware(view)
    middleware(request)
    request.COOKIES["sessionid"] = "s"
    middleware(request)
    assert ["user" in found for found in seen] == [False, True]
    assert seen[1]["user"] == "7"


def test_djangos_own_loggers_go_to_the_root() -> None:
    """Otherwise errors are logged twice, and the access log beside the middleware's record."""
    loggers = dict_config()["loggers"]
    assert loggers["django"] == {"handlers": [], "propagate": True}
    assert loggers["gunicorn.access"]["level"] == "WARNING"
    assert "django" in sys.modules
