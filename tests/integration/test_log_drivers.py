"""Log drivers against real receivers on loopback sockets, and bounded logs of real containers."""

import contextlib
import gzip
import json
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import APIError
from docker.types import LogConfig
from tests.integration.engine_host import EngineHost
from tests.integration.footprint import soon
from tests.integration.throwaway import until

from yurt.api.stream import FrameDecoder

pytestmark = [
    pytest.mark.root,
    # docker-py leaves hijacked sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]
IMAGE = "busybox:test"
SPEAK = ["sh", "-c", "echo one; echo two >&2; printf rest"]


class Datagrams:
    """A receiver of datagrams, on UDP or at a path."""

    def __init__(self, path: Path | None = None) -> None:
        family = socket.AF_UNIX if path else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_DGRAM)
        self.sock.settimeout(15)
        self.sock.bind(str(path) if path else ("127.0.0.1", 0))
        self.address = f"unixgram://{path}" if path else f"udp://127.0.0.1:{self.sock.getsockname()[1]}"

    def take(self, count: int) -> list[bytes]:
        return [self.sock.recv(1 << 16) for _ in range(count)]


class Connections:
    """A receiver of connections on TCP, which may answer; *data* is what came on all of them."""

    def __init__(self, answer: Callable[[bytes], bytes] = lambda _data: b"", *, port: int = 0) -> None:
        self.sock = socket.create_server(("127.0.0.1", port))
        self.port = self.sock.getsockname()[1]
        self.data = b""
        self._answer = answer
        self._came = threading.Condition()
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _address = self.sock.accept()
                self._open.append(connection)
                threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := connection.recv(1 << 16):
                with self._came:
                    self.data += piece
                    self._came.notify_all()
                if answer := self._answer(piece):
                    connection.sendall(answer)

    def wait_for(self, text: bytes) -> bytes:
        with self._came:
            assert self._came.wait_for(lambda: text in self.data, timeout=15), self.data
            return self.data

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()


@pytest.fixture
def udp() -> Iterator[Datagrams]:
    receiver = Datagrams()
    yield receiver
    receiver.sock.close()


@pytest.fixture
def tcp() -> Iterator[Connections]:
    receiver = Connections()
    yield receiver
    receiver.close()


def speak(client: docker.DockerClient, driver: str, command: list[str] = SPEAK, **options: str) -> Any:
    """Run a container to its end with the driver; its name is `speaker`."""
    container = client.containers.run(
        IMAGE,
        command,
        name="speaker",
        detach=True,
        labels={"tier": "web", "other": "no"},
        environment={"COLOR": "red"},
        log_config=LogConfig(
            type=driver, config={name.replace("_", "-"): value for name, value in options.items()}
        ),
    )
    container.wait(timeout=30)
    return container


def fields(messages: list[bytes], pattern: bytes) -> set[tuple[bytes, ...]]:
    found = [re.fullmatch(pattern, message) for message in messages]
    assert all(found), messages
    return {match.groups() for match in found if match}


def test_syslog_over_udp(client: docker.DockerClient, udp: Datagrams) -> None:
    """The default form has no host name; the tag is the short id; stderr is an error of the daemon facility."""
    container = speak(client, "syslog", syslog_address=udp.address)
    pattern = rb"<(\d+)>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d (\w+)\[\d+\]: (\w+)\n"
    short = container.id[:12].encode()
    assert fields(udp.take(3), pattern) == {
        (b"30", short, b"one"),
        (b"27", short, b"two"),
        (b"30", short, b"rest"),
    }


def test_syslog_of_rfc_5424(client: docker.DockerClient, udp: Datagrams) -> None:
    """Facility, format and tag template are the options'."""
    speak(
        client,
        "syslog",
        syslog_address=udp.address,
        syslog_format="rfc5424micro",
        syslog_facility="local3",
        tag="T/{{.Name}}",
    )
    host = re.escape(socket.gethostname().encode())
    pattern = (
        rb"<(\d+)>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z " + host + rb" T/speaker \d+ T/speaker - (\w+)\n"
    )
    assert fields(udp.take(3), pattern) == {(b"158", b"one"), (b"155", b"two"), (b"158", b"rest")}


