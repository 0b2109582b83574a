"""The command line on an engine, twice: on the reference engine and on a yurtd of its own."""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import Needs
from tests.e2e.cli_host import IMAGE, CommandLine
from tests.e2e.compose_host import Compose
from tests.e2e.sdk_host import Sdk


@pytest.fixture(
    scope="session",
    params=[pytest.param("docker", marks=pytest.mark.docker), pytest.param("yurtd", marks=pytest.mark.root)],
)
def yurt(request: pytest.FixtureRequest, needs: Needs) -> Iterator[CommandLine]:
    """The command line on the reference engine (named by DOCKER_HOST), and on a yurtd of its own."""
    needs.file("/bin/busybox")
    if request.param == "docker":
        command = CommandLine(needs.reference())
        command.import_busybox()
        yield command
        command("rmi", "-f", IMAGE)
        return
    needs.root()
    needs.program("runc")
    from tests.integration.engine_host import EngineHost

    with tempfile.TemporaryDirectory(prefix="yurt-cli-") as folder:
        host = EngineHost(Path(folder))
        try:
            host.start()
            command = CommandLine(host.host)
            command.import_busybox()
            yield command
        finally:
            host.dismantle()
            host.destroy()


@pytest.fixture
def name(yurt: CommandLine, request: pytest.FixtureRequest) -> Iterator[str]:
    """A name for a container of this test, which is gone afterwards."""
    chosen = "cli-" + re.sub(r"[^a-z0-9]+", "-", request.node.originalname.removeprefix("test_"))[:40]
    yurt("rm", "-f", "-v", chosen)
    yield chosen
    yurt("rm", "-f", "-v", chosen)


@pytest.fixture
def compose(yurt: CommandLine, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Compose]:
    name = "yc" + re.sub(r"[^a-z0-9]", "", request.node.originalname.removeprefix("test_"))[:24]
    project = Compose(yurt, tmp_path, name)
    yield project
    project("down", "-v", "-t", "0", "--remove-orphans", "--rmi", "local")


@pytest.fixture
def sdk(yurt: CommandLine) -> Iterator[Sdk]:
    """docker-py; what a test leaves under its label is removed after it."""
    made = Sdk(yurt.host)
    yield made
    made.close()
