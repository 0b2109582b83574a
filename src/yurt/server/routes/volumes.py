"""Volumes."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Protocol

from aiohttp.web_response import StreamResponse

from yurt.api.types import volumes as wire
from yurt.engine.volumes.model import Volume
from yurt.server import answers
from yurt.server.call import Call
from yurt.server.router import Route
from yurt.server.select import labels
from yurt.server.select import volumes as selection
from yurt.server.wire import volumes as translate


class Pruned(Protocol):
    @property
    def volumes(self) -> tuple[Volume, ...]: ...
    @property
    def reclaimed(self) -> int: ...


class VolumeBackend(Protocol):
    """What these routes need of the engine's volumes."""

    async def create(
        self,
        name: str | None,
        *,
        driver: str = "local",
        labels: Mapping[str, str] = ...,
        options: Mapping[str, str] = ...,
    ) -> Volume: ...
    def get(self, name: str) -> Volume: ...
    def list(self) -> Iterable[Volume]: ...
    async def remove(self, name: str, *, force: bool = False) -> None: ...
    def holders(self, name: str) -> Collection[str]: ...
    async def prune(self, *, all: bool = False, where: Callable[[Volume], bool] = ...) -> Pruned: ...  # noqa: A002


class VolumeRoutes:
    def __init__(self, volumes: VolumeBackend) -> None:
        self._volumes = volumes

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("GET", "/volumes", self.list),
            Route("POST", "/volumes/create", self.create),
            Route("POST", "/volumes/prune", self.prune),
            Route("GET", "/volumes/{name}", self.inspect),
            Route("DELETE", "/volumes/{name}", self.remove),
        )

    async def list(self, call: Call) -> StreamResponse:
        filters = call.filters(*selection.KNOWN)
        call.truths(filters, "dangling")
        found = selection.select(self._volumes.list(), filters, is_used=self._is_used)
        return answers.as_json(wire.VolumeList(volumes=[translate.to_wire(volume) for volume in found]))

    async def inspect(self, call: Call) -> StreamResponse:
        return answers.as_json(translate.to_wire(self._volumes.get(call.places["name"])))

    async def create(self, call: Call) -> StreamResponse:
        body = await call.body_or(wire.CreateVolume())
        volume = await self._volumes.create(
            body.name or None,
            driver=body.driver or "local",
            labels=body.labels or {},
            options=body.driver_opts or {},
        )
        return answers.as_json(translate.to_wire(volume), status=201)

    async def remove(self, call: Call) -> StreamResponse:
        await self._volumes.remove(call.places["name"], force=call.flag("force"))
        return answers.nothing()

    async def prune(self, call: Call) -> StreamResponse:
        """Remove unused volumes: the anonymous ones, and with the filter ``all`` the named, too (API 1.42)."""
        filters = call.filters("all", "label", "label!")
        is_everything = any(value in {"1", "true"} for value in filters.get("all", ())) or call.version < (
            1,
            42,
        )
        pruned = await self._volumes.prune(
            all=is_everything, where=lambda volume: labels.match(volume.labels, filters)
        )
        return answers.as_json(
            wire.VolumesPruned(
                volumes_deleted=[volume.name for volume in pruned.volumes], space_reclaimed=pruned.reclaimed
            )
        )

    def _is_used(self, volume: Volume) -> bool:
        return bool(self._volumes.holders(volume.name))
