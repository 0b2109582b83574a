"""yurt.compose.dotenv: files of NAME=value lines."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yurt.compose.dotenv import parse
from yurt.errors import InvalidArgument


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A=1", "1"), ("A = 1 ", "1"), ("export A=1", "1"), ("A: 1", "1"), ("A=", ""), ("A= ", ""), ("A=1\r\n", "1"),
        ("A=a b", "a b"), ("A=a # note", "a"), ("A=a#b", "a#b"), ("A=# note", ""), ("  A=1", "1"),
        ("A='x $B \\n'", "x $B \\n"), ("A='it\\'s'", "it's"), ("A='a\nb'", "a\nb"), ("A='a' # note", "a"),
        ('A="x\\ty\\n"', "x\ty\n"), ('A="a\nb"', "a\nb"), ('A="say \\"hi\\""', 'say "hi"'), ('A="\\$B"', "$B"),
        ("B=2\nA=$B", "2"), ('B=2\nA="${B}-${C:-3}"', "2-3"), ("A=$OUT", "outside"), ("A=a$$b", "a$b"),
        ('A="# no note"', "# no note"), ("A=b=c", "b=c"), ("A=1\nA=2", "2"), ("\ufeffA=1", "1"), ("A=a\\nb", "a\\nb"),
    ],
)  # fmt: skip
def test_values(text: str, value: Any) -> None:
    """The quoting rules, one line each."""
    assert parse(text, ".env", {"OUT": "outside"})["A"] == value


def test_name_alone() -> None:
    """A name alone takes its value from the environment, and is not set if that has none."""
    assert parse("OUT\nNONE\n# note\n\nA=1", ".env", {"OUT": "outside"}) == {"OUT": "outside", "A": "1"}


def test_environment_wins() -> None:
    """When a value uses another, the environment wins over the file."""
    assert parse("OUT=file\nA=$OUT", ".env", {"OUT": "outside"}) == {"OUT": "file", "A": "outside"}


def test_raw() -> None:
    """Raw values are taken as they stand."""
    assert parse("A='$B' # x", ".env", {}, raw=True) == {"A": "'$B' # x"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n A", None),
        ("A=1\nnot this", ".env:2:1: not: no '=' after the name in 'not this', expected NAME=value"),
        ("=1", ".env:1:1: '=1' begins with no variable's name, expected NAME=value"),
        ("A='x", ".env:1:1: A: the quote ' is not closed, expected a closing '"),
        ('A="x" y', ".env:1:1: A: 'y' follows the closing quote, expected the end of the line"),
        ("A=${B", ".env:1:1: A: '${' is not closed in '${B'"),
    ],
)
def test_mistakes(text: str, message: str | None) -> None:
    """A mistake is told with its line."""
    if message is None:
        assert parse(text, ".env", {}) == {}
        return
    with pytest.raises(InvalidArgument) as caught:
        parse(text, ".env", {})
    assert str(caught.value) == message


@given(st.one_of(st.text(), st.text(alphabet="AB=:'\"\\$#{} \n\t")))
@settings(max_examples=400, deadline=None)
def test_any_text(text: str) -> None:
    """Whatever the text, the answer is variables or one error of ours."""
    try:
        assert all(isinstance(value, str) for value in parse(text, ".env", {"A": "1"}).values())
    except InvalidArgument as error:
        assert str(error).startswith(".env:")  # noqa: PT017 - or no error at all


@given(st.text(alphabet=st.characters(exclude_characters="'\\\r", exclude_categories=["Cs"])))
def test_single_quotes(value: Any) -> None:
    """Single quotes keep any text as it is."""
    assert parse(f"A='{value}'", ".env", {}) == {"A": value}
