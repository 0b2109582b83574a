"""Caching of computed data: `cached` on a function, over a `Cache` object, over tiers.

    stats = Cache(RedisTier("redis://redis:6379/1"))

    @stats.cached(ttl="5m", tags=["orders"])
    def orders_by_city() -> dict[str, int]: ...

    stats.invalidate("orders")

One computation at a time for a key across threads and processes; no pickle; a Redis that is down costs the
saving, never the answer. Django's side is in `yurt.cache.django`.
"""

from yurt.cache.cache import Cache
from yurt.cache.codec import Codec
from yurt.cache.decorator import AsyncCached, Cached, cached, configure
from yurt.cache.ports import Tier, TierDown
from yurt.cache.stats import Stats
from yurt.cache.tiers.memory import MemoryTier
from yurt.cache.tiers.redis import RedisTier
from yurt.cache.ttl import seconds

__all__ = [
    "AsyncCached",
    "Cache",
    "Cached",
    "Codec",
    "MemoryTier",
    "RedisTier",
    "Stats",
    "Tier",
    "TierDown",
    "cached",
    "configure",
    "seconds",
]
