"""Bringing things to the disk. That they are there after a power cut is for `tests.powercut` to say."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from yurt.linux.disk import sync_file_system, sync_folder


@pytest.mark.parametrize("sync", [sync_folder, sync_file_system])
def test_lets_go_of_what_it_opens(sync: Callable[[Path], None], tmp_path: Path) -> None:
    """Also when it fails, which it says."""
    before = len(os.listdir("/proc/self/fd"))
    sync(tmp_path)
    with pytest.raises(FileNotFoundError):
        sync(tmp_path / "missing")
    assert len(os.listdir("/proc/self/fd")) == before
