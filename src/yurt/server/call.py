"""A call: one request as a handler sees it, its query, body and version decoded the way Docker's clients write them."""

from collections.abc import AsyncIterator
from typing import TypeVar

import msgspec
from aiohttp.web_request import BaseRequest
from msgspec.json import Decoder

from yurt.api import filters
from yurt.api.version import ApiVersion
from yurt.errors import InvalidArgument

T = TypeVar("T")

JSON = "application/json"
FALSE = frozenset({"", "0", "no", "false", "none"})  # all else is true, as in Docker
_decoders: dict[type, Decoder[object]] = {}


class Call:
    """What one client asks: *places* are the values of the route's ``{…}``."""

    __slots__ = ("_query", "is_started", "places", "request", "version")

    def __init__(self, request: BaseRequest, version: ApiVersion, places: dict[str, str]) -> None:
        self.request = request
        self.version = version
        self.places = places
        self.is_started = False  # the answer's first byte is on its way: its status cannot change any more
        self._query = request.query

    def __repr__(self) -> str:
        return f"<Call {self.request.method} {self.request.path} v{self.version}>"

    def has(self, name: str) -> bool:
        return name in self._query

    def text(self, name: str, default: str = "") -> str:
        return self._query.get(name, default)

    def texts(self, name: str) -> list[str]:
        return self._query.getall(name, [])

    def flag(self, name: str, *, default: bool = False) -> bool:
        value = self._query.get(name)
        return default if value is None else value.strip().lower() not in FALSE

    def integer(self, name: str) -> int | None:
        """Return the number; None when it is absent or empty; raise InvalidArgument when it is none."""
        value = self._query.get(name, "")
        if not value:
            return None
        try:
            return int(value)
        except ValueError as broken:
            raise InvalidArgument(f"invalid value for {name}: {value!r} is not a number") from broken

    def filters(self, *known: str) -> dict[str, tuple[str, ...]]:
        """Return the ``filters``; raise InvalidArgument for a key that is not one of *known*."""
        found = filters.decode(self._query.get("filters"))
        for key in found:
            if key not in known:
                raise InvalidArgument(f"invalid filter '{key}'", hint=f"known here: {', '.join(known)}")
        return found

    def truths(self, filters: dict[str, tuple[str, ...]], *keys: str) -> None:
        """Raise InvalidArgument when one of *keys* has a value that is neither true nor false."""
        for key in keys:
            for value in filters.get(key, ()):
                if value.lower() not in {"1", "0", "true", "false", "t", "f"}:
                    raise InvalidArgument(f"invalid filter '{key}=[{value}]'", hint="true or false")

    def json_of(self, name: str, kind: type[T]) -> T | None:
        """Return the query parameter *name*, which holds JSON; None when it is absent, empty or null."""
        value = self._query.get(name)
        return decode(value.encode(), kind) if value and value != "null" else None

    async def body(self, kind: type[T]) -> T:
        """Return the body, decoded; raise InvalidArgument as Docker words it."""
        data = await self.request.read()
        kind_of_body = self.request.headers.get("Content-Type", JSON).partition(";")[0].strip()
        if kind_of_body != JSON:
            raise InvalidArgument(f"unsupported Content-Type header ({kind_of_body}): must be '{JSON}'")
        if not data:
            raise InvalidArgument("invalid JSON: got EOF while reading request body")
        return decode(data, kind)

    async def body_or(self, default: T) -> T:
        """Return the body as *default*'s type, or *default* when there is none, or null."""
        data = await self.request.read()
        return default if data.strip() in {b"", b"null"} else decode(data, type(default))

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes."""
        async for chunk in self.request.content.iter_any():
            yield chunk


def decode(data: bytes, kind: type[T]) -> T:
    """Read JSON leniently: numbers may come as text, unknown fields are dropped."""
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = Decoder(kind, strict=False)
    try:
        return decoder.decode(data)  # type: ignore[return-value]
    except msgspec.DecodeError as broken:
        reason = "unexpected EOF" if str(broken) == "Input data was truncated" else str(broken)
        raise InvalidArgument(f"invalid JSON: {reason}") from broken
