"""Named contexts of a build (``--build-context``): which of them a name in a Dockerfile means, and layouts. Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Self

from yurt.errors import InvalidArgument
from yurt.oci.digest import Digest
from yurt.oci.reference import Reference

IMAGE, LAYOUT = "docker-image://", "oci-layout://"


@dataclass(frozen=True, slots=True)
class LayoutPlace:
    """An image in an OCI image layout: the folder, or the store of the build's origin, *name*; of it *tag* or *digest*."""

    name: str
    tag: str = "latest"
    digest: str = ""
    in_origin: bool = False

    @classmethod
    def parse(cls, text: str, *, in_origin: bool = False) -> Self:
        """Read ``NAME[:TAG][@DIGEST]``; raise InvalidArgument when there is no name, or the digest is none."""
        name, mark, digest = text.partition("@")
        if mark:
            Digest.parse(digest)
        folder, colon, tag = name.rpartition(":")
        if not colon or "/" in tag:
            folder, tag = name, "latest"
        if not folder:
            raise InvalidArgument(f"the build context {LAYOUT}{text} names no folder")
        return cls(folder, tag, digest, in_origin)


def meant(reference: str, names: Collection[str]) -> str | None:
    """Return which of *names* a Dockerfile's *reference* means, None: none of them.

    As BuildKit has it, an image's name may be written shorter or longer, and with or without ``:latest``.
    """
    if reference in names:
        return reference
    try:
        short = str(Reference.parse(reference).tagged()).removesuffix(":latest")
    except InvalidArgument:
        return None
    return short if short in names else None
