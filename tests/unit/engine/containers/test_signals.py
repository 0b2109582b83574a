"""Signals by name."""

import signal

import pytest

from yurt.engine.containers import signals
from yurt.errors import InvalidArgument


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("TERM", 15),
        ("SIGTERM", 15),
        ("sigint", 2),
        ("9", 9),
        ("RTMIN", signal.SIGRTMIN),
        ("RTMIN+3", signal.SIGRTMIN + 3),
        ("RTMAX-1", signal.SIGRTMAX - 1),
    ],
)
def test_parse(text: str, number: int) -> None:
    """Names work with and without SIG, numbers too."""
    assert signals.parse(text) == number


@pytest.mark.parametrize("text", ["", "NOPE", "0", "99", "RTMIN+99"])
def test_unknown(text: str) -> None:
    """Others are refused in Docker's words."""
    with pytest.raises(InvalidArgument, match="invalid signal"):
        signals.parse(text)
