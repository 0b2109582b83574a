"""`yurt.cache.cached` over memory; tests/integration/test_cache.py has Redis and processes."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any, assert_type

import pytest

from yurt.cache import AsyncCached, Cache, Cached, MemoryTier, Stats, TierDown, cached, configure
from yurt.cache import decorator as decorators
from yurt.errors import InvalidArgument


class Down:
    """A tier that never answers."""

    blocking = False

    def __getattr__(self, name: str) -> Any:
        def fail(*_: object, **__: object) -> Any:
            raise TierDown("down")

        return fail


@pytest.fixture
def cache() -> Cache:
    return Cache(MemoryTier())


def test_the_first_call_computes_and_the_next_is_a_hit(cache: Cache) -> None:
    """None is an answer like any other."""
    calls = []

    @cache.cached(ttl="5m")
    def price(item: str) -> int | None:
        calls.append(item)
        return None if item == "nothing" else 7

    assert [price("saddle"), price("saddle"), price("nothing"), price("nothing")] == [7, 7, None, None]
    assert calls == ["saddle", "nothing"]
    assert cache.stats == Stats(hits=2, misses=2, computed=2)
    assert cache.stats.hit_rate == 0.5


def test_the_decorator_keeps_the_signature(cache: Cache) -> None:
    """For type checkers, and for people."""

    @cache.cached()
    def plain(item: str) -> int:
        """Doc."""
        return len(item)

    @cache.cached()
    async def coroutine(item: str) -> int:
        return len(item)

    assert_type(plain("a"), int)
    assert isinstance(plain, Cached)
    assert isinstance(coroutine, AsyncCached)
    assert plain.__doc__ == "Doc."
    assert plain.__name__ == "plain"  # type: ignore[attr-defined]


def test_an_answer_can_be_looked_at_refreshed_and_forgotten(cache: Cache) -> None:
    """peek computes nothing, refresh always does."""
    answers = iter([1, 2, 3])

    @cache.cached(key="n:{x}")
    def n(x: int) -> int:
        return next(answers)

    assert n.key(5) == "n:5"
    assert n.peek(5) is None
    assert n(5) == 1
    assert n.peek(5) == 1
    assert n.refresh(5) == 2
    assert n(5) == 2
    n.invalidate(5)
    assert n.peek(5) is None
    assert n(5) == 3


def test_a_tag_invalidates_all_that_bear_it_and_nothing_else(cache: Cache) -> None:
    """One write, however many entries."""
    calls = []

    @cache.cached(tags=["orders", "city:{city}"])
    def count(city: str) -> int:
        calls.append(city)
        return 0

    for city in ("Osh", "Naryn"):
        count(city)
    cache.invalidate("city:Osh")
    for city in ("Osh", "Naryn"):
        count(city)
    assert calls == ["Osh", "Naryn", "Osh"]
    cache.invalidate("orders")
    for city in ("Osh", "Naryn"):
        count(city)
    assert calls == ["Osh", "Naryn", "Osh", "Osh", "Naryn"]
    assert cache.stats.invalidated == 3


@pytest.mark.parametrize("by", ["tag", "key"])
def test_what_was_computed_from_old_data_is_not_kept(cache: Cache, by: str) -> None:
    """An invalidation during the computation counts, by tag or by key."""
    data = "old"

    @cache.cached(tags=["data"])
    def read() -> str:
        nonlocal data
        seen = data
        if seen == "old":
            data = "new"
            cache.invalidate("data") if by == "tag" else read.invalidate()
        return seen

    assert read() == "old"
    assert read() == "new"


def test_threads_that_ask_at_once_are_answered_by_one_computation(cache: Cache) -> None:
    """The others wait for its outcome."""
    entered, leave = threading.Event(), threading.Event()
    calls = []

    @cache.cached()
    def slow() -> int:
        calls.append(1)
        entered.set()
        assert leave.wait(10)
        return 7

    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(slow())) for _ in range(8)]
    threads[0].start()
    assert entered.wait(10)
    for thread in threads[1:]:
        thread.start()
    while cache.stats.misses < 8:
        threading.Event().wait(0.001)
    leave.set()
    for thread in threads:
        thread.join()
    assert answers == [7] * 8
    assert len(calls) == 1
    assert cache.stats.computed == 1


def test_a_failure_reaches_all_who_waited_and_is_not_kept(cache: Cache) -> None:
    """The next call tries again."""
    outcomes: Iterator[Any] = iter([TimeoutError("theirs"), 5])

    @cache.cached()
    def risky() -> int:
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return int(outcome)

    with pytest.raises(TimeoutError, match="theirs"):
        risky()
    assert risky() == 5
    assert cache.stats.failed == 1


async def test_coroutines_that_ask_at_once_are_answered_by_one_computation(cache: Cache) -> None:
    """As threads are."""
    calls = []

    @cache.cached(ttl="1m")
    async def slow(x: int) -> int:
        calls.append(x)
        await asyncio.sleep(0.01)
        return x

    assert await asyncio.gather(*(slow(1) for _ in range(8))) == [1] * 8
    assert calls == [1]
    assert await slow.peek(1) == 1
    assert await slow.refresh(1) == 1
    await slow.invalidate(1)
    assert await slow.peek(1) is None


async def test_who_is_cancelled_while_computing_hands_over_to_who_waits(cache: Cache) -> None:
    """A request that went away costs the others nothing."""
    started = asyncio.Event()
    calls = []

    @cache.cached()
    async def slow() -> int:
        calls.append(1)
        started.set()
        await asyncio.sleep(60 if len(calls) == 1 else 0)
        return len(calls)

    first = asyncio.create_task(slow())
    await started.wait()
    second = asyncio.create_task(slow())
    await asyncio.sleep(0.01)
    first.cancel()
    assert await asyncio.wait_for(second, 10) == 2
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_who_stops_waiting_stops_nobody_else(cache: Cache) -> None:
    """The computation goes on for the others."""
    leave = asyncio.Event()

    @cache.cached()
    async def slow() -> int:
        await leave.wait()
        return 7

    first, second = asyncio.create_task(slow()), asyncio.create_task(slow())
    await asyncio.sleep(0.01)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    leave.set()
    assert await first == 7


def test_a_tier_that_is_down_costs_the_saving_not_the_answer() -> None:
    """Every call computes; nothing raises."""
    cache = Cache(Down())
    calls = []

    @cache.cached(tags=["t"])
    def answer() -> int:
        calls.append(1)
        return 7

    assert [answer(), answer(), answer.refresh()] == [7, 7, 7]
    assert answer.peek() is None
    answer.invalidate()
    cache.invalidate("t")
    cache.set("k", 1)
    assert cache.get("k", "none") == "none"
    assert len(calls) == 3
    assert cache.stats.down == 8


def test_a_corrupted_value_is_a_miss_that_is_counted(cache: Cache) -> None:
    """Whatever got into the store is computed anew."""

    @cache.cached(key="k")
    def answer() -> int:
        return 7

    answer()
    for rubbish in (b"", b"\xc1", b"\x93\x01\x80\xc4\x01\xc1", b"not ours"):
        cache.tier.set("k", rubbish, None)
        assert answer() == 7
    assert cache.stats.corrupted == 4
    assert answer.peek() == 7


def test_a_value_that_cannot_be_kept_keeps_no_one_waiting(cache: Cache) -> None:
    """The mistake is raised each time, and the lock is free again."""

    @cache.cached()
    def odd() -> object:
        return object()

    for _ in range(2):
        with pytest.raises(InvalidArgument, match="cannot cache a builtins"):
            odd()
    assert repr(cache.tier).startswith("<MemoryTier 0/")


def test_the_answer_is_the_callers_own(cache: Cache) -> None:
    """Changing it changes no one else's."""

    @cache.cached()
    def listed() -> list[int]:
        return [1]

    listed().append(2)
    listed().append(3)
    assert listed() == [1]


