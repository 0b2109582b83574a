"""Volumes are durable folders with names."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from yurt.engine.events import Events
from yurt.engine.volumes.service import ANONYMOUS, VolumeService
from yurt.errors import Conflict, InvalidArgument, NotFound
from yurt.settings import EngineSettings
from yurt.storage.metadata import Documents


@pytest.fixture
def settings(tmp_path: Path) -> EngineSettings:
    return EngineSettings(root=tmp_path, run=tmp_path / "run")


@asynccontextmanager
async def a_service(settings: EngineSettings, events: Events | None = None) -> AsyncIterator[VolumeService]:
    documents = Documents(settings.root / "meta.db")
    service = VolumeService(documents, events or Events(), settings)
    try:
        await service.restore()
        yield service
    finally:
        await service.close()
        documents.close()


@pytest.fixture
async def volumes(settings: EngineSettings) -> AsyncIterator[VolumeService]:
    async with a_service(settings) as service:
        yield service


async def test_a_volume_is_a_folder(volumes: VolumeService, settings: EngineSettings) -> None:
    """A volume has a folder that exists as long as it does; making it again returns it unchanged."""
    volume = await volumes.create("data", labels={"a": "b"})
    assert volume.mountpoint == settings.root / "volumes/data/_data"
    assert volume.mountpoint.is_dir()
    assert not volume.anonymous
    assert await volumes.create("data", labels={"c": "d"}) == volume
    assert volumes.list() == (volume,)
    await volumes.remove("data")
    assert not volume.mountpoint.exists()
    with pytest.raises(NotFound, match="get data: no such volume"):
        volumes.get("data")


async def test_an_anonymous_volume_has_an_id_for_a_name(volumes: VolumeService) -> None:
    """Without a name a volume is new each time, and marked."""
    one, two = await volumes.create(None), await volumes.create(None)
    assert one.name != two.name
    assert one.anonymous
    assert dict(one.labels) == {ANONYMOUS: ""}


@pytest.mark.parametrize("name", ["a", ".data", "a/b", "../x", "-a", "a b", "ä1", "x" * 256])
async def test_names_that_docker_refuses_are_refused(volumes: VolumeService, name: str) -> None:
    """Names follow Docker's rule, so none leads out of the folder."""
    with pytest.raises(InvalidArgument):
        await volumes.create(name)
    assert volumes.list() == ()


async def test_refused_requests_leave_nothing(volumes: VolumeService, settings: EngineSettings) -> None:
    """An unknown driver or option leaves neither folder nor volume."""
    with pytest.raises(NotFound, match='plugin "rexray" not found'):
        await volumes.create("data", driver="rexray")
    with pytest.raises(InvalidArgument, match="missing required option"):
        await volumes.create("data", options={"type": "nfs"})
    assert list((settings.root / "volumes").iterdir()) == []


async def test_a_volume_in_use_is_not_removed(volumes: VolumeService) -> None:
    """Holders keep a volume; releasing twice, or one that is gone, does no harm."""
    await volumes.create("data")
    volumes.hold("data", "web")
    volumes.hold("data", "db")
    volumes.release("data", "web")
    volumes.release("data", "web")
    assert volumes.holders("data") == {"db"}
    with pytest.raises(Conflict, match=r"remove data: volume is in use - \[db\]"):
        await volumes.remove("data", force=True)
    volumes.release("data", "db")
    await volumes.remove("data")
    volumes.release("data", "db")
    with pytest.raises(NotFound):
        volumes.hold("data", "web")
    await volumes.remove("data", force=True)
    with pytest.raises(NotFound):
        await volumes.remove("data")


async def test_prune_removes_unused_anonymous_volumes(volumes: VolumeService) -> None:
    """Named volumes stay, unless all are asked for; those in use always stay."""
    named, used, unused = (
        await volumes.create("named"),
        await volumes.create(None),
        await volumes.create(None),
    )
    volumes.hold(used.name, "web")
    (unused.mountpoint / "file").write_bytes(b"12345")
    pruned = await volumes.prune()
    assert (pruned.volumes, pruned.reclaimed) == ((unused,), 5)
    assert (await volumes.prune(all=True)).volumes == (named,)
    assert volumes.list() == (used,)


