"""`yurt.logs.formatters`: nothing lost, nothing forged."""

import json
import logging
import re
import sys
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yurt.logs import ConsoleFormatter, JSONFormatter


def a_record(
    message: object = "hello", *args: object, level: int = logging.INFO, **extra: object
) -> logging.LogRecord:
    record = logging.LogRecord("shop.orders", level, __file__, 1, message, args, None)
    record.__dict__.update(extra)
    return record


def as_json(record: logging.LogRecord, **fields: object) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(JSONFormatter(fields).format(record))
    return decoded


def test_a_record_has_time_level_logger_message_and_process() -> None:
    """The first five fields are always there, the time with its offset."""
    shown = as_json(a_record("order %d", 7))
    assert list(shown) == ["time", "level", "logger", "message", "process"]
    assert (shown["level"], shown["logger"], shown["message"]) == ("INFO", "shop.orders", "order 7")
    assert datetime.fromisoformat(shown["time"]).utcoffset() is not None


def test_extra_fields_follow_with_their_types() -> None:
    """Numbers stay numbers, nested values stay nested."""
    shown = as_json(a_record(order=7, paid=True, sizes=(1, 2), nested={"a": None}), service="web")
    assert shown["order"] == 7
    assert shown["paid"] is True
    assert shown["sizes"] == [1, 2]
    assert shown["nested"] == {"a": None}
    assert shown["service"] == "web"


def test_an_extra_field_cannot_pose_as_one_of_ours() -> None:
    """A field named like one of the formatter's is kept under another name."""
    shown = as_json(a_record(time="never", exception="none"))
    assert shown["time"] != "never"
    assert shown["extra.time"] == "never"
    assert shown["extra.exception"] == "none"
    assert "exception" not in shown


@pytest.mark.parametrize(
    ("message", "args", "kept"),
    [
        ("count %d", ("x",), "count %d ('x',)"),
        ("%s and %s", ("one",), "%s and %s ('one',)"),
        ("%(who)s", ({"whom": 1},), "%(who)s {'whom': 1}"),
        ("100%", ("x",), "100% ('x',)"),
    ],
)
def test_a_mistake_in_the_arguments_is_shown_not_raised(
    message: str, args: tuple[object, ...], kept: str
) -> None:
    """The record keeps the message and the arguments, and says what was wrong."""
    shown = as_json(a_record(message, *args))
    assert shown["message"] == kept
    assert shown["format_error"].startswith(("TypeError", "KeyError", "ValueError"))


def test_an_object_that_cannot_be_shown_does_not_lose_the_record() -> None:
    """str() that raises is noted in its place."""

    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no")

    shown = as_json(a_record("hello", thing=Broken()))
    assert shown["message"] == "hello"
    assert shown["thing"] == "<Broken whose str() raised RuntimeError>"
    assert "format_error" in as_json(a_record(Broken()))


def test_an_exception_is_one_field() -> None:
    """The traceback, chain included, is text in a single line of JSON."""
    try:
        try:
            raise KeyError("saddle")
        except KeyError as error:
            raise ValueError("no\nprice") from error
    except ValueError:
        record = a_record()
        record.exc_info = sys.exc_info()
    line = JSONFormatter().format(record)
    assert "\n" not in line
    shown = json.loads(line)["exception"]
    assert "KeyError: 'saddle'" in shown
    assert shown.endswith("ValueError: no\nprice")


def test_loops_nan_and_bytes_are_written_as_json_can_hold_them() -> None:
    """The line is strict JSON whatever is in the record."""
    loop: list[object] = []
    loop.append(loop)
    line = JSONFormatter().format(a_record(loop=loop, nan=float("nan"), data=b"\xff", keys={1: 2, None: 3}))
    assert json.loads(line, parse_constant=pytest.fail)["keys"] == {"1": 2, "None": 3}


@given(st.text(), st.text(), st.dictionaries(st.text(min_size=1), st.text()))
def test_whatever_is_logged_stays_one_line_that_reads_back(
    message: str, name: str, nested: dict[str, str]
) -> None:
    """No text ends the line, and all of it can be read again (lone surrogates aside, which UTF-8 can't hold)."""
    record = a_record(message, nested=nested)
    record.name = name
    line = JSONFormatter().format(record)
    assert len(line.splitlines()) == 1
    assert json.loads(line.encode())["message"] == message


@given(st.text())
def test_the_console_line_steers_no_terminal(message: str) -> None:
    """Control characters are escaped, so that a message can't start a new line or colour."""
    line = ConsoleFormatter().format(a_record(message, field=message))
    assert not re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029]", line)


def test_the_console_line_is_for_people() -> None:
    """Time, level, logger, message, fields."""
    line = ConsoleFormatter().format(a_record("order.created", order=7, city="Naryn", note="two words"))
    assert re.fullmatch(
        r'\d\d:\d\d:\d\d\.\d{3} INFO     shop\.orders order\.created order=7 city=Naryn note="two words"',
        line,
    )


def test_the_console_is_coloured_only_when_asked() -> None:
    """Colours are escape sequences of our own."""
    assert "\x1b[31m" in ConsoleFormatter(colours=True).format(a_record(level=logging.ERROR))
    assert "\x1b" not in ConsoleFormatter().format(a_record(level=logging.ERROR))
