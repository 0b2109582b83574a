"""`yurt.cache.codec`: the same value and the same type come back."""

import contextlib
import datetime as dt
import uuid
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from yurt.cache import Codec
from yurt.cache.codec import CorruptedValue
from yurt.errors import InvalidArgument

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary()
    | st.decimals(allow_nan=False)
    | st.uuids()
    | st.datetimes(timezones=st.none() | st.just(dt.UTC))
    | st.dates()
    | st.times()
    | st.timedeltas()
)
KEYS = (
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])) | st.dates()
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(KEYS | st.tuples(st.integers(), st.integers()), inner)
        | st.sets(st.integers())
        | st.frozensets(st.text(st.characters(exclude_categories=["Cs"])))
    ),
    max_leaves=20,
)


def same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    return bool(one == other)


@given(VALUES)
@example({-(2**63) - 1: None, 2**64: [2**64]})
def test_plain_values_come_back_as_they_were(value: Any) -> None:
    """Types included, however nested."""
    assert same(Codec().decode(Codec().encode(value)), value)


@given(st.binary())
def test_any_bytes_are_a_value_or_corrupted(data: bytes) -> None:
    """Nothing else is raised, whatever lies in the store."""
    with contextlib.suppress(CorruptedValue):
        Codec().decode(data)


@dataclass
class Order:
    id: int
    price: Decimal
    placed: dt.datetime


def test_a_named_type_is_kept_and_checked() -> None:
    """Dataclasses need their type named; data of an older shape is corrupted."""
    codec = Codec(list[Order])
    orders = [Order(1, Decimal("9.90"), dt.datetime(2026, 1, 1, tzinfo=dt.UTC))]
    assert codec.decode(codec.encode(orders)) == orders
    with pytest.raises(CorruptedValue):
        codec.decode(Codec(list[dict[str, int]]).encode([{"id": 1}]))


def test_what_cannot_be_kept_is_refused_with_a_way_out() -> None:
    """No pickle: an unknown object is an error at once."""
    with pytest.raises(InvalidArgument, match=r"cannot cache a .*Order") as raised:
        Codec().encode({"order": Order(1, Decimal(1), dt.datetime.now(dt.UTC))})
    assert "cached(type=...)" in (raised.value.hint or "")


def test_a_uuid_takes_its_sixteen_bytes() -> None:
    """Compact, not text."""
    assert len(Codec().encode(uuid.uuid4())) == 18
