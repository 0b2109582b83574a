"""What Docker offers and Yurt does not yet: refused with what to do instead, so that nobody searches a log for it."""

from collections.abc import Mapping

from aiohttp.web_response import StreamResponse

from yurt.errors import Unimplemented
from yurt.server.call import Call
from yurt.server.router import Handler, Route

INSTEAD: Mapping[tuple[str, str], tuple[str, str]] = {
    ("POST", "/commit"): (
        "committing a container is not supported",
        "write the steps into a Dockerfile and build it",
    ),
}


class RefusedRoutes:
    def routes(self) -> tuple[Route, ...]:
        return tuple(
            Route(method, path, _refusing(sentence, hint))
            for (method, path), (sentence, hint) in INSTEAD.items()
        )


def _refusing(sentence: str, hint: str) -> Handler:
    async def refuse(_call: Call) -> StreamResponse:
        raise Unimplemented(sentence, hint=hint)

    return refuse
