"""What of the build cache goes first, and how much of it."""

import pytest

from yurt.engine.build.pruning import CacheEntry, PruneLimits, doomed

ENTRIES = (
    CacheEntry("old", "regular", size=100, created_ns=1, used_ns=10),
    CacheEntry("base", "regular", size=100, created_ns=2, used_ns=50),
    CacheEntry("child", "regular", size=100, created_ns=3, used_ns=50),
    CacheEntry("shared", "regular", size=500, created_ns=0, used_ns=5, shared=True),
    CacheEntry("mount", "exec.cachemount", size=300, created_ns=4, used_ns=70),
    CacheEntry("now", "regular", size=100, created_ns=5, used_ns=90, in_use=True),
)


@pytest.mark.parametrize(
    ("limits", "going"),
    [
        (PruneLimits(), ["shared", "old", "child", "base", "mount"]),
        (PruneLimits(until_ns=50), ["shared", "old"]),
        (PruneLimits(max_used=700), []),
        (PruneLimits(max_used=699), ["old"]),
        (PruneLimits(max_used=550), ["old", "child"]),
        (PruneLimits(max_used=0), ["old", "child", "base", "mount"]),
        (PruneLimits(max_used=0, until_ns=60), ["old", "child", "base"]),
        (PruneLimits(max_used=0, reserved=500), ["old", "child"]),
        (PruneLimits(reserved=600), ["shared", "old"]),
        (PruneLimits(min_free=1150), ["old", "child"]),
        (PruneLimits(min_free=1000), []),
    ],
)
def test_the_least_recently_used_goes_first(limits: PruneLimits, going: list[str]) -> None:
    """A step before the one that it stands on; what an image has only when all goes; nothing that is in use."""
    assert [entry.key for entry in doomed(ENTRIES, limits, free=1000)] == going
