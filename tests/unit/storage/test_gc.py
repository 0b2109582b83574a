"""Garbage goes, what is needed stays."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from yurt.oci.digest import Digest
from yurt.storage.content import ContentStore
from yurt.storage.gc import Leases, collect
from yurt.storage.metadata import Documents
from yurt.storage.snapshots.overlay import OverlaySnapshotter

ONE, TWO, THREE = (Digest.of(name) for name in (b"1", b"2", b"3"))


@pytest.fixture
def content(tmp_path: Path) -> Iterator[ContentStore]:
    store = ContentStore(tmp_path / "content")
    yield store
    store.close()


@pytest.fixture
def snapshots(tmp_path: Path) -> Iterator[OverlaySnapshotter]:
    documents = Documents(tmp_path / "test.db")
    store = OverlaySnapshotter(tmp_path / "snapshots", documents)
    yield store
    store.close()
    documents.close()


def commit(snapshots: OverlaySnapshotter, name: str, parent: str | None = None) -> None:
    snapshots.prepare("key", parent)
    (snapshots.upper("key") / "file").write_bytes(b"12345")
    snapshots.commit(name, "key")


def test_only_candidates_that_nothing_needs_go(content: ContentStore, snapshots: OverlaySnapshotter) -> None:
    """Others are not even looked at."""
    blobs = [content.add(data) for data in (b"x", b"yy", b"zzz")]
    gone, freed = collect(content, snapshots, candidates=blobs[:2], needed={blobs[0]})
    assert (gone, freed) == ((), 2)
    assert [content.exists(blob) for blob in blobs] == [True, False, True]


def test_a_chain_goes_from_its_top(content: ContentStore, snapshots: OverlaySnapshotter) -> None:
    """Children before their parents, in whatever order they are named."""
    commit(snapshots, ONE)
    commit(snapshots, TWO, ONE)
    commit(snapshots, THREE, TWO)
    gone, freed = collect(content, snapshots, candidates=[ONE, TWO, THREE], needed=())
    assert gone == (THREE, TWO, ONE)
    assert freed == 15
    assert snapshots.names() == ()


def test_a_parent_of_what_is_needed_stays(content: ContentStore, snapshots: OverlaySnapshotter) -> None:
    """A container's snapshot keeps what it stands on, whoever forgot it."""
    commit(snapshots, ONE)
    commit(snapshots, TWO, ONE)
    snapshots.prepare("container", TWO)
    gone, _ = collect(content, snapshots, candidates=[ONE, TWO], needed=())
    assert gone == ()
    snapshots.remove("container")
    assert collect(content, snapshots, candidates=[ONE, TWO], needed=())[0] == (TWO, ONE)


def test_a_lease_counts_its_holders() -> None:
    """What two operations keep stays until both are done."""
    leases = Leases()
    with leases.lease() as first:
        first.add("a", "b")
        with leases.lease() as second:
            second.add("a")
            assert "a" in leases
        assert "a" in leases
        first.release()
        assert "a" not in leases
    assert "b" not in leases
