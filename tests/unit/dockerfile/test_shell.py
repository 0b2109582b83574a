import pytest
from hypothesis import given
from hypothesis import strategies as st

from yurt.dockerfile.shell import expand, expand_heredoc, expand_words, scan_words

VARIABLES = {"a": "one", "b": "two words", "empty": "", "path": "/usr/local/lib/x.tar.gz", "glob": "a*b"}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("plain", "plain"),
        ("$a/$b", "one/two words"),
        ("${a}b", "oneb"),
        ("$missing.", "."),
        ("\\$a", "$a"),
        ("'$a'", "$a"),
        ('"$a \\$a \\" \\n"', 'one $a " \\n'),
        ("a\\ b", "a b"),
        ("$", "$"),
        ("a$ b", "a$ b"),
        ("${a:-x}", "one"),
        ("${missing:-x$a}", "xone"),
        ("${empty:-x}", "x"),
        ("${empty-x}", ""),
        ("${missing-x}", "x"),
        ("${a:+yes}", "yes"),
        ("${empty:+yes}", ""),
        ("${empty+yes}", "yes"),
        ("${missing+yes}", ""),
        ("${missing:-${a:-y}}", "one"),
        ("${missing:-'}'}", "}"),
        ("${path#*/}", "usr/local/lib/x.tar.gz"),
        ("${path##*/}", "x.tar.gz"),
        ("${path%.*}", "/usr/local/lib/x.tar"),
        ("${path%%.*}", "/usr/local/lib/x"),
        ("${path#nothing}", "/usr/local/lib/x.tar.gz"),
        ("${path/l/L}", "/usr/Local/lib/x.tar.gz"),
        ("${path//l/L}", "/usr/LocaL/Lib/x.tar.gz"),
        ("${path//l}", "/usr/oca/ib/x.tar.gz"),
        ("${path/l??/_}", "/usr/_al/lib/x.tar.gz"),
        ("${glob/\\*/-}", "a-b"),
        ("${a?must}", "one"),
    ],
)
def test_variables_follow_the_reference(text: str, result: str) -> None:
    """Every form of the Dockerfile reference gives what a shell would."""
    assert expand(text, VARIABLES) == result


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("${a", "missing } after ${a"),
        ("${a:-x", "missing } after ${a"),
        ("${a:*x}", "unsupported modifier '*'"),
        ("${}", "bad substitution"),
        ("'x", "missing closing quote '"),
        ('"x', 'missing closing quote "'),
        ("${missing:?tell me}", "missing: tell me"),
        ("${a/x", "missing }"),
        ("${x:-" * 100, "nested more than"),
    ],
)
def test_malformed_text_says_what_is_wrong(text: str, complaint: str) -> None:
    """A mistake raises ValueError with a sentence."""
    with pytest.raises(ValueError) as caught:
        expand(text, VARIABLES)
    assert complaint in str(caught.value)


def test_backtick_can_be_the_escape() -> None:
    """With escape=` a backslash is an ordinary character."""
    assert expand("C:\\x`$a", VARIABLES, escape="`") == "C:\\x$a"


def test_words_part_at_blanks_of_unquoted_variables() -> None:
    """An unquoted variable can hold several words, a quoted one is part of one."""
    assert expand_words('$b "$b" x${a}y $empty ""', VARIABLES) == ["two", "words", "two words", "xoney", ""]


def test_heredocs_keep_quotes() -> None:
    """In a here-document only variables and their escape count."""
    assert expand_heredoc("'$a' \"$a\" \\$a \\n", VARIABLES) == "'one' \"one\" $a \\n"


def test_scan_words_keeps_quotes_and_escapes() -> None:
    """Words are spans of the text as written."""
    text = "a='b c' d\\ e  f"
    assert [text[start:end] for start, end in scan_words(text)] == ["a='b c'", "d\\ e", "f"]


@given(st.text(alphabet="ab${}:-+?#%/'\"\\ *1[", max_size=40))
def test_any_text_expands_or_is_refused(text: str) -> None:
    """No text breaks the expansion otherwise than by ValueError."""
    try:
        assert isinstance(expand(text, VARIABLES), str)
        expand_words(text, VARIABLES)
    except ValueError:
        pass
