"""The build cache for other engines: the steps of a build and their layers, as an OCI manifest at a place."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from yurt.engine.build.cache import BuildCache
from yurt.engine.build.cache_document import MEDIA_TYPE, CacheDocument, KeptStep
from yurt.engine.build.cache_places import FOLDER, REGISTRY, CachePlace
from yurt.engine.build.origin import Origin
from yurt.engine.build.steps import SCRATCH, BuildPlan, StagePlan
from yurt.engine.images.blobs import BlobTarget
from yurt.engine.images.layout_folder import LayoutFolder
from yurt.engine.images.model import Layer
from yurt.engine.images.service import ImageService
from yurt.oci.descriptor import Descriptor, MediaType
from yurt.oci.digest import Digest
from yurt.oci.manifest import Manifest
from yurt.oci.reference import Reference


@dataclass(frozen=True, slots=True)
class Kept:
    """What is known of a build: its steps, and the layers that they name by their places."""

    steps: tuple[KeptStep, ...]
    layers: tuple[Layer, ...]


def kept_steps(plan: BuildPlan, cache: BuildCache, images: ImageService, *, whole: bool) -> Kept:
    """Return what *cache* knows of *plan*: of all its stages, or only of those that the result stands on."""
    stages = plan.stages if whole else _line(plan)
    tops: dict[int, Digest | None] = {}
    steps: dict[str, KeptStep] = {}
    layers: dict[Digest, Layer] = {}  # by digest of the blob, in the order of their places
    for stage in stages:
        if isinstance(stage.base, int):
            if stage.base not in tops:
                continue  # of the stage below not all is known
            top = tops[stage.base]
        else:
            top = None if stage.base == SCRATCH else images.get(stage.base).chain_id
        for step in stage.steps:
            if step.work is None:
                continue
            hit = cache.step(step.key)
            if hit is None or not hit.fits(top):
                break
            kept = KeptStep(step.key, parent=str.__str__(top or ""), created=hit.created, what=step.text)
            if hit.layer is not None:
                blob = hit.layer.descriptor.digest
                layers.setdefault(blob, hit.layer)
                kept = replace(kept, layer=list(layers).index(blob), diff_id=str.__str__(hit.layer.diff_id))
                top = hit.layer.chain_id
            steps[step.key] = kept
        else:
            tops[stage.index] = top
    return Kept(tuple(steps.values()), tuple(layers.values()))


def knows_all(plan: BuildPlan, cache: BuildCache, images: ImageService, *, whole: bool) -> bool:
    """Say whether `kept_steps` has every step: an image may outlive what is known of how it was made."""
    stages = plan.stages if whole else _line(plan)
    wanted = {step.key for stage in stages for step in stage.steps if step.work is not None}
    return wanted <= {step.key for step in kept_steps(plan, cache, images, whole=whole).steps}


def inline_document(kept: Kept, layers: Sequence[Layer]) -> Any:
    """Return the document of *kept* for an image of *layers*; steps whose layer it does not have are left out."""
    places = {layer.descriptor.digest: place for place, layer in enumerate(layers)}
    found = []
    for step in kept.steps:
        if step.is_empty:
            found.append(step)
        elif (blob := kept.layers[step.layer].descriptor.digest) in places:
            found.append(replace(step, layer=places[blob]))
    return msgspec.to_builtins(CacheDocument(tuple(found)))


async def export(kept: Kept, place: CachePlace, images: ImageService, origin: Origin) -> Descriptor:
    """Put *kept* to *place*, which is no image; return its manifest. Afterwards the place's name means it."""
    if place.kind == REGISTRY:
        name = Reference.parse(place.name)
        async with images.writing(name, await origin.credentials(name.registry)) as repository:
            return await _put(kept, repository, name.tag, images, near=name)
    target = LayoutFolder(Path(place.name)) if place.kind == FOLDER else await origin.store(place.name)
    return await _put(kept, target, place.tag, images)


async def _put(
    kept: Kept, target: BlobTarget, tag: str, images: ImageService, *, near: Reference | None = None
) -> Descriptor:
    blobs = await images.send_layers(target, kept.layers, near=near)
    data = CacheDocument(kept.steps).to_bytes()
    config = Descriptor(MEDIA_TYPE, Digest.of(data), len(data))

    async def chunks() -> AsyncIterator[bytes]:
        yield data

    if not await target.has_blob(config.digest):
        await target.upload(config, chunks)
    manifest = Manifest(MediaType.OCI_MANIFEST, config, blobs).to_bytes()
    digest = await target.put_manifest(tag, MediaType.OCI_MANIFEST, manifest)
    return Descriptor(MediaType.OCI_MANIFEST, digest, len(manifest))


def _line(plan: BuildPlan) -> list[StagePlan]:
    """Return the target and the stages that it stands on, the lowest first."""
    by_index = {stage.index: stage for stage in plan.stages}
    line = [plan.target]
    while isinstance(base := line[0].base, int):
        line.insert(0, by_index[base])
    return line
