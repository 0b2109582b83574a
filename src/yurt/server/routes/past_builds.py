"""Yurt's own: past builds. Docker's API has no such question; BuildKit's clients ask theirs at `/grpc`."""

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Protocol

from aiohttp.web_response import StreamResponse
from msgspec import field

from yurt.api.types.base import Wire
from yurt.server import answers
from yurt.server.call import Call
from yurt.server.router import Route
from yurt.server.wire import times

if TYPE_CHECKING:  # most engines never build
    from yurt.engine.build.history import BuildHistory, BuildRecord

CUT_SHORT, LATEST = "cut short", "latest"
NDJSON = "application/x-ndjson"


class Builds(Protocol):
    """What these routes need of the engine's builder."""

    @property
    def history(self) -> "BuildHistory": ...


class Workshop(Protocol):
    """Makes the builder when it is first needed."""

    async def builds(self) -> Builds: ...


class BuildEntry(Wire, kw_only=True):
    """One past build. *duration* is in nanoseconds, of one that runs until now; *log_size* in bytes."""

    id: str = field(name="ID")
    name: str
    status: str
    created_at: str
    completed_at: str
    duration: int
    steps: int
    cached_steps: int
    warnings: int
    dockerfile: str
    target: str
    platform: str
    image: str
    error: str
    log_size: int


class PastBuildRoutes:
    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("GET", "/yurt/builds", self.list),
            Route("DELETE", "/yurt/builds", self.clear),
            Route("GET", "/yurt/builds/{id}", self.inspect),
            Route("GET", "/yurt/builds/{id}/log", self.log),
            Route("DELETE", "/yurt/builds/{id}", self.remove),
        )

    async def list(self, _call: Call) -> StreamResponse:
        """Every build that is remembered, the newest first."""
        history = (await self._workshop.builds()).history
        return answers.as_json([_entry(record) for record in history.records()])

    async def inspect(self, call: Call) -> StreamResponse:
        history = (await self._workshop.builds()).history
        return answers.as_json(_entry(history.get(_ref(call))))

    async def log(self, call: Call) -> StreamResponse:
        """What `POST /build?trace=1` told then, with the times of then."""
        history = (await self._workshop.builds()).history
        record = history.get(_ref(call))

        async def lines() -> AsyncIterator[bytes]:
            for line in _told(history, record):
                yield line

        return await answers.body(call, lines(), content_type=NDJSON)

    async def remove(self, call: Call) -> StreamResponse:
        history = (await self._workshop.builds()).history
        return answers.as_json(_entry(history.remove(_ref(call))))

    async def clear(self, _call: Call) -> StreamResponse:
        """Forget all builds that do not run."""
        history = (await self._workshop.builds()).history
        return answers.as_json({"Removed": history.clear()})


def _ref(call: Call) -> str:
    """Return what names the build; ``latest`` is the newest one."""
    ref = call.places["id"]
    return "" if ref == LATEST else ref


def _told(history: "BuildHistory", record: "BuildRecord") -> Iterator[bytes]:
    from yurt.server.wire.build_trace import Traced

    moment = record.started_ns
    told = Traced(record.dockerfile, (), clock=lambda: moment)
    for line in told.begin():
        yield answers.encode(line) + b"\n"
    for at, event in history.events(record):
        moment = at
        for line in told.of(event):
            yield answers.encode(line) + b"\n"


def _entry(record: "BuildRecord") -> BuildEntry:
    return BuildEntry(
        id=record.id,
        name=record.name,
        status=record.status,
        created_at=times.rfc3339(record.started_ns),
        completed_at=times.rfc3339(record.ended_ns),
        duration=max(0, (record.ended_ns or times.now()) - record.started_ns)
        if record.status != CUT_SHORT
        else 0,
        steps=record.steps,
        cached_steps=record.cached,
        warnings=record.warnings,
        dockerfile=record.dockerfile,
        target=record.target,
        platform=record.platform,
        image=record.image,
        error=record.error,
        log_size=record.log_size,
    )
