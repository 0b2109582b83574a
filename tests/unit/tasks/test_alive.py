"""`yurt.tasks.alive`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from yurt.tasks.alive import FRESH, is_alive, main


def test_a_worker_lives_as_long_as_it_touches_its_file(tmp_path: Path) -> None:
    """An old file, or none, is no life."""
    file = tmp_path / "alive"
    assert not is_alive(file)
    file.touch()
    assert is_alive(file)
    touched = file.stat().st_mtime
    assert not is_alive(file, now=touched + FRESH)


def test_the_check_is_an_exit_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And a sentence when it fails."""
    file = tmp_path / "alive"
    file.touch()
    assert main([str(file)]) == 0
    os.utime(file, (0, 0))
    assert main([str(file)]) == 1
    assert "no worker touched" in capsys.readouterr().err


def test_the_check_does_not_import_celery() -> None:
    """It runs every few seconds."""
    code = "import sys, yurt.tasks.alive; sys.exit(any(name in sys.modules for name in ('celery', 'redis', 'django')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
