"""`yurt.cache.keys`: different arguments, different keys."""

import datetime as dt
from decimal import Decimal
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yurt.cache.keys import LONGEST, KeyMaker, canonical
from yurt.errors import InvalidArgument


def orders(city: Any, *, limit: int = 10) -> None: ...


def test_a_key_names_the_function_and_all_arguments() -> None:
    """Defaults are filled in: the same call, written otherwise, has the same key."""
    maker = KeyMaker(orders, None, ())
    assert maker.key(("Osh",), {}) == maker.key((), {"city": "Osh", "limit": 10})
    assert maker.key(("Osh",), {}).endswith('orders(city="Osh",limit=10)')


class Colour(StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, "1"),
        (1, True),
        (1, Decimal(1)),
        (None, "None"),
        ("red", Colour.RED),
        ((1, 2), [1, 2]),
        (["a,b"], ["a", "b"]),
        (dt.date(2026, 1, 1), "2026-01-01"),
        ({"a": 1}, {"a": 2}),
    ],
)
def test_arguments_that_differ_have_keys_that_differ(one: Any, other: Any) -> None:
    """Types are told apart."""
    assert canonical(one) != canonical(other)


def test_the_order_of_a_dict_or_set_makes_no_difference() -> None:
    """They are equal, so their keys are."""
    assert canonical({"a": 1, "b": 2}) == canonical({"b": 2, "a": 1})
    assert canonical({3, 1, 2}) == canonical({2, 3, 1})


@given(st.text(), st.text())
def test_a_key_is_short_printable_and_as_distinct_as_its_arguments(one: str, other: str) -> None:
    """Whatever text is asked for."""
    maker = KeyMaker(orders, None, ())
    keys = maker.key((one,), {}), maker.key((other,), {})
    assert all(len(key) <= LONGEST and key.isascii() and " " not in key for key in keys)
    assert (keys[0] == keys[1]) == (one == other)


def test_a_template_is_filled_with_quoted_arguments() -> None:
    """A value with a separator can't pass for two parts."""
    maker = KeyMaker(orders, "orders:{city.name}:{limit}", ["city:{city.name}", "orders"])

    class City:
        name = "a:b c"

    assert maker.key((City(),), {}) == "orders:a%3Ab%20c:10"
    assert maker.tags((City(),), {}) == ("city:a%3Ab%20c", "orders")


def test_keys_and_tags_may_be_functions_of_the_arguments() -> None:
    """For what a template can't say."""
    maker = KeyMaker(orders, lambda city, limit=0: f"o:{city}:{limit}", lambda city, **_: [city, city])
    assert maker.key(("Osh",), {"limit": 3}) == "o:Osh:3"
    assert maker.tags(("Osh",), {"limit": 3}) == ("Osh",)


def test_an_argument_without_a_key_is_refused_with_a_way_out() -> None:
    """An object's address is no key."""
    with pytest.raises(InvalidArgument, match="object is not a plain value") as raised:
        KeyMaker(orders, None, ()).key((object(),), {})
    assert "key=" in (raised.value.hint or "")
    with pytest.raises(InvalidArgument, match="cannot fill"):
        KeyMaker(orders, "{town}", ()).key(("Osh",), {})
