"""Builds with the classic builder's protocol: a tar archive in, a JSON stream out."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Protocol

from aiohttp.web_response import StreamResponse

from yurt.api.types.stream import StreamLine
from yurt.api.types.system import BuildPruned
from yurt.engine.build.model import BuildEvent, BuildRequest
from yurt.engine.build.pruning import PruneLimits
from yurt.engine.images.model import Pruned
from yurt.server import answers
from yurt.server.call import Call
from yurt.server.router import Route
from yurt.server.wire import build as translate
from yurt.server.wire import times

if TYPE_CHECKING:  # most engines never build
    from yurt.engine.build.origin import Origin


class BuildBackend(Protocol):
    """What these routes need of the engine's builder."""

    def build(self, request: BuildRequest, origin: "Origin") -> AsyncIterator[BuildEvent]: ...
    async def prune(self, limits: PruneLimits | None = None) -> Pruned: ...


class Workshop(Protocol):
    """Makes the builder when it is first needed."""

    async def builds(self) -> BuildBackend: ...


class Teller(Protocol):
    """Says in lines what happens in a build."""

    def begin(self) -> list[StreamLine]: ...
    def of(self, event: BuildEvent) -> list[StreamLine]: ...


class BuildRoutes:
    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("POST", "/build", self.build, ends_with_client=True),
            Route("POST", "/build/prune", self.prune),
            Route("POST", "/build/cancel", self.cancel),
        )

    async def build(self, call: Call) -> StreamResponse:
        """The build ends with its client. ``quiet`` says the image's id and nothing else."""
        request, origin = translate.request(call), translate.origin(call)

        async def work(emit: answers.Emit) -> None:
            if not request.quiet:
                for line in translate.warnings(call):
                    emit(line)
            builds = await self._workshop.builds()
            told = _teller(call, request)
            for line in told.begin():
                emit(line)
            async for event in builds.build(request, origin):
                for line in told.of(event):
                    emit(line)

        return await answers.lines(call, work)

    async def prune(self, call: Call) -> StreamResponse:
        """Remove what is not in use, the least recently used first, as far as the limits ask for."""
        filters = call.filters("until", "unused-for", "label", "label!")
        if filters.get("label") or filters.get("label!"):  # no part of the cache has a label
            return answers.as_json(BuildPruned(caches_deleted=None, space_reclaimed=0))
        builds = await self._workshop.builds()
        pruned = await builds.prune(
            PruneLimits(
                until_ns=times.cutoff(filters.get("until") or filters.get("unused-for") or ()),
                max_used=call.integer("max-used-space"),
                min_free=call.integer("min-free-space") or 0,
                reserved=call.integer("reserved-space") or call.integer("keep-storage") or 0,
            )
        )
        deleted = [one.deleted for one in pruned.removed if one.deleted]
        return answers.as_json(BuildPruned(caches_deleted=deleted or None, space_reclaimed=pruned.freed))

    async def cancel(self, _call: Call) -> StreamResponse:
        """A build is cancelled by hanging up; this answers clients that ask in words."""
        return answers.nothing()


def _teller(call: Call, request: BuildRequest) -> Teller:
    if not call.flag("trace"):
        return translate.Lines(quiet=request.quiet)
    from yurt.server.wire.build_trace import Traced

    return Traced(request.dockerfile, request.tags)