def test_syslog_over_tcp_and_a_local_socket(
    client: docker.DockerClient, tcp: Connections, tmp_path: Path
) -> None:
    """The same lines over a connection, and at a path."""
    speak(client, "syslog", syslog_address=f"tcp://127.0.0.1:{tcp.port}", syslog_format="rfc3164").remove()
    tcp.wait_for(b": rest\n")
    assert tcp.data.count(b"\n") == 3
    local = Datagrams(tmp_path / "syslog")
    speak(client, "syslog", syslog_address=local.address)
    assert {line.rpartition(b": ")[2] for line in local.take(3)} == {b"one\n", b"two\n", b"rest\n"}
    local.sock.close()


def test_gelf(client: docker.DockerClient, udp: Datagrams) -> None:
    """Compressed documents with the container's facts, and the labels and variables that were asked for."""
    container = speak(client, "gelf", gelf_address=udp.address, labels="tier", env_regex="^COL", tag="t")
    documents = {
        document["short_message"]: document
        for document in (json.loads(gzip.decompress(datagram)) for datagram in udp.take(3))
    }
    assert {text: document["level"] for text, document in documents.items()} == {
        "one": 6,
        "two": 3,
        "rest": 6,
    }
    one = documents["one"]
    assert abs(one.pop("timestamp") - time.time()) < 60
    assert one.pop("_created").startswith("20")
    assert one == {
        "version": "1.1",
        "host": socket.gethostname(),
        "short_message": "one",
        "level": 6,
        "_command": " ".join(SPEAK),
        "_container_id": container.id,
        "_container_name": "speaker",
        "_image_id": container.image.id,
        "_image_name": IMAGE,
        "_tag": "t",
        "_tier": "web",
        "_COLOR": "red",
    }


def test_gelf_in_chunks(client: docker.DockerClient, udp: Datagrams) -> None:
    """A document that fits no datagram comes in numbered chunks."""
    command = ["sh", "-c", "head -c 5000 /dev/zero | tr '\\0' x"]
    speak(client, "gelf", command, gelf_address=udp.address, gelf_compression_type="none")
    first = udp.take(1)[0]
    assert first[:2] == b"\x1e\x0f"
    chunks = [first, *udp.take(first[11] - 1)]
    assert [chunk[10] for chunk in chunks] == list(range(len(chunks)))
    document = json.loads(b"".join(chunk[12:] for chunk in chunks))
    assert document["short_message"] == "x" * 5000


def unpacked(data: bytes) -> Iterator[Any]:
    """Yield what is in a MessagePack stream, of the kinds that are sent here."""
    position = 0

    def take(count: int) -> bytes:
        nonlocal position
        position += count
        assert position <= len(data)
        return data[position - count : position]

    def value() -> Any:
        head = take(1)[0]
        if head < 0x80:
            return head
        if head & 0xF0 == 0x80:
            return {value(): value() for _ in range(head & 15)}
        if head & 0xF0 == 0x90:
            return [value() for _ in range(head & 15)]
        if head & 0xE0 == 0xA0:
            return take(head & 31).decode()
        if head in (0xD9, 0xDA, 0xDB):
            return take(int.from_bytes(take(1 << head - 0xD9), "big")).decode()
        if head == 0xD3:
            return int.from_bytes(take(8), "big", signed=True)
        assert head == 0xD7
        assert take(1) == b"\0"
        return (int.from_bytes(take(4), "big"), int.from_bytes(take(4), "big"))

    while position < len(data):
        yield value()


def acknowledge(data: bytes) -> bytes:
    return b"".join(
        b"\x81\xa3ack" + bytes((0xA0 | len(match),)) + match
        for match in re.findall(rb"chunk.([A-Za-z0-9+/]+=*)", data)
    )


@pytest.mark.parametrize("exact", [False, True])
def test_fluentd(client: docker.DockerClient, *, exact: bool) -> None:
    """Messages of the forward protocol, with fractions of seconds and acknowledged where that is asked for."""
    receiver = Connections(acknowledge)
    flag = str(exact).lower()
    container = speak(
        client,
        "fluentd",
        fluentd_address=f"127.0.0.1:{receiver.port}",
        fluentd_sub_second_precision=flag,
        fluentd_request_ack=flag,
        labels="tier",
    )
    assert soon(lambda: receiver.data.count(b"tier\xa3web") == 3)  # the last words of each
    messages = list(unpacked(receiver.data))
    assert {(record["source"], record["log"]) for _tag, _time, record, _option in messages} == {
        ("stdout", "one"),
        ("stderr", "two"),
        ("stdout", "rest"),
    }
    for tag, moment, record, option in messages:
        assert tag == container.id[:12]
        assert abs((moment[0] if exact else moment) - time.time()) < 60
        assert ("chunk" in option) == exact
        assert record == {
            "container_id": container.id,
            "container_name": "/speaker",
            "source": record["source"],
            "log": record["log"],
            "tier": "web",
        }
    receiver.close()


