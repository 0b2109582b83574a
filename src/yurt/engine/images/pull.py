"""Pull: an image's blobs come from a registry, several at once, and are unpacked in order as they arrive."""

import asyncio
import functools
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any
from weakref import WeakValueDictionary

from yurt.distribution.repository import Resolved
from yurt.engine.images.archive import Found
from yurt.engine.images.blobs import BlobSource, ManifestSource
from yurt.engine.images.layers import Layers
from yurt.engine.images.model import Layer
from yurt.engine.images.reports import LayerReport
from yurt.engine.images.threads import BATCH, in_thread
from yurt.engine.progress import ProgressSink, silent
from yurt.errors import InvalidArgument, NotFound, Unimplemented
from yurt.oci import config as image_config
from yurt.oci.config import ImageConfig
from yurt.oci.descriptor import Descriptor, MediaType
from yurt.oci.digest import Digest
from yurt.oci.layer import chain_ids
from yurt.oci.manifest import Index, Manifest, is_index
from yurt.oci.platform import Platform
from yurt.oci.reference import Reference
from yurt.storage.content import BlobWriter, ContentStore
from yurt.storage.gc import Lease
from yurt.storage.snapshots.base import Snapshotter

MAX_DOWNLOADS = 3  # at once, of all pulls together
_CONFIG_TYPES = {MediaType.OCI_CONFIG, MediaType.DOCKER_CONFIG, ""}


class Puller:
    """Brings images from repositories. All pulls of an engine share one, and with it the downloads they have in common."""

    def __init__(self, content: ContentStore, snapshots: Snapshotter, layers: Layers) -> None:
        self._content = content
        self._snapshots = snapshots
        self._layers = layers
        self._places = asyncio.Semaphore(MAX_DOWNLOADS)
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def find(
        self,
        repository: ManifestSource,
        resolved: Resolved,
        reference: Reference,
        *,
        here: Platform,
        asked: Platform | None,
        lease: Lease,
    ) -> Found:
        """Return the image for the platform *asked*, or *here*; its configuration is in the store then."""
        wanted = asked or here
        top = resolved
        for _ in range(4):  # an index of indexes is allowed, a circle is not
            if not is_index(resolved.media_type, resolved.data):
                break
            chosen = Index.from_bytes(resolved.data, media_type=resolved.media_type).choose(wanted)
            resolved = await repository.resolve(reference.with_digest(chosen.digest))
        manifest = Manifest.from_bytes(resolved.data, media_type=resolved.media_type)
        if manifest.config.media_type not in _CONFIG_TYPES:
            raise Unimplemented(
                f"cannot pull {reference}: it is no image but a {manifest.config.media_type or 'thing unknown'}"
            )
        lease.add(manifest.config.digest)
        if self._content.exists(manifest.config.digest):
            config = ImageConfig.from_bytes(self._content.read(manifest.config.digest))
            _check(reference, manifest, config, asked)
        else:
            data = await repository.read_blob(manifest.config, limit=image_config.MAX_BYTES)
            config = ImageConfig.from_bytes(data)
            _check(reference, manifest, config, asked)
            await in_thread(self._content.add, data)
        names = [reference] if reference.tag and not reference.digest else []
        return Found(
            config,
            manifest.config,
            manifest,
            resolved.data,
            (*names, reference.with_digest(top.digest)),
        )

    async def fetch(
        self, repository: BlobSource, found: Found, lease: Lease, progress: ProgressSink
    ) -> Sequence[Layer]:
        """Return the image's layers, each in the store and unpacked."""
        blobs = found.manifest.layers
        diff_ids = [Digest.parse(diff_id) for diff_id in found.config.diff_ids]
        chain = chain_ids(diff_ids)
        reports = [LayerReport(progress, blob.digest.short, blob.size) for blob in blobs]
        lease.add(*chain, *(blob.digest for blob in blobs))
        here = [
            self._content.exists(blob.digest) and self._snapshots.exists(name)
            for blob, name in zip(blobs, chain, strict=True)
        ]
        for report, is_here in zip(reports, here, strict=True):
            report.say("Already exists" if is_here else "Pulling fs layer")
        layers: list[Layer] = []
        try:
            async with asyncio.TaskGroup() as group:
                downloads = [
                    None
                    if is_here
                    else group.create_task(
                        self._download(repository, blob, report), name=f"download {blob.digest.short}"
                    )
                    for blob, report, is_here in zip(blobs, reports, here, strict=True)
                ]
                for number, (blob, download) in enumerate(zip(blobs, downloads, strict=True)):
                    parent = chain[number - 1] if number else None
                    report = reports[number]
                    if download is None:
                        layers.append(Layer(blob, diff_ids[number], chain[number]))
                        continue
                    await download
                    layers.append(
                        await self._layers.register(
                            blob,
                            diff_ids[number],
                            parent,
                            lease,
                            progress=functools.partial(report.count_from_thread, "Extracting"),
                        )
                    )
                    report.say("Pull complete")
        except BaseExceptionGroup as group_error:
            raise first_of(group_error) from group_error
        return layers

    async def bring(self, source: BlobSource, blob: Descriptor) -> None:
        """Afterwards the blob is in the store, whoever fetched it from wherever."""
        await self._download(source, blob, LayerReport(silent, blob.digest.short, blob.size))

    async def _download(self, repository: BlobSource, blob: Descriptor, report: LayerReport) -> None:
        """Afterwards the blob is in the store, whoever fetched it."""
        if self._places.locked():
            report.say("Waiting")
        async with self._places, self._lock(blob.digest):
            if not self._content.exists(blob.digest):
                sink = BlobSink(self._content, blob.digest.algorithm)
                try:
                    await repository.fetch(
                        blob,
                        sink,
                        progress=lambda done: report.count("Downloading", done),
                        retrying=report.retrying,
                    )
                    report.say("Verifying Checksum")
                    await sink.commit(blob.digest)
                finally:
                    sink.abort()
            report.say("Download complete")

    def _lock(self, name: str) -> AbstractAsyncContextManager[Any]:
        lock = self._locks.get(name)
        if lock is None:
            lock = self._locks[name] = asyncio.Lock()
        return lock


