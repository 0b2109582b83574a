"""Protocol buffers, as far as BuildKit's messages need them: frozen dataclasses whose fields know their number.

    @dataclass(frozen=True, slots=True)
    class Timestamp:
        seconds: int = number(1)
        nanos: int = number(2)

A field that is not on the wire has its default; a default is not written (proto3). Unknown fields are dropped.
Not offered, because nothing here has them: floats, fixed-width integers, groups, packed lists.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from yurt.errors import InvalidArgument

T = TypeVar("T")

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types
_WIRE = "protobuf"
_MASK = (1 << 64) - 1

_known: dict[Any, tuple[tuple[str, Any, "_Spec"], ...]] = {}  # by kind: names, defaults and specs


@dataclass(frozen=True, slots=True)
class _Spec:
    """How a field is written: its *number*, the wire type, and from and to bytes or an integer."""

    number: int
    wire_type: int
    put: Callable[[Any], Any]
    take: Callable[[Any], Any]
    is_many: bool = False
    is_map: bool = False


def number(tag: int) -> Any:
    """An int32, int64, uint32, uint64 or enum."""
    return _one(_Spec(tag, VARINT, int, _signed), 0)


def flag(tag: int) -> Any:
    return _one(_Spec(tag, VARINT, int, bool), default=False)


def text(tag: int) -> Any:
    return _one(_Spec(tag, BYTES, _from_text, _to_text), "")


def blob(tag: int) -> Any:
    return _one(_Spec(tag, BYTES, bytes, bytes), b"")


def message(tag: int, kind: type) -> Any:
    """A message, None when there is none."""
    return _one(_Spec(tag, BYTES, encode, lambda data: decode(kind, data)), None)


def texts(tag: int) -> Any:
    return _many(_Spec(tag, BYTES, _from_text, _to_text, is_many=True))


def blobs(tag: int) -> Any:
    return _many(_Spec(tag, BYTES, bytes, bytes, is_many=True))


def messages(tag: int, kind: type) -> Any:
    return _many(_Spec(tag, BYTES, encode, lambda data: decode(kind, data), is_many=True))


def mapping(tag: int, value: Callable[[int], Any] = text) -> Any:
    """A map from text to what *value* makes a field of: ``text`` or ``blob``."""
    spec: _Spec = value(2).metadata[_WIRE]

    def put(item: tuple[str, Any]) -> bytes:
        return _written(1, BYTES, _from_text(item[0])) + _written(2, BYTES, spec.put(item[1]))

    def take(data: bytes) -> tuple[str, Any]:
        key, found = "", spec.take(b"")
        for each, wire_type, raw in _parts(data):
            if each == 1 and wire_type == BYTES:
                key = _to_text(raw)
            elif each == 2 and wire_type == BYTES:
                found = spec.take(raw)
        return key, found

    return field(
        default_factory=dict, metadata={_WIRE: _Spec(tag, BYTES, put, take, is_many=True, is_map=True)}
    )


def encode(value: Any) -> bytes:
    """Return *value*, a dataclass made of the fields above, as its bytes."""
    pieces: list[bytes] = []
    for name, default, spec in _specs(type(value)):
        found = getattr(value, name)
        if spec.is_many:
            items = found.items() if isinstance(found, dict) else found
            pieces += [_written(spec.number, spec.wire_type, spec.put(item)) for item in items]
        elif found is not None and found != default:
            pieces.append(_written(spec.number, spec.wire_type, spec.put(found)))
    return b"".join(pieces)


def decode(kind: type[T], data: bytes) -> T:
    """Return the message of *kind* in *data*; raise InvalidArgument when it is broken."""
    by_number = {spec.number: (name, spec) for name, _, spec in _specs(kind)}
    found: dict[str, Any] = {}
    try:
        for tag, wire_type, raw in _parts(data):
            if tag not in by_number:
                continue
            name, spec = by_number[tag]
            if wire_type != spec.wire_type:
                raise ValueError(f"field {tag} has wire type {wire_type}")
            if spec.is_many:
                found.setdefault(name, []).append(spec.take(raw))
            else:
                found[name] = spec.take(raw)
    except ValueError as broken:
        raise InvalidArgument(f"broken {kind.__name__} message: {broken}") from broken
    maps = {name for name, _, spec in _specs(kind) if spec.is_map}
    for name, items in found.items():
        if isinstance(items, list):
            found[name] = dict(items) if name in maps else tuple(items)
    return kind(**found)


def _one(spec: _Spec, default: Any) -> Any:
    return field(default=default, metadata={_WIRE: spec})


def _many(spec: _Spec) -> Any:
    return field(default=(), metadata={_WIRE: spec})


def _specs(kind: Any) -> tuple[tuple[str, Any, _Spec], ...]:
    known = _known.get(kind)
    if known is None:
        known = _known[kind] = tuple((each.name, each.default, each.metadata[_WIRE]) for each in fields(kind))
    return known


def _written(tag: int, wire_type: int, value: Any) -> bytes:
    head = varint(tag << 3 | wire_type)
    return head + (varint(value & _MASK) if wire_type == VARINT else varint(len(value)) + value)


def varint(value: int) -> bytes:
    """Return a number below 2**64 in groups of seven bits, the lowest first."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _parts(data: bytes) -> Iterator[tuple[int, int, Any]]:
    """Yield number, wire type and raw value of each field; raise ValueError when *data* is cut or malformed."""
    place, end = 0, len(data)
    while place < end:
        key, place = _read_varint(data, place)
        tag, wire_type = key >> 3, key & 7
        if tag == 0:
            raise ValueError("field 0")
        if wire_type == VARINT:
            value, place = _read_varint(data, place)
            yield tag, wire_type, value
            continue
        if wire_type == BYTES:
            size, place = _read_varint(data, place)
        elif wire_type in {FIXED64, FIXED32}:
            size = 8 if wire_type == FIXED64 else 4
        else:
            raise ValueError(f"wire type {wire_type}")
        if place + size > end:
            raise ValueError("it is cut short")
        yield tag, wire_type, data[place : place + size]
        place += size


def _read_varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if place >= len(data):
            raise ValueError("it is cut short")
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & _MASK, place
        shift += 7
        if shift > 63:
            raise ValueError("a number is too long")


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _from_text(value: str) -> bytes:
    return value.encode("utf-8", "surrogateescape")


def _to_text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")  # paths may be any bytes
