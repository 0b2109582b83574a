"""The one place that knows every class of the back half: settings in, an engine and its API out."""

from typing import TYPE_CHECKING

from yurt.distribution.registries import Registries
from yurt.engine import boot
from yurt.engine.containers.service import ContainerService
from yurt.engine.engine import Engine, Workshop
from yurt.engine.events import Events
from yurt.engine.images.service import ImageService
from yurt.engine.networks.service import NetworkService
from yurt.engine.system import System
from yurt.engine.volumes.service import VolumeService
from yurt.linux.runc import Runtime
from yurt.server.app import ApiServer
from yurt.server.router import Route
from yurt.server.routes.archive import ArchiveRoutes
from yurt.server.routes.attach import AttachRoutes
from yurt.server.routes.build import BuildRoutes
from yurt.server.routes.buildkit import BuildKitRoutes
from yurt.server.routes.catalog import CatalogRoutes
from yurt.server.routes.commit import CommitRoutes
from yurt.server.routes.containers import ContainerRoutes
from yurt.server.routes.execs import ExecRoutes
from yurt.server.routes.images import ImageRoutes
from yurt.server.routes.networks import NetworkRoutes
from yurt.server.routes.past_builds import PastBuildRoutes
from yurt.server.routes.swarm import SwarmRoutes
from yurt.server.routes.system import SystemRoutes
from yurt.server.routes.volumes import VolumeRoutes
from yurt.settings import EngineSettings
from yurt.storage.content import ContentStore
from yurt.storage.metadata import Documents
from yurt.storage.snapshots.overlay import OverlaySnapshotter

if TYPE_CHECKING:
    from yurt.engine.build.commit import Committer
    from yurt.engine.build.provider import ImageProvider
    from yurt.engine.build.service import BuildService


def engine(settings: EngineSettings) -> Engine:
    """Construct every service; nothing is restored yet, only folders and the database exist."""
    settings.run.mkdir(mode=0o711, parents=True, exist_ok=True)
    rebooted = boot.is_another(settings.run)
    if rebooted:
        boot.clear(settings.run)
    runtime = Runtime.probe(settings.run / boot.RUNTIME, settings.runtime)
    documents = Documents(settings.root / "engine.db")
    snapshots = OverlaySnapshotter(settings.root / "snapshots", documents)
    events = Events()
    images = ImageService(
        content=ContentStore(settings.root / "content"),
        snapshots=snapshots,
        documents=documents,
        events=events,
        registries=Registries.of(settings),
    )
    volumes = VolumeService(documents, events, settings)
    networks = NetworkService(documents, events, settings)
    containers = ContainerService(
        images=images,
        networks=networks,
        volumes=volumes,
        events=events,
        runtime=runtime,
        documents=documents,
        snapshots=snapshots,
        settings=settings,
    )

    def workshop() -> "tuple[ImageProvider, BuildService]":
        from yurt.engine.build.provider import ImageProvider
        from yurt.engine.build.service import BuildService

        provider = ImageProvider(images=images, settings=settings)
        builds = BuildService(
            images=images,
            containers=containers,
            snapshots=snapshots,
            documents=documents,
            events=events,
            provider=provider,
            settings=settings,
        )
        provider.use(builds)  # the catalog's recipes are built like any other Dockerfile
        return provider, builds

    system = System(settings=settings, runtime=runtime, containers=containers, images=images, volumes=volumes)
    return Engine(
        documents=documents,
        events=events,
        images=images,
        volumes=volumes,
        networks=networks,
        containers=containers,
        workshop=Workshop(
            workshop, leftovers=[settings.root / "build" / name for name in ("work", "bootstrap")]
        ),
        system=system,
        run=settings.run,
        rebooted=rebooted,
    )


def routes(engine: Engine) -> tuple[Route, ...]:
    """Return every route of the Engine API, each before what it would be shadowed by."""
    containers = ContainerRoutes(engine.containers, engine.images, engine.networks)

    def committer() -> "Committer":
        from yurt.engine.build.commit import Committer

        return Committer(engine.images, engine.containers)

    return (
        *SystemRoutes(engine.system, engine.events, containers, engine.images, engine.workshop).routes(),
        *containers.routes(),
        *AttachRoutes(engine.containers).routes(),
        *ArchiveRoutes(engine.containers).routes(),
        *ExecRoutes(engine.containers).routes(),
        *ImageRoutes(engine.images, engine.workshop, engine.containers).routes(),
        *BuildRoutes(engine.workshop).routes(),
        *PastBuildRoutes(engine.workshop).routes(),
        *BuildKitRoutes(engine.workshop, engine.images).routes(),
        *CatalogRoutes().routes(),
        *NetworkRoutes(engine.networks, engine.containers).routes(),
        *VolumeRoutes(engine.volumes).routes(),
        *CommitRoutes(committer).routes(),
        *SwarmRoutes().routes(),
    )


def api(engine: Engine) -> ApiServer:
    return ApiServer(routes(engine))
