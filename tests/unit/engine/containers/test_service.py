"""The containers' service on a disk that is full for a moment, beside fakes of the other services."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from yurt.engine.containers.model import Container, ContainerConfig, HostConfig, State, Status
from yurt.engine.containers.registry import KIND
from yurt.engine.containers.service import ContainerService
from yurt.engine.events import Events
from yurt.engine.networks.model import PortBinding, Sandbox
from yurt.errors import NotFound, Unavailable, no_space
from yurt.linux.overlay import OverlayMount
from yurt.linux.runc import Runtime
from yurt.settings import EngineSettings
from yurt.storage.metadata import Documents


class FullDisk(Documents):
    """Documents of which none can be changed while *is_full*; notes can be made."""

    is_full = False

    def put(self, kind: str, id: str, body: bytes) -> None:  # noqa: A002 - the contract's word
        self._check()
        super().put(kind, id, body)

    def delete(self, kind: str, id: str) -> None:  # noqa: A002
        self._check()
        super().delete(kind, id)

    def _check(self) -> None:
        if self.is_full:
            raise no_space("engine.db")


class Nothing:
    """Another service, of which little is needed; *passed* are the ports that changed hands, and not back."""

    def __init__(self) -> None:
        self.passed: list[tuple[str, str]] = []

    def release(self, *_what: str) -> None: ...

    def remove(self, _key: str) -> None: ...

    def mount_spec(self, key: str, **_options: bool) -> OverlayMount:
        raise NotFound(f"the files of {key} are lost")

    async def open_sandbox(self, _request: object) -> Sandbox:
        return self._sandbox("aa11", ())

    async def close_sandbox(self, _container_id: str) -> None: ...

    @asynccontextmanager
    async def succeeding(
        self, old: str, new: str, ports: tuple[PortBinding, ...], _aliases: object
    ) -> AsyncIterator[tuple[Sandbox, Sandbox]]:
        self.passed.append((old, new))
        try:
            yield self._sandbox(old, ()), self._sandbox(new, ports)
        except BaseException:
            self.passed.pop()
            raise

    @staticmethod
    def _sandbox(container_id: str, ports: tuple[PortBinding, ...]) -> Sandbox:
        return Sandbox(container_id, netns=None, endpoints=(), ports=ports, hosts="", resolv_conf="")


class Stage:
    """A service, and the documents that it stores in."""

    def __init__(self, folder: Path) -> None:
        self.others = Nothing()
        nothing: Any = self.others
        self.documents = FullDisk(folder / "db")
        self.service = ContainerService(
            images=nothing,
            networks=nothing,
            volumes=nothing,
            events=Events(),
            runtime=Runtime("runc", "runc", folder),
            documents=self.documents,
            snapshots=nothing,
            settings=EngineSettings(root=folder, run=folder),
        )

    def add(self, container_id: str, status: Status = Status.CREATED, *, auto_remove: bool = False) -> None:
        """Store a container that nothing runs in, whatever its status."""
        made = Container(
            id=container_id,
            name=container_id,
            created_ns=1,
            image_id="sha256:0",
            config=ContainerConfig("image"),
            host=HostConfig(auto_remove=auto_remove),
            endpoints=(),
            path="sh",
            args=(),
            hidden=True,
            state=State(status=status),
        )
        self.service._registry.add(made)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    made = Stage(tmp_path)
    yield made
    await made.service.shutdown()
    made.documents.close()


async def test_what_a_full_disk_kept_of_a_build_step_goes_when_there_is_room(stage: Stage) -> None:
    """The build that made it goes on; nobody else would ask for the removal again."""
    stage.add("aa11")
    stage.documents.is_full = True
    await stage.service.discard("aa11")
    assert stage.service.get("aa11")
    removed = stage.service.waiter("aa11", "removed")
    stage.documents.is_full = False
    await asyncio.wait_for(removed, 30)
    assert stage.documents.all(KIND) == []
    with pytest.raises(NotFound):
        stage.service.get("aa11")


async def test_a_container_with_rm_that_does_not_start_goes_when_there_is_room(stage: Stage) -> None:
    """`docker run --rm` waits for that, also when the start has failed."""
    stage.add("aa11", auto_remove=True)
    removed = stage.service.waiter("aa11", "removed")
    stage.documents.is_full = True
    with pytest.raises(NotFound, match="lost"):
        await stage.service.start("aa11")
    assert stage.service.get("aa11")
    stage.documents.is_full = False
    await asyncio.wait_for(removed, 30)
    assert stage.documents.all(KIND) == []


async def test_a_takeover_that_cannot_be_stored_does_not_happen(stage: Stage) -> None:
    """The next engine would give the ports back to the old container: what is acknowledged is stored."""
    stage.add("old", Status.RUNNING)
    stage.add("new", Status.RUNNING)
    before = {ref: stage.service.get(ref) for ref in ("old", "new")}
    ports = (PortBinding(80, host_port=8080),)
    stage.documents.is_full = True
    with pytest.raises(Unavailable, match="no space left on device"):
        await stage.service.succeed("new", "old", ports=ports, aliases={})
    assert stage.others.passed == []
    assert {ref: stage.service.get(ref) for ref in before} == before
    stage.documents.is_full = False
    await stage.service.succeed("new", "old", ports=ports, aliases={})
    assert stage.others.passed == [("old", "new")]
    assert (stage.service.get("new").ports, stage.service.get("old").ports) == (ports, ())
