"""Every command and flag of Docker Compose is there, or refused with a reason; docs/compose.md says which."""

from pathlib import Path
from typing import Any

import pytest
from tests.unit.compose import page

from yurt.cli.commands.compose import REFUSED, VERBS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("row", page.commands(), ids=[row["command"] or "compose" for row in page.commands()])
def test_flags(row: dict[str, Any]) -> None:
    """No flag of Docker Compose's is unknown to ours, and the test that stands for the command exists."""
    name = row["command"]
    assert not name or (name in VERBS) != (name in REFUSED)
    if name not in REFUSED:
        assert [flag for flag in row["flags"] if not page.state(name, flag)] == []
    path, _, test = row["test"].partition("::")
    assert f"def {test}" in (ROOT / path).read_text()


def test_page() -> None:
    """docs/compose.md is what scripts/docs makes."""
    assert page.PAGE.read_text() == page.render(), "run scripts/docs"
