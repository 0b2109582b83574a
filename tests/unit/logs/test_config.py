"""`yurt.logs.config` and `yurt.logs.handlers`."""

import io
import json
import logging
import logging.config
import sys
from collections.abc import Iterator

import pytest

from yurt.errors import InvalidArgument
from yurt.logs import LogSettings, bound, configure, dict_config, from_env


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(capture=False)


def test_configured_logging_writes_json_with_the_bound_fields(capsys: pytest.CaptureFixture[str]) -> None:
    """One line a record on standard output, secrets hidden."""
    configure(LogSettings(format="json", fields={"service": "web"}))
    with bound(request_id="r1"):
        logging.getLogger("shop").info("order.created", extra={"order": 7, "password": "p"})
    (line,) = capsys.readouterr().out.splitlines()
    shown = json.loads(line)
    assert shown["message"] == "order.created"
    assert (shown["request_id"], shown["order"], shown["service"]) == ("r1", 7, "web")
    assert shown["password"] == "[redacted]"


def test_levels_are_chosen_by_logger(capsys: pytest.CaptureFixture[str]) -> None:
    """The five levels, quieter or louder where asked."""
    configure(LogSettings(level="warning", levels={"shop.debugged": "debug"}, format="json"))
    logging.getLogger("shop").info("no")
    logging.getLogger("shop").warning("yes")
    logging.getLogger("shop.debugged").debug("yes")
    assert [json.loads(line)["message"] for line in capsys.readouterr().out.splitlines()] == ["yes", "yes"]


def test_the_mapping_is_what_dictconfig_takes() -> None:
    """And can be added to."""
    made = dict_config()
    made["loggers"]["mine"] = {"level": "DEBUG"}
    logging.config.dictConfig(made)
    assert logging.getLogger("mine").level == logging.DEBUG


def test_settings_come_from_an_environment_that_the_caller_hands_over() -> None:
    """Entry points pass os.environ."""
    environ = {
        "YURT_LOG_LEVEL": "DEBUG",
        "YURT_LOG_LEVELS": "django.db=WARNING, shop=INFO",
        "YURT_LOG_FORMAT": "console",
        "YURT_LOG_SERVICE": "web",
        "NO_COLOR": "1",
    }
    assert from_env(environ) == LogSettings(
        level="DEBUG",
        levels={"django.db": "WARNING", "shop": "INFO"},
        format="console",
        colours=False,
        fields={"service": "web"},
    )
    assert from_env({}) == LogSettings()


@pytest.mark.parametrize(
    "environ",
    [
        {"YURT_LOG_LEVEL": "LOUD"},
        {"YURT_LOG_LEVELS": "django"},
        {"YURT_LOG_LEVELS": "a=LOUD"},
        {"YURT_LOG_FORMAT": "xml"},
    ],
)
def test_settings_that_mean_nothing_are_refused(environ: dict[str, str]) -> None:
    """With a sentence, before anything is logged."""
    with pytest.raises(InvalidArgument):
        from_env(environ)


def test_a_stream_that_cannot_encode_loses_no_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """LANG=C: characters are escaped."""
    raw = io.BytesIO()
    configure(LogSettings(format="json"))
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii", write_through=True))
    logging.getLogger("shop").warning("Ысык-Көл")
    assert json.loads(raw.getvalue())["message"] == "Ысык-Көл"
