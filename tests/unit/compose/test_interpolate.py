"""yurt.compose.interpolate: variables in values."""

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yurt.compose.interpolate import interpolate, interpolated
from yurt.compose.load import load
from yurt.compose.nodes import plain
from yurt.errors import InvalidArgument

VARIABLES = {"V": "value", "E": "", "N": "8"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$V", "value"), ("${V}", "value"), ("a${V}b$N", "avalueb8"), ("$$V", "$V"), ("$$$V", "$value"),
        ("${V:-x}", "value"), ("${E:-x}", "x"), ("${U:-x}", "x"), ("${U:-}", ""),
        ("${V-x}", "value"), ("${E-x}", ""), ("${U-x}", "x"),
        ("${V:+x}", "x"), ("${E:+x}", ""), ("${U:+x}", ""), ("${E+x}", "x"), ("${U+x}", ""),
        ("${V:?no}", "value"), ("${E?no}", ""),
        ("${U:-${E:-$V}}", "value"), ("${U:-a${V}b}", "avalueb"), ("${U:-$$}", "$"), ("${V:+${N}}", "8"),
        ("${U}", ""), ("$U", ""), ("${U:-a:b-c}", "a:b-c"), ("{$V}", "{value}"), ("no", "no"),
    ],
)  # fmt: skip
def test_forms(text: str, value: Any) -> None:
    """Every form of the specification gives its value; nested ones too."""
    assert interpolate(text, VARIABLES) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${U:?set it}", "the variable U is required and not set: set it"),
        ("${E:?}", "the variable E is required and not set"),
        ("${U?no $V}", "the variable U is required and not set: no value"),
        ("$", "a dollar sign that begins no variable in '$'"),
        ("$1", "a dollar sign that begins no variable in '$1'"),
        ("${", "'${' is not closed in '${'"),
        ("${V:-", "'${' is not closed in '${V:-'"),
        ("${}", "no variable's name in '${}'"),
        ("${V!}", "'${V!}' is no form of a variable, expected one of :-  -  :?  ?  :+  + after V"),
    ],
)
def test_mistakes(text: str, message: str) -> None:
    """What is no form of a variable is refused, and so is a required variable that is not set."""
    with pytest.raises(InvalidArgument) as caught:
        interpolate(text, VARIABLES)
    assert str(caught.value) == message


def test_missing() -> None:
    """A variable that is not set is told once it is used without a default."""
    missing: list[str] = []
    assert interpolate("$A ${B} ${C:-x} ${D+x}", {}, missing=missing.append) == "  x "
    assert missing == ["A", "B"]


def test_document() -> None:
    """Values are replaced, keys are not; an error has the place and the path."""
    document = load("$V: $V\nl: ['${N}']", "f")
    assert plain(interpolated(document, VARIABLES)) == {"$V": "value", "l": ["8"]}
    with pytest.raises(InvalidArgument, match=r"^f:2:5: a\.b: the variable X is required and not set: say$"):
        interpolated(load("a:\n b: ${X:?say}", "f"), {})


@given(st.one_of(st.text(), st.text(alphabet="${}:-?+VE ")))
@settings(max_examples=400, deadline=None)
def test_any_text(text: str) -> None:
    """Whatever the text, the answer is text or one error of ours."""
    with contextlib.suppress(InvalidArgument):
        assert isinstance(interpolate(text, VARIABLES), str)


@given(st.text())
def test_dollars(text: str) -> None:
    """Doubling every dollar sign keeps any text as it is."""
    assert interpolate(text.replace("$", "$$"), {}) == text
