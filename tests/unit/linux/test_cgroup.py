"""Control groups, on trees that look like each kind of host."""

from pathlib import Path

import pytest

from yurt.linux.cgroup import Cgroup, Mode, is_split, mode


@pytest.fixture
def v2(tmp_path: Path) -> Path:
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids\n")
    group = tmp_path / "yurt" / "abc"
    group.mkdir(parents=True)
    for name, text in {
        "cpu.stat": "usage_usec 30\nuser_usec 20\nsystem_usec 10\nnr_periods 4\nnr_throttled 1\nthrottled_usec 5\n",
        "memory.current": "1000\n",
        "memory.max": "max\n",
        "memory.stat": "anon 5\nfile 6\n",
        "pids.current": "3\n",
        "pids.max": "10\n",
        "io.stat": "8:0 rbytes=1 wbytes=2 rios=3 wios=4\n",
        "cgroup.procs": "7\n",
    }.items():
        (group / name).write_text(text)
    return tmp_path


@pytest.fixture
def hybrid(tmp_path: Path) -> Path:
    (tmp_path / "unified").mkdir()
    (tmp_path / "unified" / "cgroup.controllers").touch()
    for controller, files in {
        "memory": {"memory.usage_in_bytes": "1000\n", "memory.limit_in_bytes": "9223372036854771712\n"},
        "cpuacct": {"cpuacct.usage": "99\n", "cpuacct.stat": "user 1\nsystem 2\n"},
        "pids": {"pids.current": "3\n", "pids.max": "max\n", "cgroup.procs": "7\n8\n"},
        "freezer": {},
    }.items():
        group = tmp_path / controller / "yurt" / "abc"
        group.mkdir(parents=True)
        for name, text in files.items():
            (group / name).write_text(text)
    return tmp_path


def test_modes(v2: Path) -> None:
    """A host with one tree is v2; an empty folder is v1."""
    assert mode(v2) is Mode.V2
    assert mode(v2 / "yurt") is Mode.V1


def test_one_tree_has_all_controllers(v2: Path) -> None:
    """There is no other."""
    assert not is_split(v2)


@pytest.mark.parametrize(("left", "split"), [("", False), ("hugetlb\n", True)])
def test_controllers_in_both_trees(hybrid: Path, left: str, split: bool) -> None:
    """A v2 tree beside v1 has what v1 does not mount, if anything."""
    (hybrid / "unified" / "cgroup.controllers").write_text(left)
    assert is_split(hybrid) is split


def test_usage_v2(v2: Path) -> None:
    """Microseconds become nanoseconds, and `max` is no limit."""
    usage = Cgroup("abc", mount=v2).usage()
    assert (usage.cpu_total, usage.cpu_user, usage.throttled_time) == (30_000, 20_000, 5_000)
    assert (usage.memory, usage.memory_limit, usage.pids, usage.pids_limit) == (1000, 0, 3, 10)
    assert usage.memory_stat == {"anon": 5, "file": 6}
    assert [(one.operation, one.value) for one in usage.block_bytes] == [("read", 1), ("write", 2)]


def test_usage_v1(hybrid: Path) -> None:
    """Each controller has its folder; the largest number is no limit; ticks become nanoseconds."""
    assert mode(hybrid) is Mode.HYBRID
    usage = Cgroup("abc", mount=hybrid).usage()
    assert (usage.cpu_total, usage.cpu_user) == (99, 10_000_000)
    assert (usage.memory, usage.memory_limit, usage.pids_limit) == (1000, 0, 0)


def test_freeze(v2: Path, tmp_path: Path) -> None:
    """Freezing writes the word of the host's kind."""
    Cgroup("abc", mount=v2).freeze()
    assert (v2 / "yurt" / "abc" / "cgroup.freeze").read_text() == "1"


def test_freeze_v1(hybrid: Path) -> None:
    """The same on v1."""
    group = Cgroup("abc", mount=hybrid)
    group.freeze()
    state = hybrid / "freezer" / "yurt" / "abc" / "freezer.state"
    assert state.read_text() == "FROZEN"
    group.thaw()
    assert state.read_text() == "THAWED"


def test_pids_and_folders(hybrid: Path) -> None:
    """The processes of the group, and its folders; a group that is not there has none."""
    assert Cgroup("abc", mount=hybrid).pids() == (7, 8)
    assert len(Cgroup("abc", mount=hybrid).folders()) == 4
    assert not Cgroup("other", mount=hybrid).exists
    assert Cgroup("other", mount=hybrid).pids() == ()
