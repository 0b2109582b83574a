"""Manifest and Index: which blobs make an image, and which image is for which platform.

OCI image specification (manifest.md, image-index.md) and Docker's schema 2 forms of the same. The
bytes are kept as they came: a manifest's digest is the digest of its bytes, not of its meaning.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import msgspec

from yurt.errors import InvalidArgument, NotFound, Unimplemented
from yurt.oci.descriptor import Descriptor, MediaType
from yurt.oci.digest import Digest
from yurt.oci.platform import Platform

LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'  # the file oci-layout of an image layout
REF_NAME = "org.opencontainers.image.ref.name"  # the annotation with the tag, in a layout's index
MAX_BYTES = 4 << 20  # what registries accept; guards memory against a hostile one

MANIFEST_TYPES = frozenset({MediaType.OCI_MANIFEST, MediaType.DOCKER_MANIFEST})
INDEX_TYPES = frozenset({MediaType.OCI_INDEX, MediaType.DOCKER_INDEX})
ACCEPTED = (
    MediaType.OCI_INDEX,
    MediaType.OCI_MANIFEST,
    MediaType.DOCKER_INDEX,
    MediaType.DOCKER_MANIFEST,
)


@dataclass(frozen=True, slots=True)
class Manifest:
    """An image: its configuration and its layers, lowest first."""

    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_bytes(cls, data: bytes, *, media_type: str = "") -> Self:
        """Parse *data*; *media_type* (of the transport) serves where the document does not say."""
        document = _document(data, "manifest")
        kind = _text(document.get("mediaType")) or media_type or MediaType.OCI_MANIFEST
        if document.get("schemaVersion") != 2:
            raise Unimplemented(
                "image manifest schema version 1 is not supported",
                hint="push the image again with a current tool",
            )
        if kind not in MANIFEST_TYPES or "manifests" in document:
            raise InvalidArgument(f"invalid manifest: {kind} is not an image manifest")
        layers = document.get("layers")
        if not isinstance(layers, list):
            raise InvalidArgument("invalid manifest: layers are missing")
        return cls(
            kind,
            descriptor_from(document.get("config")),
            tuple(descriptor_from(layer) for layer in layers),
            _texts(document.get("annotations")),
        )

    def to_bytes(self) -> bytes:
        """Return the document, the same bytes for the same value."""
        document: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": self.media_type,
            "config": descriptor_to(self.config),
            "layers": [descriptor_to(layer) for layer in self.layers],
        }
        if self.annotations:
            document["annotations"] = dict(self.annotations)
        return msgspec.json.encode(document)


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """One manifest of an index. *platform* None: the index does not say."""

    descriptor: Descriptor
    platform: Platform | None = None


@dataclass(frozen=True, slots=True)
class Index:
    """Several manifests under one name, for several platforms."""

    media_type: str
    entries: tuple[IndexEntry, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_bytes(cls, data: bytes, *, media_type: str = "") -> Self:
        document = _document(data, "index")
        entries = document.get("manifests")
        if not isinstance(entries, list):
            raise InvalidArgument("invalid index: manifests are missing")
        kind = _text(document.get("mediaType")) or media_type or MediaType.OCI_INDEX
        return cls(kind, tuple(map(_entry_from, entries)), _texts(document.get("annotations")))

    def to_bytes(self) -> bytes:
        document: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": self.media_type,
            "manifests": [_entry_to(entry) for entry in self.entries],
        }
        if self.annotations:
            document["annotations"] = dict(self.annotations)
        return msgspec.json.encode(document)

    def choose(self, platform: Platform) -> Descriptor:
        """Return the manifest that runs best on *platform*; raise NotFound when none does.

        Attestations (platform unknown/unknown) and images inside images are passed over.
        """
        ranked = [
            (rank, number)
            for number, entry in enumerate(self.entries)
            if entry.platform is not None and (rank := platform.rank(entry.platform)) is not None
        ]
        if ranked:
            return self.entries[min(ranked)[1]].descriptor
        if len(self.entries) == 1 and self.entries[0].platform is None:
            return self.entries[0].descriptor
        offered = sorted({str(e.platform) for e in self.entries if e.platform and e.platform.os != "unknown"})
        raise NotFound(
            f"no matching manifest for {platform} in the manifest list entries",
            hint=f"it is offered for {', '.join(offered)}" if offered else None,
        )


def is_index(media_type: str, data: bytes) -> bool:
    """Tell whether a document is an index, by the media type or, where that is silent, by its shape."""
    if media_type in INDEX_TYPES:
        return True
    if media_type in MANIFEST_TYPES:
        return False
    return "manifests" in _document(data, "manifest")


def descriptor_from(document: Any) -> Descriptor:
    """Return the descriptor in a decoded document; raise InvalidArgument when it is not one."""
    if not isinstance(document, dict):
        raise InvalidArgument("invalid manifest: a descriptor is missing")
    size = document.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise InvalidArgument(f"invalid manifest: {size!r} is not a size")
    return Descriptor(
        _text(document.get("mediaType")),
        Digest.parse(_text(document.get("digest"))),
        size,
        _texts(document.get("annotations")),
    )


def descriptor_to(descriptor: Descriptor) -> dict[str, Any]:
    """Return the document of a descriptor."""
    document: dict[str, Any] = {
        "mediaType": descriptor.media_type,
        "digest": str(descriptor.digest),
        "size": descriptor.size,
    }
    if descriptor.annotations:
        document["annotations"] = dict(descriptor.annotations)
    return document


def _entry_from(document: Any) -> IndexEntry:
    descriptor = descriptor_from(document)
    shape = document.get("platform")
    if not isinstance(shape, dict) or not shape.get("os"):
        return IndexEntry(descriptor)
    return IndexEntry(
        descriptor,
        Platform(_text(shape.get("os")), _text(shape.get("architecture")), _text(shape.get("variant"))),
    )


def _entry_to(entry: IndexEntry) -> dict[str, Any]:
    document = descriptor_to(entry.descriptor)
    if entry.platform is not None:
        shape = {"architecture": entry.platform.architecture, "os": entry.platform.os}
        document["platform"] = shape | ({"variant": entry.platform.variant} if entry.platform.variant else {})
    return document


def _document(data: bytes, what: str) -> dict[str, Any]:
    if len(data) > MAX_BYTES:
        raise InvalidArgument(f"invalid {what}: it is larger than {MAX_BYTES} bytes")
    try:
        document = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidArgument(f"invalid {what}: it is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise InvalidArgument(f"invalid {what}: it is not a JSON object")
    return document


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {key: text for key, text in value.items() if isinstance(text, str)}
