import os
import signal
import sys
import threading

import pytest

from yurt.cli import engine_start
from yurt.client.sync import Client
from yurt.errors import Unavailable

ENGINE = """
import os, socket, sys
root, host = sys.argv[2], sys.argv[4]
open(root + "/starts", "a").write(f"{os.getpid()}\\n")
listener = socket.socket(socket.AF_UNIX)
listener.bind(host.removeprefix("unix://"))
listener.listen()
while True:
    connection, _ = listener.accept()
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nOK")
    connection.close()
"""


@pytest.fixture
def place(tmp_path):
    """A root and a socket; the engine that was started there is ended afterwards."""
    root = tmp_path / "root"
    yield {"YURT_ROOT": str(root)}, str(root / "yurt.sock")
    if (root / "starts").exists():
        for line in (root / "starts").read_text().split():
            os.kill(int(line), signal.SIGKILL)
            os.waitpid(int(line), 0)


def test_two_command_lines_start_one_engine(place):
    """Both return when it answers; it was started once, in a session of its own, and told where to live."""
    environ, socket = place
    told: list[str] = []

    def begin() -> None:
        engine_start.start(environ, socket, tell=told.append, program=(sys.executable, "-c", ENGINE))

    threads = [threading.Thread(target=begin) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Client(f"unix://{socket}") as client:
        assert client.request("GET", "/_ping").read() == b"OK"
    with open(f"{environ['YURT_ROOT']}/starts") as starts:
        (pid,) = starts.read().split()
    assert os.getsid(int(pid)) == int(pid)
    assert told == ["starting the engine …"]


def test_an_engine_that_dies_says_why(place):
    """The last line of this start's log is the reason; older lines are not taken for it."""
    environ, socket = place
    os.makedirs(environ["YURT_ROOT"])
    log = f"{environ['YURT_ROOT']}/yurtd.log"
    with open(log, "w") as file:
        file.write("an old line\n")
    program = (
        sys.executable,
        "-c",
        "import sys; print('first', flush=True); sys.exit('yurtd: no room on the disk')",
    )
    with pytest.raises(Unavailable) as caught:
        engine_start.start(environ, socket, tell=lambda _text: None, program=program)
    assert caught.value.message == "the engine did not start: yurtd: no room on the disk"
    assert caught.value.hint == f"its log is {log}"


def test_an_engine_that_dies_without_a_word(place):
    """No line: the exit code is the reason."""
    environ, socket = place
    program = (sys.executable, "-c", "raise SystemExit(3)")
    with pytest.raises(Unavailable, match="it ended with exit code 3"):
        engine_start.start(environ, socket, tell=lambda _text: None, program=program)


def test_a_root_that_cannot_be_written(tmp_path):
    """Said before anything is started."""
    (tmp_path / "file").write_text("")
    environ = {"YURT_ROOT": str(tmp_path / "file" / "root")}
    with pytest.raises(Unavailable, match="cannot be written: Not a directory"):
        engine_start.start(environ, str(tmp_path / "s"), tell=lambda _text: None)
