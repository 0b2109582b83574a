"""yurt.compose.yamltext: what is written is read as the same."""

from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from yurt.compose.load import load
from yurt.compose.nodes import plain
from yurt.compose.yamltext import written

texts = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=20),
    st.sampled_from(["", "yes", "null", "~", "1", "1.5", "0x1", "a: b", "a #b", "- a", "a:", ":", "22:22", "a b", "\x7f\u2028\x85", "!x", "*a", "&a", "?", "a\nb", "=", "<<", ".", "..", "1e3", "2026-11-24", "a:1", "1:30", "1_0", "0b1", "012", "+1", "1.", "10s", "127.0.0.1", "---", "...", "--x", "'q'", " a", "it's", "#a", "a\nb\n", "a\n\n\tb", "a\n", "\n", " a\nb", "a \n  \nb\n\n"]),
)  # fmt: skip
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**60), 2**60), texts),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(texts.filter(lambda key: key != "<<"), inner, max_size=4)
    ),
    max_leaves=20,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(value=st.dictionaries(texts.filter(lambda key: key != "<<"), values, max_size=5))
def test_the_same(value: dict[str, Any]) -> None:
    """By our reader, and by one that knows YAML 1.1."""
    text = written(value)
    assert plain(load(text, "x")) == value
    assert yaml.safe_load(text) == value


def test_style() -> None:
    """It looks like what people write."""
    value = {
        "services": {"web": {"ports": [{"target": 80}], "command": ["a", "b c"], "x": {}, "z": [[1], []]}}
    }
    assert written(value) == (
        "services:\n  web:\n    ports:\n      - target: 80\n    command:\n      - a\n      - b c\n    x: {}\n"
        "    z:\n      -\n        - 1\n      - []\n"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("10s", "10s"),
        ("--flag=a b", "--flag=a b"),
        ("0.0.0.0:8000", "0.0.0.0:8000"),
        ("a || exit 1", "a || exit 1"),
        ("22:22", '"22:22"'),  # 1342 to YAML 1.1
        ("80", '"80"'),
        ("yes", '"yes"'),
        ("2026-11-24", '"2026-11-24"'),
        ("", '""'),
        ("a: b", "'a: b'"),
        ("it's # so", "'it''s # so'"),
        ("@every 5m", "'@every 5m'"),
        ("tab\t", '"tab\\t"'),
        ("server {\n  listen 80;\n}\n", "|\n  server {\n    listen 80;\n  }"),
        ("a\nb", "|-\n  a\n  b"),
        ("\na", '"\\na"'),
    ],
)
def test_quotes(value: str, text: str) -> None:
    """Quotes stand where they are needed, and of the kind that Docker Compose writes."""
    assert written({"k": value}) == f"k: {text}\n"
