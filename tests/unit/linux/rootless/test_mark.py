"""A process that is found again by a file."""

import os
import subprocess
from pathlib import Path

from yurt.linux.rootless import mark


def test_a_process_is_found_while_it_lives(tmp_path: Path) -> None:
    """Afterwards not, nor where the file is missing or broken."""
    file = tmp_path / "mark"
    assert mark.read(file) == 0
    with subprocess.Popen(["sleep", "60"]) as process:
        mark.write(file, process.pid)
        assert mark.read(file) == process.pid
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert mark.read(file) == 0, "it has ended, if nobody has heard of it yet"
    assert mark.read(file) == 0
    file.write_text("no process\n")
    assert mark.read(file) == 0


def test_another_process_with_its_number_is_another(tmp_path: Path) -> None:
    """The file tells when the process began, too."""
    file = tmp_path / "mark"
    file.write_text(f"{os.getpid()} 1\n")
    assert mark.read(file) == 0
