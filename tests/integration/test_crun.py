"""crun beside runc: an engine on it, as every one is where it works and is installed.

crun refuses hosts whose cgroup controllers are split between v1 and v2. There the engine gets a mount namespace of
its own in which the v2 tree is out of sight.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from tests.conftest import Needs
from tests.e2e.cli_host import CommandLine
from tests.integration.engine_host import IMAGE, EngineHost
from tests.integration.footprint import soon

from yurt.linux import cgroup

pytestmark = pytest.mark.root

SLEEP = ["sleep", "600"]
ONE_TREE = ["unshare", "--mount", "sh", "-c", 'umount /sys/fs/cgroup/unified && exec "$@"', "sh"]


@pytest.fixture(scope="module")
def crun(needs: Needs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineHost]:
    """A yurtd that chose crun, with busybox:test. At the end nothing of it is left in the kernel."""
    needs.root()
    needs.program("crun")
    host = EngineHost(tmp_path_factory.mktemp("crun"))
    if cgroup.is_split():
        host.within = ONE_TREE
    host.start()
    try:
        host.load_busybox()
        yield host
        host.dismantle()
        assert host.leftovers() == []
    finally:
        host.destroy()


@pytest.fixture
def client(crun: EngineHost) -> Iterator[docker.DockerClient]:
    """docker-py, talking to it; what a test leaves is removed after it."""
    client = crun.client()
    yield client
    for container in client.containers.list(all=True):
        container.remove(force=True, v=True)
    client.close()


def test_it_is_the_default_where_it_works(client: docker.DockerClient) -> None:
    """Nothing was said about it."""
    assert client.info()["DefaultRuntime"] == "crun"


def test_output_and_exit_code(client: docker.DockerClient) -> None:
    """However soon the process ends: crun leaves before the process has its last parent."""
    for code in range(20):
        container = client.containers.run(
            IMAGE, ["sh", "-c", f"echo out; echo err >&2; exit {code}"], detach=True
        )
        assert container.wait()["StatusCode"] == code
        assert container.logs(stdout=True, stderr=False) == b"out\n"
        assert container.logs(stdout=False, stderr=True) == b"err\n"
        container.remove()


@pytest.mark.parametrize(
    ("command", "code"), [("nosuch", 127), ("/no/such", 127), ("/etc/passwd", 126), ("false", 1)]
)
def test_exit_codes_of_the_command_line(crun: EngineHost, command: str, code: int) -> None:
    """What cannot be run ends `run` and `exec` as with runc, so crun's words are understood."""
    yurt = CommandLine(crun.host)
    assert yurt("run", "--rm", IMAGE, command).code == code
    yurt("run", "-d", "--name", "other", IMAGE, *SLEEP)
    try:
        assert yurt("exec", "other", command).code == code
    finally:
        yurt("rm", "-f", "other")


def test_exec(client: docker.DockerClient) -> None:
    """Input, output, exit code and a terminal."""
    container = client.containers.run(IMAGE, SLEEP, detach=True)
    for code in range(10):
        done = container.exec_run(["sh", "-c", f"echo hi; exit {code}"])
        assert (done.exit_code, done.output) == (code, b"hi\n")
    done = container.exec_run(["stty", "size"], tty=True)
    assert done.exit_code == 0


def test_stop_and_kill(client: docker.DockerClient) -> None:
    """A signal is told by the exit code, and the end of the process is heard of."""
    stopped = client.containers.run(IMAGE, ["sh", "-c", "trap 'exit 3' TERM; sleep 600 & wait"], detach=True)
    stopped.stop(timeout=60)
    assert stopped.wait()["StatusCode"] == 3
    killed = client.containers.run(IMAGE, SLEEP, detach=True)
    killed.kill()
    assert killed.wait()["StatusCode"] == 137
    killed.start()
    killed.reload()
    assert killed.attrs["State"]["Running"]


def test_pause(client: docker.DockerClient) -> None:
    """A paused container does nothing until it goes on."""
    container = client.containers.run(
        IMAGE, ["sh", "-c", "while :; do echo x; sleep 0.05; done"], detach=True
    )
    container.pause()
    container.reload()
    assert container.status == "paused"
    before = container.logs()
    time.sleep(0.3)
    assert container.logs() == before
    container.unpause()
    assert soon(lambda: container.logs() != before)


def test_limits_and_what_is_used_of_them(client: docker.DockerClient) -> None:
    """Those of the start, those that `update` sets, and what `stats` says of them."""
    container = client.containers.run(IMAGE, SLEEP, detach=True, mem_limit="32m", pids_limit=50)
    stats = container.stats(stream=False)
    assert stats["memory_stats"]["limit"] == 32 << 20
    assert stats["pids_stats"]["limit"] == 50
    container.update(mem_limit="64m", memswap_limit="64m")
    url = client.api._url("/containers/{0}/update", container.id)
    assert client.api._post_json(url, data={"PidsLimit": -1}).status_code == 200
    stats = container.stats(stream=False)
    assert stats["memory_stats"]["limit"] == 64 << 20
    assert "limit" not in stats["pids_stats"] or stats["pids_stats"]["limit"] > 50
    free = client.containers.run(IMAGE, SLEEP, detach=True, pids_limit=-1)
    assert free.status == "created"
    free.reload()
    assert free.status == "running"


def test_running_out_of_memory_is_told(client: docker.DockerClient) -> None:
    """As the kernel counts it in the container's cgroup."""
    container = client.containers.run(
        IMAGE, ["sh", "-c", "x=$(head -c 60000000 /dev/zero | tr '\\0' a)"], mem_limit="20m", detach=True
    )
    assert container.wait()["StatusCode"] == 137
    container.reload()
    assert container.attrs["State"]["OOMKilled"] is True


def test_containers_survive_the_engine(crun: EngineHost, client: docker.DockerClient) -> None:
    """The next engine finds them, executes in them, and hears how they ended."""
    container = client.containers.run(
        IMAGE, ["sh", "-c", "while ! test -e /go; do sleep 0.05; done; exit 5"], detach=True
    )
    container.reload()
    crun.kill()
    if crun.within:  # into the mounts that the containers were made with, which their shims still have
        shim = parent_of(container.attrs["State"]["Pid"])
        crun.within = ["nsenter", "--mount", "--target", str(shim)]
    crun.start()
    assert container.exec_run(["touch", "/go"]).exit_code == 0
    assert container.wait()["StatusCode"] == 5


def parent_of(pid: int) -> int:
    """Return the number of the process's parent."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("PPid:")))
