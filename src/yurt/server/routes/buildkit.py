"""Builds with BuildKit's protocols. What serves them is imported with the first client that builds."""

from typing import TYPE_CHECKING

from aiohttp.web_response import StreamResponse

from yurt.server.call import Call
from yurt.server.router import Route

if TYPE_CHECKING:
    from yurt.server.buildkit.control import Images, Workshop
    from yurt.server.buildkit.service import BuildKit


class BuildKitRoutes:
    def __init__(self, workshop: "Workshop", images: "Images") -> None:
        self._workshop = workshop
        self._images = images
        self._made: BuildKit | None = None

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("POST", "/grpc", self.grpc, ends_with_client=True),
            Route("POST", "/session", self.session, ends_with_client=True),
        )

    async def grpc(self, call: Call) -> StreamResponse:
        return await self._buildkit().grpc(call)

    async def session(self, call: Call) -> StreamResponse:
        return await self._buildkit().session(call)

    def _buildkit(self) -> "BuildKit":
        if self._made is None:
            from yurt.server.buildkit.service import BuildKit

            self._made = BuildKit(self._workshop, self._images)
        return self._made