def test_logs_of_a_remote_driver_can_be_read(client: docker.DockerClient, udp: Datagrams) -> None:
    """What is sent on is kept here as well, unless that is disabled."""
    container = speak(client, "gelf", gelf_address=udp.address)
    assert container.logs(stderr=False) == b"one\nrest"
    container.remove()
    container = speak(client, "gelf", gelf_address=udp.address, cache_disabled="true")
    with pytest.raises(APIError, match="configured logging driver does not support reading") as refused:
        container.logs()
    assert refused.value.status_code == 501


def test_an_absent_receiver_holds_nobody_up(client: docker.DockerClient, tcp: Connections) -> None:
    """A container runs and ends as if its receiver were there; what comes up in time gets every line."""
    port = tcp.port
    tcp.close()
    container = client.containers.run(
        IMAGE,
        ["sh", "-c", "seq 2000; sleep 3"],
        detach=True,
        log_config=LogConfig(type="fluentd", config={"fluentd-address": f"127.0.0.1:{port}"}),
    )
    assert soon(lambda: container.logs().count(b"\n") == 2000)
    receiver = Connections(port=port)
    receiver.wait_for(b"\xa3log\xa42000")
    assert [record["log"] for _tag, _time, record, _option in unpacked(receiver.data)] == [
        str(number) for number in range(1, 2001)
    ]
    receiver.close()
    assert container.wait(timeout=30)["StatusCode"] == 0


def forwarders(container_id: str) -> list[int]:
    """Return the processes that have the container's note of what was sent open."""
    found = []
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError, ValueError):
            targets = [os.readlink(entry) for entry in Path(f"/proc/{int(name)}/fd").iterdir()]
            if any(target.endswith(f"{container_id}/output.log.sent") for target in targets):
                found.append(int(name))
    return found


def test_a_killed_forwarder_has_a_successor(client: docker.DockerClient, tcp: Connections) -> None:
    """After kill -9 of a forwarder the next one goes on where it was; no line is missing at the receiver."""
    container = client.containers.run(
        IMAGE,
        ["sh", "-c", "for i in $(seq 60); do seq $((i * 100)) $((i * 100 + 99)); sleep 0.05; done"],
        detach=True,
        log_config=LogConfig(type="syslog", config={"syslog-address": f"tcp://127.0.0.1:{tcp.port}"}),
    )
    for _ in range(2):
        tcp.wait_for(b"]: 100\n")
        pids = forwarders(container.id)
        assert len(pids) == 1
        os.kill(pids[0], signal.SIGKILL)
        time.sleep(1.3)
    assert container.wait(timeout=30)["StatusCode"] == 0
    tcp.wait_for(b"]: 6099\n")
    seen = {int(line.rpartition(b": ")[2]) for line in tcp.data.splitlines()}
    assert seen == set(range(100, 6100))


def test_forwarding_outlives_the_engine(new_engine: Callable[[], EngineHost], tcp: Connections) -> None:
    """After kill -9 of the engine lines go on to their receiver, and the next engine finds the container running."""
    host = new_engine()
    container = host.client().containers.run(
        IMAGE,
        ["sh", "-c", "for i in $(seq 100 400); do echo $i; sleep 0.02; done; sleep 60"],
        detach=True,
        log_config=LogConfig(type="syslog", config={"syslog-address": f"tcp://127.0.0.1:{tcp.port}"}),
    )
    tcp.wait_for(b"]: 120\n")
    host.kill()
    tcp.wait_for(b"]: 400\n")
    assert [int(line.rpartition(b": ")[2]) for line in tcp.data.splitlines()] == list(range(100, 401))
    host.start()
    assert host.client().containers.get(container.id).status == "running"


def test_what_was_not_sent_is_sent_by_the_next_run(client: docker.DockerClient, tcp: Connections) -> None:
    """Lines of a run whose receiver was away go out before those of the next run."""
    port = tcp.port
    tcp.close()
    container = speak(client, "syslog", ["sh", "-c", "echo run"], syslog_address=f"tcp://127.0.0.1:{port}")
    assert soon(lambda: not forwarders(container.id)), "the forwarder does not give up"
    receiver = Connections(port=port)
    container.start()
    container.wait(timeout=30)
    receiver.wait_for(b"run\n")
    deadline = time.monotonic() + 10
    while receiver.data.count(b": run\n") < 2:
        assert time.monotonic() < deadline, receiver.data
        time.sleep(0.05)
    receiver.close()


