"""Routes as values, and the table that finds the one a request means."""

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from aiohttp.web_response import StreamResponse

from yurt.errors import NotFound
from yurt.server.call import Call

Handler = Callable[[Call], Awaitable[StreamResponse]]
"""Answer a call: decode, ask the engine once, encode. Errors are raised, not answered."""

_PLACE = re.compile(r"\{(\w+)(:path)?\}")


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint. In *path*, ``{id}`` is one segment and ``{name:path}`` may hold slashes.

    The handler of a route with *ends_with_client* is cancelled when its client goes away, and at once when the
    server stops: what it does only matters while someone listens (logs, events, attach, pull, build).
    """

    method: str
    path: str
    handler: Handler
    ends_with_client: bool = False
    pattern: re.Pattern[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        pattern = _PLACE.sub(lambda place: f"(?P<{place[1]}>{'.+' if place[2] else '[^/]+'})", self.path)
        object.__setattr__(self, "pattern", re.compile(pattern))


class Router:
    """All routes. The first that matches wins, so the narrower is listed first."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        self._by_key: dict[tuple[str, str], list[Route]] = {}
        for route in self.routes:
            self._by_key.setdefault((route.method, _first_segment(route.path)), []).append(route)

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        """Return the route and the values of its places; raise NotFound as Docker words it."""
        for route in self._by_key.get((method, _first_segment(path)), ()):
            if found := route.pattern.fullmatch(path):
                return route, found.groupdict()
        raise NotFound(
            "page not found", hint=f"{method} {path} is not part of the Engine API that Yurt offers"
        )


def _first_segment(path: str) -> str:
    return path[1:].partition("/")[0]
