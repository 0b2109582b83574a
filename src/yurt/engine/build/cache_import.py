"""Build caches from elsewhere: what they know of a plan's steps comes into our own build cache, before it is carried out.

A layer counts when its bytes are what the digests say; whatever is wrong with a cache makes it one that knows
nothing, and is told as a warning. That a key's layer is what the step makes, nobody can verify: to name a cache is to
believe its maker, as with a base image.
"""

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from yurt.distribution.repository import Resolved
from yurt.engine.build.cache import BuildCache, Hit
from yurt.engine.build.cache_document import INLINE, MAX_BYTES, MEDIA_TYPE, CacheDocument, KeptStep
from yurt.engine.build.cache_places import CLIENT, FOLDER, IMAGE, CachePlace
from yurt.engine.build.model import Activity, Announced, Begun, BuildEvent, Ended, Output
from yurt.engine.build.origin import Origin
from yurt.engine.build.plan import Planner
from yurt.engine.build.reads import read_stages
from yurt.engine.build.steps import SCRATCH, BuildPlan, StagePlan, Step
from yurt.engine.images.blobs import BlobSource
from yurt.engine.images.layout_folder import LayoutFolder
from yurt.engine.images.model import Layer
from yurt.engine.images.service import ImageService
from yurt.errors import InvalidArgument, NotFound, YurtError
from yurt.oci.config import ImageConfig
from yurt.oci.descriptor import Descriptor, MediaType
from yurt.oci.digest import Digest
from yurt.oci.layer import chain_id
from yurt.oci.manifest import Index, Manifest, is_index
from yurt.oci.platform import Platform
from yurt.oci.reference import Reference

_LAYER_TYPES = frozenset({
    MediaType.OCI_LAYER, MediaType.OCI_LAYER_GZIP, MediaType.OCI_LAYER_ZSTD, MediaType.DOCKER_LAYER_GZIP,
})  # fmt: skip
_IMAGE_TYPES = frozenset({MediaType.OCI_CONFIG, MediaType.DOCKER_CONFIG, ""})


@dataclass(slots=True)
class Offered:
    """A cache that was opened: its steps by key, and where the layers that they name come from."""

    place: CachePlace
    steps: dict[str, KeptStep]
    layers: tuple[Descriptor, ...]
    source: BlobSource | None  # None: they are here
    is_broken: bool = False


