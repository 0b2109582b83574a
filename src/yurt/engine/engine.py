"""The engine as one thing: all services, in the order in which they come up and go down."""

import contextlib
from dataclasses import dataclass

import structlog

from yurt.engine.build.provider import ImageProvider
from yurt.engine.build.service import BuildService
from yurt.engine.containers.model import Status
from yurt.engine.containers.service import ContainerService
from yurt.engine.events import Events
from yurt.engine.images.service import ImageService
from yurt.engine.networks.service import NetworkService
from yurt.engine.system import System
from yurt.engine.volumes.service import VolumeService
from yurt.errors import YurtError
from yurt.storage.metadata import Documents

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

ALIVE = frozenset({Status.RUNNING, Status.PAUSED, Status.RESTARTING})


@dataclass(frozen=True, slots=True)
class Engine:
    """Every service of one root. Containers live through any number of engines, one after the other."""

    documents: Documents
    events: Events
    images: ImageService
    volumes: VolumeService
    networks: NetworkService
    containers: ContainerService
    builds: BuildService
    provider: ImageProvider
    system: System

    async def start(self) -> None:
        """Take up what is on the disk and in the kernel; afterwards every service may be asked.

        Networks come before containers, since a container that still runs is given its place in them again;
        what nobody claimed is removed at the end.
        """
        await self.images.restore()
        await self.volumes.restore()
        await self.networks.restore()
        await self.containers.restore()
        await self.networks.sweep()
        await self.builds.restore()
        await self.provider.restore()
        log.info(
            "engine.started",
            containers=len(tuple(self.containers.list())),
            images=len(self.images.list()),
            networks=len(self.networks.list()),
        )

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
