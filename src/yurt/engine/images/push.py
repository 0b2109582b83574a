"""Push: an image's blobs go to a registry, those it lacks only, and the manifest that names them last."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from yurt.distribution.repository import Repository
from yurt.engine.images.blobs import BlobTarget
from yurt.engine.images.model import Image
from yurt.engine.images.pull import first_of
from yurt.engine.images.reports import LayerReport
from yurt.engine.images.threads import in_thread
from yurt.engine.progress import Progress, ProgressSink
from yurt.oci.descriptor import Descriptor, MediaType
from yurt.oci.digest import Digest
from yurt.oci.manifest import Manifest
from yurt.oci.reference import Reference
from yurt.storage.compression import gzip_compressor
from yurt.storage.content import ContentStore
from yurt.storage.gc import Lease

MAX_UPLOADS = 5


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push left in the registry: *tag* names the manifest *digest* of *size* bytes."""

    tag: str
    digest: Digest
    size: int


class Pusher:
    """Sends images to repositories."""

    def __init__(self, content: ContentStore) -> None:
        self._content = content
        self._places = asyncio.Semaphore(MAX_UPLOADS)

    async def push(
        self,
        repository: Repository,
        image: Image,
        reference: Reference,
        *,
        sources: Callable[[Digest], Sequence[str]],
        lease: Lease,
        progress: ProgressSink,
    ) -> Pushed:
        """Afterwards *reference*, which has a tag, names the image in its registry.

        *sources* tells in which repositories of the same registry a blob may be already.
        """
        data = self._content.read(image.manifest)
        manifest = Manifest.from_bytes(data)
        layers = await self.send_layers(
            repository, manifest.layers, sources=sources, lease=lease, progress=progress
        )
        if layers != manifest.layers:
            manifest = replace(manifest, layers=layers)
            data = manifest.to_bytes()
        if not await repository.has_blob(manifest.config.digest):
            await repository.upload(
                manifest.config, lambda: self._chunks(manifest.config, lambda _done: None)
            )
        digest = await repository.put_manifest(reference.tag, manifest.media_type, data)
        progress(Progress(f"{reference.tag}: digest: {digest} size: {len(data)}"))
        return Pushed(reference.tag, digest, len(data))

    async def send_layers(
        self,
        target: BlobTarget,
        blobs: Sequence[Descriptor],
        *,
        sources: Callable[[Digest], Sequence[str]],
        lease: Lease,
        progress: ProgressSink,
    ) -> tuple[Descriptor, ...]:
        """Afterwards *target* has these layers; return the blobs that they are there, in the same order."""
        reports = [LayerReport(progress, blob.digest.short, blob.size) for blob in blobs]
        for report in reports:
            report.say("Preparing")
        try:
            async with asyncio.TaskGroup() as group:
                sends = [
                    group.create_task(
                        self._send(target, blob, sources(blob.digest), lease, report),
                        name=f"upload {blob.digest.short}",
                    )
                    for blob, report in zip(blobs, reports, strict=True)
                ]
        except BaseExceptionGroup as group_error:
            raise first_of(group_error) from group_error
        return tuple(send.result() for send in sends)

    async def _send(
        self,
        repository: BlobTarget,
        blob: Descriptor,
        sources: Sequence[str],
        lease: Lease,
        report: LayerReport,
    ) -> Descriptor:
        """Afterwards the repository has the layer; return the blob it is there, compressed if it was not."""
        async with self._places:
            if blob.media_type == MediaType.OCI_LAYER:
                blob = await in_thread(self._compress, blob, lease)
            if await repository.has_blob(blob.digest):
                report.say("Layer already exists")
                return blob
            for source in sources:
                if await repository.mount(blob.digest, source):
                    report.say(f"Mounted from {source}")
                    return blob
            await repository.upload(
                blob,
                lambda: self._chunks(blob, lambda done: report.count("Pushing", done)),
                retrying=report.retrying,
            )
            report.say("Pushed")
        return blob

    async def _chunks(self, blob: Descriptor, progress: Callable[[int], None]) -> AsyncIterator[bytes]:
        done = 0
        with closing(self._content.chunks(blob.digest)) as chunks:
            while chunk := await in_thread(next, chunks, b""):
                yield chunk
                done += len(chunk)
                progress(done)

    def _compress(self, blob: Descriptor, lease: Lease) -> Descriptor:
        """Return the gzipped form of a plain layer, stored until the lease ends."""
        compressor = gzip_compressor()
        with self._content.writer() as writer, closing(self._content.chunks(blob.digest)) as chunks:
            for chunk in chunks:
                writer.write(compressor.compress(chunk))
            writer.write(compressor.flush())
            lease.add(writer.digest)
            size = writer.written
            return Descriptor(MediaType.OCI_LAYER_GZIP, writer.commit(), size)
