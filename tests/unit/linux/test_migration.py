"""Moves into cgroups are made ready by a move that changes nothing."""

import os
import threading
import time
from pathlib import Path

import pytest

from yurt.linux import isolation, migration
from yurt.linux.migration import Migration, OwnGroup


@pytest.fixture
def mount(tmp_path: Path) -> Path:
    """A tree of v1 in which this process is in /web, by its list of groups and by the group's."""
    tree = tmp_path / "cgroup"
    for group, members in (("web", f"1\n{os.getpid()}\n7\n"), ("other", "7\n")):
        folder = tree / "pids" / group
        folder.mkdir(parents=True)
        (folder / "cgroup.procs").write_text(members)
    return tree


@pytest.fixture
def membership(tmp_path: Path) -> Path:
    file = tmp_path / "self-cgroup"
    file.write_text("9:name=systemd:/missing\n8:pids:/web\n0::/\n")
    return file


def test_enters_a_group_that_it_is_in(mount: Path, membership: Path) -> None:
    """The process is moved to where it is, not elsewhere."""
    group = OwnGroup(mount, membership)
    group.enter()
    group.close()
    assert (mount / "pids/web/cgroup.procs").read_bytes().startswith(b"0")
    assert (mount / "pids/other/cgroup.procs").read_text() == "7\n"


def test_follows_whoever_was_moved(mount: Path, membership: Path) -> None:
    """A process that was put elsewhere is not brought back."""
    group = OwnGroup(mount, membership)
    group.enter()
    (mount / "pids/web/cgroup.procs").write_text("7\n")
    (mount / "pids/other/cgroup.procs").write_text(f"{os.getpid()}\n")
    membership.write_text("8:pids:/other\n")
    group.enter()
    group.close()
    assert (mount / "pids/web/cgroup.procs").read_text() == "7\n"
    assert (mount / "pids/other/cgroup.procs").read_bytes().startswith(b"0")


@pytest.mark.parametrize("listed", ["8:pids:/other\n", "8:pids:/../web\n", "0::/nowhere\n", ""])
def test_enters_no_group_that_it_may_not_be_in(mount: Path, membership: Path, listed: str) -> None:
    """A group counts only if the process is in it: a cgroup namespace may name another."""
    membership.write_text(listed)
    before = {file: file.read_text() for file in mount.rglob("cgroup.procs")}
    group = OwnGroup(mount, membership)
    with pytest.raises(FileNotFoundError):
        group.enter()
    group.close()
    assert {file: file.read_text() for file in mount.rglob("cgroup.procs")} == before


def test_the_only_tree_of_v2_is_the_mount_itself(tmp_path: Path) -> None:
    """On v2 the group's folder is below the mount, whatever its depth."""
    (tmp_path / "cgroup.controllers").touch()
    folder = tmp_path / "system.slice" / "yurt.service"
    folder.mkdir(parents=True)
    (folder / "cgroup.procs").write_text(f"{os.getpid()}\n")
    membership = tmp_path / "list"
    membership.write_text("0::/system.slice/yurt.service\n")
    group = OwnGroup(tmp_path, membership)
    group.enter()
    group.close()
    assert (folder / "cgroup.procs").read_bytes().startswith(b"0")


def test_an_announcement_moves_at_once_and_again_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock stays ready for as long as a runtime may take."""
    moves = threading.Semaphore(0)
    monkeypatch.setattr(isolation, "is_rootless", lambda: False)
    monkeypatch.setattr(OwnGroup, "enter", lambda _group: moves.release())
    preparing = Migration()
    preparing.announce()
    for _ in range(1 + migration.RENEWALS):
        assert moves.acquire(timeout=5)
    deadline = time.monotonic() + 5
    while not moves.acquire(timeout=0.01):  # one that comes at the very end of a round is served by it
        assert time.monotonic() < deadline
        preparing.announce()
    preparing.close()


def test_where_nothing_can_be_moved_nothing_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without cgroups the thread ends, and later announcements are as good as the first."""
    monkeypatch.setattr(isolation, "is_rootless", lambda: False)
    preparing = Migration(mount=tmp_path, membership=tmp_path / "missing")
    for _ in range(3):
        preparing.announce()
    preparing.close()
    preparing.announce()
    assert "migration" not in [thread.name for thread in threading.enumerate()]


def test_a_users_engine_does_not_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no cgroups to move anything to."""
    monkeypatch.setattr(isolation, "is_rootless", lambda: True)
    preparing = Migration()
    preparing.announce()
    assert "migration" not in [thread.name for thread in threading.enumerate()]
    preparing.close()


def test_closes_in_the_middle_of_a_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that ends right after a start does not wait for another."""
    entered = threading.Event()
    monkeypatch.setattr(isolation, "is_rootless", lambda: False)
    monkeypatch.setattr(OwnGroup, "enter", lambda _group: entered.set())
    preparing = Migration()
    preparing.announce()
    assert entered.wait(5)
    closing = threading.Thread(target=preparing.close, daemon=True)
    closing.start()
    closing.join(5)
    assert not closing.is_alive()
