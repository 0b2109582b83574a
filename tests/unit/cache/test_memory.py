"""`yurt.cache.tiers.memory`: bounds. What all tiers share is in tests/integration/test_cache_tiers.py."""

from yurt.cache import MemoryTier


def test_what_was_used_longest_ago_makes_room() -> None:
    """Reading counts as use."""
    tier = MemoryTier(max_entries=2)
    tier.set("a", b"1", None)
    tier.set("b", b"2", None)
    tier.get_many(["a"])
    tier.set("c", b"3", None)
    assert tier.get_many(["a", "b", "c"]) == [b"1", None, b"3"]
    assert tier.evictions == 1


def test_bytes_are_bounded_and_given_back() -> None:
    """Keys count too; a value beyond the bound is not kept and evicts nothing."""
    tier = MemoryTier(max_bytes=10)
    tier.set("a", b"123", None)
    tier.set("b", b"x" * 10, None)
    assert tier.get_many(["a", "b"]) == [b"123", None]
    tier.set("a", b"1", None)
    assert repr(tier) == "<MemoryTier 1/10000 entries, 2/10 bytes>"
    tier.delete("a")
    assert repr(tier) == "<MemoryTier 0/10000 entries, 0/10 bytes>"


def test_a_value_ends_with_its_ttl() -> None:
    """By the clock given."""
    now = 0.0
    tier = MemoryTier(clock=lambda: now)
    tier.set("a", b"1", 5)
    now = 4.9
    assert tier.get_many(["a"]) == [b"1"]
    now = 5.0
    assert tier.get_many(["a"]) == [None]
    assert tier.delete("a") == 0
