"""docs/dockerfile.md names every instruction, flag and check, and only tests that there are."""

import re
from pathlib import Path

import pytest

from yurt.dockerfile.checks.findings import RULES
from yurt.dockerfile.parser import _PARSERS, parse
from yurt.errors import InvalidArgument

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/dockerfile.md").read_text()


@pytest.mark.parametrize("keyword", _PARSERS)
def test_every_instruction_and_flag_is_documented(keyword: str) -> None:
    """The flags are those that the parser names when it is given one that there is not."""
    assert f"`{keyword}" in PAGE
    flags: list[str] = []
    try:
        parse(f"FROM x\n{keyword} --qqqqqq=1 a b\n".encode() if keyword != "FROM" else b"FROM --qqqqqq=1 a")
    except InvalidArgument as refused:
        if "qqqqqq" in refused.message:  # else it takes no flags
            flags = re.findall(r"--[a-z-]+", refused.hint or "")
    assert flags or keyword not in {"FROM", "RUN", "COPY", "ADD", "HEALTHCHECK"}
    assert [flag for flag in flags if f"`{keyword} {flag}" not in PAGE] == []


def test_every_check_is_documented() -> None:
    """By its name."""
    assert [rule for rule in RULES if f"`{rule}`" not in PAGE] == []


@pytest.mark.parametrize("named", sorted(set(re.findall(r"\w+/[\w/]+\.py::\w+", PAGE))))
def test_every_named_test_is_there(named: str) -> None:
    """File and function."""
    path, _, function = named.partition("::")
    assert f"def {function}(" in (ROOT / "tests" / path).read_text()
