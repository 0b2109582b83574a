"""The decorator: a function whose answers are kept."""

import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Protocol, TypeVar, cast, overload

from yurt.cache.codec import Codec
from yurt.cache.keys import KeyMaker, Tags, Template
from yurt.cache.request import LEASE, Request
from yurt.cache.ttl import TTL, seconds
from yurt.errors import InvalidArgument

if TYPE_CHECKING:
    from yurt.cache.cache import Cache, Found

P = ParamSpec("P")
R = TypeVar("R")


class _Base(Generic[P, R]):
    """What both kinds share: the key of a call, its request, its invalidation."""

    def __init__(self, function: Callable[P, Any], make: "_Options") -> None:
        functools.update_wrapper(cast("Any", self), function)
        self.function = function
        self._make = make
        self._keys = KeyMaker(function, make.key, make.tags)
        self._codec = Codec(make.type)

    @property
    def cache(self) -> "Cache":
        """The cache in use."""
        return self._make.cache()

    def key(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """Return the key of the call with these arguments."""
        return self._keys.key(args, kwargs)

    def _request(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request:
        return Request(
            self._keys.key(args, kwargs),
            self._keys.tags(args, kwargs),
            self._make.ttl,
            self._codec,
            self._make.lease,
        )


class Cached(_Base[P, R]):
    """A function with cached answers; call it as before."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.cache.answer(
            self._request(args, kwargs), lambda: cast("R", self.function(*args, **kwargs))
        )

    def peek(self, *args: P.args, **kwargs: P.kwargs) -> R | None:
        """Return what is cached, None on a miss; computes nothing."""
        return cast("R | None", self.cache.peek(self._request(args, kwargs)).value)

    def refresh(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Compute and keep the answer whether one is cached or not; others read the old one meanwhile."""
        request = self._request(args, kwargs)
        return self.cache.answer(request, lambda: cast("R", self.function(*args, **kwargs)), fresh=True)

    def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Forget the answer to these arguments."""
        self.cache.delete(self._keys.key(args, kwargs))


class AsyncCached(_Base[P, R]):
    """A coroutine function with cached answers; await it as before."""

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return await self.cache.answer_async(
            self._request(args, kwargs),
            lambda: cast("Coroutine[Any, Any, R]", self.function(*args, **kwargs)),
        )

    async def peek(self, *args: P.args, **kwargs: P.kwargs) -> R | None:
        """Return what is cached, None on a miss; computes nothing."""
        found: Found = await _in_thread(self.cache, self.cache.peek, self._request(args, kwargs))
        return cast("R | None", found.value)

    async def refresh(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Compute and keep the answer whether one is cached or not; others read the old one meanwhile."""
        return await self.cache.answer_async(
            self._request(args, kwargs),
            lambda: cast("Coroutine[Any, Any, R]", self.function(*args, **kwargs)),
            fresh=True,
        )

    async def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Forget the answer to these arguments."""
        await _in_thread(self.cache, self.cache.delete, self._keys.key(args, kwargs))


class Decorator(Protocol):
    """What `cached` returns: it keeps the function's signature."""

    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> AsyncCached[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Cached[P, R]: ...


class _Options:
    def __init__(
        self,
        *,
        ttl: TTL,
        key: Template | None,
        tags: Tags,
        type: Any,  # noqa: A002 - the word of the field
        lease: TTL,
        cache: Any,
    ) -> None:
        if isinstance(tags, str):
            raise InvalidArgument(f"tags are a list, not the text {tags!r}", hint=f"tags=[{tags!r}]")
        self.ttl = seconds(ttl)
        self.key = key
        self.tags = tags
        self.type = type
        self.lease = seconds(lease) or LEASE
        self._source = cache
        self._chosen: Cache | None = None

    def cache(self) -> "Cache":
        if self._source is not None and not callable(self._source):
            return cast("Cache", self._source)
        if self._chosen is None:
            if self._source is None:
                return default()  # not remembered: configure() may come later
            self._chosen = self._source()
        return cast("Cache", self._chosen)


def cached(
    *,
    ttl: TTL = None,
    key: Template | None = None,
    tags: Tags = (),
    type: Any = None,  # noqa: A002 - the word of the field
    lease: TTL = LEASE,
    cache: "Cache | Callable[[], Cache] | None" = None,
) -> Decorator:
    """Keep a function's answers for *ttl* (``"5m"``, seconds, a timedelta; None: for ever).

    *key* is a template over the arguments (``"orders:{city}"``) or a function of them; without it the key is
    made of the function's name and all arguments. *tags* likewise, a list. *type* is named for answers that
    are not plain values. *lease* is how long one computation may keep other processes waiting, and must be
    longer than it takes. *cache* is a `Cache`, a function that returns one when first needed, or None for
    the one given to `configure`.

    An exception is never cached; it reaches all who waited for that computation.
    """
    options = _Options(ttl=ttl, key=key, tags=tags, type=type, lease=lease, cache=cache)

    def decorate(function: Callable[..., Any]) -> Any:
        kind = AsyncCached if inspect.iscoroutinefunction(function) else Cached
        return kind(function, options)

    return cast("Decorator", decorate)


_default: "Cache | None" = None


def configure(cache: "Cache") -> None:
    """Choose the cache of all functions that name none."""
    global _default  # noqa: PLW0603 - one per process, chosen by its entry point
    _default = cache


def default() -> "Cache":
    """Return the cache chosen by `configure`, else one in this process's memory."""
    global _default  # noqa: PLW0603 - as above
    if _default is None:
        from yurt.cache.cache import Cache
        from yurt.cache.tiers.memory import MemoryTier

        _default = Cache(MemoryTier())
    return _default


async def _in_thread(cache: "Cache", call: Callable[..., Any], *args: Any) -> Any:
    import asyncio

    return await asyncio.to_thread(call, *args) if cache.tier.blocking else call(*args)
