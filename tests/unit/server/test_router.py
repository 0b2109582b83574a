"""Routes."""

import pytest
from aiohttp.web_response import StreamResponse

from yurt.errors import NotFound
from yurt.server.call import Call
from yurt.server.router import Route, Router


async def handler(_call: Call) -> StreamResponse:
    raise AssertionError


ROUTER = Router(
    [
        Route("GET", "/images/json", handler),
        Route("GET", "/images/{name:path}/json", handler),
        Route("DELETE", "/images/{name:path}", handler),
        Route("GET", "/containers/{id}/json", handler),
    ]
)


@pytest.mark.parametrize(
    ("method", "path", "places"),
    [
        ("GET", "/images/json", {}),
        ("GET", "/images/debian:12/json", {"name": "debian:12"}),
        ("GET", "/images/host:5000/a/b:1/json", {"name": "host:5000/a/b:1"}),
        ("DELETE", "/images/a/b", {"name": "a/b"}),
        ("GET", "/containers/x/json", {"id": "x"}),
    ],
)
def test_a_path_finds_its_route(method: str, path: str, places: dict[str, str]) -> None:
    """An image's name may hold slashes, an id may not."""
    assert ROUTER.find(method, path)[1] == places


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/"), ("POST", "/images/json"), ("GET", "/containers/a/b/json")]
)
def test_nothing_else_does(method: str, path: str) -> None:
    """What is not listed is not found."""
    with pytest.raises(NotFound, match="page not found"):
        ROUTER.find(method, path)