def test_a_forwarder_ends_with_its_container(client: docker.DockerClient, udp: Datagrams) -> None:
    """Nothing of it is left once its lines are sent, or could not be for some seconds."""
    container = speak(client, "gelf", gelf_address="tcp://127.0.0.1:1")
    assert soon(lambda: not forwarders(container.id)), "the forwarder stays"


def segments(engine: EngineHost, container_id: str) -> list[str]:
    return sorted({name.removesuffix(".gz") for name in files_of_log(engine, container_id)})


def files_of_log(engine: EngineHost, container_id: str) -> list[str]:
    folder = engine.root / "containers" / container_id
    return [path.name for path in folder.glob("output.log*") if not path.name.endswith(".idx")]


def test_a_bounded_log(client: docker.DockerClient, engine: EngineHost) -> None:
    """max-size and max-file bound what is kept; what is kept is the end, from a whole line on."""
    options = {"max-size": "100k", "max-file": "3"}
    container = client.containers.run(
        IMAGE, ["seq", "100000"], detach=True, log_config=LogConfig(type="json-file", config=options)
    )
    container.wait(timeout=30)
    numbers = [int(line) for line in container.logs().splitlines()]
    assert numbers == list(range(numbers[0], 100_001))
    assert len(segments(engine, container.id)) == 3
    kept = sum(
        (engine.root / "containers" / container.id / name).stat().st_size
        for name in segments(engine, container.id)
    )
    assert 200_000 < kept <= 300_000
    assert container.logs(tail=3) == b"99998\n99999\n100000\n"


def test_an_attached_client_gets_all_of_a_bounded_log(client: docker.DockerClient) -> None:
    """However small the bound, who is attached loses nothing."""
    for size, files in (("1k", "1"), ("2m", "3")):
        container = client.containers.create(
            IMAGE,
            ["seq", "1000000"],
            log_config=LogConfig(type="json-file", config={"max-size": size, "max-file": files}),
        )
        stream = container.attach(stream=True, logs=False)
        container.start()
        time.sleep(0.3)  # the client is slow to read
        assert sum(piece.count(b"\n") for piece in stream) == 1_000_000
        container.wait(timeout=30)
        container.remove()


def test_following_across_segments(client: docker.DockerClient, engine: EngineHost) -> None:
    """Who follows goes from segment to segment and misses no line."""
    container = client.containers.run(
        IMAGE,
        ["sh", "-c", "for i in $(seq 50); do seq $((i * 1000)) $((i * 1000 + 999)); sleep 0.02; done"],
        detach=True,
        log_config=LogConfig(type="local", config={"max-size": "20k", "max-file": "5"}),
    )
    data = b"".join(container.logs(stream=True, follow=True))
    assert [int(line) for line in data.splitlines()] == list(range(1000, 51_000))
    assert len(segments(engine, container.id)) == 5


def test_rotated_logs_are_compressed(client: docker.DockerClient, engine: EngineHost) -> None:
    """Those of the local driver unless it is told not to, all but the one that is written; they read as before."""
    print_and_wait = ["sh", "-c", "seq 200000; sleep 1; seq 200001 200010; sleep 60"]
    bound = {"max-size": "300k", "max-file": "6"}
    boxes = [
        client.containers.run(
            IMAGE, print_and_wait, detach=True, log_config=LogConfig(type=driver, config=bound | more)
        )
        for driver, more in (
            ("local", {}),
            ("json-file", {"compress": "true"}),
            ("local", {"compress": "false"}),
        )
    ]

    def packed(box: Any) -> list[str]:
        return sorted(name for name in files_of_log(engine, box.id) if name.endswith(".gz"))

    def is_packed(box: Any) -> bool:
        return len(packed(box)) == 4 and len(files_of_log(engine, box.id)) == 5

    def has_said_all(box: Any) -> bool:
        return bool(box.logs(tail=1) == b"200010\n")

    for box in boxes[:2]:
        until(partial(is_packed, box))
        plain = min(files_of_log(engine, box.id), key=lambda name: name.endswith(".gz"))
        assert plain == segments(engine, box.id)[-1]
    for box in boxes:
        until(partial(has_said_all, box))
        numbers = [int(line) for line in box.logs().splitlines()]
        assert numbers == list(range(numbers[0], 200_011))
        assert [int(line) for line in box.logs(tail=150_000).splitlines()] == numbers[-150_000:]
        assert box.logs(since=time.time() + 60) == b""
        box.kill()
        followed = b"".join(box.logs(stream=True, follow=True))
        assert len(followed.splitlines()) == len(numbers)
    assert packed(boxes[2]) == []
    boxes[0].restart(timeout=0)
    until(partial(has_said_all, boxes[0]))


