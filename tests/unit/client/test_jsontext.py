import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yurt.client import jsontext

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_values_are_written_and_read_as_by_the_standard_library(value):
    """The native functions alone give what `json` gives, both ways."""
    assert jsontext.dumps(value) == json.dumps(value)
    assert jsontext.loads(json.dumps(value, indent=1).encode()) == value


@pytest.mark.parametrize("text", ["", " ", "{", "[1,]", "{} x", "nul", '"\n"', b"\xff"])
def test_what_is_not_json_is_a_value_error(text):
    """Every mistake is a ValueError, as in the standard library."""
    with pytest.raises(ValueError):
        jsontext.loads(text)


def test_space_around_is_passed_over():
    """Engines end their bodies with a line break."""
    assert jsontext.loads(b'\r\n {"a": 1}\n') == {"a": 1}


def test_what_cannot_be_written_is_a_type_error():
    """An object that is no JSON is named."""
    with pytest.raises(TypeError, match="set is no JSON"):
        jsontext.dumps({"a": {1}})


def test_odd_numbers_are_read():
    """Go's encoders never write them, others do."""
    assert math.isnan(jsontext.loads("NaN"))
    assert jsontext.loads("-Infinity") == -math.inf
