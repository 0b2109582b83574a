import pytest
from hypothesis import given
from hypothesis import strategies as st

from yurt.dockerfile.ignore import IgnoreRules
from yurt.errors import InvalidArgument


@pytest.mark.parametrize(
    ("rules", "ignored", "kept"),
    [
        ("node_modules", ["node_modules", "node_modules/a/b"], ["src/node_modules", "node_modules2"]),
        ("**/node_modules", ["node_modules/x", "a/b/node_modules/c"], ["a/node"]),
        ("*.log", ["a.log"], ["sub/a.log"]),
        ("**/*.log", ["a.log", "sub/deep/a.log"], ["a.logs"]),
        ("*/temp*", ["a/temporary", "a/temp/x"], ["temp", "a/b/temp"]),
        ("*/*/temp*", ["a/b/temp"], ["a/temp"]),
        ("temp?", ["tempa"], ["temp", "temp/", "tempab"]),
        ("*.md\n!README.md", ["a.md"], ["README.md"]),
        ("*.md\n!README*.md\nREADME-secret.md", ["a.md", "README-secret.md"], ["README-x.md"]),
        ("# comment\n\n  spaced  \n", ["spaced"], ["# comment", "comment"]),
        ("/rooted\n./dotted\nslash/", ["rooted", "dotted", "slash", "slash/x"], ["a/rooted"]),
        ("[a-c]x\n[^a-z]y", ["ax", "cx", "1y"], ["dx", "ay", "/y"]),
        ("a\\*b", ["a*b"], ["axb"]),
        ("*\n!src\nsrc/gen", ["x", "src/gen/y"], ["src", "src/main.py"]),
        ("**\n!a/b.txt", ["a", "c/d"], ["a/b.txt"]),
        (".git\n.", [".git/config"], ["a.git", "x"]),
        ("a/**/z", ["a/z", "a/b/z", "a/b/c/z/y"], ["a/zz"]),
    ],
)
def test_patterns_follow_the_reference(rules: str, ignored: list[str], kept: list[str]) -> None:
    """The last pattern that matches a path or a folder above it decides."""
    parsed = IgnoreRules.parse(rules)
    assert [path for path in ignored if not parsed.ignores(path)] == []
    assert [path for path in kept if parsed.ignores(path)] == []


@pytest.mark.parametrize(
    ("rules", "pruned", "entered"),
    [
        ("node_modules", ["node_modules", "node_modules/x"], ["src"]),
        ("a\n!a/b/c.txt", ["a/x", "a/b/d"], ["a", "a/b"]),
        ("a\n!a/**/keep", [], ["a", "a/x", "a/x/y"]),
        ("!a/keep\na", ["a"], []),
        ("*\n!src/*.py", ["docs", "src/sub"], ["src"]),
    ],
)
def test_a_walk_enters_only_where_something_can_be_taken(
    rules: str, pruned: list[str], entered: list[str]
) -> None:
    """A folder is pruned when no later exception can reach into it."""
    parsed = IgnoreRules.parse(rules)
    assert [folder for folder in pruned if not parsed.prunes(folder)] == []
    assert [folder for folder in entered if parsed.prunes(folder)] == []


def test_a_malformed_pattern_names_its_line() -> None:
    """The complaint says where."""
    with pytest.raises(InvalidArgument) as caught:
        IgnoreRules.parse("ok\n[a-\n")
    assert caught.value.message.startswith(".dockerignore:2: pattern '[a-'")


PATHS = st.lists(st.sampled_from(["a", "b", "ab", ".x"]), min_size=1, max_size=4).map("/".join)
RULES = st.lists(
    st.tuples(
        st.sampled_from(["", "!"]),
        st.sampled_from(["a", "*", "**", "b/*", "**/ab", "a/b", "?", ".x", "a/**/b"]),
    ),
    max_size=5,
).map(lambda each: "\n".join(sign + pattern for sign, pattern in each))


@given(RULES, PATHS)
def test_pruning_never_loses_a_file(rules: str, path: str) -> None:
    """A file that is taken has no pruned folder above it."""
    parsed = IgnoreRules.parse(rules)
    if not parsed.ignores(path):
        parts = path.split("/")
        assert not any(parsed.prunes("/".join(parts[:depth])) for depth in range(1, len(parts)))


@given(st.text(alphabet="a*?[]^-\\/!.# \n", max_size=30), PATHS)
def test_any_text_is_rules_or_refused(text: str, path: str) -> None:
    """No text breaks the matcher otherwise than by InvalidArgument."""
    try:
        IgnoreRules.parse(text).ignores(path)
    except InvalidArgument as bad:
        assert bad.message.startswith(".dockerignore:")  # noqa: PT017 - refusal is one of two good ends
