"""What the overlay snapshotter finds after a restart of the machine. What it shares with others is in `contract`."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from yurt.errors import NotFound
from yurt.storage.metadata import Documents
from yurt.storage.snapshots.overlay import KIND, OverlaySnapshotter, Record


@pytest.fixture
def documents(tmp_path: Path) -> Iterator[Documents]:
    documents = Documents(tmp_path / "test.db")
    yield documents
    documents.close()


def committed(root: Path, documents: Documents, *, boot: str) -> None:
    """Commit ``layer`` with an active child, and store that it happened in *boot* and has not settled; "": it has."""
    snapshots = OverlaySnapshotter(root, documents)
    snapshots.prepare("key", None)
    (snapshots.upper("key") / "file").write_text("content")
    snapshots.commit("layer", "key")
    snapshots.prepare("container", "layer")
    snapshots.close()
    body = documents.get(KIND, "layer")
    assert body is not None
    record = msgspec.json.decode(body, type=Record)
    documents.put(KIND, "layer", msgspec.json.encode(replace(record, boot=boot)))


def test_what_had_not_settled_is_gone_after_a_restart_of_the_machine(
    tmp_path: Path, documents: Documents
) -> None:
    """Its files may be empty. It can be unpacked again under its name, and its child shows it then."""
    root = tmp_path / "snapshots"
    committed(root, documents, boot="an earlier boot")
    snapshots = OverlaySnapshotter(root, documents)
    assert not snapshots.exists("layer")
    with pytest.raises(NotFound):
        snapshots.lowers("container")
    snapshots.prepare("again", None)
    (snapshots.upper("again") / "file").write_text("content")
    snapshots.commit("layer", "again")
    [lower] = snapshots.lowers("container")
    assert (lower / "file").read_text() == "content"
    snapshots.close()


def test_what_had_settled_is_there(tmp_path: Path, documents: Documents) -> None:
    """Whatever boot this is."""
    committed(tmp_path / "snapshots", documents, boot="")
    snapshots = OverlaySnapshotter(tmp_path / "snapshots", documents)
    assert (snapshots.upper("layer") / "file").read_text() == "content"
    snapshots.close()


def test_an_active_snapshot_whose_folder_is_lost_is_empty(tmp_path: Path, documents: Documents) -> None:
    """Nothing in it had been synced; it can be used."""
    root = tmp_path / "snapshots"
    committed(root, documents, boot="")
    snapshots = OverlaySnapshotter(root, documents)
    upper = snapshots.upper("container")
    (upper.parent / "work").rmdir()
    upper.rmdir()
    snapshots.sweep()
    assert list(upper.iterdir()) == []
    assert upper.stat().st_mode & 0o777 == 0o755
    assert (upper.parent / "work").is_dir()
    snapshots.close()


def test_a_lost_parent_stops_nobody_else(tmp_path: Path, documents: Documents) -> None:
    """An image that cannot be unpacked again takes its containers along, not the start of the engine."""
    root = tmp_path / "snapshots"
    committed(root, documents, boot="an earlier boot")
    body = documents.get(KIND, "container")
    assert body is not None
    shutil.rmtree(root / msgspec.json.decode(body, type=Record).folder)
    snapshots = OverlaySnapshotter(root, documents)
    snapshots.prepare("other", None)
    shutil.rmtree(snapshots.upper("other").parent)
    snapshots.sweep()
    assert snapshots.upper("other").is_dir()
    with pytest.raises(NotFound):
        snapshots.lowers("container")
    snapshots.close()
