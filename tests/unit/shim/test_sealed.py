"""Sealed copies of programs."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from yurt.shim.sealed import SealedPrograms


@pytest.fixture
def program(tmp_path: Path) -> Path:
    return Path(shutil.copy("/bin/true", tmp_path / "program"))


def run(descriptor: int) -> int:
    return subprocess.run(
        ["program"], executable=f"/proc/self/fd/{descriptor}", pass_fds=[descriptor], check=False
    ).returncode


def test_copy_runs_and_cannot_be_written(program: Path) -> None:
    """The copy is the program, and nobody can change it, whoever it is."""
    descriptor = SealedPrograms().descriptor(str(program))
    assert run(descriptor) == 0
    with pytest.raises(PermissionError):
        os.pwrite(descriptor, b"x", 0)
    with pytest.raises(PermissionError):
        os.ftruncate(descriptor, 0)


def test_made_once(program: Path) -> None:
    """A program that stays as it is is copied once."""
    programs = SealedPrograms()
    assert programs.descriptor(str(program)) == programs.descriptor(str(program)) >= 0


def test_follows_an_upgrade(program: Path) -> None:
    """A program that was replaced is copied again, and the old copy let go."""
    programs = SealedPrograms()
    assert run(programs.descriptor(str(program))) == 0
    before = len(os.listdir("/proc/self/fd"))
    shutil.copy("/bin/false", program.with_name("new"))
    program.with_name("new").replace(program)
    assert run(programs.descriptor(str(program))) == 1
    assert len(os.listdir("/proc/self/fd")) == before
    program.unlink()
    assert programs.descriptor(str(program)) == -1


@pytest.mark.parametrize("content", [b"#!/bin/sh\n", b""])
def test_scripts_are_left_alone(tmp_path: Path, content: bytes) -> None:
    """The interpreter of a script could not open its copy."""
    script = tmp_path / "script"
    script.write_bytes(content)
    script.chmod(0o755)
    assert SealedPrograms().descriptor(str(script)) == -1
    assert SealedPrograms().descriptor("sh") == -1
