"""ImageStore: which images there are and what they are called. In memory for questions, in documents for good."""

import contextlib
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import msgspec

from yurt.engine.images.model import Image, Layer
from yurt.errors import Conflict, InvalidArgument, NotFound, YurtError
from yurt.oci.config import ImageConfig
from yurt.oci.descriptor import Descriptor
from yurt.oci.digest import Digest
from yurt.oci.reference import Reference
from yurt.storage.content import ContentStore
from yurt.storage.metadata import Documents

IMAGE, TAG, DIGEST, LOOSE = "image", "image-tag", "image-digest", "loose-layer"

_ID = re.compile(r"(?:sha256:)?[0-9a-f]{1,64}", re.ASCII)
_FULL_ID = re.compile(r"(?:sha256:)?[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class LayerRecord:
    """A layer as it is stored."""

    media_type: str
    digest: str
    size: int
    diff_id: str
    chain_id: str

    @classmethod
    def of(cls, layer: Layer) -> "LayerRecord":
        blob = layer.descriptor
        return cls(blob.media_type, str(blob.digest), blob.size, str(layer.diff_id), str(layer.chain_id))

    def layer(self) -> Layer:
        blob = Descriptor(self.media_type, Digest(self.digest), self.size)
        return Layer(blob, Digest(self.diff_id), Digest(self.chain_id))


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """An image as it is stored; its configuration is the blob of its id."""

    manifest: str
    layers: tuple[LayerRecord, ...]
    size: int
    last_tagged_ns: int = 0
    parent: str = ""


@dataclass(slots=True)
class ImageStore:
    """The images, their references, and layers that no image has (yet). Used on the event loop only."""

    documents: Documents
    content: ContentStore
    images: dict[Digest, Image] = field(default_factory=dict)
    references: dict[str, Digest] = field(default_factory=dict)  # canonical, with tag or digest → image
    loose: dict[Digest, Layer] = field(default_factory=dict)  # by chain id

    def restore(self) -> tuple[str, ...]:
        """Read everything; return the ids of images that were dropped because a blob of theirs is gone."""
        lost = []
        for id_, body in self.documents.all(IMAGE):
            record = msgspec.json.decode(body, type=ImageRecord)
            try:
                config = ImageConfig.from_bytes(self.content.read(Digest(id_)))
                for blob in (record.manifest, *(layer.digest for layer in record.layers)):
                    self.content.size(Digest(blob))
            except YurtError:
                lost.append(id_)
                self.documents.delete(IMAGE, id_)
                continue
            self.images[Digest(id_)] = _image(Digest(id_), config, record)
        for kind in (TAG, DIGEST):
            for name, body in self.documents.all(kind):
                id_ = Digest(body.decode())
                if id_ in self.images:
                    self.references[name] = id_
                else:
                    self.documents.delete(kind, name)
        for id_ in self.images:
            self._name(id_)
        for name, body in self.documents.all(LOOSE):
            self.loose[Digest(name)] = msgspec.json.decode(body, type=LayerRecord).layer()
        return tuple(lost)

    def get(self, ref: str) -> Image:
        """Return the image that *ref* names: an id, a reference, or the beginning of an id."""
        if _FULL_ID.fullmatch(ref):
            digest = Digest("sha256:" + ref.removeprefix("sha256:"))
            if digest in self.images:
                return self.images[digest]
        try:
            reference = Reference.parse(ref).tagged()
        except InvalidArgument:
            if not _ID.fullmatch(ref):
                raise
            reference = None
        if reference is not None and (found := self.find(reference)):
            return found
        if _ID.fullmatch(ref):
            prefix = ref.removeprefix("sha256:")
            matches = [id_ for id_ in self.images if id_.hex.startswith(prefix)]
            if len(matches) == 1:
                return self.images[matches[0]]
            if matches:
                raise Conflict(f"ambiguous image id {ref}: {len(matches)} images begin so")
        raise NotFound(f"No such image: {ref if reference is None else reference}")

    def find(self, reference: Reference) -> Image | None:
        """Return the image of *reference*, which has a tag or a digest; a digest outranks the tag."""
        if reference.digest is not None:
            reference = reference.with_digest(reference.digest)
        id_ = self.references.get(reference.canonical)
        return None if id_ is None else self.images[id_]

    def references_of(self, id_: Digest) -> list[Reference]:
        """Return every reference of an image, those with tags first."""
        names = [name for name, image in self.references.items() if image == id_]
        return sorted(
            map(Reference.parse, names), key=lambda reference: (bool(reference.digest), str(reference))
        )

    def tags_of(self, repository: Reference) -> list[Reference]:
        """Return the references with a tag that images of *repository* have here, in the order of their names."""
        prefix = f"{repository.canonical_name}:"
        return [Reference.parse(name) for name in sorted(self.references) if name.startswith(prefix)]

    def layer(self, chain_id: Digest) -> Layer | None:
        """Return the layer that *chain_id* names, of an image or loose."""
        if chain_id in self.loose:
            return self.loose[chain_id]
        layers = (layer for image in self.images.values() for layer in image.layers)
        return next((layer for layer in layers if layer.chain_id == chain_id), None)

    def put(self, image: Image, references: Sequence[Reference]) -> Image:
        """Store an image and point *references* at it, all at once; what pointed elsewhere points here now.

        An image of that id stays as it is, and only gains the references.
        """
        image = self.images.get(image.id, image)
        if references:
            image = replace(image, last_tagged_ns=time.time_ns())
        loose = [layer.chain_id for layer in image.layers if layer.chain_id in self.loose]
        with self.documents.transaction():
            self.documents.put(IMAGE, image.id, msgspec.json.encode(_record(image)))
            for reference in references:
                self.documents.put(_kind(reference), reference.canonical, image.id.encode())
            for chain_id in loose:
                self.documents.delete(LOOSE, chain_id)
        for chain_id in loose:
            del self.loose[chain_id]
        self.images[image.id] = image
        moved = {self.references.get(reference.canonical) for reference in references}
        for reference in references:
            self.references[reference.canonical] = image.id
        for id_ in {image.id, *moved}:
            if id_ is not None:
                self._name(id_)
        return self.images[image.id]

    def drop(self, references: Sequence[Reference], image: Image | None = None) -> None:
        """Forget *references* and, if given, an image that has no others; all at once."""
        with self.documents.transaction(freeing=True):
            for reference in references:
                self.documents.delete(_kind(reference), reference.canonical)
            if image is not None:
                self.documents.delete(IMAGE, image.id)
        touched = {self.references.pop(reference.canonical, None) for reference in references}
        if image is not None:
            self.images.pop(image.id, None)
        for id_ in touched:
            if id_ in self.images:
                self._name(id_)

    def keep_loose(self, layer: Layer) -> None:
        """Keep a layer that no image has, until an image has it or `drop_loose`."""
        self.documents.put(LOOSE, layer.chain_id, msgspec.json.encode(LayerRecord.of(layer)))
        self.loose[layer.chain_id] = layer

    def drop_loose(self, chain_ids: Sequence[Digest]) -> None:
        """Afterwards no loose layers of these chains are kept; all of them as before when that fails."""
        with self.documents.transaction(freeing=True):
            for chain_id in chain_ids:
                self.documents.delete(LOOSE, chain_id)
        for chain_id in chain_ids:
            self.loose.pop(chain_id, None)

    def sync(self) -> None:
        """Afterwards no power cut can take away what was changed here before the call. For a thread."""
        self.documents.sync()

    def needed(self) -> set[str]:
        """Return the digests of all blobs and the names of all snapshots that an image or a loose layer needs."""
        needed: set[str] = set()
        for image in self.images.values():
            needed |= names_of(image)
        for layer in self.loose.values():
            needed |= {layer.descriptor.digest, layer.chain_id}
        return needed

    def _name(self, id_: Digest) -> None:
        references = self.references_of(id_)
        self.images[id_] = replace(
            self.images[id_],
            tags=tuple(str(reference) for reference in references if reference.tag),
            repo_digests=tuple(str(reference) for reference in references if reference.digest),
        )


def names_of(image: Image) -> set[str]:
    """Return the digests of an image's blobs and the names of its snapshots."""
    layers: Iterator[str] = (
        name for layer in image.layers for name in (layer.descriptor.digest, layer.chain_id)
    )
    return {image.id, image.manifest, *layers}


def timestamp_ns(text: str) -> int:
    """Return an RFC 3339 time in nanoseconds since the epoch; 0 when there is none, or one before the epoch."""
    with contextlib.suppress(ValueError):
        moment = datetime.fromisoformat(text.replace("z", "Z"))
        if moment.tzinfo is None:
            return 0
        fraction = re.search(r"\.(\d+)", text)
        nanoseconds = int(fraction[1].ljust(9, "0")[:9]) if fraction else 0
        return max(0, int(moment.replace(microsecond=0).timestamp()) * 10**9 + nanoseconds)
    return 0


def image_of(
    id_: Digest,
    config: ImageConfig,
    manifest: Digest,
    layers: Sequence[Layer],
    *,
    size: int,
    parent: str = "",
) -> Image:
    """Return the image that these make, without names."""
    labels: Mapping[str, Any] = config.labels
    return Image(
        id=id_,
        config=config,
        manifest=manifest,
        layers=tuple(layers),
        size=size,
        created_ns=timestamp_ns(config.created),
        parent=parent,
        labels=labels,
    )


def _image(id_: Digest, config: ImageConfig, record: ImageRecord) -> Image:
    layers = [layer.layer() for layer in record.layers]
    image = image_of(id_, config, Digest(record.manifest), layers, size=record.size, parent=record.parent)
    return replace(image, last_tagged_ns=record.last_tagged_ns)


def _record(image: Image) -> ImageRecord:
    layers = tuple(map(LayerRecord.of, image.layers))
    return ImageRecord(str(image.manifest), layers, image.size, image.last_tagged_ns, image.parent)


def _kind(reference: Reference) -> str:
    return DIGEST if reference.digest else TAG
