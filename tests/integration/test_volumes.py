"""Volumes with mount options, in the real kernel."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from yurt.engine.events import Events
from yurt.engine.volumes.service import VolumeService
from yurt.errors import InvalidArgument
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
    """It is mounted, once, with its options, and gone after its last holder."""
    volume = await volumes.create("scratch", options={"type": "tmpfs", "device": "tmpfs", "o": "size=1m"})
    volumes.hold("scratch", "one")
    volumes.hold("scratch", "two")
    await asyncio.gather(volumes.ready("scratch"), volumes.ready("scratch"))
    assert mounted_below(volume.mountpoint) == (volume.mountpoint,)
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
    await volumes.ready("data")
    assert (volumes.get("data").mountpoint / "precious").exists()
    volumes._holders.clear()  # as after a kill: still mounted, and nobody holds it
    await volumes.remove("data")
    await volumes.close()
    assert (source / "precious").read_text() == "x"


async def test_a_folder_is_bound_with_all_of_its_words(volumes: VolumeService, tmp_path: Path) -> None:
    """The kernel takes ro and noexec of a bind in a second call only."""
    source = tmp_path / "source"
    source.mkdir()
    options = {"type": "none", "o": "bind,ro,noexec", "device": str(source)}
    volume = await volumes.create("data", options=options)
    volumes.hold("data", "web")
    await volumes.ready("data")
    flags = os.statvfs(volume.mountpoint).f_flag
    assert flags & os.ST_RDONLY
    assert flags & os.ST_NOEXEC
    volumes.release("data", "web")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"type": "none", "o": "bind", "device": "/nowhere"}, "flags: 0x1000: no such file or directory"),
        ({"type": "tmpfs", "device": "tmpfs", "o": "size=many"}, "data: size=many: invalid argument"),
        ({"type": "nosuchfs", "device": "/x"}, "no such device"),
        (
            {"type": "nfs", "device": ":/x", "o": "addr=nosuch.invalid"},
            "error resolving passed in network volume",
        ),
        ({"type": "ext4", "device": ""}, "missing device in volume options"),
    ],
)
async def test_a_mount_that_fails_says_what_the_kernel_was_asked(
    volumes: VolumeService, options: dict[str, str], words: str
) -> None:
    """A missing source or a bad option is the user's to mend, and the volume can be removed."""
    await volumes.create("data", options=options)
    volumes.hold("data", "web")
    with pytest.raises(InvalidArgument, match="error while mounting volume") as caught:
        await volumes.ready("data")
    assert words in str(caught.value)
    volumes.release("data", "web")
    await volumes.remove("data")


async def test_a_volume_that_cannot_be_mounted_does_not_keep_the_engine_from_starting(tmp_path: Path) -> None:
    """Holders are told again at a start, when the folder or server of a volume may be away."""
    settings = EngineSettings(root=tmp_path, run=tmp_path / "run")
    for _ in range(2):
        documents = Documents(tmp_path / "meta.db")
        service = VolumeService(documents, Events(), settings)
        await service.restore()
        await service.create("data", options={"type": "none", "o": "bind", "device": "/nowhere"})
        service.hold("data", "web")
        await service.close()
        documents.close()
