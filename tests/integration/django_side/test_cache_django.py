"""`yurt.cache.django` on a real Valkey server: Django's cache contract, and model tags."""

import datetime as dt
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.cache import BaseCache, caches
from django.db import transaction

from yurt.cache import TierDown
from yurt.cache.django import RedisCache, cache_for, cached, invalidate_on_commit, model_tag, watch
from yurt.errors import InvalidArgument
from yurt.tasks.broker import Broker


@pytest.fixture
def cache(valkey: Broker) -> Iterator[BaseCache]:
    made = caches["default"]
    made.clear()
    yield made
    made.clear()


def test_values_come_back_as_they_were(cache: BaseCache) -> None:
    """Types included; None is a value, not a miss."""
    value = {
        "n": 1,
        "d": Decimal("1.5"),
        "t": dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        "tup": (1, 2),
        "s": {1},
    }
    cache.set("k", value)
    assert cache.get("k") == value
    cache.set("none", None)
    assert cache.get("none", "default") is None
    assert cache.get("missing", "default") == "default"
    assert cache.get_or_set("made", lambda: 7) == 7
    assert "made" in cache
    assert cache.has_key("made")


def test_add_sets_only_what_is_absent(cache: BaseCache) -> None:
    """And tells."""
    assert cache.add("k", 1)
    assert not cache.add("k", 2)
    assert cache.get("k") == 1
    assert cache.add("gone", 1, timeout=0)
    assert cache.get("gone") is None


def test_a_timeout_ends_a_value(cache: BaseCache) -> None:
    """Zero or less: at once. None: never. touch changes it."""
    cache.set("soon", 1, timeout=0.05)
    cache.set("now", 1, timeout=0)
    cache.set("negative", 1, timeout=-1)
    cache.set("ever", 1, timeout=None)
    cache.set("touched", 1, timeout=0.05)
    assert cache.touch("touched", 10)
    assert cache.touch("ever", None)
    assert not cache.touch("missing", 10)
    time.sleep(0.1)
    assert cache.get_many(["soon", "now", "negative", "ever", "touched"]) == {"ever": 1, "touched": 1}
    assert cache.touch("ever", 0)
    assert cache.get("ever") is None


def test_counting_is_atomic(cache: BaseCache) -> None:
    """From many threads; a key that is not there is a ValueError, as Django has it."""
    cache.set("n", 0)
    threads = [threading.Thread(target=lambda: [cache.incr("n") for _ in range(100)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cache.get("n") == 400
    assert cache.decr("n", 10) == 390
    with pytest.raises(ValueError, match="not found"):
        cache.incr("missing")


def test_many_at_once(cache: BaseCache) -> None:
    """Set, read and deleted in one go."""
    assert cache.set_many({"a": 1, "b": "x"}, timeout=10) == []
    assert cache.get_many(["a", "b", "c"]) == {"a": 1, "b": "x"}
    cache.delete_many(["a", "c"])
    assert cache.get_many(["a", "b"]) == {"b": "x"}
    assert cache.delete("b")
    assert not cache.delete("b")


def test_versions_and_prefixes_keep_keys_apart(cache: BaseCache) -> None:
    """clear() leaves what is not ours: a broker may live there too."""
    assert isinstance(cache, RedisCache)
    cache.set("k", 1, version=1)
    cache.set("k", 2, version=2)
    assert (cache.get("k", version=1), cache.get("k", version=2)) == (1, 2)
    assert cache.incr_version("k") == 2
    assert cache.get("k", version=2) == 1
    cache.tier.client.set("celery", "a task")
    cache.clear()
    assert cache.get("k", version=2) is None
    assert cache.tier.client.get("celery") == b"a task"


def test_what_is_not_a_plain_value_is_refused(cache: BaseCache) -> None:
    """No pickle."""
    with pytest.raises(InvalidArgument, match="cannot cache a"):
        cache.set("k", object())


def test_a_damaged_value_is_a_miss(cache: BaseCache) -> None:
    """And logged."""
    assert isinstance(cache, RedisCache)
    cache.tier.client.set(cache._name("k", None), b"\0\xc1")
    assert cache.get("k", "default") == "default"
    assert cache.get_many(["k"]) == {}


def test_a_server_that_is_down_is_a_miss_or_an_error_as_chosen() -> None:
    """Fast, too: nobody waits for it again and again."""
    down = caches["down"]
    started = time.monotonic()
    for _ in range(20):
        assert down.get("k", 1) == 1
    assert not down.add("k", 1)
    assert down.set_many({"a": 1}) == ["a"]
    down.set("k", 1)
    down.delete("k")
    assert time.monotonic() - started < 5
    with pytest.raises(TierDown):
        caches["strict"].get("k")


def test_a_model_change_invalidates_on_commit_only(cache: BaseCache, database: None) -> None:
    """Rolled back, it never happened."""
    watch(Group)
    calls = []

    @cached(ttl="1m", tags=[model_tag(Group)])
    def groups() -> int:
        calls.append(1)
        return Group.objects.count()

    before = groups()
    with transaction.atomic():
        group = Group.objects.create(name="herders")
        assert groups() == before  # still the old answer, for everyone
    assert groups() == before + 1
    with transaction.atomic():
        group.delete()
        transaction.set_rollback(True)
    count = len(calls)
    assert groups() == before + 1
    assert len(calls) == count
    Group.objects.get(name="herders").permissions.add(Permission.objects.all()[0])
    groups()
    assert len(calls) == count + 1
    Group.objects.filter(name="herders").delete()
    assert groups() == before


def test_a_tag_can_be_invalidated_by_hand(cache: BaseCache, database: None) -> None:
    """After what sends no signals."""
    made = cache_for()
    answers: Iterator[Any] = iter([1, 2])

    @made.cached(tags=[model_tag("auth.Group")])
    def answer() -> int:
        return int(next(answers))

    assert answer() == 1
    with transaction.atomic():
        invalidate_on_commit(model_tag("auth.Group"))
        assert answer() == 1
    assert answer() == 2
    assert model_tag(Group) == model_tag("auth.Group")
