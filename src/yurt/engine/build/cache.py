"""The build cache: what a step with a given key made. Records name layers; whether those are still here is asked.

Layers belong to the image service, which keeps those that no image has until `prune`.
"""

from dataclasses import dataclass

import msgspec

from yurt.engine.images.model import Image, Layer, Pruned
from yurt.engine.images.service import ImageService
from yurt.engine.images.store import timestamp_ns
from yurt.errors import NotFound
from yurt.oci.digest import Digest
from yurt.storage.metadata import Documents

STEPS, IMAGES = "build-step", "build-image"


@dataclass(frozen=True, slots=True)
class Record:
    """What a step made: the file system *chain* (empty: it changed nothing), and when (RFC 3339)."""

    chain: str
    created: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A record that holds: *layer* None where the step changed nothing."""

    layer: Layer | None
    created: str


class BuildCache:
    """Results by key, durable. A record whose layer is gone is a miss."""

    def __init__(self, documents: Documents, images: ImageService) -> None:
        self._documents = documents
        self._images = images

    def step(self, key: str) -> Hit | None:
        """Return what the step with *key* made, None when it has to be made."""
        body = self._documents.get(STEPS, key)
        if body is None:
            return None
        record = msgspec.json.decode(body, type=Record)
        if not record.chain:
            return Hit(None, record.created)
        layer = self._images.layer(Digest(record.chain))
        return None if layer is None else Hit(layer, record.created)

    def put_step(self, key: str, layer: Layer | None, created: str) -> None:
        """Afterwards the step with *key* is known to have made *layer*."""
        chain = "" if layer is None else str(layer.chain_id)
        self._documents.put(STEPS, key, msgspec.json.encode(Record(chain, created)))

    def image(self, key: str) -> Image | None:
        """Return the image that a whole build with *key* made, None when it is not here any more."""
        body = self._documents.get(IMAGES, key)
        if body is None:
            return None
        try:
            return self._images.get(body.decode())
        except NotFound:
            return None

    def put_image(self, key: str, image: Image) -> None:
        """Afterwards the whole build with *key* is known to have made *image*."""
        self._documents.put(IMAGES, key, image.id.encode())

    def is_older_than(self, moment_ns: int) -> bool:
        """Tell whether all of it was made before that moment (nanoseconds since 1970)."""
        records = (msgspec.json.decode(body, type=Record) for _, body in self._documents.all(STEPS))
        return all(timestamp_ns(record.created) < moment_ns for record in records)

    async def prune(self) -> Pruned:
        """Forget everything; layers that no image has are removed."""
        with self._documents.transaction():
            for kind in (STEPS, IMAGES):
                for key, _ in self._documents.all(kind):
                    self._documents.delete(kind, key)
        return await self._images.prune_layers()
