"""`yurt.logs.filters`."""

import logging
from typing import Any

import pytest

from yurt.logs import ContextFields, LevelRange, LoggerGlob, Redact, bound


def a_record(
    message: object = "hello", *args: Any, level: int = logging.INFO, name: str = "shop", **extra: object
) -> logging.LogRecord:
    record = logging.LogRecord(name, level, __file__, 1, message, args, None)
    record.__dict__.update(extra)
    return record


@pytest.mark.parametrize(
    ("minimum", "maximum", "passing"),
    [("INFO", "WARNING", ["INFO", "WARNING"]), ("error", None, ["ERROR", "CRITICAL"]), (0, 10, ["DEBUG"])],
)
def test_a_level_range_passes_both_its_ends(minimum: Any, maximum: Any, passing: list[str]) -> None:
    """Levels by name or number, both ends included."""
    wanted = LevelRange(minimum, maximum)
    levels = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
    assert [x for x in levels if wanted.filter(a_record(level=logging.getLevelName(x)))] == passing


def test_an_unknown_level_is_refused_with_those_that_are_known() -> None:
    """A spelling mistake is found when logging is configured."""
    with pytest.raises(ValueError, match=r"unknown log level 'warn!'; known are .*WARNING"):
        LevelRange("warn!")


def test_a_glob_passes_loggers_by_name() -> None:
    """Excluding wins over including."""
    wanted = LoggerGlob(include=["shop*", "django.request"], exclude=["*.sql"])
    names = ["shop", "shop.orders", "shop.orders.sql", "django", "django.request"]
    assert [name for name in names if wanted.filter(a_record(name=name))] == [
        "shop",
        "shop.orders",
        "django.request",
    ]


def test_bound_fields_are_put_on_the_record_and_replace_nothing() -> None:
    """An extra of the same name wins, logging's own attributes stay."""
    record = a_record(order=1)
    with bound(order=2, request_id="r1", name="forged"):
        ContextFields().filter(record)
    assert (record.__dict__["order"], record.__dict__["request_id"], record.name) == (1, "r1", "shop")


@pytest.mark.parametrize(
    ("record", "shown"),
    [
        (a_record("password=hunter2 user=bob"), "password=[redacted] user=bob"),
        (a_record("token: %s", "abc"), "token: [redacted]"),
        (a_record("Authorization: Bearer abc.def"), "Authorization: Bearer [redacted]"),
        (a_record('{"api_key": "abc d", "x": 1}'), '{"api_key": [redacted], "x": 1}'),
        (a_record("%(db_password)s at %(host)s", {"db_password": "p", "host": "h"}), "[redacted] at h"),
        (a_record("nothing to hide here"), "nothing to hide here"),
        (a_record("tokens are %s", "fine"), "tokens are fine"),
    ],
)
def test_secrets_in_the_message_are_hidden(record: logging.LogRecord, shown: str) -> None:
    """key=value in text and mapping arguments alike."""
    assert Redact().filter(record)
    assert record.getMessage() == shown


def test_secrets_in_fields_are_hidden_however_deep_and_the_application_keeps_its_own() -> None:
    """The record gets copies."""
    theirs = {"user": "bob", "headers": [{"Set-Cookie": "s=1", "Accept": "*/*"}]}
    record = a_record(SMTP_PASSWORD="p", request=theirs)
    Redact().filter(record)
    assert record.__dict__["SMTP_PASSWORD"] == "[redacted]"
    assert record.__dict__["request"] == {
        "user": "bob",
        "headers": [{"Set-Cookie": "[redacted]", "Accept": "*/*"}],
    }
    assert theirs["headers"] == [{"Set-Cookie": "s=1", "Accept": "*/*"}]


def test_a_broken_record_passes_the_redaction() -> None:
    """The formatter will show what is wrong with it."""
    assert Redact().filter(a_record("%d", "x"))
