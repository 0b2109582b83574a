"""Containers: their life, list and inspection. Streams are in attach.py, execs in execs.py, files in archive.py."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from aiohttp.web_response import StreamResponse

from yurt.api.types import containers as wire
from yurt.engine.containers.model import (
    Container,
    ContainerFiles,
    CreateRequest,
    Pruned,
    Resources,
    RestartPolicy,
)
from yurt.engine.images.model import Image
from yurt.engine.networks.model import Network, PortBinding
from yurt.errors import InvalidArgument, NotFound, NotModified, Unimplemented, YurtError
from yurt.server import answers
from yurt.server.call import Call
from yurt.server.router import Route
from yurt.server.select import containers as selection
from yurt.server.select import labels
from yurt.server.wire import containers as translate
from yurt.server.wire import create, ports, times


@contextlib.contextmanager
def _said(beginning: str) -> Iterator[None]:
    """Have what goes wrong inside told with *beginning* in front, as Docker does."""
    try:
        yield
    except NotModified:
        raise
    except YurtError as error:
        error.message = beginning + error.message
        raise


class ContainerBackend(Protocol):
    """What these routes need of the engine's containers."""

    async def create(
        self, request: CreateRequest, *, image: Image | None = None
    ) -> tuple[Container, tuple[str, ...]]: ...
    def get(self, ref: str) -> Container: ...
    def list(self) -> Iterable[Container]: ...
    async def start(self, ref: str) -> None: ...
    async def stop(self, ref: str, *, timeout: int | None = None, signal: str | None = None) -> None: ...
    async def restart(self, ref: str, *, timeout: int | None = None, signal: str | None = None) -> None: ...
    async def kill(self, ref: str, signal: str = "KILL") -> None: ...
    async def pause(self, ref: str) -> None: ...
    async def unpause(self, ref: str) -> None: ...
    async def rename(self, ref: str, name: str) -> None: ...
    async def succeed(
        self, ref: str, of: str, *, ports: Sequence[PortBinding], aliases: Mapping[str, tuple[str, ...]]
    ) -> None: ...
    async def remove(self, ref: str, *, force: bool = False, volumes: bool = False) -> None: ...
    async def prune(self, *, where: Callable[[Container], bool]) -> Pruned: ...
    async def top(self, ref: str, ps_args: str) -> tuple[Sequence[str], Sequence[Sequence[str]]]: ...
    async def size(self, ref: str) -> tuple[int, int]: ...
    async def update(
        self, ref: str, *, resources: Resources | None, restart: RestartPolicy | None
    ) -> tuple[str, ...]: ...
    def exec_ids(self, ref: str) -> tuple[str, ...]: ...
    def isolation(self, ref: str) -> str: ...
    def files(self, ref: str) -> ContainerFiles: ...


class ImageLookup(Protocol):
    """What these routes need of the engine's images: names."""

    def get(self, ref: str) -> Image: ...
    def list(self) -> Iterable[Image]: ...


class NetworkLookup(Protocol):
    """What these routes need of the engine's networks: ids."""

    def get(self, ref: str) -> Network: ...


