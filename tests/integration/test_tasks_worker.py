"""A real worker on a real Valkey server: nothing that was sent is lost."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from yurt.logs import bound
from yurt.tasks import Celery, broker


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[broker.Broker]:
    folder = tmp_path_factory.mktemp("broker")
    yield broker.ensure(folder)
    broker.stop(folder)


@pytest.fixture
def app(valkey: broker.Broker) -> Iterator[Celery]:
    made = Celery("worker_app", broker=valkey.broker_url, backend=valkey.result_backend, set_as_current=False)
    yield made
    made.control.purge()
    backend: Any = made.backend
    backend.result_consumer.stop()
    backend.client.close()
    made.close()


class Worker:
    """A worker process and its folder."""

    def __init__(self, process: "subprocess.Popen[bytes]", folder: Path) -> None:
        self.process = process
        self.folder = folder

    def attempts(self) -> list[int]:
        file = self.folder / "attempts"
        return [int(line) for line in file.read_text().split()] if file.exists() else []

    def records(self) -> list[dict[str, Any]]:
        lines = (self.folder / "log").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]


@contextmanager
def a_worker(valkey: broker.Broker, folder: Path, *, visibility: int = 3600) -> Iterator[Worker]:
    folder.joinpath("alive").unlink(missing_ok=True)
    environ = os.environ | {
        "YURT_TEST_FOLDER": str(folder),
        "YURT_TEST_BROKER": str(valkey.directory),
        "YURT_TEST_VISIBILITY": str(visibility),
    }
    argv = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "worker_app",
        "worker",
        "-c",
        "1",
        "--without-mingle",
        "--without-gossip",
    ]
    with (folder / "log").open("ab") as output:
        process = subprocess.Popen(
            argv, cwd=Path(__file__).parent, env=environ, stdout=output, stderr=output, start_new_session=True
        )
    try:
        wait_until((folder / "alive").exists, "the worker is ready")
        yield Worker(process, folder)
    finally:
        (folder / "go").touch()
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_until(look: Callable[[], object], what: str, *, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)


def test_a_child_killed_in_mid_task_gives_its_task_back(
    valkey: broker.Broker, app: Celery, tmp_path: Path
) -> None:
    """kill -9 of the process that runs it: the task runs again, in another."""
    with a_worker(valkey, tmp_path) as worker:
        result = app.send_task("worker_app.wait_for", ["go"])
        wait_until(worker.attempts, "the task began")
        (first,) = worker.attempts()
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: len(worker.attempts()) == 2, "it began again")
        (tmp_path / "go").touch()
        assert result.get(timeout=20) == worker.attempts()[1] != first


def test_a_task_that_dies_of_the_kernel_is_run_again(
    valkey: broker.Broker, app: Celery, tmp_path: Path
) -> None:
    """As after an out-of-memory kill."""
    with a_worker(valkey, tmp_path):
        assert app.send_task("worker_app.kill_self_once").get(timeout=20) == "survived"


def test_a_whole_worker_killed_loses_no_task(valkey: broker.Broker, app: Celery, tmp_path: Path) -> None:
    """After the visibility timeout another worker has it."""
    with a_worker(valkey, tmp_path, visibility=1) as worker:
        result = app.send_task("worker_app.wait_for", ["go"])
        wait_until(worker.attempts, "the task began")
        os.killpg(worker.process.pid, signal.SIGKILL)
        worker.process.wait()
    (tmp_path / "go").unlink()
    time.sleep(1.5)  # the timeout itself: a worker looks for lost tasks when it starts, then every 100 s
    with a_worker(valkey, tmp_path, visibility=1) as worker:
        wait_until(lambda: len(worker.attempts()) == 2, "it began again", seconds=40)
        (tmp_path / "go").touch()
        assert result.get(timeout=20) == worker.attempts()[1]


def test_a_server_killed_loses_no_task(valkey: broker.Broker, app: Celery, tmp_path: Path) -> None:
    """kill -9 of the broker: its supervisor starts it again, with all tasks."""
    import redis

    results = [app.send_task("worker_app.wait_for", ["go"]) for _ in range(20)]
    time.sleep(1.1)  # appendfsync everysec is about power, not about kill -9; still, be fair to slow disks
    with redis.Redis(unix_socket_path=str(valkey.socket)) as client:
        server = int(client.info()["process_id"])
    os.kill(server, signal.SIGKILL)
    wait_until(valkey.is_answering, "the server is back")
    (tmp_path / "go").touch()
    with a_worker(valkey, tmp_path):
        assert all(result.get(timeout=30) for result in results)


def test_delays_between_attempts_grow(valkey: broker.Broker, app: Celery, tmp_path: Path) -> None:
    """Twice failed, then succeeded."""
    with a_worker(valkey, tmp_path):
        assert app.send_task("worker_app.flaky", [2]).get(timeout=20) == 2
    first, second, third = map(float, (tmp_path / "times").read_text().split())
    assert second - first < third - second


def test_the_last_failure_is_kept_with_its_traceback(
    valkey: broker.Broker, app: Celery, tmp_path: Path
) -> None:
    """After as many attempts as were declared."""
    with a_worker(valkey, tmp_path):
        result = app.send_task("worker_app.flaky", [99])
        with pytest.raises(ConnectionError, match="attempt 4"):
            result.get(timeout=20)
    assert result.state == "FAILURE"
    assert "ConnectionError: attempt 4" in str(result.traceback)
    assert len((tmp_path / "times").read_text().split()) == 4


def test_one_id_follows_from_the_sender_through_tasks_and_retries(
    valkey: broker.Broker, app: Celery, tmp_path: Path
) -> None:
    """Bound in the worker with the task's own id, and gone after it."""
    with a_worker(valkey, tmp_path) as worker:
        with bound(request_id="r-1", user="not carried"):
            first = app.send_task("worker_app.outer")
        app.AsyncResult(first.get(timeout=20)).get(timeout=20)
        app.send_task("worker_app.flaky", [0]).get(timeout=20)
        wait_until(lambda: sum("succeeded" in r["message"] for r in worker.records()) == 3, "all is logged")
        records = worker.records()
    ours = {r["message"] + str(r.get("attempt", "")): r for r in records if r["logger"] == "worker_app"}
    assert list(ours) == ["outer.ran", "inner.ran0", "inner.ran1"]
    assert {record["request_id"] for record in ours.values()} == {"r-1"}
    assert ours["outer.ran"]["task_id"] == first.id
    assert ours["inner.ran0"]["task"] == "worker_app.inner"
    assert "user" not in ours["outer.ran"]
    (unrelated,) = [r for r in records if "worker_app.flaky" in r["message"] and "succeeded" in r["message"]]
    assert "request_id" not in unrelated
