"""BuildService: from a Dockerfile and its context to an image.

A build reads everything, plans everything, and only then runs what the build cache does not have. What fails
leaves nothing but the cache of the steps before it.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import structlog

from yurt.dockerfile.checks.check import options_of
from yurt.dockerfile.excerpt import excerpt, line_of
from yurt.dockerfile.ignore import IgnoreRules
from yurt.dockerfile.location import Location
from yurt.dockerfile.parser import parse
from yurt.dockerfile.remote import RemoteSource, parse_remote
from yurt.engine.build.activities import activities, key_of, named, working_steps
from yurt.engine.build.cache import BuildCache
from yurt.engine.build.cache_document import INLINE as INLINE_KEY
from yurt.engine.build.cache_export import export, inline_document, kept_steps, knows_all
from yurt.engine.build.cache_import import Importer
from yurt.engine.build.cache_mounts import CacheMounts
from yurt.engine.build.cache_places import INLINE, REGISTRY, CachePlace
from yurt.engine.build.checking import Examined, examined, refusal, warned
from yurt.engine.build.epoch import epoch_of, rfc3339
from yurt.engine.build.execute import Execution, StepFailed, now
from yurt.engine.build.files import ContextTree
from yurt.engine.build.history import BuildHistory
from yurt.engine.build.kept import KeptContents
from yurt.engine.build.layout import Base, lay_out
from yurt.engine.build.making import Making
from yurt.engine.build.model import (
    Activity,
    Announced,
    Begun,
    BuildEvent,
    BuildRequest,
    Built,
    CacheExported,
    Ended,
    Failed,
    Output,
    Pulling,
    Warned,
)
from yurt.engine.build.named_contexts import LayoutPlace, meant
from yurt.engine.build.needs import context_needs
from yurt.engine.build.origin import Origin
from yurt.engine.build.plan import Planner
from yurt.engine.build.ports import BaseImages, Containers
from yurt.engine.build.pruning import MOUNT, STEP, CacheEntry, PruneLimits, doomed
from yurt.engine.build.remote import RemoteSources
from yurt.engine.build.remote_context import RemoteContext
from yurt.engine.build.running import Runner
from yurt.engine.build.steps import BuildPlan, chained
from yurt.engine.events import Events
from yurt.engine.images.layout_folder import LayoutFolder
from yurt.engine.images.model import Image, Pruned, Removed
from yurt.engine.images.service import ImageService
from yurt.engine.images.threads import in_thread
from yurt.errors import (
    Forbidden,
    InvalidArgument,
    NotFound,
    Unauthorized,
    Unavailable,
    Unimplemented,
    YurtError,
    translated,
)
from yurt.ids import new_id, short
from yurt.linux.mount import mounted_below, unmount
from yurt.oci.config import ImageConfig
from yurt.oci.reference import Reference
from yurt.settings import EngineSettings
from yurt.storage.metadata import Documents
from yurt.storage.pack import pack
from yurt.storage.snapshots.base import Snapshotter

log = structlog.get_logger(__name__)

Say = Callable[[BuildEvent], None]


@dataclass(slots=True)
class _Job:
    """One build under way: its own folder, and the images it keeps from being removed. *text* is its Dockerfile."""

    request: BuildRequest
    name: str
    folder: Path
    origin: Origin
    emit: Say
    held: list[str] = field(default_factory=list)
    text: bytes = b""

    @property
    def context(self) -> Path:
        return self.folder / "context"

    def say(self, text: str) -> None:
        self.emit(Output(text))

    def say_failed(self, error: YurtError) -> None:
        line = line_of(error.message, self.request.dockerfile) if self.text else None
        shown = excerpt(self.text, line, file=self.request.dockerfile) if line else ""
        step, tail = (error.step, error.output) if isinstance(error, StepFailed) else ("", "")
        self.emit(Failed(error.message, shown, step, tail))


class BuildService:
    """Builds images. Several builds may run at once; each has a folder of its own below the engine's root."""

    def __init__(  # noqa: PLR0917 - one of each kind, in the order of the layers
        self,
        images: ImageService,
        containers: Containers,
        snapshots: Snapshotter,
        documents: Documents,
        events: Events,
        provider: BaseImages,
        settings: EngineSettings,
    ) -> None:
        self._events = events
        self._images = images
        self._containers = containers
        self._snapshots = snapshots
        self._provider = provider
        self._settings = settings
        provider.use(self)
        self._cache = BuildCache(documents, images)
        self._making = Making()
        self.history = BuildHistory(settings.root / "build" / "history", documents)
        self._work = settings.root / "build" / "work"
        self._caches = CacheMounts(settings.root / "build" / "caches", documents)
        self._kept = KeptContents(settings.root / "build" / "contexts")
        self._remotes = RemoteSources(settings.root / "build" / "remotes", settings)

    async def restore(self) -> None:
        """Remove what interrupted builds left. Before any build starts."""
        await in_thread(self._sweep)
        await in_thread(self.history.restore)
        await self._kept.clear()

    def _sweep(self) -> None:
        for point in mounted_below(self._work):
            unmount(point, lazy=True)
        shutil.rmtree(self._work, ignore_errors=True)
        for key in self._snapshots.keys():  # noqa: SIM118 - a method of the port, no mapping
            if key.startswith("build-"):
                self._snapshots.remove(key)

    async def build(self, request: BuildRequest, origin: Origin) -> AsyncIterator[BuildEvent]:
        """Build what *origin* brings and say what happens; the last event is Built.

        A mistake in the Dockerfile, a failing step (StepFailed) or a missing base image raises; then no image was
        made and no name moved, while the steps that went well are kept in the build cache. When the caller stops
        listening, what runs is ended.
        """
        events: asyncio.Queue[BuildEvent | None] = asyncio.Queue()

        recording = self.history.begin(request)

        def emit(event: BuildEvent) -> None:
            recording.take(event)
            events.put_nowait(event)

        async def work() -> None:
            try:
                await self._build(request, origin, emit)
            finally:
                try:
                    recording.end()
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

    async def examine(self, request: BuildRequest, origin: Origin) -> Examined:
        """Read the Dockerfile that *origin* brings and check all of it; nothing is built, and nothing pulled."""
        name = new_id()
        folder = self._work / short(name)
        if request.remote:
            origin = RemoteContext(request.remote, request.subdir, self._remotes, origin)
        try:
            with translated({OSError: Unavailable}, "cannot make a folder for the build"):
                (folder / "context").mkdir(parents=True)
            text = await origin.dockerfile(request.dockerfile, folder / "context")
            if text is None:
                raise _no_dockerfile(request)
            rules = IgnoreRules()
            if b"CopyIgnoredFile" in text or b"experimental" in text:
                rules = await origin.ignored(request.dockerfile)
        finally:
            await in_thread(_discard, folder)
        return examined(
            text,
            request,
            platform=request.platform or str(self._images.platform),
            image=lambda reference: self._config_of(request.contexts.get(reference, reference)),
            ignores=rules.ignores,
        )

    def _config_of(self, reference: str) -> ImageConfig | None:
        try:
            return self._images.get(reference).config
        except (NotFound, InvalidArgument):
            return None

    @asynccontextmanager
    async def files_of(self, image: Image) -> AsyncIterator[Path]:
        """Show the files of *image*, read-only, in a folder of this service's until the block ends."""
        name = new_id()
        folder = self._work / short(name)
        with translated({OSError: Unavailable}, "cannot make a folder for the files of the image"):
            (folder / "files").mkdir(parents=True)
        self._images.hold(image.id, name)
        try:
            if image.chain_id:
                await in_thread(self._snapshots.mount_spec(image.chain_id).mount, folder / "files")
            yield folder / "files"
        finally:
            await in_thread(_discard, folder)
            self._images.release(image.id, name)

    async def packed(self, folder: Path) -> AsyncIterator[bytes]:
        """Yield an archive of the files in *folder*."""
        chunks = pack(folder)
        while chunk := await in_thread(next, chunks, b""):
            yield chunk

    async def cache_entries(self) -> tuple[CacheEntry, ...]:
        """Return what the build cache keeps: steps, and the folders of ``RUN --mount=type=cache``."""
        return (*self._cache.entries(), *await self._caches.entries())

    async def prune(self, limits: PruneLimits | None = None) -> Pruned:
        """Forget what *limits* say of the build cache, the least recently used first; without any all of it.

        What a running build uses stays.
        """
        limits = limits or PruneLimits()
        entries = await self.cache_entries()
        going = doomed(entries, limits, free=shutil.disk_usage(self._settings.root).free)
        mounts = [entry for entry in going if entry.kind == MOUNT]
        whole = limits == PruneLimits()
        await self._caches.forget([entry.key for entry in mounts])
        if whole:
            await self._kept.clear()
            await self._remotes.clear()
        pruned = await self._cache.forget([entry.key for entry in going if entry.kind == STEP], whole=whole)
        removed = (*pruned.removed, *(Removed(deleted=entry.key) for entry in mounts))
        pruned = Pruned(removed, pruned.freed + sum(entry.size for entry in mounts))
        self._events.pruned("builder", pruned.freed)
        return pruned

    async def _build(self, request: BuildRequest, origin: Origin, emit: Say) -> None:
        for tag in request.tags:
            if Reference.parse(tag).digest is not None:
                raise InvalidArgument(f"cannot tag with a digest: {tag}")
        if request.remote:
            origin = RemoteContext(request.remote, request.subdir, self._remotes, origin)
        name = new_id()
        job = _Job(request, name, self._work / short(name), origin, emit)
        try:
            with translated({OSError: Unavailable}, "cannot make a folder for the build"):
                job.context.mkdir(parents=True)
            planner = await self._planner(job)
            plan = planner.plan()
            while planner.missing:
                for source, where in list(planner.missing.items()):
                    planner.remotes[source] = await self._fetched(job, source, where)
                plan = planner.plan()
            with self._cache.building(name):
                await self._finish(job, plan, planner)
        except YurtError as error:
            job.say_failed(error)
            raise
        finally:
            for image in job.held:
                self._images.release(image, name)
            await in_thread(_discard, job.folder)

    async def _planner(self, job: _Job) -> Planner:
        """Read the Dockerfile, bring its base images and the files that it copies."""
        request = job.request
        data = await job.origin.dockerfile(request.dockerfile, job.context)
        if data is None:
            raise _no_dockerfile(request)
        job.text = data
        dockerfile = parse(data, file=request.dockerfile)
        platform = request.platform or str(self._images.platform)
        contexts = {*request.contexts, *request.folders, *request.addresses, *request.layouts}
        layout = lay_out(
            dockerfile,
            target=request.target,
            given=request.build_args,
            platform=platform,
            contexts=contexts,
        )
        images: dict[str, Base] = {}
        folders: dict[str, ContextTree] = {}
        bases = {layout.bases[stage.index] for stage in layout.stages}
        for reference, where in layout.images().items():
            name = meant(reference, contexts)
            if name not in {*request.folders, *request.addresses}:
                images[reference] = await self._base(job, reference, name, where)
            elif reference in bases:
                raise Unimplemented(
                    f"{where}: FROM a folder is not supported", hint="FROM scratch, then COPY --from"
                )
            else:
                folders[reference] = await self._folder(job, str(name))
        findings = warned(layout, images, request, platform)
        for finding in findings:
            job.emit(Warned(finding))
        if (refused := refusal(findings, options_of(dockerfile.source, request.build_args))) is not None:
            raise refused
        epoch = epoch_of(request.build_args)
        has_triggers = any(base.config.on_build for base in images.values())
        wanted = None if has_triggers else context_needs(layout)
        return Planner(
            layout=layout,
            images=images,
            context=await job.origin.files(request.dockerfile, job.context, wanted, self._kept),
            given=request.build_args,
            labels=request.labels,
            folders=folders,
            platform=platform,
            network=request.network_mode,
            entitlements=request.entitlements,
            epoch=epoch,
        )

    async def _fetched(self, job: _Job, source: RemoteSource, where: Location) -> ContextTree:
        """Return the files behind an address that ADD names, in a folder of this build's."""
        news = Activity(f"remote {source.url}", f"[internal] fetch {source.url}")
        return await self._fetch(job, source, news, f"{where}: ADD")

    async def _fetch(self, job: _Job, source: RemoteSource, news: Activity, who: str) -> ContextTree:
        place = job.folder / f"remote-{new_id()[:12]}"
        place.mkdir()
        job.emit(Announced((news,)))
        job.emit(Begun(news.key))
        try:
            fetched = await self._remotes.fetch(source, place)
        except YurtError as error:
            job.emit(Ended(news.key, error=error.message))
            raise error.at(who) from error
        job.emit(Ended(news.key))
        return fetched.tree

    async def _folder(self, job: _Job, name: str) -> ContextTree:
        """Return the files of a further context, in a folder of this build's."""
        if (address := job.request.addresses.get(name)) is not None:
            try:
                source = parse_remote(address)
            except ValueError as bad:
                raise InvalidArgument(f"the build context {name}: {bad}") from bad
            news = Activity(f"context {name}", f"[context {name}] {source.url}")
            return await self._fetch(job, source, news, f"the build context {name}")
        place = job.folder / f"context-{new_id()[:12]}"
        place.mkdir()
        return await job.origin.folder(name, place, self._kept)

    async def _finish(self, job: _Job, plan: BuildPlan, planner: Planner) -> None:
        """Make the image, or find it made already; name it."""
        anew = _made_anew(plan, job.request)
        if any(place.kind == INLINE for place in job.request.cache_to):
            plan = replace(plan, key=chained(plan.key, "inline", []))  # the same steps, but another image
        known = not anew and all(
            knows_all(plan, self._cache, self._images, whole=place.whole)
            for place in job.request.cache_to
            if place.kind != INLINE
        )
        image = self._cache.image(plan.key) if known else None
        job.emit(Announced(activities(plan, planner.layout.bases)))
        if image is not None:
            for step in (step for stage in plan.stages for step in stage.steps if step.work is not None):
                self._cache.use(step.key)
            _say_cached(plan, job)
            whole = True
        else:
            image, whole = await self._execute(job, plan, planner, anew)
        job.say(f"Successfully built {image.id.short}\n")
        for tag in job.request.tags:
            name = str(Reference.parse(tag).tagged())
            if name not in image.tags:
                image = await self._images.tag(image, tag)
            job.say(f"Successfully tagged {name}\n")
        if plan.unused_args:
            job.say(f"[Warning] One or more build-args {list(plan.unused_args)} were not consumed\n")
        if whole:
            job.say(f"Nothing to do: all {plan.count} steps cached\n")
        for place in job.request.cache_to:
            await self._export_cache(job, plan, place)
        job.emit(Built(image.id))

    async def _export_cache(self, job: _Job, plan: BuildPlan, place: CachePlace) -> None:
        if place.kind == INLINE:
            return  # it went into the image
        news = Activity(f"cache to {place}", _exporting(place))
        job.emit(Announced((news,)))
        job.emit(Begun(news.key))
        kept = kept_steps(plan, self._cache, self._images, whole=place.whole)
        try:
            manifest = await export(kept, place, self._images, job.origin)
        except YurtError as error:
            job.emit(Ended(news.key, error=error.message))
            if not place.ignore_error:
                raise error.at(f"cannot export the build cache to {place}") from error
            job.say(f"[Warning] cannot export the build cache to {place}: {error.message}\n")
            return
        job.emit(Ended(news.key))
        job.say(f"Exported the build cache to {place}: {len(kept.steps)} steps\n")
        job.emit(CacheExported(place, manifest))

    async def _execute(
        self, job: _Job, plan: BuildPlan, planner: Planner, anew: frozenset[int]
    ) -> tuple[Image, bool]:
        if job.request.cache_from:
            importer = Importer(plan, planner, self._cache, self._images, job.origin, job.emit, anew)
            await importer.run(job.request.cache_from)
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
                job.origin,
                folder=job.folder,
                caches=self._caches,
                emit=job.emit,
            ),
            folder=job.folder,
            context=job.context,
            making=self._making,
            emit=job.emit,
            no_cache=anew,
            epoch=planner.epoch,
        )
        try:
            result, whole = await execution.run()
        except StepFailed as failed:
            log.info("build.failed", location=failed.location, exit_code=failed.exit_code)
            raise
        created = result.created or now() if planner.epoch is None else rfc3339(planner.epoch)
        config = replace(plan.target.config, created=created, history=tuple(result.history), diff_ids=())
        other = {
            name: value for name, value in config.other.items() if name != INLINE_KEY
        }  # of the base image
        if any(place.kind == INLINE for place in job.request.cache_to):
            kept = kept_steps(plan, self._cache, self._images, whole=False)
            other[INLINE_KEY] = inline_document(kept, result.layers)
        config = replace(config, other=other)
        image = await self._images.create(config, result.layers)
        self._cache.put_image(plan.key, image)
        return image, whole

    async def _base(self, job: _Job, reference: str, context: str | None, where: Location) -> Base:
        """Return the image that *reference* names, pulled when it is not here; this build holds it.

        *context* is the named context that it means.
        """
        request = job.request
        image_name = request.contexts.get(context, reference) if context else reference
        if context in request.layouts:
            image = await self._taken(job, str(context), request.layouts[str(context)])
        elif image_name.startswith("sha256:"):
            image = self._images.get(image_name)
        else:
            image = self._here(job, image_name) or await self._pulled(job, image_name, where)
        self._images.hold(image.id, job.name)
        job.held.append(str(image.id))
        return Base(str(image.id), str(image.chain_id or ""), image.config)

    async def _taken(self, job: _Job, name: str, place: LayoutPlace) -> Image:
        """Return the image in a layout, brought into this engine without a name."""
        news = Activity(f"context {name}", f"[context {name}] load from {place.name}")
        job.emit(Announced((news,)))
        job.emit(Begun(news.key))
        try:
            store = await job.origin.store(place.name) if place.in_origin else LayoutFolder(Path(place.name))
            resolved = await store.resolve(place.tag, place.digest)
            image = await self._images.take(store, resolved, platform=job.request.platform)
        except YurtError as error:
            job.emit(Ended(news.key, error=error.message))
            raise error.at(f"the build context {name}") from error
        job.emit(Ended(news.key))
        return image

    def _here(self, job: _Job, reference: str) -> Image | None:
        if job.request.pull:
            return None
        try:
            image = self._images.get(reference)
        except NotFound:
            return None
        news = Activity(f"image {reference}", f"[internal] load metadata for {named(reference)}")
        for event in (Announced((news,)), Begun(news.key), Ended(news.key)):
            job.emit(event)
        return image

    async def _pulled(self, job: _Job, reference: str, where: Location) -> Image:
        news = Activity(f"image {reference}", f"[internal] load metadata for {named(reference)}")
        job.emit(Announced((news,)))
        job.emit(Begun(news.key))
        try:
            image = await self._provider.pull(
                reference,
                platform=job.request.platform,
                auth=await job.origin.credentials(Reference.parse(reference).registry),
                progress=lambda progress: job.emit(Pulling(progress, news.key)),
            )
        except YurtError as error:
            job.emit(Ended(news.key, error=error.message))
            if isinstance(error, NotFound | InvalidArgument):
                raise error.at(str(where)) from error
            if isinstance(error, Unavailable | Unauthorized | Forbidden):  # which tell of the registry only
                raise error.at(f"{where}: cannot pull {reference}") from error
            raise
        job.emit(Ended(news.key))
        return image


