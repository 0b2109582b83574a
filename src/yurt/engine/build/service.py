"""BuildService: from a Dockerfile and its context to an image.

A build reads everything, plans everything, and only then runs what the build cache does not have. What fails
leaves nothing but the cache of the steps before it.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import structlog

from yurt.distribution.auth import Auth
from yurt.dockerfile.ignore import IgnoreRules
from yurt.dockerfile.location import Location
from yurt.dockerfile.parser import parse
from yurt.engine.build.cache import BuildCache
from yurt.engine.build.context import receive
from yurt.engine.build.execute import Execution, StepFailed, now
from yurt.engine.build.files import ContextTree
from yurt.engine.build.layout import Base, lay_out
from yurt.engine.build.model import BuildEvent, BuildRequest, Built, Output, Pulling
from yurt.engine.build.plan import Planner
from yurt.engine.build.ports import BaseImages, Containers
from yurt.engine.build.running import Runner
from yurt.engine.build.steps import BuildPlan
from yurt.engine.images.model import Image, Pruned
from yurt.engine.images.service import ImageService
from yurt.engine.images.threads import in_thread
from yurt.errors import InvalidArgument, NotFound
from yurt.ids import new_id, short
from yurt.linux.mount import mounted_below, unmount
from yurt.oci.reference import HUB, Reference
from yurt.settings import EngineSettings
from yurt.storage.metadata import Documents
from yurt.storage.snapshots.base import Snapshotter

log = structlog.get_logger(__name__)

MAX_DOCKERFILE = 4 << 20  # bytes
HUB_LOGIN = "https://index.docker.io/v1/"
IGNORE_FILE = ".dockerignore"

Say = Callable[[BuildEvent], None]


@dataclass(frozen=True, slots=True)
class _Job:
    """One build under way: its own folder, and the images it keeps from being removed."""

    request: BuildRequest
    name: str
    folder: Path
    emit: Say
    held: list[str] = field(default_factory=list)

    @property
    def context(self) -> Path:
        return self.folder / "context"

    def say(self, text: str) -> None:
        self.emit(Output(text))


class BuildService:
    """Builds images. Several builds may run at once; each has a folder of its own below the engine's root."""

    def __init__(  # noqa: PLR0917 - one of each kind, in the order of the layers
        self,
        images: ImageService,
        containers: Containers,
        snapshots: Snapshotter,
        documents: Documents,
        provider: BaseImages,
        settings: EngineSettings,
    ) -> None:
        self._images = images
        self._containers = containers
        self._snapshots = snapshots
        self._provider = provider
        self._settings = settings
        provider.use(self)
        self._cache = BuildCache(documents, images)
        self._work = settings.root / "build" / "work"
        self._caches = settings.root / "build" / "caches"

    async def restore(self) -> None:
        """Remove what interrupted builds left. Before any build starts."""
        await in_thread(self._sweep)

    def _sweep(self) -> None:
        for point in mounted_below(self._work):
            unmount(point, lazy=True)
        shutil.rmtree(self._work, ignore_errors=True)
        for key in self._snapshots.keys():  # noqa: SIM118 - a method of the port, no mapping
            if key.startswith("build-"):
                self._snapshots.remove(key)

    async def build(self, request: BuildRequest, context: AsyncIterator[bytes]) -> AsyncIterator[BuildEvent]:
        """Build and say what happens; the last event is Built.

        A mistake in the Dockerfile, a failing step (StepFailed) or a missing base image raises; then no image was
        made and no name moved, while the steps that went well are kept in the build cache. When the caller stops
        listening, what runs is ended.
        """
        events: asyncio.Queue[BuildEvent | None] = asyncio.Queue()

        async def work() -> None:
            try:
                await self._build(request, context, events.put_nowait)
            finally:
                events.put_nowait(None)

        task = asyncio.create_task(work(), name="build")
        try:
            while (event := await events.get()) is not None:
                yield event
            await task
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait([task])

    async def prune(self) -> Pruned:
        """Forget the build cache, ``RUN --mount=type=cache`` included."""
        await in_thread(shutil.rmtree, self._caches, ignore_errors=True)
        return await self._cache.prune()

    async def _build(self, request: BuildRequest, chunks: AsyncIterator[bytes], emit: Say) -> None:
        for tag in request.tags:
            if Reference.parse(tag).digest is not None:
                raise InvalidArgument(f"cannot tag with a digest: {tag}")
        name = new_id()
        job = _Job(request, name, self._work / short(name), emit)
        job.context.mkdir(parents=True)
        try:
            tree = await receive(chunks, str(job.context))
            planner = await self._planner(job, tree)
            await self._finish(job, planner.plan(), planner)
        finally:
            for image in job.held:
                self._images.release(image, name)
            await in_thread(_discard, job.folder)

    async def _planner(self, job: _Job, tree: ContextTree) -> Planner:
        """Read the Dockerfile and bring its base images."""
        request = job.request
        data = tree.read(request.dockerfile, limit=MAX_DOCKERFILE)
        if data is None:
            raise NotFound(
                f"no {request.dockerfile} in the build context",
                hint="name it with -f, relative to the context",
            )
        dockerfile = parse(data, file=request.dockerfile)
        platform = request.platform or str(self._images.platform)
        layout = lay_out(dockerfile, target=request.target, given=request.build_args, platform=platform)
        images = {
            reference: await self._base(job, reference, where) for reference, where in layout.images().items()
        }
        return Planner(
            layout=layout,
            images=images,
            context=self._seen(tree, request.dockerfile),
            given=request.build_args,
            labels=request.labels,
            platform=platform,
            network=request.network_mode,
        )

    async def _finish(self, job: _Job, plan: BuildPlan, planner: Planner) -> None:
        """Make the image, or find it made already; name it."""
        image = None if job.request.no_cache else self._cache.image(plan.key)
        if image is not None:
            _say_cached(plan, job.say)
            whole = True
        else:
            image, whole = await self._execute(job, plan, planner)
        job.say(f"Successfully built {image.id.short}\n")
        for tag in job.request.tags:
            name = str(Reference.parse(tag).tagged())
            if name not in image.tags:
                image = self._images.tag(image, tag)
            job.say(f"Successfully tagged {name}\n")
        if plan.unused_args:
            job.say(f"[Warning] One or more build-args {list(plan.unused_args)} were not consumed\n")
        if whole:
            job.say(f"Nothing to do: all {plan.count} steps cached\n")
        job.emit(Built(image.id))

    async def _execute(self, job: _Job, plan: BuildPlan, planner: Planner) -> tuple[Image, bool]:
        execution = Execution(
            plan=plan,
            planner=planner,
            images=self._images,
            snapshots=self._snapshots,
            cache=self._cache,
            runner=Runner(
                self._containers,
                self._settings,
                job.request,
                folder=job.folder,
                caches=self._caches,
                say=job.say,
            ),
            folder=job.folder,
            context=job.context,
            say=job.say,
            no_cache=job.request.no_cache,
        )
        try:
            result, whole = await execution.run()
        except StepFailed as failed:
            log.info("build.failed", location=failed.location, exit_code=failed.exit_code)
            raise
        config = replace(
            plan.target.config, created=result.created or now(), history=tuple(result.history), diff_ids=()
        )
        image = await self._images.create(config, result.layers)
        self._cache.put_image(plan.key, image)
        return image, whole

    async def _base(self, job: _Job, reference: str, where: Location) -> Base:
        """Return the image that *reference* names, pulled when it is not here; this build holds it."""
        image = None
        if not job.request.pull:
            try:
                image = self._images.get(reference)
            except NotFound:
                image = None
        if image is None:
            try:
                image = await self._provider.pull(
                    reference,
                    platform=job.request.platform,
                    auth=_auth(reference, job.request.auths),
                    progress=lambda news: job.emit(Pulling(news)),
                )
            except (NotFound, InvalidArgument) as error:
                raise type(error)(f"{where}: {error.message}", hint=error.hint) from error
        self._images.hold(image.id, job.name)
        job.held.append(str(image.id))
        return Base(str(image.id), str(image.chain_id or ""), image.config)

    @staticmethod
    def _seen(tree: ContextTree, dockerfile: str) -> ContextTree:
        """Return what COPY may see: the client applied .dockerignore already, clients of the API may not have."""
        for name in (f"{dockerfile}{IGNORE_FILE}", IGNORE_FILE):
            if (data := tree.read(name, limit=MAX_DOCKERFILE)) is not None:
                rules = IgnoreRules.parse(data.decode(errors="replace"), file=name)
                return tree.without(rules.ignores) if rules else tree
        return tree


def _auth(reference: str, auths: Mapping[str, Auth]) -> Auth | None:
    """Return the credentials for the registry of *reference*; clients name Docker Hub by an old address."""
    registry = Reference.parse(reference).registry
    names = (registry, f"https://{registry}", *((HUB_LOGIN,) if registry == HUB else ()))
    return next((auths[name] for name in names if name in auths), None)


def _say_cached(plan: BuildPlan, say: Callable[[str], None]) -> None:
    lines = []
    for stage in plan.stages:
        for step in stage.steps:
            lines.append(f"Step {step.number}/{plan.count} : {step.text}\n")
            if step is stage.steps[0]:
                key = step.key if isinstance(stage.base, int) else stage.base
                lines.append(f" ---> {key.removeprefix('sha256:')[:12]}\n")
            else:
                lines.append(f" ---> Using cache\n ---> {step.key[:12]}\n")
    say("".join(lines))


def _discard(folder: Path) -> None:
    for point in mounted_below(folder):
        unmount(point, lazy=True)
    shutil.rmtree(folder, ignore_errors=True)
