"""Values of images."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from yurt.oci.config import ImageConfig
from yurt.oci.descriptor import Descriptor
from yurt.oci.digest import Digest


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer that is in the content store and unpacked: *chain_id* names its committed snapshot."""

    descriptor: Descriptor  # of the (compressed) blob
    diff_id: Digest  # of the uncompressed tar
    chain_id: Digest


@dataclass(frozen=True, slots=True)
class Image:
    """An image that is whole: every blob stored and verified, every layer unpacked.

    *id* is the digest of the configuration (Docker's image id). *size* is the bytes of its unpacked layers.
    """

    id: Digest
    config: ImageConfig
    manifest: Digest
    layers: tuple[Layer, ...]
    size: int
    tags: tuple[str, ...] = ()  # familiar references: "debian:12"
    repo_digests: tuple[str, ...] = ()  # "debian@sha256:…"
    created_ns: int = 0
    last_tagged_ns: int = 0
    parent: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def chain_id(self) -> Digest | None:
        """The committed snapshot that holds its whole file system; None for an image without layers."""
        return self.layers[-1].chain_id if self.layers else None


@dataclass(frozen=True, slots=True)
class Removed:
    """One thing that `remove` or `prune` did: a reference that is gone, or an image or layer that is."""

    untagged: str = ""
    deleted: str = ""


@dataclass(frozen=True, slots=True)
class Pruned:
    """What a prune removed, and the bytes that it freed."""

    removed: tuple[Removed, ...] = ()
    freed: int = 0


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """A line of `docker history`. *id* is empty for a step that is no image of its own."""

    id: str
    created_ns: int
    created_by: str
    size: int
    comment: str = ""
    tags: tuple[str, ...] = ()
