"""What a registry has under a name: its descriptor and the platforms it is for, without pulling it."""

from dataclasses import dataclass

from yurt.distribution.auth import Auth
from yurt.distribution.registries import Registries
from yurt.oci.config import ImageConfig
from yurt.oci.descriptor import Descriptor
from yurt.oci.manifest import MAX_BYTES, Index, Manifest, is_index
from yurt.oci.platform import Platform
from yurt.oci.reference import Reference


@dataclass(frozen=True, slots=True)
class Offered:
    """What a name stands for in its registry."""

    descriptor: Descriptor
    platforms: tuple[Platform, ...]


async def offered(registries: Registries, reference: Reference, auth: Auth | None) -> Offered:
    """Ask the registry, and for one image its configuration, too; NotFound when it has no such name."""
    async with registries.pulling(reference, auth) as (repository, resolved):
        descriptor = Descriptor(resolved.media_type, resolved.digest, len(resolved.data))
        if is_index(resolved.media_type, resolved.data):
            index = Index.from_bytes(resolved.data, media_type=resolved.media_type)
            return Offered(descriptor, tuple(entry.platform for entry in index.entries if entry.platform))
        manifest = Manifest.from_bytes(resolved.data)
        config = ImageConfig.from_bytes(await repository.read_blob(manifest.config, limit=MAX_BYTES))
        return Offered(descriptor, (Platform(config.os, config.architecture, config.variant),))
