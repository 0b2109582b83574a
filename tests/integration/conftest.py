"""The fixture `engine`: a real yurtd, once a session; and `new_engine` for tests that end it."""

import gc
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest
from tests.conftest import Needs
from tests.integration.engine_host import BUSYBOX, EngineHost


def _checked(needs: Needs) -> None:
    needs.root()
    needs.program("runc")
    needs.file(str(BUSYBOX))


def _finish(host: EngineHost, folder: "tempfile.TemporaryDirectory[str]") -> None:
    try:
        host.dismantle()
        assert host.leftovers() == []
    finally:
        host.destroy()
        folder.cleanup()


@pytest.fixture(scope="session")
def engine(needs: Needs) -> Iterator[EngineHost]:
    """A yurtd with the image busybox:test. At the end nothing of it is left in the kernel."""
    _checked(needs)
    folder = tempfile.TemporaryDirectory(prefix="yurt-test-")
    host = EngineHost(Path(folder.name))
    try:
        host.start()
        host.load_busybox()
        yield host
    finally:
        _finish(host, folder)


@pytest.fixture
def new_engine(needs: Needs) -> Iterator[Callable[[], EngineHost]]:
    """Return a function that makes a fresh yurtd with busybox:test, one to be killed and started again."""
    _checked(needs)
    made: list[tuple[EngineHost, tempfile.TemporaryDirectory[str]]] = []

    def make() -> EngineHost:
        folder = tempfile.TemporaryDirectory(prefix="yurt-test-")
        host = EngineHost(Path(folder.name))
        made.append((host, folder))
        host.start()
        host.load_busybox()
        return host

    yield make
    for host, folder in made:
        _finish(host, folder)
    gc.collect()


@pytest.fixture
def client(engine: EngineHost) -> Iterator[docker.DockerClient]:
    """docker-py, talking to `engine`; what a test leaves is removed after it."""
    client = engine.client()
    yield client
    for container in client.containers.list(all=True):
        container.remove(force=True, v=True)
    client.networks.prune()
    client.volumes.prune({"all": True})
    client.close()  # a session of tests would hold a thousand connections, more than select(2) can watch
    gc.collect()  # docker-py's forgotten sockets count for this test, not for the end of the session
