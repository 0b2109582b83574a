"""yurt.compose.units: sizes and durations."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yurt.compose.units import duration, size
from yurt.errors import InvalidArgument

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("0", 0),
        ("1024", 1024),
        ("1b", 1),
        ("2k", 2048),
        ("64M", 64 << 20),
        ("1.5gb", 3 << 29),
        ("1GiB", 1 << 30),
    ],
)
def test_size(text: str, count: int) -> None:
    """Sizes are by 1024, whatever the unit's case."""
    assert size(text) == count


@pytest.mark.parametrize(
    ("text", "length"),
    [("30s", 30 * SECOND), ("1m30s", 90 * SECOND), ("1.5s", SECOND * 3 // 2), ("250ms", SECOND // 4), ("0", 0), ("2h", 7200 * SECOND)],
)  # fmt: skip
def test_duration(text: str, length: int) -> None:
    """Durations are sums of numbers with units."""
    assert duration(text) == length


@pytest.mark.parametrize("text", ["", "x", "1x", "-1", "1 2", "m"])
def test_mistakes(text: str) -> None:
    """Anything else is refused, saying what was expected."""
    with pytest.raises(InvalidArgument, match="expected"):
        size(text)
    with pytest.raises(InvalidArgument, match="expected"):
        duration(text)


@given(st.text())
def test_any_text(text: str) -> None:
    """Whatever the text, the answer is a number or one error of ours."""
    for parse in (size, duration):
        with contextlib.suppress(InvalidArgument):
            assert parse(text) >= 0
