"""The cache itself: reads, computes once, stores, invalidates.

The order of events is one generator, `Cache._answer`, which yields steps and does no waiting of its own; two
small drivers run the steps, one for plain functions and one for coroutines.

*Tags.* A tag is a key that holds a random generation. An entry remembers the generations of its tags as they
were before its value was computed, and is a miss when one has changed or is gone: invalidating a tag is one
write, however many entries have it, and a value computed from old data is never taken for a new one.

*One computation.* In a process the first caller computes and the others wait for its outcome. Between
processes a lock with a lease does the same; only who still holds it may store.
"""

import asyncio
import logging
import os
import threading
import time
from collections.abc import Awaitable, Callable, Generator, Iterable
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import msgspec

from yurt.cache import decorator as decorators
from yurt.cache.codec import CorruptedValue
from yurt.cache.keys import Tags, Template
from yurt.cache.ports import Tier, TierDown, TierSkipped
from yurt.cache.request import LEASE, Request
from yurt.cache.stats import Counters, Stats
from yurt.cache.tiers.memory import MemoryTier
from yurt.cache.tiers.redis import RedisTier
from yurt.cache.ttl import TTL, seconds

T = TypeVar("T")

TAG_TTL = 30 * 86400.0  # a tag that has gone costs a miss, never a stale answer
FIRST_LOOK, LAST_LOOK = 0.01, 0.1  # seconds between looks at what another process computes

log = logging.getLogger("yurt.cache")


class Entry(msgspec.Struct, array_like=True, frozen=True):
    """What is stored under a key."""

    version: int
    tags: dict[str, bytes]
    payload: bytes


VERSION = 1
_entries = msgspec.msgpack.Decoder(Entry)


@dataclass(frozen=True, slots=True)
class Found:
    """What a read found: a value, or only the generations of the tags (None: not known)."""

    hit: bool
    value: Any = None
    generations: tuple[bytes | None, ...] | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """Step: call the tier."""

    call: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Sleep:
    """Step: let another process go on."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Join:
    """Step: wait for another thread's outcome."""

    flight: "Future[Any]"
    timeout: float


class Compute:
    """Step: call the function."""


Steps = Generator[Ask | Sleep | Join | Compute, Any, Any]


