"""Volumes with mount options, in the real kernel."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from yurt.engine.events import Events
from yurt.engine.volumes.service import VolumeService
from yurt.errors import InvalidArgument, NotFound
from yurt.linux.mount import mounted_below
from yurt.settings import EngineSettings
from yurt.storage.metadata import Documents

if TYPE_CHECKING:
    from tests.conftest import Needs

pytestmark = pytest.mark.root


@pytest.fixture
async def volumes(tmp_path: Path, needs: "Needs") -> AsyncIterator[VolumeService]:
    needs.root()
    documents = Documents(tmp_path / "meta.db")
    settings = EngineSettings(root=tmp_path, run=tmp_path / "run")
    service = VolumeService(documents, Events(), settings)
    await service.restore()
    yield service
    await service.close()
    documents.close()
    assert mounted_below(tmp_path) == ()


async def test_a_tmpfs_volume_is_mounted_while_used(volumes: VolumeService) -> None:
    """It is mounted for its first holder with its options, and gone after the last."""
    volume = await volumes.create("scratch", options={"type": "tmpfs", "device": "tmpfs", "o": "size=1m"})
    volumes.hold("scratch", "one")
    volumes.hold("scratch", "two")
    (volume.mountpoint / "file").write_text("x")
    assert os.statvfs(volume.mountpoint).f_blocks * 4096 == 1024 * 1024
    volumes.release("scratch", "one")
    assert (volume.mountpoint / "file").exists()
    volumes.release("scratch", "two")
    assert not volume.mountpoint.is_mount()


async def test_a_bound_folder_survives_its_volume(volumes: VolumeService, tmp_path: Path) -> None:
    """Removing a volume that shows a folder of the host never touches that folder."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "precious").write_text("x")
    await volumes.create("data", options={"type": "none", "o": "bind", "device": str(source)})
    volumes.hold("data", "web")
    assert (volumes.get("data").mountpoint / "precious").exists()
    volumes._holders.clear()  # as after a kill: still mounted, and nobody holds it
    await volumes.remove("data")
    await volumes.close()
    assert (source / "precious").read_text() == "x"


async def test_a_mount_that_fails_leaves_no_holder(volumes: VolumeService) -> None:
    """A missing source or a bad option is refused, and the volume can be removed."""
    await volumes.create("data", options={"type": "none", "o": "bind", "device": "/nowhere"})
    with pytest.raises(NotFound, match="cannot mount volume data"):
        volumes.hold("data", "web")
    await volumes.create("scratch", options={"type": "tmpfs", "o": "size=many"})
    with pytest.raises(InvalidArgument, match="cannot mount volume scratch"):
        volumes.hold("scratch", "web")
    assert volumes.holders("data") == volumes.holders("scratch") == frozenset()
    await volumes.remove("data")
