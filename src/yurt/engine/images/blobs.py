"""Where blobs come from and go to, beside this engine's own store: what a repository of a registry offers."""

from collections.abc import AsyncIterator, Callable
from typing import Protocol

from yurt.distribution.repository import Resolved, Sink
from yurt.oci.descriptor import Descriptor
from yurt.oci.digest import Digest
from yurt.oci.reference import Reference


class BlobSource(Protocol):
    """Blobs by descriptor. What comes is what the digest says, or an error is raised."""

    async def read_blob(self, blob: Descriptor, *, limit: int) -> bytes: ...
    async def fetch(
        self,
        blob: Descriptor,
        sink: Sink,
        *,
        progress: Callable[[int], None] = ...,
        retrying: Callable[[int], None] = ...,
    ) -> None: ...


class ManifestSource(BlobSource, Protocol):
    """Also manifests, by references with a digest."""

    async def resolve(self, reference: Reference) -> Resolved: ...


class BlobTarget(Protocol):
    """Blobs and manifests are put here; a manifest names what is here already."""

    async def has_blob(self, digest: Digest) -> bool: ...
    async def mount(self, digest: Digest, source: str) -> bool: ...
    async def upload(
        self,
        blob: Descriptor,
        chunks: Callable[[], AsyncIterator[bytes]],
        *,
        retrying: Callable[[int], None] = ...,
    ) -> None: ...
    async def put_manifest(self, tag: str, media_type: str, data: bytes) -> Digest: ...


class LayoutStore(BlobSource, BlobTarget, Protocol):
    """An OCI image layout: blobs in and out, and manifests by tag or digest."""

    async def resolve(self, tag: str, digest: str = "") -> Resolved: ...
