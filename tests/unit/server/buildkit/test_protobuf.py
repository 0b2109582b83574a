"""The wire format: what is written comes back, and what is broken is refused."""

import contextlib
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yurt.errors import InvalidArgument
from yurt.server.buildkit.messages import Exporter, Packet, SolveRequest, Stat, Timestamp
from yurt.server.buildkit.protobuf import decode, encode, number, varint

INTEGERS = st.integers(min_value=-(1 << 63), max_value=(1 << 63) - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
STATS = st.builds(Stat, TEXTS, INTEGERS, INTEGERS, INTEGERS, INTEGERS, INTEGERS, TEXTS)
PACKETS = st.builds(Packet, INTEGERS, st.none() | STATS, INTEGERS, st.binary(max_size=50))
MAPS = st.dictionaries(TEXTS, TEXTS, max_size=4)
SOLVES = st.builds(
    SolveRequest,
    ref=TEXTS,
    session=TEXTS,
    frontend_attrs=MAPS,
    entitlements=st.lists(TEXTS, max_size=3).map(tuple),
    frontend_inputs=st.dictionaries(TEXTS, st.binary(max_size=9), max_size=2),
    internal=st.booleans(),
    exporters=st.lists(st.builds(Exporter, TEXTS, MAPS), max_size=2).map(tuple),
)


@given(PACKETS | SOLVES)
def test_a_message_comes_back(message: Packet | SolveRequest) -> None:
    """Decoding is the inverse of encoding, whatever the fields hold."""
    assert decode(type(message), encode(message)) == message


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_refused(data: bytes) -> None:
    """Nothing but InvalidArgument comes of bytes that are no message."""
    for kind in (Packet, SolveRequest):
        with contextlib.suppress(InvalidArgument):
            assert isinstance(decode(kind, data), kind)


@given(PACKETS, st.data())
def test_a_message_cut_short_inside_a_field_is_refused(packet: Packet, data: st.DataObject) -> None:
    """A message that ends before its last field does is not taken for a shorter one."""
    whole = encode(Packet(packet.type, packet.stat, packet.id, b"0123456789"))
    cut = data.draw(st.integers(1, 10))
    with pytest.raises(InvalidArgument, match="cut short"):
        decode(Packet, whole[:-cut])


@pytest.mark.parametrize(
    ("message", "wire"),
    [
        (Timestamp(150, 0), "08 96 01"),
        (Timestamp(-1, 0), "08 ff ff ff ff ff ff ff ff ff 01"),
        (Timestamp(), ""),
        (Packet(1, Stat("a", 0o644), 3, b"\x00"), "08 01 12 06 0a 01 61 10 a4 03 18 03 22 01 00"),
        (Exporter("moby", {"name": "x"}), "0a 04 6d 6f 62 79 12 09 0a 04 6e 61 6d 65 12 01 78"),
    ],
)
def test_bytes_are_those_of_the_format(message: object, wire: str) -> None:
    """The examples of the format's documentation, and what protoc writes for our messages."""
    assert encode(message).hex(" ") == wire


@dataclass(frozen=True, slots=True)
class Old:
    first: int = number(1)


def test_unknown_fields_are_dropped() -> None:
    """A newer client's fields do no harm; the last of several values counts."""
    newer = b"\x08\x01" + b"\x12\x03abc" + b"\x1d\x01\x02\x03\x04" + b"\x21" + bytes(8) + b"\x08\x05"
    assert decode(Old, newer) == Old(5)


def test_a_field_of_another_type_is_refused() -> None:
    """A text where a number belongs means that the two sides do not speak of the same message."""
    with pytest.raises(InvalidArgument, match="field 1 has wire type 2"):
        decode(Old, b"\x0a\x01a")
    with pytest.raises(InvalidArgument, match="too long"):
        decode(Old, b"\x08" + b"\xff" * 11)


@given(st.integers(0, (1 << 64) - 1))
def test_varints_are_as_short_as_they_can_be(value: int) -> None:
    """Seven bits to a byte."""
    assert len(varint(value)) == max(1, -(-value.bit_length() // 7))