def _exporting(place: CachePlace) -> str:
    """Return what BuildKit calls it."""
    return f"exporting cache to {'registry' if place.kind == REGISTRY else 'client directory'}"


def _no_dockerfile(request: BuildRequest) -> NotFound:
    return NotFound(
        f"no {request.dockerfile} in the build context", hint="name it with -f, relative to the context"
    )


def _made_anew(plan: BuildPlan, request: BuildRequest) -> frozenset[int]:
    """Return the stages that may not come from the cache: those that are named, and what reads them."""
    asked = {name.lower() for name in request.no_cache_stages}
    anew: set[int] = set()
    for stage in plan.stages:
        if request.no_cache or {stage.name, str(stage.index)} & asked or stage.needs & anew:
            anew.add(stage.index)
    return frozenset(anew)


def _say_cached(plan: BuildPlan, job: _Job) -> None:
    lines = []
    for stage in plan.stages:
        for step in stage.steps:
            lines.append(f"Step {step.number}/{plan.count} : {step.text}\n")
            if step is stage.steps[0]:
                key = step.key if isinstance(stage.base, int) else stage.base
                lines.append(f" ---> {key.removeprefix('sha256:')[:12]}\n")
            else:
                lines.append(f" ---> Using cache\n ---> {step.key[:12]}\n")
        for step in working_steps(stage):
            job.emit(Ended(key_of(step), cached=True))
    job.say("".join(lines))


def _discard(folder: Path) -> None:
    for point in mounted_below(folder):
        unmount(point, lazy=True)
    shutil.rmtree(folder, ignore_errors=True)