def test_a_local_tier_answers_without_the_shared_one_and_hears_own_invalidations() -> None:
    """For its short age."""
    shared = MemoryTier()
    cache = Cache(shared, local=MemoryTier(), local_age=60)
    answers = iter([1, 2, 3])

    @cache.cached(key="k", tags=["t"])
    def n() -> int:
        return next(answers)

    assert [n(), n()] == [1, 1]
    shared.delete("k")
    assert n() == 1
    cache.invalidate("t")
    assert n() == 2
    assert n.refresh() == 3
    assert n() == 3


def test_plain_values_can_be_kept_too(cache: Cache) -> None:
    """By key, with a ttl and tags."""
    cache.set("k", {"a": 1}, ttl="1m", tags=["t"])
    assert cache.get("k", tags=["t"]) == {"a": 1}
    cache.invalidate("t")
    assert cache.get("k", "gone", tags=["t"]) == "gone"
    cache.set("k", 1)
    cache.delete("k")
    assert cache.get("k") is None


def test_functions_may_share_a_default_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chosen by the entry point, looked up at each call; memory until then."""
    monkeypatch.setattr(decorators, "_default", None)

    @cached(ttl=60)
    def answer() -> int:
        return 7

    assert answer() == 7
    chosen = Cache(MemoryTier())
    configure(chosen)
    assert answer() == 7
    assert chosen.stats.computed == 1


def test_tags_given_as_one_text_are_refused() -> None:
    """It would be one tag a letter."""
    with pytest.raises(InvalidArgument, match="tags are a list"):
        cached(tags="orders")
