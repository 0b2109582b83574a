"""The API over TCP: mutual TLS, spoken by docker-py, the docker CLI and yurt; nobody else comes in."""

import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import docker
import pytest
import trustme
from tests.conftest import Needs
from tests.integration.engine_host import IMAGE, EngineHost

pytestmark = pytest.mark.root

YURT = str(Path(sys.executable).with_name("yurt"))
SIZE = 3_000_000  # bytes through a container: more than any buffer on the way holds


class TlsHost(EngineHost):
    """A yurtd that listens on a unix socket and on a TCP port of 127.0.0.1."""

    def __init__(self, folder: Path, port: int, files: tuple[str, ...]) -> None:
        super().__init__(folder)
        self.port = port
        self.tcp = f"tcp://127.0.0.1:{port}"
        self._files = files

    def command(self, *more: str) -> list[str]:
        return super().command("--host", self.tcp, *self._files, *more)


@dataclass(frozen=True)
class Papers:
    """A client's folder, as DOCKER_CERT_PATH names it."""

    folder: Path

    def environ(self, host: str) -> dict[str, str]:
        return os.environ | {
            "DOCKER_HOST": host,
            "DOCKER_TLS_VERIFY": "1",
            "DOCKER_CERT_PATH": str(self.folder),
            "NO_COLOR": "1",
        }


def papers(folder: Path, *, ca: trustme.CA, own: trustme.CA | None, until: datetime | None = None) -> Papers:
    """Return a client that trusts *ca* and was given its certificate by *own*; None: it has none."""
    folder.mkdir()
    ca.cert_pem.write_to_path(folder / "ca.pem")
    if own is not None:
        issued = own.issue_cert("client.test", not_after=until)
        issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
        issued.private_key_pem.write_to_path(folder / "key.pem")
    return Papers(folder)


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def host(needs: Needs, tmp_path_factory: pytest.TempPathFactory, ca: trustme.CA) -> Iterator[TlsHost]:
    needs.root()
    needs.program("runc")
    folder = tmp_path_factory.mktemp("tls")
    own = ca.issue_cert("127.0.0.1")
    ca.cert_pem.write_to_path(folder / "ca.pem")
    own.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    own.private_key_pem.write_to_path(folder / "key.pem")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    files = [f"--tls{name}={folder}/{file}" for name, file in FILES.items()]
    host = TlsHost(folder, port, ("--tlsverify", *files))
    try:
        host.start()
        host.load_busybox()
        yield host
    finally:
        host.dismantle()
        host.destroy()


FILES = {"cacert": "ca.pem", "cert": "cert.pem", "key": "key.pem"}


@pytest.fixture(scope="module")
def admitted(tmp_path_factory: pytest.TempPathFactory, ca: trustme.CA) -> Papers:
    return papers(tmp_path_factory.mktemp("admitted") / "certs", ca=ca, own=ca)


Speak = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture(params=["yurt", "docker"])
def speak(request: pytest.FixtureRequest, needs: Needs, host: TlsHost, admitted: Papers) -> Speak:
    """Run a command line against the engine over TLS: Yurt's, and Docker's."""
    program = YURT if request.param == "yurt" else needs.program("docker")

    def run(*words: str, given: bytes = b"", who: Papers = admitted) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            [program, *words],
            input=given,
            capture_output=True,
            env=who.environ(host.tcp),
            timeout=120,
            check=False,
        )

    return run


def test_stdin_ends_and_output_goes_on(speak: Speak) -> None:
    """`run -i` gets its stdin's end through TLS, and everything that the container writes after it comes back."""
    data = os.urandom(SIZE)
    done = speak("run", "--rm", "-i", IMAGE, "sh", "-c", "cat > /f; sleep 0.3; cat /f", given=data)
    assert done.returncode == 0, done.stderr
    assert done.stdout == data


def test_an_exec_with_stdin(speak: Speak, host: TlsHost) -> None:
    """So does `exec -i`; its exit code comes, and stderr is stderr."""
    container = host.client().containers.run(IMAGE, ["sleep", "600"], detach=True)
    try:
        words = ("exec", "-i", container.id, "sh", "-c", "wc -c; echo told >&2; exit 7")
        done = speak(*words, given=b"x" * SIZE)
        assert (done.returncode, done.stdout.strip(), done.stderr.strip()) == (
            7,
            str(SIZE).encode(),
            b"told",
        )
    finally:
        container.remove(force=True)


def test_a_large_output_comes_whole(speak: Speak) -> None:
    """Output far beyond all buffers, without a stdin."""
    done = speak("run", "--rm", IMAGE, "sh", "-c", f"yes | head -c {10 * SIZE}")
    assert (done.returncode, len(done.stdout)) == (0, 10 * SIZE), done.stderr


@pytest.mark.parametrize("what", ["none", "foreign", "expired"])
def test_a_client_that_is_not_known_is_refused(
    speak: Speak, host: TlsHost, ca: trustme.CA, tmp_path: Path, what: str
) -> None:
    """Without a certificate, with one of another authority, or with one that has run out, nobody is served."""
    now = datetime.now(UTC)
    who = {
        "none": papers(tmp_path / "none", ca=ca, own=None),
        "foreign": papers(tmp_path / "foreign", ca=ca, own=trustme.CA()),
        "expired": papers(tmp_path / "expired", ca=ca, own=ca, until=now - timedelta(days=1)),
    }[what]
    done = speak("ps", who=who)
    assert done.returncode != 0
    reasons = {
        "none": ("certificate required",),
        "foreign": ("unknown ca", "unknown certificate authority"),
        "expired": ("certificate expired", "expired certificate"),
    }[what]
    said = done.stderr.decode().lower()
    assert any(reason in said for reason in reasons), said
    assert "tls.refused" in host.log.read_text()


