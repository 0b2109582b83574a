"""A build cache on its way to another engine: which step made which layer, as a document beside the layers. Pure.

It is the configuration of an OCI manifest whose layers are those that the document's steps made (ADR 22), or, for
a cache inside an image, part of the image's own configuration.
"""

import re
from dataclasses import dataclass
from datetime import datetime

import msgspec

from yurt.errors import InvalidArgument, YurtError
from yurt.oci.digest import Digest

MEDIA_TYPE = "application/vnd.yurt.buildcache.config.v1+json"
INLINE = "org.yurt.buildcache.v1"  # the key of the document in an image's configuration
MAX_BYTES = 8 << 20
VERSION = 1
_KEY = re.compile(r"[0-9a-f]{64}")
_NO_LAYER = -1


@dataclass(frozen=True, slots=True)
class KeptStep:
    """A step that was made: *layer* is the place of what it made among the manifest's, -1 where it changed nothing.

    *key* is the build cache's own; *parent* names the file system below (a chain id; empty: nothing), *diff_id* the
    layer's content; *created* is RFC 3339, *what* the step's text.
    """

    key: str
    layer: int = _NO_LAYER
    diff_id: str = ""
    parent: str = ""
    created: str = ""
    what: str = ""

    @property
    def is_empty(self) -> bool:
        return self.layer == _NO_LAYER


@dataclass(frozen=True, slots=True)
class CacheDocument:
    """All steps of a cache. `from_bytes` is the inverse of `to_bytes`."""

    steps: tuple[KeptStep, ...] = ()
    version: int = VERSION

    @classmethod
    def from_bytes(cls, data: bytes, *, layers: int) -> "CacheDocument":
        """Parse what anybody may have written; *layers* is how many the manifest has. Raise InvalidArgument."""
        if len(data) > MAX_BYTES:
            raise InvalidArgument(f"the build cache's list of steps is larger than {MAX_BYTES} bytes")
        try:
            document = msgspec.json.decode(data, type=cls)
        except (msgspec.MsgspecError, UnicodeDecodeError) as broken:
            raise InvalidArgument(f"the build cache's list of steps is broken: {broken}") from broken
        if document.version != VERSION:
            raise InvalidArgument(f"the build cache is of version {document.version}, not {VERSION}")
        for step in document.steps:
            _check(step, layers)
        return document

    def to_bytes(self) -> bytes:
        return msgspec.json.encode(self)

    def by_key(self) -> dict[str, KeptStep]:
        return {step.key: step for step in self.steps}


def _check(step: KeptStep, layers: int) -> None:
    if not _KEY.fullmatch(step.key):
        raise InvalidArgument("the build cache's list of steps is broken: a key is none")
    try:
        for digest in (step.parent, "" if step.is_empty else step.diff_id):
            if digest:
                Digest.parse(digest)
        if step.created:
            datetime.fromisoformat(step.created)
    except (YurtError, ValueError) as bad:
        raise InvalidArgument(f"the build cache's list of steps is broken: {bad}") from bad
    if not step.is_empty and not (0 <= step.layer < layers and step.diff_id):
        raise InvalidArgument("the build cache's list of steps is broken: it names a layer that is not there")
