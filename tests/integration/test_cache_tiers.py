"""The contract of `yurt.cache.ports.Tier`, asked of each tier; and Redis' own: outages."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from yurt.cache import MemoryTier, RedisTier, Tier, TierDown
from yurt.cache.ports import TierSkipped
from yurt.tasks import broker


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[broker.Broker]:
    folder = tmp_path_factory.mktemp("broker")
    yield broker.ensure(folder)
    broker.stop(folder)


@pytest.fixture(params=["memory", "redis"])
def tier(request: pytest.FixtureRequest, valkey: broker.Broker) -> Iterator[Tier]:
    if request.param == "memory":
        yield MemoryTier()
        return
    made = RedisTier(valkey.cache_url(), prefix="[test]*|")
    made.clear()
    yield made
    made.close()


def test_what_is_set_is_got_in_the_order_asked(tier: Tier) -> None:
    """None for what is not there."""
    tier.set("a", b"1", None)
    tier.set("b", b"\0\xff", 60)
    assert tier.get_many(["b", "missing", "a"]) == [b"\0\xff", None, b"1"]


def test_a_ttl_ends_a_value(tier: Tier) -> None:
    """Fractions of a second count."""
    tier.set("a", b"1", 0.05)
    time.sleep(0.08)
    assert tier.get_many(["a"]) == [None]
    assert tier.add("a", b"2", 60)


def test_add_sets_only_what_is_absent(tier: Tier) -> None:
    """And tells."""
    assert tier.add("a", b"1", None)
    assert not tier.add("a", b"2", None)
    assert tier.get_many(["a"]) == [b"1"]


def test_who_holds_the_lock_stores_and_gives_it_back(tier: Tier) -> None:
    """In one step; who lost it stores nothing."""
    tier.set("lock", b"mine", 60)
    assert not tier.store("a", b"theirs", None, lock="lock", token=b"theirs")
    assert tier.get_many(["a", "lock"]) == [None, b"mine"]
    assert tier.store("a", b"1", 0.05, lock="lock", token=b"mine")
    assert tier.get_many(["a", "lock"]) == [b"1", None]
    assert not tier.store("a", b"2", None, lock="lock", token=b"mine")
    time.sleep(0.08)
    assert tier.get_many(["a"]) == [None]


def test_deleting_tells_what_was_there(tier: Tier) -> None:
    """By key, or only if it holds a value."""
    tier.set("a", b"1", None)
    tier.set("b", b"2", None)
    assert not tier.delete_if("a", b"other")
    assert tier.delete_if("a", b"1")
    assert tier.delete("a", "b", "missing") == 1
    assert tier.delete() == 0


def test_only_one_of_many_threads_adds(tier: Tier) -> None:
    """Calls are atomic."""
    added: list[bool] = []
    threads = [threading.Thread(target=lambda: added.append(tier.add("a", b"1", None))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(added) == [False] * 7 + [True]


def test_clearing_leaves_other_prefixes_alone(valkey: broker.Broker) -> None:
    """Also when a prefix has characters that mean something in a pattern."""
    ours, theirs = (RedisTier(valkey.cache_url(), prefix=prefix) for prefix in ("[test]*|", "t|"))
    ours.set("a", b"1", None)
    theirs.set("a", b"2", None)
    assert ours.clear() == 1
    assert (ours.get_many(["a"]), theirs.get_many(["a"])) == ([None], [b"2"])
    ours.close()
    theirs.close()


def test_a_server_that_is_not_there_is_asked_once_in_a_while() -> None:
    """The first call fails, the next are refused without a try."""
    tier = RedisTier("redis://127.0.0.1:1/0")
    with pytest.raises(TierDown, match="does not answer"):
        tier.get_many(["a"])
    with pytest.raises(TierSkipped):
        tier.get_many(["a"])
    tier.close()


def test_a_server_that_hangs_costs_its_timeout_only() -> None:
    """It accepts, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        tier = RedisTier(
            f"redis://127.0.0.1:{server.getsockname()[1]}/0", answer_timeout=0.1, connect_timeout=0.1
        )
        started = time.monotonic()
        with pytest.raises(TierDown):
            tier.set("a", b"1", None)
        assert time.monotonic() - started < 2
        tier.close()
