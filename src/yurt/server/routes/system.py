"""The engine itself: ping, version, info, disk usage, events, auth."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractContextManager
from typing import Protocol

from aiohttp.web_response import StreamResponse

from yurt.api.types import system as wire
from yurt.distribution.auth import Auth
from yurt.engine.build.pruning import CacheEntry
from yurt.engine.events import Event, Listener
from yurt.engine.system import DiskUsage, Info, Version
from yurt.errors import InvalidArgument
from yurt.server import answers
from yurt.server.call import Call
from yurt.server.router import Route
from yurt.server.wire import events as translate_events
from yurt.server.wire import registry, times
from yurt.server.wire import system as translate

NO_CACHE = {
    "Builder-Version": "2",
    "Cache-Control": "no-cache, no-store, must-revalidate",
    "Pragma": "no-cache",
    "Swarm": "inactive",
}
FILTERS = (
    "action", "config", "container", "daemon", "event", "image", "label", "network", "node", "plugin",
    "scope", "secret", "service", "type", "volume",
)  # fmt: skip


class SystemBackend(Protocol):
    """What these routes need to know of the engine as a whole."""

    async def info(self) -> Info: ...
    async def version(self) -> Version: ...
    async def disk_usage(self, kinds: frozenset[str]) -> DiskUsage: ...


class EventSource(Protocol):
    """What these routes need of the event bus."""

    def listen(self) -> AbstractContextManager[Listener]: ...
    def history(self, *, since_ns: int) -> Iterable[Event]: ...


class Registries(Protocol):
    """Who checks credentials."""

    async def login(self, auth: Auth) -> None: ...


class Builds(Protocol):
    """Who knows what the build cache keeps."""

    async def cache_entries(self) -> tuple[CacheEntry, ...]: ...


class Workshop(Protocol):
    """Makes the builder when it is first needed."""

    async def builds(self) -> Builds: ...


class Names(Protocol):
    """How the other routes show images and networks in a list of containers."""

    def network_id(self) -> translate.NetworkId: ...
    def image_name(self) -> translate.ImageName: ...


class SystemRoutes:
    def __init__(
        self,
        system: SystemBackend,
        events: EventSource,
        names: Names,
        registries: Registries,
        workshop: Workshop,
    ) -> None:
        self._workshop = workshop
        self._system = system
        self._registries = registries
        self._events = events
        self._names = names

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("GET", "/_ping", self.ping),
            Route("HEAD", "/_ping", self.ping),
            Route("GET", "/version", self.version),
            Route("GET", "/info", self.info),
            Route("GET", "/system/df", self.disk_usage),
            Route("GET", "/events", self.events, ends_with_client=True),
            Route("POST", "/auth", self.auth),
        )

    async def ping(self, call: Call) -> StreamResponse:
        return answers.plain("OK" if call.request.method == "GET" else "", headers=NO_CACHE)

    async def version(self, _call: Call) -> StreamResponse:
        return answers.as_json(translate.version(await self._system.version()))

    async def info(self, call: Call) -> StreamResponse:
        return answers.as_json(translate.info(await self._system.info(), version=call.version))

    async def disk_usage(self, call: Call) -> StreamResponse:
        kinds = frozenset(call.texts("type")) or translate.USAGE_KINDS
        for kind in sorted(kinds - translate.USAGE_KINDS):
            raise InvalidArgument(
                f"unknown object type: {kind}", hint=f"one of {', '.join(sorted(translate.USAGE_KINDS))}"
            )
        usage = await self._system.disk_usage(kinds)
        caches = await (await self._workshop.builds()).cache_entries() if "build-cache" in kinds else ()
        return answers.as_json(
            translate.disk_usage(
                usage,
                kinds=kinds,
                caches=caches,
                network_id=self._names.network_id(),
                image_name=self._names.image_name(),
                version=call.version,
            )
        )

    async def events(self, call: Call) -> StreamResponse:
        """Past events from ``since`` on, then those to come, until ``until`` (never: without end).

        With neither only those to come; ``until`` alone asks for all kept ones before it, and 0 for all that there are.
        """
        filters = call.filters(*FILTERS)
        since, until = (
            times.parse(text) if (text := call.text(name)) else None for name in ("since", "until")
        )
        if since and until and since > until:
            raise InvalidArgument(
                f"`since` time ({since // times.SECOND}) cannot be after `until` time ({until // times.SECOND})"
            )
        return await answers.body(call, self._selected(filters, since, until), content_type=answers.JSON)

    async def _selected(
        self, filters: dict[str, tuple[str, ...]], since: int | None, until: int | None
    ) -> AsyncIterator[bytes]:
        deadline = None
        if until is not None:
            deadline = asyncio.get_running_loop().time() + (until - times.now()) / times.SECOND
        with self._events.listen() as listener:
            if since is not None or until is not None:
                for event in self._events.history(since_ns=since or 0):
                    if (not until or event.time_ns <= until) and translate_events.matches(event, filters):
                        yield _line(event)
            coming = aiter(listener)
            while True:
                try:
                    async with asyncio.timeout_at(deadline):
                        event = await anext(coming)
                except (TimeoutError, StopAsyncIteration):
                    return
                if translate_events.matches(event, filters):
                    yield _line(event)

    async def auth(self, call: Call) -> StreamResponse:
        """Answer when the registry takes the credentials; the engine keeps none, the client does."""
        await self._registries.login(registry.unpacked(await call.body(wire.AuthConfig)) or Auth())
        return answers.as_json(wire.AuthAnswer(status="Login Succeeded"))


def _line(event: Event) -> bytes:
    return answers.encode(translate_events.to_wire(event)) + b"\n"