class ContainerRoutes:
    def __init__(self, containers: ContainerBackend, images: ImageLookup, networks: NetworkLookup) -> None:
        self._containers = containers
        self._images = images
        self._networks = networks

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("POST", "/containers/create", self.create),
            Route("GET", "/containers/json", self.list),
            Route("POST", "/containers/prune", self.prune),
            Route("GET", "/containers/{id}/json", self.inspect),
            Route("POST", "/containers/{id}/start", self.start),
            Route("POST", "/containers/{id}/stop", self.stop),
            Route("POST", "/containers/{id}/restart", self.restart),
            Route("POST", "/containers/{id}/kill", self.kill),
            Route("POST", "/containers/{id}/pause", self.pause),
            Route("POST", "/containers/{id}/unpause", self.unpause),
            Route("POST", "/containers/{id}/rename", self.rename),
            Route("POST", "/containers/{id}/update", self.update),
            Route("GET", "/containers/{id}/top", self.top),
            Route("DELETE", "/containers/{id}", self.remove),
            Route("POST", "/yurt/containers/{id}/succeed", self.succeed),
        )

    async def create(self, call: Call) -> StreamResponse:
        body = await call.body(wire.CreateContainer)
        request = create.request(body, name=call.text("name"), platform=call.text("platform"))
        container, warnings = await self._containers.create(request)
        return answers.as_json(wire.Created(id=container.id, warnings=list(warnings)), status=201)

    async def list(self, call: Call) -> StreamResponse:
        filters = call.filters(*selection.KNOWN)
        network_id = self.network_id()
        found = selection.select(
            self._containers.list(),
            filters,
            everything=call.flag("all"),
            limit=call.integer("limit"),
            lookup=self._containers.get,
            descends=self._descends,
            network_id=network_id,
        )
        image_name = self.image_name()
        entries = [
            translate.summary(container, network_id=network_id, image_name=image_name, version=call.version)
            for container in found
        ]
        if call.flag("size"):
            for entry in entries:
                entry.size_rw, entry.size_root_fs = await self._containers.size(entry.id)
        return answers.as_json(entries)

    async def inspect(self, call: Call) -> StreamResponse:
        container = self._containers.get(call.places["id"])
        answer = translate.inspect(
            container,
            network_id=self.network_id(),
            isolation=self._containers.isolation(container.id),
            files=self._containers.files(container.id),
            exec_ids=self._containers.exec_ids(container.id),
        )
        if call.flag("size"):
            answer.size_rw, answer.size_root_fs = await self._containers.size(container.id)
        return answers.as_json(answer)

    async def start(self, call: Call) -> StreamResponse:
        if call.text("checkpoint"):
            raise Unimplemented(
                "cannot start from a checkpoint: checkpoints are not supported", hint="start without one"
            )
        await self._containers.start(call.places["id"])
        return answers.nothing()

    async def stop(self, call: Call) -> StreamResponse:
        ref = call.places["id"]
        self._containers.get(ref)  # that there is none is told as it is
        with _said(f"cannot stop container: {ref}: "):
            await self._containers.stop(ref, timeout=call.integer("t"), signal=call.text("signal") or None)
        return answers.nothing()

    async def restart(self, call: Call) -> StreamResponse:
        ref = call.places["id"]
        self._containers.get(ref)
        with _said(f"Cannot restart container {ref}: "):
            await self._containers.restart(ref, timeout=call.integer("t"), signal=call.text("signal") or None)
        return answers.nothing()

    async def kill(self, call: Call) -> StreamResponse:
        with _said(f"cannot kill container: {call.places['id']}: "):
            await self._containers.kill(call.places["id"], call.text("signal") or "KILL")
        return answers.nothing()

    async def pause(self, call: Call) -> StreamResponse:
        await self._containers.pause(call.places["id"])
        return answers.nothing()

    async def unpause(self, call: Call) -> StreamResponse:
        await self._containers.unpause(call.places["id"])
        return answers.nothing()

    async def rename(self, call: Call) -> StreamResponse:
        name = call.text("name").removeprefix("/")
        if not name:
            raise InvalidArgument("Neither old nor new names may be empty")
        container = self._containers.get(call.places["id"])
        with _said("" if name == container.name else "Error when allocating new name: "):
            await self._containers.rename(call.places["id"], name)
        return answers.nothing()

    async def succeed(self, call: Call) -> StreamResponse:
        """Yurt's own, for rollovers: Docker's API has no way to move a published port between containers."""
        body = await call.body(wire.Succeed)
        await self._containers.succeed(
            call.places["id"],
            body.of,
            ports=ports.from_wire(body.port_bindings),
            aliases={network: tuple(names or ()) for network, names in (body.aliases or {}).items()},
        )
        return answers.nothing()

    async def update(self, call: Call) -> StreamResponse:
        body = await call.body(wire.UpdateContainer)
        warnings = await self._containers.update(
            call.places["id"],
            resources=create.resources(body),
            restart=create.restart_policy(body.restart_policy) if body.restart_policy else None,
        )
        return answers.as_json(wire.Warnings(warnings=list(warnings) or None))

    async def top(self, call: Call) -> StreamResponse:
        titles, rows = await self._containers.top(call.places["id"], call.text("ps_args", "-ef"))
        return answers.as_json(wire.TopAnswer(titles=list(titles), processes=[list(row) for row in rows]))

    async def remove(self, call: Call) -> StreamResponse:
        if call.flag("link"):
            raise InvalidArgument("links are not supported", hint="remove the container without link=1")
        await self._containers.remove(call.places["id"], force=call.flag("force"), volumes=call.flag("v"))
        return answers.nothing()

    async def prune(self, call: Call) -> StreamResponse:
        filters = call.filters("label", "label!", "until")
        before = times.cutoff(filters.get("until", ()))
        pruned = await self._containers.prune(
            where=lambda container: (
                labels.match(container.config.labels, filters)
                and not (before and container.created_ns >= before)
            )
        )
        return answers.as_json(
            wire.ContainersPruned(
                containers_deleted=list(pruned.containers) or None, space_reclaimed=pruned.reclaimed
            )
        )

    def network_id(self) -> Callable[[str], str]:
        """Return a function from a network's name to its id (empty: gone) that asks once for each."""
        known: dict[str, str] = {}

        def find(name: str) -> str:
            if name not in known:
                try:
                    known[name] = self._networks.get(name).id
                except NotFound:
                    known[name] = ""
            return known[name]

        return find

    def image_name(self) -> translate.ImageName:
        """Return how the list names an image: as the user did, while that name still means the same image."""
        known: dict[str, str] = {}

        def name(container: Container) -> str:
            asked = container.config.image
            if asked not in known:
                try:
                    known[asked] = str(self._images.get(asked).id)
                except YurtError:
                    known[asked] = ""
            return asked if known[asked] == container.image_id else container.image_id

        return name

    def _descends(self, container: Container, ancestor: str) -> bool:
        try:
            wanted = self._images.get(ancestor)
        except YurtError:
            return container.config.image == ancestor
        if container.image_id == wanted.id:
            return True
        try:
            own = self._images.get(container.image_id)
        except YurtError:
            return False
        chain = [layer.chain_id for layer in own.layers]
        return wanted.chain_id is not None and wanted.chain_id in chain
