import pytest
from hypothesis import given
from hypothesis import strategies as st

from yurt.api.filters import decode, encode
from yurt.errors import InvalidArgument


@given(st.dictionaries(st.text(), st.lists(st.text(), min_size=1, unique=True)))
def test_decode_is_the_inverse_of_encode(filters):
    """Filters arrive as they were asked."""
    assert decode(encode(filters)) == {key: tuple(values) for key, values in filters.items()}


@pytest.mark.parametrize(
    ("text", "filters"),
    [
        (None, {}),
        ("", {}),
        ("{}", {}),
        ('{"label":["a=b","c"]}', {"label": ("a=b", "c")}),
        ('{"label":{"a=b":true,"c":true}}', {"label": ("a=b", "c")}),
        ('{"dangling":{"true":true,"false":false}}', {"dangling": ("true",)}),
    ],
)
def test_both_encodings_are_read(text, filters):
    """Lists and sets written as objects mean the same."""
    assert decode(text) == filters


def test_keys_without_values_are_left_out():
    """An empty list of values is no filter."""
    assert encode({"label": [], "name": ["x"]}) == '{"name":{"x":true}}'


@pytest.mark.parametrize("text", ["{", "[]", "7", '{"a":1}', '{"a":[1]}', '{"a":"b"}'])
def test_other_json_is_refused(text):
    """What is neither encoding is refused with a sentence."""
    with pytest.raises(InvalidArgument, match="invalid filters"):
        decode(text)
