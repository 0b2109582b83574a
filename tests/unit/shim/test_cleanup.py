"""What a shim removes after a container's end. The cgroups here are plain folders: only their names matter."""

import json
from pathlib import Path

import pytest

from yurt.shim.cleanup import Cleanup


@pytest.fixture
def state(tmp_path: Path) -> Path:
    for controller in ("memory", "pids"):
        (tmp_path / controller).mkdir()
    folder = tmp_path / "state"
    folder.mkdir()
    paths = {name: str(tmp_path / name) for name in ("memory", "pids")}
    (folder / "state.json").write_text(json.dumps({"cgroup_paths": paths}))
    return folder


def test_all_is_removed(state: Path) -> None:
    """Afterwards neither the cgroups nor the runtime's state are there."""
    Cleanup(str(state)).run()
    assert list(state.parent.iterdir()) == []


def test_out_of_memory_v1(state: Path) -> None:
    """A kill for want of memory is read from v1's control file."""
    control = state.parent / "memory" / "memory.oom_control"
    control.write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 0\n")
    assert not Cleanup(str(state)).out_of_memory()
    control.write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n")
    assert Cleanup(str(state)).out_of_memory()


def test_out_of_memory_v2(tmp_path: Path) -> None:
    """The same from v2's events."""
    (tmp_path / "state.json").write_text(json.dumps({"cgroup_paths": {"": str(tmp_path)}}))
    (tmp_path / "memory.events").write_text("low 0\noom 1\noom_kill 1\n")
    assert Cleanup(str(tmp_path)).out_of_memory()


def test_nothing_to_remove(tmp_path: Path) -> None:
    """A state that is gone already is no error."""
    Cleanup(str(tmp_path / "missing")).run()
    assert not Cleanup(str(tmp_path / "missing")).out_of_memory()
