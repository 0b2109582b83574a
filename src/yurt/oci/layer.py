"""Layers as the specification has them (OCI image specification, layer.md): names, chains and whiteouts.

Only rules live here. Reading and writing a layer's files is `storage`'s.
"""

import hashlib
from collections.abc import Iterable

from yurt.errors import InvalidArgument
from yurt.oci.digest import Digest

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"
AUFS = ".wh..wh."  # bookkeeping of AUFS, which is no content; the opaque marker is of this form too

PLACES = frozenset({".dockerenv", "etc/hostname", "etc/hosts", "etc/resolv.conf"})
"""What an engine makes in each container: places to mount its own files on, and a mark. Empty, they are no content."""


def chain_id(parent: Digest | None, diff_id: Digest) -> Digest:
    """Return the name of the file system that *diff_id* makes on top of *parent* (config.md, Layer ChainID)."""
    if parent is None:
        return diff_id
    return Digest("sha256:" + hashlib.sha256(f"{parent} {diff_id}".encode()).hexdigest())


def chain_ids(diff_ids: Iterable[str]) -> tuple[Digest, ...]:
    """Return the chain ids of each layer, lowest first."""
    chain: list[Digest] = []
    for diff_id in diff_ids:
        chain.append(chain_id(chain[-1] if chain else None, Digest.parse(diff_id)))
    return tuple(chain)


def path_parts(name: str, *, what: str) -> tuple[str, ...]:
    """Return the components of a path in an archive; () is the root itself.

    A path that is absolute, climbs with ``..`` or holds a NUL is refused: no honest archive has one, and
    a tool that follows it writes outside the image.
    """
    if name.startswith("/"):
        raise InvalidArgument(f"refusing {what} {name!r}: the path is absolute")
    parts = tuple(part for part in name.split("/") if part not in {"", "."})
    if ".." in parts:
        raise InvalidArgument(f"refusing {what} {name!r}: the path climbs out of the archive")
    if "\0" in name:
        raise InvalidArgument(f"refusing {what} {name!r}: the path holds a NUL")
    return parts