class BlobSink:
    """A sink that writes into the content store, in threads, a batch at a time."""

    def __init__(self, content: ContentStore, algorithm: str) -> None:
        self._content = content
        self._algorithm = algorithm
        self._writer = self._open()
        self._pending = bytearray()

    async def write(self, data: bytes) -> None:
        self._pending += data
        if len(self._pending) >= BATCH:
            batch, self._pending = bytes(self._pending), bytearray()
            await in_thread(self._writer.write, batch)

    async def rewind(self) -> None:
        self._pending.clear()
        self._writer.abort()
        self._writer = self._open()

    @property
    def written(self) -> int:
        return self._writer.written + len(self._pending)

    @property
    def digest(self) -> Digest:
        self._flush()
        return self._writer.digest

    async def commit(self, expected: Digest) -> None:
        """Give the blob its name."""
        self._flush()
        await in_thread(self._writer.commit, expected)

    def abort(self) -> None:
        """Afterwards nothing of an uncommitted blob is left."""
        self._writer.abort()

    def _flush(self) -> None:
        if self._pending:
            self._writer.write(bytes(self._pending))
            self._pending.clear()

    def _open(self) -> BlobWriter:
        return self._content.writer(algorithm=self._algorithm)


def first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the error that began it: of a group of transfers the first to fail ends the others."""
    first = group.exceptions[0]
    return first_of(first) if isinstance(first, BaseExceptionGroup) else first


def _check(reference: Reference, manifest: Manifest, config: ImageConfig, asked: Platform | None) -> None:
    if len(config.diff_ids) != len(manifest.layers):
        raise InvalidArgument(
            f"cannot pull {reference}: its configuration has {len(config.diff_ids)} layers,"
            f" its manifest {len(manifest.layers)}"
        )
    if asked is not None:
        offered = Platform(config.os, config.architecture, config.variant)
        if asked.rank(offered) is None:
            raise NotFound(
                f"image with reference {reference} was found but its platform ({offered})"
                f" does not match the specified platform ({asked})"
            )
