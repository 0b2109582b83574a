"""Whatever bytes come, the parsers answer: with a result, or with an error that names file and line. In bounded time."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from yurt.dockerfile.checks.check import Surroundings, check
from yurt.dockerfile.glob import compiled
from yurt.dockerfile.ignore import IgnoreRules
from yurt.dockerfile.instructions import Dockerfile, Run
from yurt.dockerfile.mode import parse_mode
from yurt.dockerfile.mounts import parse_mount
from yurt.dockerfile.outline import outline, targets
from yurt.dockerfile.parser import parse
from yurt.dockerfile.shell import LIMIT, expand, expand_heredoc, expand_words, scan_words
from yurt.errors import InvalidArgument

CORPUS = Path(__file__).parent / "corpus"
PLACED = re.compile(r"(Dockerfile|\.dockerignore):\d+(:\d+)?: .+", re.DOTALL)
KEYWORDS = [
    "FROM",
    "ARG",
    "ENV",
    "LABEL",
    "RUN",
    "CMD",
    "COPY",
    "ADD",
    "EXPOSE",
    "VOLUME",
    "USER",
    "WORKDIR",
    "STOPSIGNAL",
    "MAINTAINER",
    "SHELL",
    "HEALTHCHECK",
    "ONBUILD",
    "ENTRYPOINT",
    "from",
    "FrOm",
    "NOPE",
    "#",
]
PIECES = [
    *KEYWORDS,
    *("\n", " ", "\t", "\\\n", "`\n", "=", '"', "'", "$", "${", "}", ":-", ":+", ":?", "#", "##", "%", "%%", "/", "//"),
    *("*", "?", "[", "]", "^", "!", "**", "**/", "<<EOF", "<<-'EOF'", "\nEOF\n", "--", "--from=", "--mount=type=cache"),
    *("--chmod=u+x", "--platform=$A", "AS", "a", "b", "0", "scratch", '["a"]', "[1]", "{", "# escape=`\n", "# check=skip=all\n"),
    *("http://x/y", "git@x:y.git", "\r\n", "\ufeff", "\0", "\x85", "\u2028", "é", "80:80/TCP", "NONE", "CMD"),
]  # fmt: skip
texts = st.lists(st.sampled_from(PIECES), max_size=40).map("".join) | st.text(max_size=80)


@contextlib.contextmanager
def placed() -> Iterator[None]:
    """A refusal that names file and line is an answer."""
    message = ""
    try:
        yield
    except InvalidArgument as error:
        message = error.message
    assert not message or PLACED.fullmatch(message), message


def use(dockerfile: Dockerfile) -> None:
    """Ask everything that is asked of a Dockerfile that parses."""
    for question in (
        lambda: check(dockerfile, Surroundings()),
        lambda: targets(dockerfile),
        lambda: outline(dockerfile, target="", given={}, predefined={}),
    ):
        with placed():
            question()
    for stage in dockerfile.stages:
        for instruction in stage.instructions:
            if isinstance(instruction, Run):
                for mount in instruction.mounts:
                    answered(lambda mount=mount: parse_mount(mount))


def answered(question: object) -> None:
    """Ask *question*, a function; ValueError is how pure texts are refused."""
    with contextlib.suppress(ValueError):
        question()  # type: ignore[operator]


def read(data: bytes) -> None:
    """Read *data* as a Dockerfile, and use what comes out."""
    with placed():
        use(parse(data))


@pytest.mark.parametrize("path", sorted(CORPUS.iterdir()), ids=lambda path: path.name)
def test_the_corpus_is_answered(path: Path) -> None:
    """What was found to be hard once: as a Dockerfile, as ignore rules, and as a text with variables."""
    data = path.read_bytes()
    read(data)
    text = data.decode(errors="replace")
    ignore(text, "a/b/c")
    substitute(text[:2000], {"a": "aaaa/bbbb", "A": ""})


@given(texts)
@example("FROM a\nONBUILD <<EOF\nEOF\n")
@example("FROM scratch\nENV \\\n")
def test_any_text_is_a_dockerfile_or_not(text: str) -> None:
    """Words of the language in any order."""
    read(text.encode(errors="surrogatepass"))
    read(b"FROM scratch\n" + text.encode(errors="surrogatepass"))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_dockerfile_or_not(data: bytes) -> None:
    """Also those that are no text."""
    read(data)


def ignore(text: str, path: str) -> None:
    with placed():
        rules = IgnoreRules.parse(text)
        rules.ignores(path)
        rules.prunes(path)


@given(texts, st.lists(st.sampled_from(["a", "b", "aa", ".git", "é"]), min_size=1, max_size=5).map("/".join))
def test_any_text_ignores_or_not(text: str, path: str) -> None:
    """Patterns of any kind, and paths."""
    ignore(text, path)


def substitute(text: str, variables: dict[str, str]) -> None:
    for how in (expand, expand_words, expand_heredoc):
        answered(lambda how=how: how(text, variables))
    answered(lambda: scan_words(text))


@given(texts, st.dictionaries(st.sampled_from(["a", "b", "A"]), st.text(alphabet="ab/*.", max_size=30)))
def test_any_text_expands_or_not(text: str, variables: dict[str, str]) -> None:
    """Every form of substitution, whole or broken."""
    substitute(text, variables)


@given(st.text(alphabet="ab*?", max_size=8), st.text(alphabet="ab", max_size=10))
def test_trimming_agrees_with_a_regular_expression(pattern: str, value: str) -> None:
    """The automaton finds what a regular expression finds, which is only slower for some patterns."""
    greedy = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    lazy = re.escape(pattern).replace(r"\*", ".*?").replace(r"\?", ".")
    for operator, expression in (("#", lazy), ("##", greedy)):
        found = re.match(expression, value)
        cut = value[found.end() :] if found else value
        assert expand(f"${{v{operator}{pattern}}}", {"v": value}) == cut
    suffixes = [value[:at] for at in range(len(value), -1, -1) if re.fullmatch(greedy, value[at:])]
    assert expand(f"${{v%{pattern}}}", {"v": value}) == (suffixes[0] if suffixes else value)
    assert expand(f"${{v%%{pattern}}}", {"v": value}) == (suffixes[-1] if suffixes else value)


@given(st.text(alphabet="ab/*?", max_size=10), st.text(alphabet="ab/", max_size=8))
def test_many_wildcards_match_what_few_do(pattern: str, path: str) -> None:
    """A pattern means the same whether it has so many wildcards that an automaton takes it or not."""
    expected = bool(re.fullmatch(translated(pattern), path, re.DOTALL))
    assert bool(compiled(pattern, deep=True).fullmatch(path)) == expected


def translated(pattern: str) -> str:
    """Return the regular expression of a deep pattern made of these letters."""
    found = re.sub(r"\*\*+/", "\1", pattern)
    found = re.sub(r"\*\*+", "\2", found).replace("*", "\3").replace("?", "[^/]")
    return found.replace("\1", "(?:.*/)?").replace("\2", ".*").replace("\3", "[^/]*")


@pytest.mark.parametrize(
    "pattern", ["*a" * 30 + "*b", "**/a/" * 30 + "b", "a*" * 50, "**a" * 40 + "**b", "[a-b]*" * 50 + "c"]
)
def test_hostile_patterns_end(pattern: str) -> None:
    """What would keep a regular expression busy for years."""
    IgnoreRules.parse(pattern).ignores("a/" * 50 + "a" * 255)
    compiled(pattern, deep=True).fullmatch("a" * 1000)
    value = {"v": "a" * 1000}
    for operator in ("#", "##", "%", "%%", "/", "//"):
        expand(f"${{v{operator}{pattern.replace('/', '')}}}", value)


def test_growing_texts_are_refused() -> None:
    """Doubling a variable in each line would fill any memory."""
    variables = {"v": "x" * (LIMIT // 2)}
    assert len(expand("$v$v", variables)) == LIMIT
    for how in (expand, expand_words, expand_heredoc):
        with pytest.raises(ValueError, match="grows beyond"):
            how("$v$v$v", variables)


def test_deep_nesting_is_refused() -> None:
    """Of substitutions, and of JSON."""
    for depth in (10, 100, 10_000):
        read(b"FROM scratch\nENV a=" + b"${a:-" * depth + b"}" * depth)
        read(b"FROM scratch\nCMD " + b"[" * depth)


@given(texts)
def test_small_texts(text: str) -> None:
    """Mounts, modes, patterns: a value or one sentence."""
    answered(lambda: parse_mount(text))
    answered(lambda: parse_mode(text))
    answered(lambda: compiled(text, deep=True).fullmatch("a/b"))
