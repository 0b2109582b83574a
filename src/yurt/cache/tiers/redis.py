"""Redis or Valkey, shared by all processes and machines."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from yurt.cache.breaker import Breaker
from yurt.cache.ports import TierDown, TierSkipped

P = ParamSpec("P")
R = TypeVar("R")

CONNECT_TIMEOUT = 0.5  # seconds; a cache that is slower than computing is no cache
ANSWER_TIMEOUT = 1.0

# Answers that say what state the server is in, not that we asked for nonsense.
REFUSALS = ("OOM", "READONLY", "LOADING", "MISCONF", "NOREPLICAS", "DENIED", "NOPERM", "BUSY")

STORE = """
if redis.call('GET', KEYS[2]) ~= ARGV[2] then return 0 end
if ARGV[3] == '' then redis.call('SET', KEYS[1], ARGV[1])
else redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3]) end
redis.call('DEL', KEYS[2])
return 1
"""
DELETE_IF = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


class RedisTier:
    """The server at *url* (``redis://``, ``rediss://``, ``unix://``); every key starts with *prefix*.

    Threads and forked processes may share it. When the server fails, calls raise TierDown: the first after
    its timeout, further ones at once until the breaker lets one try again.
    """

    blocking = True

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "",
        connect_timeout: float = CONNECT_TIMEOUT,
        answer_timeout: float = ANSWER_TIMEOUT,
        breaker: Breaker | None = None,
    ) -> None:
        self.url = url
        self.prefix = prefix
        self.breaker = breaker or Breaker()
        self.client: Any = redis.Redis.from_url(
            url,
            socket_connect_timeout=connect_timeout,
            socket_timeout=answer_timeout,
            # One: a pooled connection may have died with the server it was made to.
            retry=Retry(NoBackoff(), 1),
        )
        self._store = self.client.register_script(STORE)
        self._delete_if = self.client.register_script(DELETE_IF)

    def __repr__(self) -> str:
        return f"<RedisTier {self.url.rpartition('@')[2]} {self.breaker}>"

    def guarded(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Return what *call* returns; a server that can't be reached raises TierDown."""
        if not self.breaker.allows():
            raise TierSkipped(f"{self!r} is not asked: it failed a moment ago")
        try:
            answer = call(*args, **kwargs)
        except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
            self.breaker.failed()
            raise TierDown(f"{self!r} does not answer: {error}") from error
        except redis.ResponseError as error:
            if str(error).startswith(REFUSALS):
                raise TierDown(f"{self!r} refuses: {error}") from error  # it lives; no breaker
            raise
        self.breaker.succeeded()
        return answer

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        found: list[bytes | None] = self.guarded(self.client.mget, [self.prefix + key for key in keys])
        return found

    def set(self, key: str, value: bytes, ttl: float | None) -> None:
        self.guarded(self.client.set, self.prefix + key, value, px=milliseconds(ttl))

    def add(self, key: str, value: bytes, ttl: float | None) -> bool:
        return bool(self.guarded(self.client.set, self.prefix + key, value, px=milliseconds(ttl), nx=True))

    def store(self, key: str, value: bytes, ttl: float | None, *, lock: str, token: bytes) -> bool:
        keys = [self.prefix + key, self.prefix + lock]
        run = functools.partial(self._store, keys=keys, args=[value, token, milliseconds(ttl) or ""])
        return bool(self.guarded(run))

    def delete_if(self, key: str, value: bytes) -> bool:
        return bool(self.guarded(functools.partial(self._delete_if, keys=[self.prefix + key], args=[value])))

    def delete(self, *keys: str) -> int:
        return int(self.guarded(self.client.unlink, *(self.prefix + key for key in keys))) if keys else 0

    def clear(self) -> int:
        """Delete every key with our prefix, not the whole database: a broker may live there too."""
        pattern = "".join(
            f"\\{character}" if character in "*?[]\\" else character for character in self.prefix
        )

        def sweep() -> int:
            gone, batch = 0, []
            for key in self.client.scan_iter(match=f"{pattern}*", count=1000):
                batch.append(key)
                if len(batch) == 1000:
                    gone += self.client.unlink(*batch)
                    batch = []
            return gone + (self.client.unlink(*batch) if batch else 0)

        return self.guarded(sweep)

    def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        self.client.close()


def milliseconds(ttl: float | None) -> int | None:
    """Return a ttl as Redis takes it: at least one."""
    return None if ttl is None else max(1, round(ttl * 1000))