def test_a_killed_shim_leaves_whole_lines(client: docker.DockerClient, engine: EngineHost) -> None:
    """kill -9 of the shim in the middle of rotations: what the log has is whole, in order, without a gap."""
    loop = "i=0; while true; do seq $((i * 1000)) $((i * 1000 + 999)); i=$((i + 1)); done"
    for pause in (0.05, 0.11, 0.23, 0.31):
        container = client.containers.run(
            IMAGE,
            ["sh", "-c", loop],
            detach=True,
            log_config=LogConfig(type="json-file", config={"max-size": "10k", "max-file": "4"}),
        )
        time.sleep(pause)
        container.reload()
        init = container.attrs["State"]["Pid"]
        status = Path(f"/proc/{init}/status").read_text()
        os.kill(int(re.search(r"^PPid:\t(\d+)", status, re.MULTILINE)[1]), signal.SIGKILL)  # type: ignore[index]
        container.wait(timeout=30)
        whole = [line for line in container.logs().splitlines(keepends=True) if line.endswith(b"\n")]
        numbers = [int(line) for line in whole]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        container.remove(force=True)


def test_details_and_timestamps(client: docker.DockerClient) -> None:
    """Each line has in front what the options want said: labels, variables and the tag, encoded as in a URL."""
    container = speak(client, "json-file", ["seq", "3"], labels="tier", env="COLOR", tag="{{.Name}} {{.ID}}")
    url = client.api._url("/containers/{0}/logs", container.id)
    answer = client.api._get(url, params={"stdout": 1, "details": 1, "timestamps": 1})
    lines = [line for _stream, line in FrameDecoder().feed(answer.content)]
    pattern = rb"20\S+Z COLOR=red,tag=speaker\+" + container.id[:12].encode() + rb",tier=web (\d)"
    assert [re.fullmatch(pattern, line.rstrip())[1] for line in lines] == [b"1", b"2", b"3"]  # type: ignore[index]


def test_frames_of_lines(client: docker.DockerClient) -> None:
    """A frame is a line, as with Docker, but for clients that are known to put frames together: they get few."""
    container = client.containers.run(IMAGE, ["sh", "-c", "seq 1000; printf end"], detach=True)
    container.wait(timeout=30)
    lines = [b"%d\n" % number for number in range(1, 1001)] + [b"end"]
    assert list(container.logs(stream=True)) == lines
    url = client.api._url("/containers/{0}/logs", container.id)
    for agent in ("Docker-Client/28.5.2 (linux)", "yurt"):
        answer = client.api._get(url, params={"stdout": 1}, headers={"User-Agent": agent})
        ((stream, data),) = FrameDecoder().feed(answer.content)
        assert (stream, data) == (1, b"".join(lines))


@pytest.mark.parametrize(
    ("driver", "options", "words"),
    [
        ("foo", {}, 'error looking up logging plugin foo: plugin "foo" not found'),
        ("json-file", {"foo": "1"}, "unknown log opt 'foo' for json-file log driver"),
        ("local", {"tag": "x"}, "unknown log opt 'tag' for log driver local"),
        ("syslog", {"max-size": "1"}, "unknown log opt 'max-size' for syslog log driver"),
        ("gelf", {"foo": "1"}, "gelf-address is a required parameter"),
        ("json-file", {"mode": "x"}, "logger: logging mode not supported: x"),
    ],
)
def test_refused_at_create(
    client: docker.DockerClient, driver: str, options: dict[str, str], words: str
) -> None:
    """An unknown driver or option is refused when the container is made, in Docker's words."""
    with pytest.raises(APIError) as refused:
        client.containers.create(IMAGE, log_config=LogConfig(type=driver, config=options))
    assert (refused.value.status_code, refused.value.explanation) == (400, words)


def test_the_engine_tells_its_drivers(client: docker.DockerClient) -> None:
    """`docker info` lists the drivers that there are."""
    assert client.info()["Plugins"]["Log"] == [
        "fluentd",
        "gelf",
        "journald",
        "json-file",
        "local",
        "syslog",
    ]
