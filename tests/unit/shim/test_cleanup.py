"""What a shim removes after a container's end. The cgroups here are plain folders: only their names matter."""

import json
import subprocess
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


def test_only_the_states_own_word_counts(tmp_path: Path) -> None:
    """What a container's specification says of cgroups, in its own words, leads nowhere."""
    group = tmp_path / "group"
    stranger = tmp_path / "stranger"
    for folder in (group, stranger):
        folder.mkdir()
    said = json.dumps({"cgroup_paths": {"memory": str(stranger)}})
    state = {
        "config": {"labels": [f"a={said}"], "cgroup_paths": {"memory": str(stranger)}},
        "cgroup_paths": {"memory": str(group)},
        "namespace_paths": {"NEWNET": said},
    }
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "state.json").write_text(json.dumps(state))
    Cleanup(str(tmp_path / "state")).run()
    assert stranger.exists()
    assert not group.exists()


def test_nothing_to_remove(tmp_path: Path) -> None:
    """A state that is gone already is no error."""
    Cleanup(str(tmp_path / "missing")).run()
    assert not Cleanup(str(tmp_path / "missing")).out_of_memory()


def crun_state(folder: Path, path: str) -> str:
    """Write what crun keeps of a container whose cgroup is *path*; return its folder."""
    state = folder / "state"
    state.mkdir()
    (state / "status").write_text(json.dumps({"pid": 7, "cgroup-path": path, "rootfs": "/rootfs"}))
    (state / "config.json").write_text("{}")
    return str(state)


def test_crun_names_its_group_in_another_file(tmp_path: Path) -> None:
    """On cgroup v2 the group is below the mount; an out-of-memory kill is seen, and all of it goes."""
    group = tmp_path / "cgroup" / "yurt" / "c1"
    group.mkdir(parents=True)
    (tmp_path / "cgroup" / "cgroup.controllers").write_text("cpu memory\n")
    events = group / "memory.events"
    events.write_text("low 0\noom 1\noom_kill 1\n")
    cleanup = Cleanup(crun_state(tmp_path, "/yurt/c1"), mount=str(tmp_path / "cgroup"))
    assert cleanup.out_of_memory()
    events.unlink()  # in the kernel's file system it goes with its folder
    cleanup.run()
    assert not group.exists()
    assert group.parent.exists()
    assert not (tmp_path / "state").exists()


def test_crun_on_the_old_hierarchy(tmp_path: Path) -> None:
    """On cgroup v1 every controller that has the group loses it."""
    groups = [tmp_path / "cgroup" / name / "yurt" / "c1" for name in ("cpu", "memory")]
    for group in groups:
        group.mkdir(parents=True)
    (tmp_path / "cgroup" / "pids").mkdir()
    Cleanup(crun_state(tmp_path, "/yurt/c1"), mount=str(tmp_path / "cgroup")).run()
    assert not any(group.exists() for group in groups)


def test_a_plain_folder_among_the_cgroups(tmp_path: Path) -> None:
    """It goes without a look at the processes that it names: their numbers may be others' by now."""
    group = tmp_path / "cgroup" / "unified" / "yurt" / "c1"
    group.mkdir(parents=True)
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        (group / "cgroup.procs").write_text(f"{bystander.pid}\n")
        Cleanup(crun_state(tmp_path, "/yurt/c1"), mount=str(tmp_path / "cgroup")).run()
        assert not group.exists()
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_broken_state_names_nothing(tmp_path: Path) -> None:
    """Half a file, or one of another shape, leaves the groups to the engine's sweep; the folder goes."""
    for text in ("{", "[1]", "{}"):
        state = tmp_path / "state"
        state.mkdir()
        (state / "status").write_text(text)
        cleanup = Cleanup(str(state), mount=str(tmp_path))
        assert not cleanup.out_of_memory()
        cleanup.run()
        assert not state.exists()