async def test_volumes_survive_a_restart(settings: EngineSettings) -> None:
    """A new service finds the same volumes with their content, labels and options."""
    async with a_service(settings) as before:
        volume = await before.create("data", labels={"a": "b"}, options={"type": "tmpfs", "device": "tmpfs"})
        anonymous = await before.create(None)
        (anonymous.mountpoint / "file").write_text("kept")
    async with a_service(settings) as after:
        assert after.get("data") == volume
        assert after.get(anonymous.name) == anonymous
        assert (anonymous.mountpoint / "file").read_text() == "kept"


async def test_a_removal_cut_short_is_finished(settings: EngineSettings) -> None:
    """Killed while removing, a volume is gone after the restart, with its folder."""
    async with a_service(settings) as before:
        volume = await before.create("data")
        (volume.mountpoint / "file").write_text("x")
    (settings.root / "volumes/data").rename(settings.root / "volumes/.removed-data")
    async with a_service(settings) as after:
        assert after.list() == ()
    assert list((settings.root / "volumes").iterdir()) == []


async def test_a_removal_that_could_not_be_noted_is_done_again(
    volumes: VolumeService, settings: EngineSettings
) -> None:
    """Its folder was moved away, and then the disk had no room for that: it is listed until it is removed again."""
    await volumes.create("data")
    (settings.root / "volumes/data").rename(settings.root / "volumes/.removed-data")
    await volumes.remove("data")
    assert volumes.list() == ()
    await volumes.close()  # when what is deleted in the background is gone
    assert list((settings.root / "volumes").iterdir()) == []


async def test_a_creation_cut_short_is_whole_or_nothing(settings: EngineSettings) -> None:
    """Killed between document and folder, the volume has its folder after the restart."""
    async with a_service(settings) as before:
        volume = await before.create("data")
    volume.mountpoint.rmdir()
    volume.mountpoint.parent.rmdir()
    async with a_service(settings) as after:
        assert after.list() == (volume,)
        assert volume.mountpoint.is_dir()


async def test_a_provisional_volume_goes_unless_it_is_settled(settings: EngineSettings) -> None:
    """What was made along with a container that never came to be is gone after a restart; the rest is not."""
    async with a_service(settings) as volumes:
        for name in ("gone", "settled", "asked-for"):
            volume = await volumes.create(name, provisional=True)
            (volume.mountpoint / "file").write_text("half of it")
        volumes.settle("settled")
        await volumes.create("asked-for")
    async with a_service(settings) as volumes:
        assert [volume.name for volume in volumes.list()] == ["asked-for", "settled"]
    assert {path.name for path in (settings.root / "volumes").iterdir()} == {"asked-for", "settled"}


async def test_a_folder_without_a_document_becomes_a_volume(settings: EngineSettings) -> None:
    """Data that was copied back by hand, or whose database was lost, is found again."""
    data = settings.root / "volumes/data/_data"
    data.mkdir(parents=True)
    async with a_service(settings) as volumes:
        assert [volume.name for volume in volumes.list()] == ["data"]


async def test_a_name_is_free_at_once(volumes: VolumeService, settings: EngineSettings) -> None:
    """While an earlier volume of its name is still being deleted, another is made and removed; nothing stays."""
    for _ in range(60):
        volume = await volumes.create("data")
        for number in range(5):
            (volume.mountpoint / f"{number}").touch()
        await volumes.remove("data")
    await volumes.close()
    assert list((settings.root / "volumes").iterdir()) == []


async def test_events_tell_of_volumes(settings: EngineSettings) -> None:
    """Making and removing a volume are told, with Docker's words."""
    events = Events()
    async with a_service(settings, events) as volumes:
        await volumes.create("data")
        await volumes.create("data")
        await volumes.remove("data")
    told = [(event.kind, event.action, event.actor) for event in events.history(since_ns=0)]
    assert told == [("volume", "create", "data"), ("volume", "destroy", "data")]
