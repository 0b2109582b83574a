"""`yurt system stop`: the engine ends, its containers do not."""

import os
import signal
from collections.abc import Callable

import pytest
from tests.conftest import Needs
from tests.e2e.cli_host import CommandLine
from tests.integration.engine_host import IMAGE, EngineHost

pytestmark = pytest.mark.root


def test_containers_outlive_it_and_the_next_engine_has_them(new_engine: Callable[[], EngineHost]) -> None:
    """It says whom it ended, returns when that process is gone, and a second time there is none to end."""
    host = new_engine()
    yurt = CommandLine(host.host)
    yurt("run", "-d", "--name", "survivor", IMAGE, "sleep", "1000")
    (process,) = yurt("inspect", "-f", "{{.State.Pid}}", "survivor").out.split()
    pid = host.pid
    told = yurt("system", "stop")
    assert (told.code, told.out) == (0, f"the engine (pid {pid}) has ended; containers that run go on\n")
    assert not host.answers()
    assert os.path.exists(f"/proc/{process}")
    assert yurt("system", "stop").out == "no engine runs\n"
    assert host.end(signal.SIGTERM) == 0, "it had ended in order"
    host.start()
    assert yurt("ps", "--format", "{{.Names}}").out == "survivor\n"


@pytest.mark.docker
def test_another_engine_is_left_alone(needs: Needs) -> None:
    """Docker is not ours to end."""
    docker = needs.program("docker")
    yurt = CommandLine(needs.reference())
    refused = yurt("system", "stop")
    assert refused.code == 1
    assert "not Yurt's engine" in refused.err
    assert yurt("version", program=docker).code == 0
