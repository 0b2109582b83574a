"""Values to bytes and back, the same type afterwards; MessagePack, never pickle.

Kept exactly: None, bool, int of any size, float, str, bytes, list, dict, tuple, set, frozenset, Decimal, UUID,
datetime (the offset is kept, the zone's name is not), date, time, timedelta. Anything else (dataclasses,
msgspec structs) needs its type named: ``Codec(Order)``, ``cached(type=list[Order])``.
"""

import datetime as dt
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from yurt.errors import InvalidArgument


class CorruptedValue(ValueError):
    """Bytes that are not what was stored; the reader treats them as a miss."""


def _packed(value: Any) -> bytes:
    return _encoder.encode(_tagged(value))


# code: (type, to bytes, from bytes). Codes are in stored data: never change or reuse one.
_EXTENSIONS: dict[int, tuple[type, Callable[[Any], bytes], Callable[[bytes], Any]]] = {
    1: (tuple, lambda held: _packed(list(held)), lambda data: tuple(_decoder.decode(data))),
    2: (set, lambda held: _packed(list(held)), lambda data: set(_decoder.decode(data))),
    3: (frozenset, lambda held: _packed(list(held)), lambda data: frozenset(_decoder.decode(data))),
    4: (Decimal, lambda held: str(held).encode(), lambda data: Decimal(data.decode())),
    5: (uuid.UUID, lambda held: held.bytes, lambda data: uuid.UUID(bytes=data)),
    6: (
        dt.datetime,
        lambda held: held.isoformat().encode(),
        lambda data: dt.datetime.fromisoformat(data.decode()),
    ),
    7: (dt.date, lambda held: held.isoformat().encode(), lambda data: dt.date.fromisoformat(data.decode())),
    8: (dt.time, lambda held: held.isoformat().encode(), lambda data: dt.time.fromisoformat(data.decode())),
    9: (
        dt.timedelta,
        lambda held: _packed([held.days, held.seconds, held.microseconds]),
        lambda data: dt.timedelta(*_decoder.decode(data)),
    ),
    # A dict with keys that MessagePack has no place for (tuples, dates, integers beyond 64 bits), as a list of pairs.
    11: (
        dict,
        lambda held: _packed([list(pair) for pair in held.items()]),
        lambda data: dict(_decoder.decode(data)),
    ),
    10: (int, lambda held: str(held).encode(), lambda data: int(data.decode())),  # beyond 64 bits
}
_CODES = {kind: code for code, (kind, _, _) in _EXTENSIONS.items()}
_PLAIN = frozenset({type(None), bool, float, str, bytes})


def _fits(number: int) -> bool:
    return -(2**63) <= number < 2**64


def _tagged(value: Any) -> Any:
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is int and _fits(value):
        return value
    if kind is list:
        return [_tagged(inner) for inner in value]
    if kind is dict and all(type(name) in _PLAIN or (type(name) is int and _fits(name)) for name in value):
        return {_tagged(name): _tagged(inner) for name, inner in value.items()}
    code = _CODES.get(kind)
    if code is not None:
        return msgspec.msgpack.Ext(code, _EXTENSIONS[code][1](value))
    if isinstance(value, str):
        return str.__str__(value)  # SafeString, StrEnum: the text is what is kept
    raise InvalidArgument(
        f"cannot cache a {kind.__module__}.{kind.__qualname__}",
        hint="return plain values (a dict or list), or name the type: cached(type=...)",
    )


def _from_extension(code: int, data: memoryview) -> Any:
    if code not in _EXTENSIONS:
        raise CorruptedValue(f"unknown extension {code}")
    return _EXTENSIONS[code][2](bytes(data))


_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(ext_hook=_from_extension)


class Codec:
    """Encodes plain values; with *type*, values of that type, validated when they are read."""

    def __init__(self, type: Any = None) -> None:  # noqa: A002 - the word of the field
        self.type = type
        self._typed = None if type is None else msgspec.msgpack.Decoder(type)

    def encode(self, value: Any) -> bytes:
        """Return *value* as bytes; a type that can't be kept raises InvalidArgument."""
        if self._typed is None:
            return _packed(value)
        try:
            return _encoder.encode(value)
        except (TypeError, msgspec.MsgspecError) as error:
            raise InvalidArgument(f"cannot cache this {self.type}: {error}") from error

    def decode(self, data: bytes) -> Any:
        """Return the value; bytes that are not one raise CorruptedValue."""
        try:
            return (self._typed or _decoder).decode(data)
        except CorruptedValue:
            raise
        # The hook runs constructors on bytes that may be anything.
        except (msgspec.MsgspecError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
            raise CorruptedValue(f"{type(error).__name__}: {error}") from error
