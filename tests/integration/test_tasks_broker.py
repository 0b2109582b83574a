"""`yurt.tasks.broker`: one server for a directory, whoever asks for it and whatever dies."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from yurt.errors import InvalidArgument
from yurt.tasks import broker


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "b"
    broker.stop(tmp_path / "b")


def client(of: broker.Broker) -> redis.Redis:
    return redis.Redis(unix_socket_path=str(of.socket))


def process_id(of: broker.Broker) -> int:
    with client(of) as connection:
        return int(connection.info()["process_id"])


def test_processes_that_ask_at_once_share_one_server(folder: Path) -> None:
    """Whoever comes second finds the first one's."""
    code = "import sys; from yurt.tasks import broker; print(broker.ensure(sys.argv[1]).broker_url)"
    asking = [
        subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    answers = {process.communicate(timeout=30)[0] for process in asking}
    assert answers == {f"redis+socket://{folder}/broker.sock?virtual_host=0\n"}
    assert process_id(broker.ensure(folder)) == process_id(broker.ensure(folder))
    assert (folder / "broker.log").read_text().count("Server initialized") == 1


def test_only_its_owner_can_reach_it(folder: Path) -> None:
    """No port, a private socket."""
    made = broker.ensure(folder)
    assert made.socket.stat().st_mode & 0o777 == 0o700
    with client(made) as connection:
        assert connection.config_get("port") == {"port": "0"}


def test_a_server_that_dies_comes_back_with_its_data(folder: Path) -> None:
    """The supervisor starts it again."""
    made = broker.ensure(folder)
    with client(made) as connection:
        connection.set("task", "1")
    first = process_id(made)
    os.kill(first, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while not made.is_answering():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert process_id(made) != first
    with client(made) as connection:
        assert connection.get("task") == b"1"


def test_a_server_whose_supervisor_died_serves_on_and_can_be_stopped(folder: Path) -> None:
    """It holds the lock as long as it lives."""
    made = broker.ensure(folder)
    server = process_id(made)
    os.kill(int(made.lock.read_text()), signal.SIGKILL)
    assert process_id(broker.ensure(folder)) == server
    broker.stop(folder)
    assert not made.is_answering()
    assert process_id(broker.ensure(folder)) != server


def test_stopping_what_does_not_run_is_no_error(tmp_path: Path) -> None:
    """Once or twice."""
    broker.stop(tmp_path / "none")
    broker.ensure(tmp_path / "b")
    broker.stop(tmp_path / "b")
    broker.stop(tmp_path / "b")


def test_a_path_beyond_the_kernels_limit_is_refused_at_once(tmp_path: Path) -> None:
    """Not by a server that does not come up."""
    with pytest.raises(InvalidArgument, match="longer path than the kernel allows"):
        broker.Broker(tmp_path / ("x" * 100))
