"""One engine a root."""

import os
from pathlib import Path

import pytest

from yurt.daemon.lock import RootLock
from yurt.errors import Conflict


def test_a_second_engine_is_refused(tmp_path: Path) -> None:
    """The sentence names the first one's process and the folder."""
    first = RootLock(tmp_path / "root")
    with pytest.raises(
        Conflict, match=rf"another yurtd \(pid {os.getpid()}\) already works on {tmp_path}/root"
    ):
        RootLock(tmp_path / "root")
    first.release()
    RootLock(tmp_path / "root").release()


def test_two_roots_have_two_engines(tmp_path: Path) -> None:
    """Several engines run side by side."""
    first, second = RootLock(tmp_path / "a"), RootLock(tmp_path / "b")
    first.release()
    second.release()
