"""What every Snapshotter promises; each implementation runs the same suite. Mounting is tested in `integration`."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from yurt.errors import Conflict, NotFound
from yurt.storage.metadata import Documents
from yurt.storage.snapshots.base import Snapshotter
from yurt.storage.snapshots.overlay import OverlaySnapshotter

Opener = Callable[[], Snapshotter]


@pytest.fixture(params=[OverlaySnapshotter])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    """Open the snapshotter as a process that starts would; what an earlier one did is on the disk."""
    opened: list[tuple[OverlaySnapshotter, Documents]] = []

    def open_() -> Snapshotter:
        documents = Documents(tmp_path / "test.db")
        snapshotter: OverlaySnapshotter = request.param(tmp_path / "snapshots", documents)
        opened.append((snapshotter, documents))
        return snapshotter

    yield open_
    for snapshotter, documents in opened:
        snapshotter.close()
        documents.close()


@pytest.fixture
def snapshots(reopen: Opener) -> Snapshotter:
    return reopen()


def committed(snapshots: Snapshotter, name: str, parent: str | None = None) -> str:
    snapshots.prepare(f"key of {name}", parent)
    (snapshots.upper(f"key of {name}") / name).write_text(name)
    snapshots.commit(name, f"key of {name}")
    return name


def test_a_prepared_snapshot_is_empty_and_active(snapshots: Snapshotter) -> None:
    """Its own layer holds nothing yet."""
    snapshots.prepare("a", None)
    assert list(snapshots.upper("a").iterdir()) == []
    assert snapshots.keys() == ("a",)
    assert snapshots.names() == ()
    assert snapshots.exists("a")
    assert snapshots.parent("a") is None
    assert snapshots.lowers("a") == ()


def test_a_key_is_prepared_once(snapshots: Snapshotter) -> None:
    """Keys and names share one space."""
    snapshots.prepare("a", None)
    with pytest.raises(Conflict, match="exists already"):
        snapshots.prepare("a", None)
    committed(snapshots, "one")
    with pytest.raises(Conflict):
        snapshots.prepare("one", None)


def test_a_parent_must_be_committed(snapshots: Snapshotter) -> None:
    """Active snapshots can never be a parent, missing ones even less."""
    snapshots.prepare("a", None)
    with pytest.raises(Conflict, match="not committed"):
        snapshots.prepare("b", "a")
    with pytest.raises(NotFound, match="no such snapshot"):
        snapshots.prepare("b", "missing")
    assert snapshots.keys() == ("a",)


def test_a_commit_gives_the_key_away(snapshots: Snapshotter) -> None:
    """Afterwards the name exists and the key does not; the content is the same."""
    committed(snapshots, "one")
    assert snapshots.names() == ("one",)
    assert snapshots.keys() == ()
    assert (snapshots.upper("one") / "one").read_text() == "one"
    with pytest.raises(Conflict, match="committed already"):
        snapshots.commit("two", "one")


def test_a_second_commit_of_a_name_drops_the_key(snapshots: Snapshotter) -> None:
    """The name means the content, so the first is as good."""
    committed(snapshots, "one")
    snapshots.prepare("again", None)
    snapshots.commit("one", "again")
    assert snapshots.keys() == ()
    assert (snapshots.upper("one") / "one").exists()


def test_parents_show_nearest_first(snapshots: Snapshotter) -> None:
    """lowers is the order in which overlay looks."""
    committed(snapshots, "one")
    committed(snapshots, "two", "one")
    snapshots.prepare("top", "two")
    assert snapshots.parent("top") == "two"
    assert list(snapshots.lowers("top")) == [snapshots.upper("two"), snapshots.upper("one")]


def test_a_parent_is_not_removed_before_its_children(snapshots: Snapshotter) -> None:
    """The sentence names the child."""
    committed(snapshots, "one")
    snapshots.prepare("a", "one")
    with pytest.raises(Conflict, match="is the parent of a"):
        snapshots.remove("one")
    snapshots.remove("a")
    snapshots.remove("one")
    assert not snapshots.exists("one")


def test_removal_is_idempotent(snapshots: Snapshotter) -> None:
    """Whether there was one or not."""
    snapshots.prepare("a", None)
    upper = snapshots.upper("a")
    snapshots.remove("a")
    snapshots.remove("a")
    snapshots.remove("never there")
    assert not upper.exists()
    with pytest.raises(NotFound):
        snapshots.upper("a")


def test_usage_is_what_the_snapshot_adds(snapshots: Snapshotter) -> None:
    """Counted at the call while it is active, then fixed; a hard link counts once."""
    snapshots.prepare("a", None)
    assert snapshots.usage("a") == 0
    (snapshots.upper("a") / "folder").mkdir()
    file = snapshots.upper("a") / "folder" / "file"
    file.write_bytes(bytes(1000))
    (snapshots.upper("a") / "link").hardlink_to(file)
    assert snapshots.usage("a") == 1000
    snapshots.commit("one", "a")
    assert snapshots.usage("one") == 1000
    snapshots.prepare("b", None)
    snapshots.commit("two", "b", size=77)
    assert snapshots.usage("two") == 77


def test_everything_is_there_after_a_restart(reopen: Opener) -> None:
    """The next process finds keys, names, parents and content."""
    first = reopen()
    committed(first, "one")
    first.prepare("a", "one")
    (first.upper("a") / "file").write_text("x")
    second = reopen()
    second.sweep()
    assert (second.names(), second.keys()) == (("one",), ("a",))
    assert second.parent("a") == "one"
    assert (second.upper("a") / "file").read_text() == "x"
    second.prepare("b", "one")
    assert second.upper("b") != second.upper("a")


def test_what_no_document_names_is_swept(reopen: Opener, tmp_path: Path) -> None:
    """A process that died between the folder and the document leaves nothing for long."""
    first = reopen()
    first.prepare("a", None)
    leftover = first.upper("a").parent.parent / "999"
    (leftover / "fs").mkdir(parents=True)
    second = reopen()
    second.sweep()
    assert not leftover.exists()
    assert second.upper("a").exists()


def test_the_root_folder_lets_everybody_in(snapshots: Snapshotter) -> None:
    """``/`` is root's and 0755, whatever our umask is and whatever a layer says, as on Docker."""
    snapshots.prepare("a", None)
    assert snapshots.upper("a").stat().st_mode & 0o7777 == 0o755
    snapshots.upper("a").chmod(0o700)
    snapshots.commit("one", "a")
    snapshots.prepare("b", "one")
    assert snapshots.upper("b").stat().st_mode & 0o7777 == 0o755


def test_an_active_snapshot_mounts_writable_and_a_committed_one_does_not(snapshots: Snapshotter) -> None:
    """The mount is a value; asking for it changes nothing."""
    committed(snapshots, "one")
    snapshots.prepare("a", "one")
    active = snapshots.mount_spec("a", volatile=True)
    assert (active.upper, active.lower, active.volatile) == (
        snapshots.upper("a"),
        (snapshots.upper("one"),),
        True,
    )
    frozen = snapshots.mount_spec("one")
    assert (frozen.upper, frozen.work, frozen.lower) == (None, None, (snapshots.upper("one"),))
