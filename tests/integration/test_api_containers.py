"""Containers through docker-py, as its users write it."""

import asyncio
import json
import socket
import time
from collections.abc import Callable

import aiohttp
import docker
import pytest
from docker.errors import APIError, ImageNotFound, NotFound

pytestmark = [
    pytest.mark.root,
    # docker-py leaves hijacked sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]
IMAGE = "busybox:test"


def until(holds: Callable[[], object], *, seconds: float = 15) -> None:
    """Wait for *holds*; fail when it does not come true."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)


def test_a_run_returns_the_output(client: docker.DockerClient) -> None:
    """`containers.run` is the output of the command, and removes the container."""
    assert client.containers.run(IMAGE, ["echo", "hello"], remove=True) == b"hello\n"
    assert client.containers.list(all=True) == []


def test_a_failing_run_tells_its_exit_code(client: docker.DockerClient) -> None:
    """The exit code and stderr come with the error."""
    with pytest.raises(docker.errors.ContainerError) as caught:
        client.containers.run(IMAGE, ["sh", "-c", "echo no >&2; exit 7"], remove=True)
    assert (caught.value.exit_status, caught.value.stderr) == (7, b"no\n")


def test_the_life_of_a_container(client: docker.DockerClient) -> None:
    """Create, start, pause, stop, start again, kill, remove: the status says each."""
    container = client.containers.create(IMAGE, ["sleep", "100"], name="life", stop_signal="KILL")
    assert container.status == "created"

    def status() -> str:
        container.reload()
        return str(container.status)

    container.start()
    assert status() == "running"
    container.pause()
    assert status() == "paused"
    container.unpause()
    container.stop(timeout=5)
    assert status() == "exited"
    assert container.attrs["State"]["ExitCode"] == 137
    container.restart(timeout=0)
    assert status() == "running"
    container.rename("afterlife")
    container.kill()
    assert container.wait()["StatusCode"] == 137
    assert status() == "exited"
    assert container.name == "afterlife"
    container.remove()
    with pytest.raises(NotFound, match="No such container"):
        client.containers.get("afterlife")


def test_mistakes_have_dockers_statuses(client: docker.DockerClient) -> None:
    """Clients tell them apart by number."""
    with pytest.raises(ImageNotFound, match="No such image: nosuch:1"):
        client.containers.create("nosuch:1", "true")
    first = client.containers.create(IMAGE, "true", name="taken")
    with pytest.raises(APIError, match="already in use by container") as conflict:
        client.containers.create(IMAGE, "true", name="taken")
    assert conflict.value.status_code == 409
    with pytest.raises(APIError) as unfound:
        client.containers.create(IMAGE, ["nosuch"], name="broken").start()
    assert unfound.value.status_code == 400
    assert "executable file not found" in str(unfound.value)
    first.start()
    first.wait()
    with pytest.raises(APIError, match="is not running") as dead:
        first.exec_run("true")
    assert dead.value.status_code == 409


def test_logs_are_whole_and_followed(client: docker.DockerClient) -> None:
    """All, a tail, one stream, timestamps, and following to the end."""
    container = client.containers.run(
        IMAGE, ["sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.1; done; echo bad >&2"], detach=True
    )
    assert b"".join(container.logs(stream=True, follow=True)) == b"1\n2\n3\nbad\n"
    assert container.logs(stdout=True, stderr=False) == b"1\n2\n3\n"
    assert container.logs(stdout=False, stderr=True) == b"bad\n"
    assert container.logs(tail=2) == b"3\nbad\n"
    stamped = container.logs(timestamps=True).decode().splitlines()
    assert [line.split(" ")[1] for line in stamped] == ["1", "2", "3", "bad"]
    assert all(len(line.split(" ")[0]) == len("2026-11-24T06:52:09.858780536Z") for line in stamped)
    assert container.logs(since=int(time.time()) + 60) == b""


def test_exec_runs_beside(client: docker.DockerClient) -> None:
    """Output, exit code, user, working folder, environment, and both streams apart."""
    container = client.containers.run(IMAGE, ["sleep", "100"], detach=True)
    assert container.exec_run(["echo", "hi"]) == (0, b"hi\n")
    code, output = container.exec_run(
        ["sh", "-c", "id -u; pwd; echo $WHO; exit 3"], user="alice", workdir="/tmp", environment={"WHO": "me"}
    )
    assert (code, output) == (3, b"1000\n/tmp\nme\n")
    code, (out, err) = container.exec_run(["sh", "-c", "echo out; echo err >&2"], demux=True)
    assert (code, out, err) == (0, b"out\n", b"err\n")


def test_exec_takes_stdin(client: docker.DockerClient) -> None:
    """A socket both ways: what goes in comes out, and closing ends it."""
    container = client.containers.run(IMAGE, ["sleep", "100"], detach=True)
    exec_id = client.api.exec_create(container.id, ["cat"], stdin=True, tty=True)["Id"]
    sock = client.api.exec_start(exec_id, tty=True, socket=True)
    sock._sock.sendall(b"hello\n")
    seen = b""
    while seen.count(b"hello") < 2:  # the terminal's echo, and cat's
        seen += sock._sock.recv(100)
    client.api.exec_resize(exec_id, height=20, width=70)
    sock._sock.sendall(b"\x04")
    while sock._sock.recv(100):
        pass
    sock.close()
    until(lambda: client.api.exec_inspect(exec_id)["ExitCode"] == 0)


def test_attach_before_start_misses_nothing(client: docker.DockerClient) -> None:
    """The first byte of output arrives at whoever attached before the start, and stdin's end is seen."""
    container = client.containers.create(IMAGE, ["sh", "-c", "echo ready; cat"], stdin_open=True)
    sock = container.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})
    container.start()
    sock._sock.sendall(b"in and out\n")
    sock._sock.shutdown(1)
    frames = b""
    while data := sock._sock.recv(1000):
        frames += data
    sock.close()
    assert (
        frames.replace(b"\x01\0\0\0\0\0\0\x06", b"").replace(b"\x01\0\0\0\0\0\0\x0b", b"")
        == b"ready\nin and out\n"
    )


