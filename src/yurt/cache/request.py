"""All about one answer but how to compute it."""

from dataclasses import dataclass

from yurt.cache.codec import Codec

LEASE = 60.0  # seconds that one computation may keep other processes waiting
PLAIN = Codec()


@dataclass(frozen=True, slots=True)
class Request:
    """A key, the tags that invalidate it (sorted), how long to keep it, and how it is written down."""

    key: str
    tags: tuple[str, ...] = ()
    ttl: float | None = None
    codec: Codec = PLAIN
    lease: float = LEASE
