"""yurt.compose.logs and levels: lines of many containers as one."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.compose.fake_engine import FakeEngine

from yurt.api import stream
from yurt.compose.levels import LevelFilter, named, parse
from yurt.compose.logs import Line, Printer, Source, _lines, after, last_lines, palette
from yurt.errors import InvalidArgument

WEB = Source("id", "web-1", "web")


@pytest.mark.parametrize(
    ("line", "level"),
    [
        (b'{"level": "warning", "message": "x"}', 30), (b'{"levelname": "ERROR"}', 40), (b'{"severity": "Info"}', 20),
        (b'{"level": 50}', 50), (b'{"message": "ERROR in text"}', None), (b"{not json WARNING", 30),
        (b"2026-11-24 WARNING shop: slow", 30), (b"[ERROR/MainProcess] x", 40), (b"level=debug msg=x", 10),
        (b'level="error" x', 40), (b"LOG:  ready", None), (b"no level here", None), (b"CRITICAL", 50),
        (b"information", None), (b"", None), (b"\xff\xfe", None), (b"[]", None),
    ],
)  # fmt: skip
def test_named(line: bytes, level: int | None) -> None:
    """JSON fields name a level, and so do words as `logging` writes them."""
    assert named(line) == level


def test_filter() -> None:
    """Lines without a level count as info; what belongs to a line has that line's level."""
    lines = [b"plain", b"INFO fine", b"ERROR bad", b"Traceback (most recent call last):", b'  File "x"', b"ValueError: no",
             b"plain", b"WARNING w", b"DEBUG d"]  # fmt: skip
    keeps = LevelFilter(30).passes
    assert [line for line in lines if keeps(line)] == [*lines[2:6], b"WARNING w"]


@given(st.lists(st.binary()))
def test_filter_any(lines: list[bytes]) -> None:
    """Whatever the lines, each passes or does not."""
    keeps = LevelFilter(30).passes
    assert all(keeps(line) in (True, False) for line in lines)


def test_parse() -> None:
    """Levels have Python's names; another name is refused with those there are."""
    assert (parse("Warning"), parse("warn"), parse("critical")) == (30, 30, 50)
    with pytest.raises(InvalidArgument) as caught:
        parse("loud")
    assert caught.value.hint == "one of debug, info, warning, error, critical"


@given(st.integers(min_value=1, max_value=40))
def test_lines(cut: int) -> None:
    """Lines are whole, however the stream was cut; stdout and stderr do not mix within a line."""
    whole = stream.encode(1, b"half") + stream.encode(2, b"error\n") + stream.encode(1, b" and half\r\nlast")
    pieces = [whole[at : at + cut] for at in range(0, len(whole), cut)]
    assert list(_lines(pieces, framed=True)) == [b"error", b"half and half", b"last"]


def test_raw_lines() -> None:
    """A terminal's output has no frames, also when the engine does not say so."""
    assert list(_lines([b"one\r\ntwo"], framed=False)) == [b"one", b"two"]
    assert list(_lines([b"one two three\n"], framed=True)) == [b"one two three"]


def test_printer() -> None:
    """Names stand in a column; each service keeps its colour."""
    line = Line(WEB, b"T", b"text")
    assert Printer(8, {}, colour=False).render(line) == b"web-1     | text\n"
    assert Printer(5, {}, prefix=False, timestamps=True).render(line) == b"T text\n"
    colours = palette(["db", "web"])
    assert Printer(5, colours).render(line) == b"\x1b[33mweb-1  | \x1b[0mtext\n"


def test_after() -> None:
    """Going on after a line begins one nanosecond later."""
    assert after(b"2026-11-24T07:00:00.999999999Z") == "1795503601.000000000"
    assert after(b"2026-11-24T07:00:00Z") == "1795503600.000000001"


def test_last_lines() -> None:
    """The last lines of a container are had as text; of one that is gone, none."""
    engine: Any = FakeEngine(images={"w": "i"})
    engine.output["web"] = b"a\nb"
    body = {"Labels": {"com.docker.compose.service": "web"}}
    engine.request("POST", "/containers/create", query={"name": "x"}, json=body)
    assert last_lines(engine, "x", 5) == ["a", "b"]
    assert last_lines(engine, "gone", 5) == []
