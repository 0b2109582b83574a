"""Django's side: a ``CACHES`` backend without pickle, and the decorator with model tags.

CACHES = {"default": {"BACKEND": "yurt.cache.django.RedisCache", "LOCATION": "redis://redis:6379/1"}}

@cached(ttl="5m", tags=[model_tag(Order)])
def orders_by_city(): ...

watch(Order)      # in AppConfig.ready(): a saved or deleted order invalidates its tag on commit
"""

import functools
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from django.core.cache import caches
from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.db.models import Model
from django.db.models.signals import m2m_changed, post_delete, post_save

from yurt.cache import decorator as decorators
from yurt.cache.cache import Cache
from yurt.cache.codec import Codec, CorruptedValue
from yurt.cache.keys import Tags, Template
from yurt.cache.ports import TierDown, TierSkipped
from yurt.cache.request import LEASE
from yurt.cache.tiers.redis import RedisTier, milliseconds
from yurt.cache.ttl import TTL
from yurt.errors import InvalidArgument

if TYPE_CHECKING:
    from yurt.cache.decorator import Decorator

log = logging.getLogger("yurt.cache")

_MISSING = object()
_PLAIN = Codec()


class RedisCache(BaseCache):
    """Django's cache over Redis or Valkey, with plain values (see `yurt.cache.codec`) instead of pickles.

    When the server is down a read is a miss and a write is not kept, both logged; ``OPTIONS: {"strict": True}``
    raises instead (for sessions, say). ``clear()`` deletes only keys under ``KEY_PREFIX`` or, without one, ``django``:
    a broker may live in the same database.
    """

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(params)
        if not isinstance(server, str) or "," in server or not server:
            raise ImproperlyConfigured(f"yurt.cache.django.RedisCache takes one LOCATION, not {server!r}")
        options = params.get("OPTIONS", {})
        self.strict = bool(options.get("strict", False))
        self.tier = shared_tier(server, f"{self.key_prefix or 'django'}|")

    def _name(self, key: Any, version: int | None) -> str:
        return self.tier.prefix + self.make_and_validate_key(key, version=version)

    def _call(self, otherwise: Any, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return self.tier.guarded(functools.partial(call, *args, **kwargs))
        except TierDown as error:
            if self.strict:
                raise
            level = logging.DEBUG if isinstance(error, TierSkipped) else logging.WARNING
            log.log(level, "cache.down", extra={"reason": str(error)})
            return otherwise

    def _milliseconds(self, timeout: Any) -> int | None:
        """Return Redis' px; None for ever, 0 or less: already over."""
        seconds = self.default_timeout if timeout is DEFAULT_TIMEOUT else timeout
        if seconds is None:
            return None
        return milliseconds(seconds) if seconds > 0 else 0

    def add(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        name, px = self._name(key, version), self._milliseconds(timeout)
        if px == 0:  # it is over at once, but whether it was absent must be told
            return not self._call(True, self.tier.client.exists, name)
        return bool(self._call(False, self.tier.client.set, name, packed(value), px=px, nx=True))

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        data = self._call(None, self.tier.client.get, self._name(key, version))
        return default if data is None else unpacked(data, default)

    def set(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        name, px = self._name(key, version), self._milliseconds(timeout)
        if px == 0:
            self._call(0, self.tier.client.unlink, name)
        else:
            self._call(None, self.tier.client.set, name, packed(value), px=px)

    def touch(self, key: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        name, px = self._name(key, version), self._milliseconds(timeout)
        client = self.tier.client
        if px == 0:
            return bool(self._call(False, client.unlink, name))
        if px is not None:
            return bool(self._call(False, client.pexpire, name, px))
        # PERSIST answers 0 also when there was no ttl to take away.
        return bool(self._call(False, client.persist, name) or self._call(False, client.exists, name))

    def delete(self, key: Any, version: int | None = None) -> bool:
        return bool(self._call(False, self.tier.client.unlink, self._name(key, version)))

    def has_key(self, key: Any, version: int | None = None) -> bool:
        return bool(self._call(False, self.tier.client.exists, self._name(key, version)))

    def incr(self, key: Any, delta: int = 1, version: int | None = None) -> int:
        """Add atomically, keeping the ttl; a key that is not there raises ValueError."""
        name = self._name(key, version)
        changed = self._call(None, self.tier.client.eval, INCREASE, 1, name, delta)
        if changed is None:
            raise ValueError(f"Key '{key}' not found")
        return int(changed)

    def get_many(self, keys: Iterable[Any], version: int | None = None) -> dict[Any, Any]:
        names = {key: self._name(key, version) for key in keys}
        if not names:
            return {}
        values = self._call([None] * len(names), self.tier.client.mget, list(names.values()))
        read = {
            key: unpacked(data, _MISSING) for key, data in zip(names, values, strict=True) if data is not None
        }
        return {key: value for key, value in read.items() if value is not _MISSING}

    def set_many(
        self, data: Mapping[Any, Any], timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> list[Any]:
        """Set all at once; return the keys that were not set."""
        px = self._milliseconds(timeout)
        if px == 0:
            self.delete_many(data, version=version)
            return []
        named = {self._name(key, version): packed(value) for key, value in data.items()}

        def write() -> bool:
            with self.tier.client.pipeline() as pipe:
                for name, value in named.items():
                    pipe.set(name, value, px=px)
                pipe.execute()
            return True

        return [] if not named or self._call(False, write) else list(data)

    def delete_many(self, keys: Iterable[Any], version: int | None = None) -> None:
        names = [self._name(key, version) for key in keys]
        if names:
            self._call(0, self.tier.client.unlink, *names)

    def clear(self) -> bool:  # type: ignore[override]  # Django's own backends answer too
        try:
            self.tier.clear()
        except TierDown:
            if self.strict:
                raise
            return False
        return True

    def close(self, **_: object) -> None:
        """Keep the connections: Django calls this after each request."""


# Integers are kept as decimal text, so that Redis itself can add to them.
INCREASE = """
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
return redis.call('INCRBY', KEYS[1], ARGV[1])
"""


def packed(value: Any) -> bytes:
    """Return a value as this backend stores it: a plain integer as text, anything else behind a zero byte."""
    if type(value) is int and -(2**63) <= value < 2**63:
        return str(value).encode()
    return b"\0" + _PLAIN.encode(value)


def unpacked(data: bytes, default: Any) -> Any:
    """Return the value in *data*; *default* when it is not one of ours or is damaged."""
    try:
        return _PLAIN.decode(data[1:]) if data[:1] == b"\0" else int(data)
    except (CorruptedValue, ValueError) as error:
        log.warning("cache.corrupted", extra={"reason": str(error)})
        return default


@functools.cache
def shared_tier(url: str, prefix: str) -> RedisTier:
    """Return one tier for all threads: Django makes a backend for each, and each pool would hold connections."""
    return RedisTier(url, prefix=prefix)


@functools.cache
def cache_for(alias: str = "default") -> Cache:
    """Return the `Cache` beside Django's cache *alias*, on the same server; keys are apart."""
    backend = caches[alias]
    if not isinstance(backend, RedisCache):
        raise InvalidArgument(
            f"CACHES[{alias!r}] is not a yurt.cache.django.RedisCache",
            hint="or give cached a Cache of its own",
        )
    return Cache(RedisTier(backend.tier.url, prefix=f"{backend.tier.prefix}yurt|"))


def cached(
    *,
    ttl: TTL = None,
    key: Template | None = None,
    tags: Tags = (),
    type: Any = None,  # noqa: A002 - the word of the field
    lease: TTL = LEASE,
    alias: str = "default",
) -> "Decorator":
    """Return `yurt.cache.cached` over the server of ``CACHES[alias]``, looked up at the first call."""
    return decorators.cached(
        ttl=ttl, key=key, tags=tags, type=type, lease=lease, cache=functools.partial(cache_for, alias)
    )


def invalidate_on_commit(*tags: str, alias: str = "default", using: str | None = None) -> None:
    """Invalidate *tags* when the transaction commits (at once outside one), and never when it is rolled back.

    Before the commit another process would only compute the old answer again, and keep it.
    """
    # robust: a cache that fails must not keep later callbacks, such as sending tasks, from running.
    transaction.on_commit(lambda: cache_for(alias).invalidate(*tags), using=using, robust=True)


def model_tag(model: type[Model] | str) -> str:
    """Return the tag of a model: of the class, or ``"app.Model"`` before models are loaded."""
    return f"model:{(model if isinstance(model, str) else model._meta.label).lower()}"


def watch(*models: type[Model], alias: str = "default") -> None:
    """Invalidate a model's tag whenever one of its objects is saved or deleted or its relations change.

    Call it in ``AppConfig.ready``. ``QuerySet.update``, ``bulk_create`` and raw SQL send no signals: say
    ``invalidate_on_commit(model_tag(Model))`` after them.
    """
    for model in models:
        changed = _invalidator(model, alias)
        uid = f"yurt.cache:{alias}:{model._meta.label}"
        post_save.connect(changed, sender=model, weak=False, dispatch_uid=uid)
        post_delete.connect(changed, sender=model, weak=False, dispatch_uid=uid)
        for field in model._meta.many_to_many:
            through: Any = field.remote_field.through
            m2m_changed.connect(changed, sender=through, weak=False, dispatch_uid=uid)


def _invalidator(watched: type[Model], alias: str) -> Callable[..., None]:
    # Not the signal's own `sender` or `model`: of a changed relation these are other models.
    def changed(using: str | None = None, **_: object) -> None:
        invalidate_on_commit(model_tag(watched), alias=alias, using=using)

    return changed
