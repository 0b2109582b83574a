"""`yurt.cache.ttl`."""

from datetime import timedelta

import pytest

from yurt.cache import seconds
from yurt.errors import InvalidArgument


@pytest.mark.parametrize(
    ("ttl", "expected"),
    [
        ("5m", 300),
        ("1h30m", 5400),
        ("250ms", 0.25),
        ("1.5 s", 1.5),
        ("2d", 172800),
        (7, 7),
        (timedelta(hours=1), 3600),
    ],
)
def test_a_ttl_is_read_as_people_write_it(ttl: str | int | timedelta, expected: float) -> None:
    """Text with units, seconds, or a timedelta."""
    assert seconds(ttl) == expected


def test_none_is_for_ever() -> None:
    """And stays None."""
    assert seconds(None) is None


@pytest.mark.parametrize("ttl", ["", "5", "5 minutes", "m5", "5m x", 0, -1, "0s", float("nan")])
def test_a_ttl_that_means_nothing_is_refused(ttl: str | float) -> None:
    """Zero too: it would cache nothing."""
    with pytest.raises(InvalidArgument):
        seconds(ttl)
