"""yurt.compose.load: YAML text to nodes with positions."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yurt.compose.load import MAX_DEPTH, load, resolve
from yurt.compose.nodes import MappingNode, plain, walk
from yurt.errors import InvalidArgument


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None), ("~", None), ("null", None), ("true", True), ("False", False),
        ("yes", "yes"), ("on", "on"), ("22:22", "22:22"), ("2026-11-24", "2026-11-24"),
        ("12", 12), ("-3", -3), ("0o17", 15), ("0755", 493), ("0x1f", 31), ("089", 89), ("1.5", 1.5), ("1e3", 1000.0),
        ("1.2.3", "1.2.3"), ("_1", "_1"), ("=", "="),
    ],
)  # fmt: skip
def test_resolve(text: str, value: Any) -> None:
    """Unquoted text becomes what YAML's core schema says, and nothing more."""
    assert resolve(text) == value


def test_positions() -> None:
    """Each node and each key knows its line and column, counted from one."""
    document = load("services:\n  web:\n    image: nginx\n", "compose.yaml")
    found = {path: str(node.at) for path, node in walk(document)}
    assert found["services.web.image"] == "compose.yaml:3:12"
    services = document.entries["services"]
    assert isinstance(services, MappingNode)
    assert str(services.position("web")) == "compose.yaml:2:3"


def test_merge_keys() -> None:
    """``<<`` takes one mapping or several, earlier ones first; the mapping's own keys win."""
    text = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {<<: [*a, *b], x: 3}\nd: {<<: *b}"
    assert plain(load(text, "f"))["c"] == {"x": 3, "y": 1, "z": 2}
    assert plain(load(text, "f"))["d"] == {"y": 2, "z": 2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2", "f:2:1: 'a' is here twice, first at line 1"),
        ("a: *b", "f:1:4: the alias *b has no anchor before it, expected &b"),
        ("a: &a [*a]", "f:1:8: the alias *a has no anchor before it, expected &a"),
        ("a: !!python/name:os.system x", "f:1:4: the YAML tag tag:yaml.org,2002:python/name:os.system is not known"),
        ("a: !mine x", "f:1:4: the YAML tag !mine is not known, expected !reset or !override"),
        ("? [1]\n: 2", "f:1:3: a key that is not text, expected a plain key"),
        ("- 1", "f:1:1: not a Compose file, expected a mapping with `services:` at the top"),
        ("a: 1\n---\nb: 1", "f:2:1: a second YAML document in the file, expected one"),
        ("a: {<<: 1}", "f:1:9: <<: can't be merged, expected a mapping or a list of mappings"),
        ("a: [", "f:2:1: not valid YAML: did not find expected node content"),
        ("a:\n\tb: 1", "f:2:1: not valid YAML: found character that cannot start any token"),
    ],
)  # fmt: skip
def test_mistakes(text: str, message: str) -> None:
    """A mistake is told with its place and what was expected."""
    with pytest.raises(InvalidArgument) as caught:
        load(text, "f")
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("text", ["a:\n\tb: 1\n", "a: 1\r\n\tb: 1\r\n", "\r\t", "\u2028\t", "\x85\t@"])
def test_tabs(text: str) -> None:
    """An indentation by tabs is told as such, whatever the ends of the lines."""
    with pytest.raises(InvalidArgument) as caught:
        load(text, "f")
    assert caught.value.hint == "YAML is indented with spaces, not tabs"


def test_alias_bomb() -> None:
    """Aliases that unfold to more than any real file holds are refused at once."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    with pytest.raises(InvalidArgument, match="aliases unfold to more than"):
        load("\n".join(lines), "f")


def test_depth() -> None:
    """Nesting is bounded, also through aliases, so that nothing recursive can fail later."""
    with pytest.raises(InvalidArgument, match=f"nested deeper than {MAX_DEPTH} levels"):
        load("a: " + "[" * 500, "f")
    with pytest.raises(InvalidArgument, match="nest"):  # PyYAML has a bound of its own from 6.0.4 on
        load("a: " + "[" * 5000, "f")
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 100)]
    with pytest.raises(InvalidArgument, match=f"nested deeper than {MAX_DEPTH} levels"):
        load("\n".join(lines), "f")


def test_empty() -> None:
    """An empty file is an empty mapping; text that is not UTF-8 is told as such."""
    assert plain(load("", "f")) == {}
    assert plain(load(b"# nothing\n", "f")) == {}
    with pytest.raises(InvalidArgument, match="f: not UTF-8 text"):
        load(b"a: \xff", "f")


@given(st.one_of(st.text(), st.text(alphabet="ab:-[]{}&*<>|!?#'\"\n\t ,%@`"), st.binary()))
@settings(max_examples=400, deadline=None)
def test_any_text(text: str | bytes) -> None:
    """Whatever the text, the answer is a mapping or one error of ours."""
    try:
        load(text, "f")
    except InvalidArgument as error:
        assert str(error).startswith("f")  # noqa: PT017 - or no error at all