def test_inspect_tells_what_was_asked(client: docker.DockerClient) -> None:
    """Limits, environment, labels, restart policy, mounts."""
    container = client.containers.run(
        IMAGE,
        ["sleep", "100"],
        detach=True,
        environment={"A": "b"},
        labels={"tier": "front"},
        mem_limit="64m",
        restart_policy={"Name": "on-failure", "MaximumRetryCount": 2},
        tmpfs={"/t": "size=1m"},
        hostname="hosty",
        working_dir="/tmp",
    )
    container.reload()
    config, host = container.attrs["Config"], container.attrs["HostConfig"]
    assert "A=b" in config["Env"]
    assert (config["Labels"], config["Hostname"], config["WorkingDir"]) == (
        {"tier": "front"},
        "hosty",
        "/tmp",
    )
    assert host["Memory"] == 64 << 20
    assert host["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 2}
    assert host["Tmpfs"] == {"/t": "size=1m"}
    assert container.exec_run("hostname").output == b"hosty\n"


def test_the_list_is_filtered(client: docker.DockerClient) -> None:
    """By label, status, name and ancestor."""
    one = client.containers.run(IMAGE, ["sleep", "100"], name="one-web", labels={"a": "1"}, detach=True)
    two = client.containers.create(IMAGE, "true", name="two-db", labels={"a": "2"})
    assert client.containers.list() == [one]
    assert client.containers.list(all=True, filters={"label": "a=2"}) == [two]
    assert client.containers.list(filters={"status": "created"}) == [two]
    assert client.containers.list(all=True, filters={"name": "^one"}) == [one]
    assert set(client.containers.list(all=True, filters={"ancestor": IMAGE})) == {one, two}


@pytest.mark.parametrize("query", ["since=0&until={now}", "until={now}", "until=0"])
def test_kept_events_are_told_to_who_names_a_moment(client: docker.DockerClient, query: str) -> None:
    """`since` 0 is a moment too; `until` alone asks for all before it, 0 for all."""
    container = client.containers.create(IMAGE, "true", name="kept")
    query = query.format(now=time.time())
    answer = client.api.get(f"{client.api.base_url}/events?{query}")
    told = [json.loads(line)["Action"] for line in answer.text.splitlines() if container.id in line]
    assert told == ["create"]


def test_events_tell_the_story(client: docker.DockerClient) -> None:
    """Since a moment, in order, filtered by container."""
    since = int(time.time()) - 1
    container = client.containers.create(IMAGE, "true", name="story")
    container.start()
    container.wait()
    container.remove()
    told = [
        event["Action"]
        for event in client.events(
            since=since,
            until=int(time.time()) + 1,
            decode=True,
            filters={"container": container.id, "type": "container"},
        )
    ]
    assert [action for action in told if action in {"create", "start", "die", "destroy"}] == [
        "create",
        "start",
        "die",
        "destroy",
    ]


def test_prune_removes_what_is_stopped(client: docker.DockerClient) -> None:
    """A running container stays."""
    running = client.containers.run(IMAGE, ["sleep", "100"], detach=True)
    stopped = client.containers.create(IMAGE, "true")
    assert client.containers.prune()["ContainersDeleted"] == [stopped.id]
    assert client.containers.list(all=True) == [running]


def test_top_and_stats(client: docker.DockerClient) -> None:
    """What runs in it, and what that uses."""
    container = client.containers.run(IMAGE, ["sleep", "100"], detach=True)
    # In the instant of its exec a process has a name and no command line yet.
    until(lambda: "sleep 100" in container.top()["Processes"][0][-1])
    stats = container.stats(stream=False)
    assert stats["memory_stats"]["usage"] > 0
    assert stats["pids_stats"]["current"] == 1


def test_wait_is_registered_before_the_start(client: docker.DockerClient) -> None:
    """The head of the answer comes while the container has not begun: so a short life cannot be missed."""
    container = client.containers.create(IMAGE, ["sh", "-c", "exit 9"])
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(_path(client))
        sock.settimeout(10)
        sock.sendall(
            f"POST /containers/{container.id}/wait?condition=next-exit HTTP/1.1\r\nHost: d\r\n"
            "Content-Length: 0\r\n\r\n".encode()
        )
        assert sock.recv(1000).startswith(b"HTTP/1.1 200")
        container.start()
        assert b'{"StatusCode":9}' in sock.recv(1000)


def test_a_websocket_attaches(client: docker.DockerClient) -> None:
    """For browsers: output without frames as messages, input as messages."""
    container = client.containers.create(
        IMAGE, ["sh", "-c", "echo ready; read line; echo got $line"], stdin_open=True
    )

    async def talk() -> bytes:
        connector = aiohttp.UnixConnector(_path(client))
        async with aiohttp.ClientSession(connector=connector) as session:
            url = f"http://yurt/containers/{container.id}/attach/ws?stream=1&stdin=1&stdout=1"
            async with session.ws_connect(url) as socket:
                await asyncio.to_thread(container.start)
                await socket.send_str("hello\n")
                return b"".join([message.data async for message in socket])

    assert asyncio.run(talk()) == b"ready\ngot hello\n"


def _path(client: docker.DockerClient) -> str:
    adapter = client.api.get_adapter(client.api.base_url)
    return str(adapter.socket_path)
