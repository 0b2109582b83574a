"""Times on the wire."""

import pytest

from yurt.errors import InvalidArgument
from yurt.server.wire import times


@pytest.mark.parametrize(
    ("time_ns", "text"),
    [
        (0, "0001-01-01T00:00:00Z"),
        (1795503129858780536, "2026-11-24T06:52:09.858780536Z"),
        (1795503129000000000, "2026-11-24T06:52:09Z"),
        (1795503129500000000, "2026-11-24T06:52:09.5Z"),
    ],
)
def test_a_time_is_rfc_3339(time_ns: int, text: str) -> None:
    """Trailing zeros are left out, and never is Go's zero time."""
    assert times.rfc3339(time_ns) == text


@pytest.mark.parametrize(
    ("text", "time_ns"),
    [
        ("", 0),
        (None, 0),
        ("1795503129", 1795503129000000000),
        ("1795503129.85", 1795503129850000000),
        ("1795503129.858780536", 1795503129858780536),
        ("2026-11-24T06:52:09Z", 1795503129000000000),
        ("2026-11-24T08:52:09+02:00", 1795503129000000000),
        ("2026-11-24T06:52:09.5", 1795503129500000000),
    ],
)
def test_a_time_is_read_in_either_form(text: str, time_ns: int) -> None:
    """Unix seconds with a fraction, or RFC 3339; without a zone it is UTC."""
    assert times.parse(text) == time_ns


def test_nonsense_is_no_time() -> None:
    """What is no time is refused with an example."""
    with pytest.raises(InvalidArgument, match="invalid time 'yesterday'") as caught:
        times.parse("yesterday")
    assert "RFC 3339" in (caught.value.hint or "")


def test_a_log_lines_time_is_as_wide_as_any_other() -> None:
    """All nine digits, so that columns stay aligned."""
    assert times.fixed(1795503129500000000) == "2026-11-24T06:52:09.500000000Z"


def test_a_cutoff_is_a_moment_or_a_time_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    """`until=24h` is a day before now; the earliest of several holds, and none is no limit."""
    day = 86_400 * times.SECOND
    monkeypatch.setattr(times, "now", lambda: 10 * day)
    assert times.cutoff(["24h"]) == 9 * day
    assert times.cutoff(["1h30m", str(2 * 86_400)]) == 2 * day
    assert times.cutoff([]) == 0
    with pytest.raises(InvalidArgument, match="invalid time 'soon'"):
        times.cutoff(["soon"])