class Cache:
    """Values by key over a shared *tier*.

    *local* puts a memory tier before it: its answers may miss another process's invalidation for
    *local_age* seconds. This process's own invalidations count at once.
    """

    def __init__(self, tier: Tier, *, local: MemoryTier | None = None, local_age: float = 1.0) -> None:
        self.tier = tier
        self.local = local
        self.local_age = local_age
        self._counters = Counters()
        self._mutex = threading.Lock()
        self._epoch = (
            0  # grows with each invalidation: what was read before one is not put into `local` after it
        )
        self._flights: dict[str, tuple[Future[Any], tuple[str, ...]]] = {}

    @classmethod
    def from_url(cls, url: str, *, prefix: str = "") -> "Cache":
        """Return a cache over ``memory://``, or over the Redis or Valkey server at *url*."""
        return cls(MemoryTier() if url.startswith("memory:") else RedisTier(url, prefix=prefix))

    def __repr__(self) -> str:
        return f"<Cache over {self.tier!r}>"

    @property
    def stats(self) -> Stats:
        """Return what this process was served."""
        return self._counters.snapshot()

    def cached(
        self,
        *,
        ttl: TTL = None,
        key: Template | None = None,
        tags: Tags = (),
        type: Any = None,  # noqa: A002 - the word of the field
        lease: TTL = LEASE,
    ) -> "decorators.Decorator":
        """Return `yurt.cache.cached` bound to this cache."""
        return decorators.cached(ttl=ttl, key=key, tags=tags, type=type, lease=lease, cache=self)

    # -- for plain values

    def get(self, key: str, default: Any = None, *, tags: Iterable[str] = ()) -> Any:
        """Return the value under *key*, with the same *tags* it was set with; *default* on a miss."""
        found = self.peek(Request(key, tuple(sorted(set(tags)))))
        return found.value if found.hit else default

    def set(self, key: str, value: Any, *, ttl: TTL = None, tags: Iterable[str] = ()) -> None:
        """Keep *value*; when the tier is down it is not kept, and that is logged."""
        request = Request(key, tuple(sorted(set(tags))), seconds(ttl))
        payload = request.codec.encode(value)
        self._drop_flights(lambda flight_key, _tags: flight_key == key)
        try:
            entry = self._entry(request, payload, self._generations(request, (None,) * len(request.tags)))
            self.tier.set(key, entry, request.ttl)
        except TierDown as error:
            self._note_down(error)

    def delete(self, *keys: str) -> None:
        """Forget *keys*; what is being computed for them is not kept either."""
        self._drop_flights(lambda key, _tags: key in keys)
        try:
            self.tier.delete(*keys, *(lock_key(key) for key in keys))
        except TierDown as error:
            self._note_lost(error, keys=list(keys))

    def invalidate(self, *tags: str) -> None:
        """Make every entry with one of *tags* a miss, also what is being computed now.

        When the tier is down this can't be done: it is logged as an error, and the entries end with their ttl.
        """
        self._drop_flights(lambda _key, flight_tags: not set(tags).isdisjoint(flight_tags))
        try:
            for tag in tags:
                self.tier.set(tag_key(tag), os.urandom(8), TAG_TTL)
        except TierDown as error:
            self._note_lost(error, tags=list(tags))

    # -- for the decorator

    def peek(self, request: Request) -> Found:
        """Return what is cached, computing nothing."""
        try:
            return self._read(request)
        except TierDown as error:
            self._note_down(error)
            return Found(hit=False)

    def answer(self, request: Request, compute: Callable[[], T], *, fresh: bool = False) -> T:
        """Return the cached value, else compute and keep it; *fresh* computes in any case."""
        steps = self._answer(request, fresh=fresh)
        outcome: Any = None
        error: BaseException | None = None
        while True:
            try:
                step = steps.throw(error) if error else steps.send(outcome)
            except StopIteration as end:
                result: T = end.value
                return result
            outcome = error = None
            try:
                match step:
                    case Ask(call):
                        outcome = call()
                    case Sleep(pause):
                        time.sleep(pause)
                    case Join(flight, timeout):
                        outcome = flight.result(timeout)
                    case Compute():
                        outcome = compute()
            except BaseException as raised:
                error = raised

    async def answer_async(
        self, request: Request, compute: Callable[[], Awaitable[T]], *, fresh: bool = False
    ) -> T:
        """`answer` for coroutines: the tier is asked in a thread when it waits for a network."""
        steps = self._answer(request, fresh=fresh)
        outcome: Any = None
        error: BaseException | None = None
        while True:
            try:
                step = steps.throw(error) if error else steps.send(outcome)
            except StopIteration as end:
                result: T = end.value
                return result
            outcome = error = None
            try:
                match step:
                    case Ask(call):
                        outcome = await asyncio.to_thread(call) if self.tier.blocking else call()
                    case Sleep(pause):
                        await asyncio.sleep(pause)
                    case Join(flight, timeout):
                        # Shielded: who stops waiting must not cancel it for the others.
                        waiting = asyncio.shield(asyncio.wrap_future(flight))
                        outcome = await asyncio.wait_for(waiting, timeout)
                    case Compute():
                        outcome = await compute()
            except BaseException as raised:
                error = raised

    def _answer(self, request: Request, *, fresh: bool) -> Steps:
        found = Found(hit=False)
        if not fresh:
            found = yield from self._ask_read(request)
            if found.hit:
                return found.value
        while True:
            flight: Future[Any] = Future()
            with self._mutex:
                others = self._flights.get(request.key)
                if others is None or fresh:
                    self._flights[request.key] = flight, request.tags
            if others is None or fresh:
                break
            try:
                outcome = yield Join(others[0], request.lease)
            except (FutureTimeout, TimeoutError):
                if others[0].done():
                    raise  # the computation's own
                self._remove_flight(request.key, others[0])  # it takes too long: start anew
            except CancelledError:
                if not others[0].cancelled():
                    raise
            except asyncio.CancelledError:
                if not others[0].cancelled():
                    raise  # this caller was cancelled, not that one
            else:
                self._counters.add("waited")
                return outcome
        try:
            outcome = yield from self._compute(request, found, fresh=fresh)
        except Exception as error:
            flight.set_exception(error)
            raise
        except BaseException:
            flight.cancel()  # this thread is being ended; whoever waits tries itself
            raise
        else:
            flight.set_result(outcome)
            return outcome
        finally:
            self._remove_flight(request.key, flight)

    def _compute(self, request: Request, found: Found, *, fresh: bool) -> Steps:
        """Compute under the lock of all processes, or without it when the tier is down."""
        token = os.urandom(16)
        lock = lock_key(request.key)
        held = False
        if found.generations is None and not fresh:
            return (yield from self._compute_only())
        try:
            if fresh:
                # Whoever computes now began before us: ours is the newer answer, theirs is not stored.
                yield Ask(partial(self.tier.set, lock, token, request.lease))
                held = True
            else:
                held = yield Ask(partial(self.tier.add, lock, token, request.lease))
            pause, waited = FIRST_LOOK, 0.0
            while not held and waited < request.lease:
                yield Sleep(pause)
                waited += pause
                pause = min(LAST_LOOK, pause * 1.5)
                found = yield Ask(partial(self._read, request, count=False))
                if found.hit:
                    self._counters.add("waited")
                    return found.value
                held = yield Ask(partial(self.tier.add, lock, token, request.lease))
            # The generations must be those of after taking the lock, before computing.
            found = yield Ask(partial(self._read, request, count=False, near=False))
            if found.hit and not fresh:
                yield Ask(partial(self.tier.delete_if, lock, token))
                return found.value
            generations = yield Ask(partial(self._generations, request, found.generations or ()))
        except TierDown as error:
            self._note_down(error)
            return (yield from self._compute_only())
        try:
            epoch = self._epoch
            value = yield from self._compute_only()
            payload = request.codec.encode(value)
        except BaseException:
            yield from self._release(lock, token)
            raise
        entry = self._entry(request, payload, generations)
        try:
            stored = yield Ask(
                partial(self.tier.store, request.key, entry, request.ttl, lock=lock, token=token)
            )
        except TierDown as error:
            self._note_down(error)
        else:
            if stored:
                self._keep_near(request, payload, epoch)
            else:
                self._counters.add("discarded")
                log.info("cache.discarded", extra={"key": request.key, "lease_s": request.lease})
        return value

    def _compute_only(self) -> Steps:
        try:
            value = yield Compute()
        except BaseException:
            self._counters.add("failed")
            raise
        self._counters.add("computed")
        return value

    def _release(self, lock: str, token: bytes) -> Steps:
        try:
            yield Ask(partial(self.tier.delete_if, lock, token))
        except TierDown as error:
            self._note_down(error)

    def _ask_read(self, request: Request) -> Steps:
        try:
            return (yield Ask(partial(self._read, request)))
        except TierDown as error:
            self._counters.add("misses")
            self._note_down(error)
            return Found(hit=False)

    def _read(self, request: Request, *, count: bool = True, near: bool = True) -> Found:
        if near and self.local is not None:
            (payload,) = self.local.get_many([request.key])
            if payload is not None:  # only what was decoded once is put there
                return self._counted(Found(hit=True, value=request.codec.decode(payload)), (), count=count)
        epoch = self._epoch
        data, *generations = self.tier.get_many([request.key, *map(tag_key, request.tags)])
        missed = Found(hit=False, generations=tuple(generations))
        if data is None:
            return self._counted(missed, (), count=count)
        try:
            entry = _entries.decode(data)
            if entry.version != VERSION:
                return self._counted(missed, (), count=count)
            if entry.tags != dict(zip(request.tags, generations, strict=True)):
                return self._counted(missed, ("invalidated",), count=count)
            value = request.codec.decode(entry.payload)
        except (CorruptedValue, msgspec.DecodeError) as error:
            log.warning("cache.corrupted", extra={"key": request.key, "reason": str(error)})
            return self._counted(missed, ("corrupted",), count=count)
        self._keep_near(request, entry.payload, epoch)
        return self._counted(replace(missed, hit=True, value=value), (), count=count)

    def _counted(self, found: Found, more: tuple[str, ...], *, count: bool) -> Found:
        if count:
            self._counters.add("hits" if found.hit else "misses", *more)
        return found

    def _generations(self, request: Request, known: tuple[bytes | None, ...]) -> tuple[bytes, ...]:
        """Return the generations of the tags, giving one to each tag that has none."""
        complete: list[bytes] = []
        for tag, generation in zip(request.tags, known, strict=True):
            current = generation
            while current is None:
                fresh = os.urandom(8)
                if self.tier.add(tag_key(tag), fresh, TAG_TTL):
                    current = fresh
                else:
                    (current,) = self.tier.get_many([tag_key(tag)])
            complete.append(current)
        return tuple(complete)

    def _entry(self, request: Request, payload: bytes, generations: tuple[bytes, ...]) -> bytes:
        tags = dict(zip(request.tags, generations, strict=True))
        return msgspec.msgpack.encode(Entry(VERSION, tags, payload))

    def _drop_flights(self, concerned: Callable[[str, tuple[str, ...]], bool]) -> None:
        """Let later callers start anew instead of joining a computation that may have read old data."""
        with self._mutex:
            for key, (_flight, tags) in list(self._flights.items()):
                if concerned(key, tags):
                    del self._flights[key]
            self._epoch += 1
        if self.local is not None:
            self.local.clear()  # it lives for a second: simpler than an index of tags

    def _keep_near(self, request: Request, payload: bytes, epoch: int) -> None:
        if self.local is None:
            return
        with self._mutex:
            if epoch == self._epoch:
                self.local.set(request.key, payload, min(self.local_age, request.ttl or self.local_age))

    def _remove_flight(self, key: str, flight: "Future[Any]") -> None:
        with self._mutex:
            if key in self._flights and self._flights[key][0] is flight:
                del self._flights[key]

    def _note_down(self, error: TierDown) -> None:
        self._counters.add("down")
        level = logging.DEBUG if isinstance(error, TierSkipped) else logging.WARNING
        log.log(level, "cache.down", extra={"reason": str(error)})

    def _note_lost(self, error: TierDown, **what: object) -> None:
        self._counters.add("down")
        log.error("cache.invalidation_lost", extra={"reason": str(error), **what})


def tag_key(tag: str) -> str:
    """Return the key under which a tag's generation is kept."""
    return f"tag:{tag}"


def lock_key(key: str) -> str:
    """Return the key of the lock under which *key* is computed."""
    return f"lock:{key}"