@dataclass(slots=True)
class Importer:
    """Brings what *places* know of *plan* into *cache*."""

    plan: BuildPlan
    planner: Planner
    cache: BuildCache
    images: ImageService
    origin: Origin
    emit: Callable[[BuildEvent], None]
    anew: frozenset[int] = frozenset()  # stages that are made whatever is known of them
    _offered: list[Offered] = field(default_factory=list)
    _brought: dict[int, tuple[bool, Digest | None]] = field(default_factory=dict)

    async def run(self, places: Sequence[CachePlace]) -> None:
        """Afterwards the cache knows every step of the target, and of what has to be made for it, that *places* know."""
        async with AsyncExitStack() as stack:
            for place in places:
                if (offered := await self._opened(place, stack)) is not None:
                    self._offered.append(offered)
            if self._offered:
                await self._bring(self.plan.target)

    async def _opened(self, place: CachePlace, stack: AsyncExitStack) -> Offered | None:
        news = Activity(f"cache from {place}", f"importing cache manifest from {place}")
        self.emit(Announced((news,)))
        self.emit(Begun(news.key))
        try:
            offered = await self._open(place, stack)
        except YurtError as error:
            self.emit(Ended(news.key, error=error.message))
            self._warn(place, error)
            return None
        self.emit(Ended(news.key))
        return offered

    async def _open(self, place: CachePlace, stack: AsyncExitStack) -> Offered:
        if place.kind == IMAGE and (here := self._here(place)) is not None:
            return here
        source: BlobSource
        if place.kind in {FOLDER, CLIENT}:
            layout = (
                LayoutFolder(Path(place.name))
                if place.kind == FOLDER
                else await self.origin.store(place.name)
            )
            resolved = await layout.resolve(place.tag, place.digest)
            source, again = layout, None
        else:
            name = Reference.parse(place.name)
            auth = await self.origin.credentials(name.registry)
            repository, resolved = await stack.enter_async_context(self.images.reading(name, auth))
            source, again = repository, lambda digest: repository.resolve(name.with_digest(digest))
        if is_index(resolved.media_type, resolved.data) and again is not None:
            platform = Platform.parse(self.planner.platform)
            chosen = Index.from_bytes(resolved.data, media_type=resolved.media_type).choose(platform)
            resolved = await again(chosen.digest)
        return await _read(place, resolved, source)

    def _here(self, place: CachePlace) -> Offered | None:
        """Return the cache in an image of this engine, if it has one."""
        try:
            image = self.images.get(place.name)
        except NotFound:
            return None
        if INLINE not in image.config.other:
            return None
        blobs = tuple(layer.descriptor for layer in image.layers)
        return Offered(place, _inline(image.config, len(blobs)).by_key(), blobs, None)

    def _warn(self, place: CachePlace, error: YurtError) -> None:
        self.emit(Output(f"[Warning] no build cache from {place}: {error.message}\n"))

    async def _bring(self, stage: StagePlan) -> tuple[bool, Digest | None]:
        """Bring what is known of *stage* until the first step that has to be made, and of what is needed for making.

        Return whether all of it is known, and the file system that it ends with.
        """
        if stage.index in self._brought:
            return self._brought[stage.index]
        if isinstance(stage.base, int):
            whole, top = await self._bring(self._stage(stage.base))
        else:
            whole, top = True, None if stage.base == SCRATCH else self.images.get(stage.base).chain_id
        for step in stage.steps:
            if step.work is None:
                continue
            hit = await self._known(stage, step, top) if whole else None
            if hit is None:
                whole = False
                for index in read_stages(self.plan, self.planner, stage, step):
                    await self._bring(self._stage(index))
            elif hit.layer is not None:
                top = hit.layer.chain_id
        self._brought[stage.index] = whole, top
        return whole, top

    def _stage(self, index: int) -> StagePlan:
        return next(stage for stage in self.plan.stages if stage.index == index)

    async def _known(self, stage: StagePlan, step: Step, top: Digest | None) -> Hit | None:
        if stage.index in self.anew:
            return None
        hit = self.cache.step(step.key)
        if hit is not None and hit.fits(top):
            self.cache.use(step.key)
            return hit
        for offered in self._offered:
            kept = offered.steps.get(step.key)
            if kept is None or offered.is_broken or (not kept.is_empty and kept.parent != (top or "")):
                continue
            try:
                return await self._taken(offered, kept, step, top)
            except YurtError as error:
                offered.is_broken = True
                self._warn(offered.place, error)
        return None

    async def _taken(self, offered: Offered, kept: KeptStep, step: Step, top: Digest | None) -> Hit:
        layer = None
        if not kept.is_empty:
            blob = offered.layers[kept.layer]
            layer = await self._layer(offered, blob, Digest(kept.diff_id), top)
            self.cache.hold(layer)
        self.cache.put_step(step.key, layer, kept.created, what=step.text)
        return Hit(layer, kept.created)

    async def _layer(self, offered: Offered, blob: Descriptor, diff_id: Digest, top: Digest | None) -> Layer:
        if offered.source is not None:
            return await self.images.bring_layer(offered.source, blob, diff_id, parent=top)
        layer = self.images.layer(chain_id(top, diff_id))
        if layer is None:
            raise NotFound(f"its layer {diff_id} is not here any more")
        return layer


async def _read(place: CachePlace, resolved: Resolved, source: BlobSource) -> Offered:
    """Return what a manifest offers: of a cache by itself, or of one in an image."""
    manifest = Manifest.from_bytes(resolved.data, media_type=resolved.media_type)
    for layer in manifest.layers:
        if layer.media_type not in _LAYER_TYPES:
            raise InvalidArgument(f"it has a layer of type {layer.media_type or 'unknown'}")
    count = len(manifest.layers)
    if manifest.config.media_type == MEDIA_TYPE:
        data = await source.read_blob(manifest.config, limit=MAX_BYTES)
        document = CacheDocument.from_bytes(data, layers=count)
    elif manifest.config.media_type in _IMAGE_TYPES:
        config = ImageConfig.from_bytes(await source.read_blob(manifest.config, limit=MAX_BYTES))
        if INLINE not in config.other:
            raise NotFound("the image holds none: it was not built with --cache-to type=inline")
        document = _inline(config, count)
    else:
        raise NotFound(f"it is a {manifest.config.media_type}, made by another builder")
    return Offered(place, document.by_key(), manifest.layers, source)


def _inline(config: ImageConfig, layers: int) -> CacheDocument:
    return CacheDocument.from_bytes(msgspec.json.encode(config.other[INLINE]), layers=layers)
