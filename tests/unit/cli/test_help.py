"""Help that fits the terminal, and what a mistyped word was meant to be."""

import pytest

from yurt.cli import help as helping
from yurt.cli.main import COMMANDS


@pytest.mark.parametrize(
    ("word", "meant"),
    [("pz", "ps"), ("rnu", "run"), ("strat", "start"), ("imgaes", "images"), ("lgos", "logs"), ("zz", None)],
)
def test_the_nearest_word(word: str, meant: str | None) -> None:
    """One wrong letter, also of two; letters that changed places come first; nothing for what is like nothing."""
    assert helping.nearest(word, COMMANDS) == meant


PAIRS = [("-a, --all", "one two three four five six seven eight nine"), ("    --quiet", "")]


def test_a_sentence_goes_on_below_itself() -> None:
    """Where the terminal is narrower; a flag without a sentence stays."""
    assert helping.columns(PAIRS, 54) == [
        "  -a, --all    one two three four five six seven eight",
        "               nine",
        "      --quiet",
    ]


@pytest.mark.parametrize("width", [None, 30, 200])
def test_a_sentence_stays_in_its_line(width: int | None) -> None:
    """In a pipe, in a terminal too narrow for columns, and in a wide one."""
    assert helping.columns(PAIRS, width) == [
        "  -a, --all    one two three four five six seven eight nine",
        "      --quiet",
    ]


def test_the_overview_fits_a_terminal() -> None:
    """Of 80 columns, as terminals begin."""
    assert [line for line in helping.OVERVIEW.splitlines() if len(line) > 80] == []
