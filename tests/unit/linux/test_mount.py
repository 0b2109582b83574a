"""Mounts as values."""

import os
from pathlib import Path

import pytest

from yurt.linux.mount import BindMount, TmpfsMount, mounted_below, unmount
from yurt.linux.overlay import OverlayMount


def test_descriptions() -> None:
    """Each mount prints the command that does the same."""
    assert BindMount(Path("/a b"), Path("/t"), read_only=True).describe() == "mount -o rbind,ro '/a b' /t"
    assert (
        TmpfsMount(Path("/t"), size=9).describe() == "mount -t tmpfs -o nosuid,nodev,mode=755,size=9 tmpfs /t"
    )
    overlay = OverlayMount((Path("/l1"), Path("/l2")), Path("/u"), Path("/w"), volatile=True)
    assert overlay.describe(Path("/t")) == (
        "mount -t overlay -o lowerdir=/l1:/l2,upperdir=/u,workdir=/w,redirect_dir=off,metacopy=off,volatile overlay /t"
    )


@pytest.mark.root
def test_bind_and_unmount(tmp_path: Path, needs) -> None:
    """A read-only bind shows the source and refuses writes; unmounting twice is no error."""
    needs.root()
    source, target = tmp_path / "source", tmp_path / "a target"
    source.mkdir()
    target.mkdir()
    (source / "file").write_text("x")
    BindMount(source, target, read_only=True).execute()
    try:
        assert (target / "file").read_text() == "x"
        with pytest.raises(OSError, match="Read-only"):
            (target / "new").touch()
        assert mounted_below(tmp_path) == (target,)
    finally:
        unmount(target, lazy=True)
    unmount(target)
    assert mounted_below(tmp_path) == ()


@pytest.mark.root
@pytest.mark.parametrize("layers", [1, 3, 120])
def test_overlay(tmp_path: Path, layers: int, needs) -> None:
    """Any number of layers is mounted, also below folders whose names mean something to mount(2)."""
    needs.root()
    base = tmp_path / "with,comma:and colon"
    lower = []
    for number in range(layers):
        folder = base / f"a-layer-with-a-rather-long-name-{number}"
        folder.mkdir(parents=True)
        (folder / f"f{number}").touch()
        lower.append(folder)
    for name in ("u", "w", "t"):
        (base / name).mkdir()
    OverlayMount(tuple(lower), base / "u", base / "w").mount(base / "t")
    try:
        assert len(os.listdir(base / "t")) == layers
        (base / "t" / "new").write_text("x")
    finally:
        unmount(base / "t", lazy=True)
    assert (base / "u" / "new").exists()


@pytest.mark.root
def test_one_layer_read_only(tmp_path: Path, needs) -> None:
    """One layer without an upper is shown as it is, and cannot be written."""
    needs.root()
    for name in ("l", "t"):
        (tmp_path / name).mkdir()
    (tmp_path / "l" / "file").touch()
    OverlayMount((tmp_path / "l",)).mount(tmp_path / "t")
    try:
        assert os.listdir(tmp_path / "t") == ["file"]
        with pytest.raises(OSError, match="Read-only"):
            (tmp_path / "t" / "new").touch()
    finally:
        unmount(tmp_path / "t", lazy=True)
