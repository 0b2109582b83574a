"""BuildKit on two endpoints: `/grpc`, where clients call us, and `/session`, where we call them."""

from aiohttp.web_response import StreamResponse

from yurt.server.buildkit.control import Control, Images, Workshop
from yurt.server.buildkit.grpc import serve
from yurt.server.buildkit.sessions import ID, METHOD, SHARED_KEY, Sessions
from yurt.server.call import Call
from yurt.server.hijack import Hijacked, take_over

PROTOCOL = "h2c"


class BuildKit:
    """Serves hijacked connections until they end."""

    def __init__(self, workshop: Workshop, images: Images) -> None:
        self._sessions = Sessions()
        self._methods = Control(workshop, images, self._sessions).methods()

    async def grpc(self, call: Call) -> StreamResponse:
        await serve(take_over(call, protocol=PROTOCOL), self._methods)
        return Hijacked()

    async def session(self, call: Call) -> StreamResponse:
        headers = call.request.headers
        methods = frozenset(headers.getall(METHOD, ()))
        id = self._sessions.checked(headers.get(ID, ""))  # noqa: A001 - the protocol's word
        await self._sessions.serve(
            id, headers.get(SHARED_KEY, ""), methods, take_over(call, protocol=PROTOCOL)
        )
        return Hijacked()
