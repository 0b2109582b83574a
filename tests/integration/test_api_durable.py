"""The engine may end at any moment: containers live on, and the next engine finds everything."""

import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.engine_host import EngineHost
from tests.integration.footprint import soon

pytestmark = [
    pytest.mark.root,
    # docker-py leaves the connection of an engine that was killed to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]
IMAGE = "busybox:test"
COUNTING = ["sh", "-c", "i=0; while [ $i -lt 30 ]; do echo line $i; i=$((i+1)); sleep 0.1; done; exit 5"]


def test_a_killed_engine_loses_nothing(new_engine: Callable[[], EngineHost]) -> None:
    """kill -9 in the middle of a run: process, log, exit code, names, networks and volumes are whole."""
    host = new_engine()
    client = host.client()
    client.networks.create("front")
    client.volumes.create("data")
    counting = client.containers.run(IMAGE, COUNTING, name="counting", detach=True)
    serving = client.containers.run(
        IMAGE, ["sleep", "1000"], name="serving", network="front", volumes=["data:/data"], detach=True
    )
    serving.reload()
    pid = serving.attrs["State"]["Pid"]
    host.kill()
    os.kill(pid, 0)
    time.sleep(0.5)  # it counts on meanwhile
    host.start()
    client = host.client()
    serving = client.containers.get("serving")
    assert serving.status == "running"
    assert serving.attrs["State"]["Pid"] == pid
    assert serving.exec_run(["echo", "still here"]).output == b"still here\n"
    assert serving.attrs["NetworkSettings"]["Networks"]["front"]["IPAddress"]
    assert [mount["Name"] for mount in serving.attrs["Mounts"]] == ["data"]
    counting = client.containers.get("counting")
    assert counting.wait(timeout=30)["StatusCode"] == 5
    assert counting.logs() == b"".join(b"line %d\n" % number for number in range(30))
    serving.stop(timeout=0)
    serving.reload()
    assert serving.attrs["State"]["ExitCode"] == 137


def test_an_exit_while_no_engine_runs_is_known(new_engine: Callable[[], EngineHost]) -> None:
    """The code, the moment, and the last line of a container that ended with nobody watching."""
    host = new_engine()
    alone = host.client().containers.run(
        IMAGE, ["sh", "-c", "sleep 0.5; echo bye; exit 4"], name="alone", detach=True
    )
    alone.reload()
    pid = alone.attrs["State"]["Pid"]
    host.kill()
    ended = time.time()
    assert soon(lambda: not Path(f"/proc/{pid}").exists())
    host.start()
    alone = host.client().containers.get("alone")
    assert alone.wait()["StatusCode"] == 4
    alone.reload()
    assert alone.status == "exited"
    assert alone.logs() == b"bye\n"
    finished = alone.attrs["State"]["FinishedAt"]
    assert time.strftime("%Y-%m-%dT%H:%M", time.gmtime(ended)) == finished[:16] or finished > "2026"


def test_a_removal_is_finished_by_the_next_engine(new_engine: Callable[[], EngineHost]) -> None:
    """A --rm container that ended while no engine ran is removed when one does."""
    host = new_engine()
    brief = host.client().containers.run(IMAGE, ["sleep", "0.5"], name="brief", auto_remove=True, detach=True)
    brief.reload()
    pid = brief.attrs["State"]["Pid"]
    host.kill()
    assert soon(lambda: not Path(f"/proc/{pid}").exists())
    host.start()
    deadline = time.monotonic() + 10
    while host.client().containers.list(all=True):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_published_ports_outlive_the_engine(new_engine: Callable[[], EngineHost]) -> None:
    """While no engine runs, and after the next has started, the port answers."""
    host = new_engine()
    container = host.client().containers.run(
        IMAGE,
        ["sh", "-c", "mkdir /w; echo hi >/w/index.html; httpd -f -p 80 -h /w"],
        ports={"80/tcp": ("127.0.0.1", None)},
        detach=True,
    )
    container.reload()
    port = container.attrs["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"]

    def fetch() -> str:
        give_up = time.monotonic() + 5
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                    return str(answer.read(), "utf-8")
            except urllib.error.URLError as refused:  # httpd may not listen yet
                if time.monotonic() > give_up:
                    raise AssertionError(f"port {port} does not answer") from refused
                time.sleep(0.05)

    assert fetch() == "hi\n"
    host.kill()
    assert fetch() == "hi\n"
    host.start()
    assert fetch() == "hi\n"


def test_a_restart_policy_goes_on(new_engine: Callable[[], EngineHost]) -> None:
    """A container that should always run is started again by the next engine."""
    host = new_engine()
    container = host.client().containers.run(
        IMAGE, ["sleep", "1000"], name="always", restart_policy={"Name": "always"}, detach=True
    )
    container.reload()
    pid = container.attrs["State"]["Pid"]
    host.kill()
    os.kill(pid, signal.SIGKILL)
    assert soon(lambda: not Path(f"/proc/{pid}").exists())
    host.start()
    deadline = time.monotonic() + 10
    while (found := host.client().containers.get("always")).status != "running":
        assert time.monotonic() < deadline, found.status
        time.sleep(0.05)
    assert found.attrs["State"]["Pid"] != pid


def test_a_second_engine_is_refused_in_a_sentence(engine: EngineHost) -> None:
    """One root has one engine; the refusal names the first and the way out."""
    second = subprocess.run(engine.command(), check=False, capture_output=True, text=True, timeout=30)
    assert second.returncode == 1
    assert second.stderr == (
        f"yurtd: another yurtd (pid {engine.pid}) already works on {engine.root}; "
        "stop it, or choose another folder with --root\n"
    )


def test_without_a_runtime_it_says_what_to_install(engine: EngineHost, tmp_path: Path) -> None:
    """One sentence, with the Debian package."""
    refused = subprocess.run(
        [*engine.command()[:3], "--root", str(tmp_path / "root"), "--host", f"unix://{tmp_path}/s"],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
        env=os.environ | {"PATH": "/nonexistent"},
    )
    assert refused.returncode == 1
    assert re.search(
        r"yurtd: no OCI runtime on this host: (crun or )?runc is not installed; apt-get install runc\n$",
        refused.stderr,
    )
