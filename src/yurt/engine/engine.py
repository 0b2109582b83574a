"""The engine as one thing: all services, in the order in which they come up and go down."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from yurt.engine import boot
from yurt.engine.containers.model import Status
from yurt.engine.containers.service import ContainerService
from yurt.engine.events import Events
from yurt.engine.images.service import ImageService
from yurt.engine.networks.service import NetworkService
from yurt.engine.repairs import Repairs
from yurt.engine.system import System
from yurt.engine.volumes.service import VolumeService
from yurt.errors import YurtError
from yurt.storage.metadata import Documents

if TYPE_CHECKING:  # a fifth of the engine's start, and most starts are for a `run`
    from yurt.engine.build.provider import ImageProvider
    from yurt.engine.build.service import BuildService

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

ALIVE = frozenset({Status.RUNNING, Status.PAUSED, Status.RESTARTING})


class Workshop:
    """Builds and the provider of base images, made when somebody first builds or pulls.

    Parameters
    ----------
      make: construct both; imports what they need.
      leftovers: folders that hold something only if a build was interrupted.
    """

    def __init__(
        self, make: "Callable[[], tuple[ImageProvider, BuildService]]", *, leftovers: Sequence[Path]
    ) -> None:
        self._make = make
        self._leftovers = leftovers
        self._made: tuple[ImageProvider, BuildService] | None = None
        self._making = asyncio.Lock()

    def __repr__(self) -> str:
        return f"<Workshop {'open' if self._made else 'not needed yet'}>"

    async def restore(self) -> None:
        """Afterwards nothing of an interrupted build is left."""
        if any(folder.exists() and any(folder.iterdir()) for folder in self._leftovers):
            await self._open()

    async def provider(self) -> "ImageProvider":
        return (await self._open())[0]

    async def builds(self) -> "BuildService":
        return (await self._open())[1]

    async def _open(self) -> "tuple[ImageProvider, BuildService]":
        async with self._making:
            if self._made is None:
                provider, builds = self._make()
                await builds.restore()
                await provider.restore()
                self._made = provider, builds
            return self._made


@dataclass(frozen=True, slots=True)
class Engine:
    """Every service of one root. Containers live through any number of engines, one after the other.

    *rebooted*: the machine was restarted since the engine before this one came up.
    """

    documents: Documents
    events: Events
    images: ImageService
    volumes: VolumeService
    networks: NetworkService
    containers: ContainerService
    workshop: Workshop
    system: System
    run: Path
    rebooted: bool

    async def start(self) -> None:
        """Take up what is on the disk and in the kernel; afterwards every service may be asked.

        Networks come before containers, since a container that still runs is given its place in them again;
        what nobody claimed is removed at the end.
        """
        # What was read is made to last before anything is based on it, such as a number that is free again.
        await asyncio.to_thread(self.documents.sync)
        self._tell(await self.images.restore())
        self._tell(await self.volumes.restore())
        await self.networks.restore()
        self._tell(await self.containers.restore(rebooted=self.rebooted))
        self._tell(await self.networks.sweep())
        await self.workshop.restore()
        boot.remember(self.run)  # all of an earlier boot is given up, and no process of this one was started
        self._tell(self.containers.resume())
        log.info(
            "engine.started",
            containers=len(tuple(self.containers.list())),
            images=len(self.images.list()),
            networks=len(self.networks.list()),
        )

    def _tell(self, repairs: Repairs) -> None:
        for what in repairs:
            log.info("engine.repaired", what=what)

    async def stop(self) -> None:
        """Let go of everything; containers go on. Continues past failures and raises them together."""
        failures: list[Exception] = []
        for release in (self.containers.shutdown, self.networks.close, self.volumes.close):
            try:
                await release()
            except Exception as error:
                log.exception("engine.stop_failed", step=release.__qualname__)
                failures.append(error)
        self.documents.close()
        log.info("engine.stopped")
        if failures:
            raise ExceptionGroup("the engine did not stop cleanly", failures)

    async def dismantle(self) -> None:
        """Kill every container and take this engine's networks out of the kernel; what is stored stays stored."""
        for container in tuple(self.containers.list()):
            if container.state.status in ALIVE:
                with contextlib.suppress(YurtError):
                    await self.containers.stop(container.id, timeout=0)
        await self.networks.dismantle()
