import pytest

from yurt.dockerfile.excerpt import brief, excerpt, line_of, statement_at, without_place

TEXT = b"FROM a\n\nRUN one\nRUN two; \\\n  three\nRUN four\n"


def test_a_statement_of_many_lines_is_marked_whole() -> None:
    """Its file and first line stand above, two lines around it in all, as BuildKit counts them."""
    assert excerpt(TEXT, 5, file="Dockerfile") == (
        "Dockerfile:4\n--------------------\n   3 |     RUN one\n   4 | >>> RUN two; \\\n   5 | >>>   three\n"
        "   6 |     RUN four\n--------------------\n"
    )


@pytest.mark.parametrize(
    ("line", "first", "last"), [(1, 1, 3), (3, 1, 5), (6, 4, 7)], ids=["begin", "middle", "end"]
)
def test_lines_around_one(line: int, first: int, last: int) -> None:
    """An end of the file makes the excerpt no longer on the other side."""
    told = excerpt(TEXT, line, file="f").splitlines()[2:-1]
    assert (int(told[0][:4]), int(told[-1][:4])) == (first, last)
    assert [each for each in told if ">>>" in each] == [
        f"   {line} | >>> {TEXT.decode().splitlines()[line - 1]}"
    ]


def test_what_is_no_dockerfile_still_has_lines() -> None:
    """A line that cannot be read as a statement is marked alone; one that is not there gives nothing."""
    assert statement_at(b"FROM a\nRUN <<E\nx", 2) == (2, 2)
    assert ">>> RUN <<E" in excerpt(b"FROM a\nRUN <<E\n\xff", 2, file="f")
    assert not excerpt(TEXT, 99, file="f")


def test_places_of_messages() -> None:
    """File, line and column before a message are found and taken away; of another file they are left."""
    assert (line_of("a.b:12:3: bad: x", "a.b"), line_of("a.b:12: bad", "a.b")) == (12, 12)
    assert line_of("aXb:12: bad", "a.b") is None
    assert without_place("a.b:12:3: bad: x", "a.b") == "bad: x"


def test_a_long_step_is_cut_in_a_sentence() -> None:
    """A chain of ninety lines does not become a sentence of four thousand characters."""
    assert brief("RUN set -eux;   \t\techo a") == "RUN set -eux; echo a"
    told = brief("RUN " + "echo again; " * 400)
    assert (len(told), told[:16], told[-1]) == (120, "RUN echo again; ", "…")