def test_an_engine_that_is_not_known_is_refused(speak: Speak, ca: trustme.CA, tmp_path: Path) -> None:
    """A client does not speak to an engine whose certificate its authority did not sign."""
    done = speak("ps", who=papers(tmp_path / "certs", ca=trustme.CA(), own=ca))
    assert done.returncode != 0
    assert b"certificate" in done.stderr


def test_plain_http_is_refused(host: TlsHost) -> None:
    """Whoever does not speak TLS gets nothing of the API, and the engine goes on."""
    with socket.create_connection(("127.0.0.1", host.port), timeout=20) as plain:
        plain.sendall(b"GET /containers/json HTTP/1.1\r\nHost: x\r\n\r\n")
        got = b""
        while data := plain.recv(4096):
            got += data
    assert b"HTTP" not in got
    assert host.answers()


def test_docker_py(host: TlsHost, admitted: Papers, monkeypatch: pytest.MonkeyPatch) -> None:
    """docker-py lists and runs."""
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):  # which would outrank docker-py's own settings
        monkeypatch.delenv(variable, raising=False)
    tls = docker.tls.TLSConfig(
        client_cert=(str(admitted.folder / "cert.pem"), str(admitted.folder / "key.pem")),
        ca_cert=str(admitted.folder / "ca.pem"),
        verify=True,
    )
    client = docker.DockerClient(base_url=host.tcp, tls=tls, timeout=60)
    try:
        assert client.containers.run(IMAGE, ["echo", "over tls"], remove=True) == b"over tls\n"
        assert [image.tags for image in client.images.list()] == [[IMAGE]]
    finally:
        client.close()


def test_the_flags(host: TlsHost, admitted: Papers) -> None:
    """`yurt` takes what Docker's command line takes, before the command."""
    files = [f"--tls{name}={admitted.folder}/{file}" for name, file in FILES.items()]
    environ = {key: value for key, value in os.environ.items() if not key.startswith("DOCKER_")}
    for words, code in (
        (["--tlsverify", *files], 0),
        (["--tls", *files[1:]], 0),  # encrypted, and whoever answers is believed
        (["--tlsverify", *files[:1]], 1),
    ):
        done = subprocess.run(
            [YURT, "-H", host.tcp, *words, "ps", "-q"], capture_output=True, env=environ, check=False
        )
        assert done.returncode == code, done.stderr


def test_a_client_that_hangs_up_ends_its_stream(host: TlsHost, admitted: Papers) -> None:
    """A connection cut without TLS's end is gone: what was streamed to it is no longer."""
    context = ssl.create_default_context(cafile=str(admitted.folder / "ca.pem"))
    context.load_cert_chain(admitted.folder / "cert.pem", admitted.folder / "key.pem")
    before = descriptors(host)
    raw = socket.create_connection(("127.0.0.1", host.port), timeout=20)
    secure = context.wrap_socket(raw, server_hostname="127.0.0.1")
    secure.sendall(b"GET /events?since=1 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert secure.recv(12) == b"HTTP/1.1 200"
    assert descriptors(host) > before
    os.close(secure.detach())
    deadline = time.monotonic() + 20
    while descriptors(host) > before:
        assert time.monotonic() < deadline, host.tail()
        time.sleep(0.05)


def descriptors(host: EngineHost) -> int:
    """Return how many files and sockets the engine holds open."""
    return len(os.listdir(f"/proc/{host.pid}/fd"))


def test_tcp_without_certificates_does_not_start(needs: Needs, tmp_path: Path) -> None:
    """One sentence, with the next step; nothing is made."""
    needs.root()
    command = [sys.executable, "-m", "yurt.daemon", "--root", str(tmp_path / "root")]
    done = subprocess.run(
        [*command, "--host", "tcp://127.0.0.1:0"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert done.stderr.startswith(
        "yurtd: cannot listen on tcp://127.0.0.1:0: whoever reaches the API is root"
    )
    assert "--tlsverify" in done.stderr
    assert not (tmp_path / "root" / "engine.db").exists()


def test_sockets_from_systemd(needs: Needs, tmp_path: Path) -> None:
    """With fd:// the engine answers on a socket that was there before it, and leaves it there."""
    needs.root()
    needs.program("runc")
    host = EngineHost(tmp_path)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(host.socket))
        listening.listen()
        # What systemd does: the socket is descriptor 3, and the variables name the very process.
        passing = f"import os; os.dup2({listening.fileno()}, 3); os.environ.update(LISTEN_FDS='1', "
        passing += (
            "LISTEN_PID=str(os.getpid())); os.execv(os.sys.executable, [os.sys.executable, *os.sys.argv[1:]])"
        )
        engine = subprocess.Popen(
            [sys.executable, "-c", passing, "-m", "yurt.daemon", "--root", str(host.root), "--host", "fd://"],
            pass_fds=[listening.fileno(), 3] if listening.fileno() != 3 else [3],
            stderr=subprocess.PIPE,
        )
        try:
            deadline = time.monotonic() + 20
            while not host.answers():
                assert engine.poll() is None, engine.stderr and engine.stderr.read()
                assert time.monotonic() < deadline
        finally:
            engine.terminate()
            engine.communicate(timeout=20)
        assert host.socket.exists()
    subprocess.run(host.command("--dismantle"), check=True, capture_output=True, timeout=60)
    assert host.leftovers() == []
    host.destroy()
