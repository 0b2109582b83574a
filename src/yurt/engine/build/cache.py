"""The build cache: what a step with a given key made. Records name layers; whether those are still here is asked.

Layers belong to the image service, which keeps those that no image has until `prune`. When something was used is
noted in memory and written with the end of each build.
"""

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import msgspec

from yurt.engine.build.pruning import STEP, CacheEntry
from yurt.engine.images.model import Image, Layer, Pruned
from yurt.engine.images.service import ImageService
from yurt.engine.images.store import timestamp_ns
from yurt.errors import NotFound
from yurt.oci.digest import Digest
from yurt.oci.layer import chain_id
from yurt.storage.metadata import Documents

STEPS, IMAGES = "build-step", "build-image"


@dataclass(frozen=True, slots=True)
class Record:
    """What a step made: the file system *chain* (empty: it changed nothing), and when (RFC 3339).

    *used_ns* is when a build last had it, *uses* how often, *what* the step's text.
    """

    chain: str
    created: str
    used_ns: int = 0
    uses: int = 0
    what: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """A record that holds: *layer* None where the step changed nothing."""

    layer: Layer | None
    created: str

    def fits(self, top: Digest | None) -> bool:
        """Say whether it was made on the file system *top*: the layers below may have been made anew, and differ."""
        return self.layer is None or chain_id(top, self.layer.diff_id) == self.layer.chain_id


class BuildCache:
    """Results by key, durable. A record whose layer is gone is a miss."""

    def __init__(self, documents: Documents, images: ImageService) -> None:
        self._documents = documents
        self._images = images
        self._used: dict[str, int] = {}  # by key: when, not written yet
        self._builds: dict[str, int] = {}  # that run now: since when
        self._fresh: set[Digest] = set()

    def __repr__(self) -> str:
        return f"<BuildCache, {len(self._builds)} builds under way>"

    @contextmanager
    def building(self, name: str) -> Iterator[None]:
        """While entered, nothing that is used from now on is pruned."""
        self._builds[name] = time.time_ns()
        try:
            yield
        finally:
            del self._builds[name]
            if not self._builds:
                self._fresh.clear()
            self._write_uses()

    def hold(self, layer: Layer | None) -> None:
        """Keep a layer that was just made until no build is under way: its record comes in the next moment."""
        if layer is not None:
            self._fresh.add(layer.chain_id)

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

    def use(self, key: str) -> None:
        """Note that the step with *key* was of use now."""
        self._used[key] = time.time_ns()

    def put_step(self, key: str, layer: Layer | None, created: str, *, what: str = "") -> None:
        """Afterwards the step with *key* is known to have made *layer*."""
        chain = "" if layer is None else str(layer.chain_id)
        record = Record(chain, created, time.time_ns(), 1, what)
        self._documents.put(STEPS, key, msgspec.json.encode(record))

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

    def entries(self) -> tuple[CacheEntry, ...]:
        """Return what is kept of steps; a record whose layer is gone is not."""
        since = min(self._builds.values(), default=None)
        owned = {layer.chain_id for image in self._images.list() for layer in image.layers}
        found = []
        for key, body in self._documents.all(STEPS):
            record = msgspec.json.decode(body, type=Record)
            layer = self._images.layer(Digest(record.chain)) if record.chain else None
            if record.chain and layer is None:
                continue
            created = timestamp_ns(record.created)
            used = self._used.get(key, record.used_ns or created)
            found.append(
                CacheEntry(
                    key,
                    STEP,
                    size=self._images.layer_size(layer) + layer.descriptor.size if layer else 0,
                    created_ns=created,
                    used_ns=used,
                    uses=record.uses + (key in self._used),
                    description=record.what,
                    layer=record.chain,
                    shared=record.chain in owned,
                    in_use=since is not None and used >= since,
                )
            )
        return tuple(found)

    async def forget(self, keys: Collection[str], *, whole: bool) -> Pruned:
        """Forget these steps; layers that neither an image nor another step has are removed.

        With *whole*, nothing is to be left: images that builds made are not found by them any more, either.
        """
        with self._documents.transaction(freeing=True):
            for key in keys:
                self._documents.delete(STEPS, key)
            for key, _ in self._documents.all(IMAGES) if whole else ():
                self._documents.delete(IMAGES, key)
        for key in keys:
            self._used.pop(key, None)
        kept = {Digest(entry.layer) for entry in self.entries() if entry.layer}
        return await self._images.prune_layers(keep=kept | self._fresh)

    def _write_uses(self) -> None:
        used, self._used = self._used, {}
        if not used:
            return
        with self._documents.transaction():
            for key, moment in used.items():
                if (body := self._documents.get(STEPS, key)) is None:
                    continue
                record = msgspec.json.decode(body, type=Record)
                record = replace(record, used_ns=moment, uses=record.uses + 1)
                self._documents.put(STEPS, key, msgspec.json.encode(record))
