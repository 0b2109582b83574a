"""The real Buildx and Compose on a real engine: BuildKit's protocols, as `docker build` speaks them by default."""

import hashlib
import json
import os
import re
import socket
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import docker
import pytest
from tests.conftest import Needs
from tests.integration.engine_host import IMAGE, EngineHost
from tests.integration.test_build_graph import meeting

pytestmark = [pytest.mark.root, pytest.mark.docker]

Docker = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(engine: EngineHost, needs: Needs, tmp_path: Path) -> Docker:
    """Run the docker CLI against `engine`, in the test's folder; its exit status is checked unless code= says which."""
    needs.program("docker")
    environ = _environ(engine)
    if subprocess.run(
        ["docker", "buildx", "version"], env=environ, capture_output=True, check=False
    ).returncode:
        needs.program("docker-buildx")

    def run(
        *words: str, code: int = 0, text: str | None = None, stdin: IO[bytes] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            ["docker", *words],
            env=environ,
            cwd=tmp_path,
            input=text,
            stdin=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr + engine.tail()
        return done

    return run


def _environ(engine: EngineHost) -> dict[str, str]:
    environ = {
        key: value for key, value in os.environ.items() if not key.startswith(("BUILD", "DOCKER_BUILD"))
    }
    return environ | {"DOCKER_HOST": engine.host, "BUILDKIT_PROGRESS": "plain"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A context: a Dockerfile that copies and runs, a file to be ignored, folders, links."""
    (tmp_path / "src/deep").mkdir(parents=True)
    (tmp_path / "src/deep/file").write_text("deep\n")
    (tmp_path / "src/link").symlink_to("deep/file")
    (tmp_path / "src/run.sh").write_text("#!/bin/sh\necho ran\n")
    (tmp_path / "src/run.sh").chmod(0o755)
    (tmp_path / "ignored").write_text("no\n")
    (tmp_path / ".dockerignore").write_text("# a comment\nignored\n*.log\n!keep.log\n")
    (tmp_path / "a.log").write_text("no\n")
    (tmp_path / "keep.log").write_text("yes\n")
    (tmp_path / "Dockerfile").write_text(
        f"FROM {IMAGE} AS base\nARG WHO=nobody\nCOPY src /src\n"
        "RUN echo out $WHO; echo err >&2; /src/run.sh > /ran\nFROM base\nCOPY *.log /logs/\nENV A=1\n"
    )
    return tmp_path


def shown(client: docker.DockerClient, image: str, *command: str) -> str:
    return client.containers.run(image, list(command), remove=True).decode()  # type: ignore[no-any-return]


def work(engine: EngineHost) -> list[Path]:
    place = engine.root / "build/work"
    return list(place.iterdir()) if place.exists() else []


def wait_until(what: Callable[[], object], *, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def test_docker_build_shows_steps_and_makes_the_image(
    run: Docker, folder: Path, client: docker.DockerClient
) -> None:
    """Files, links, modes, arguments and labels are as asked; output is shown at its step; only the needed is sent."""
    said = run("build", "-t", "bk/one:1", "--build-arg", "WHO=me", "--label", "l=v", ".").stderr
    assert re.search(r"#\d+ \[base 1/3\] FROM docker.io/library/busybox:test\n", said)
    step = re.search(r"#(\d+) \[base 3/3\] RUN echo out", said)
    assert step is not None
    assert re.search(rf"#{step[1]} [0-9.]+ out me\n", said)
    assert re.search(rf"#{step[1]} [0-9.]+ err\n", said)
    assert "naming to docker.io/library/bk/one:1" in said or "naming to docker.io/bk/one:1" in said
    image = client.images.get("bk/one:1")
    assert image.labels["l"] == "v"
    assert shown(client, "bk/one:1", "sh", "-c", "cat /src/link /ran; ls /logs; stat -c %a /src/run.sh") == (
        "deep\nran\nkeep.log\n755\n"
    )


def test_a_second_build_is_cached_and_quiet_says_the_id(run: Docker, folder: Path) -> None:
    """Steps are told as CACHED; -q prints the id alone, --iidfile writes it."""
    first = run("build", "-q", ".").stdout
    assert re.fullmatch(r"sha256:[0-9a-f]{64}\n", first)
    second = run("build", "--iidfile", "id", ".")
    assert second.stderr.count("CACHED") == 4
    assert (folder / "id").read_text() == first.strip()
    (folder / "src/deep/file").write_text("changed\n")
    assert run("build", "-q", ".").stdout != first


def test_a_failing_step_shows_its_output_and_its_line(run: Docker, folder: Path) -> None:
    """The words are BuildKit's, which people's scripts look for."""
    (folder / "Dockerfile").write_text(f"FROM {IMAGE}\nRUN echo before; \\\n  exit 7\nUSER 1\n")
    said = run("build", ".", code=1).stderr
    assert "before" in said
    assert "   1 |     FROM" in said
    assert "   2 | >>> RUN echo before; \\\n   3 | >>>   exit 7\n   4 |     USER 1\n" in said
    assert (
        'failed to solve: process "/bin/sh -c echo before;   exit 7" did not complete successfully: exit code: 7'
    ) in said


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (f"FROM {IMAGE}\nCOPPY a b\n", 'unknown instruction "COPPY"'),
        (f"FROM {IMAGE}\nCOPY nothere /\n", "'nothere' matches no file"),
        ("FROM scratch AS a\nFROM b-that-is-nowhere:1\n", "b-that-is-nowhere"),
    ],
)
def test_mistakes_show_the_line(run: Docker, folder: Path, text: str, error: str) -> None:
    """An excerpt of the Dockerfile and one sentence."""
    (folder / "Dockerfile").write_text(text)
    said = run("build", ".", code=1).stderr
    assert error in said
    assert f">>> {text.splitlines()[1]}" in said


def test_only_what_is_named_is_sent(run: Docker, folder: Path) -> None:
    """A build that copies one file does not read the others: a context of gigabytes costs nothing."""
    (folder / "big").write_bytes(b"x" * 30_000_000)
    (folder / "Dockerfile").write_text(f"FROM {IMAGE}\nCOPY keep.log /\n")
    said = run("build", ".").stderr
    assert re.search(r"transferring context: \d+B", said)


def test_what_was_sent_is_not_sent_again(run: Docker, folder: Path, client: docker.DockerClient) -> None:
    """A change sends the changed file; the others are taken from the last build, and are what they were."""
    (folder / "src/big").write_bytes(os.urandom(3_000_000))
    (folder / "Dockerfile").write_text(f"FROM {IMAGE}\nCOPY src /src\n")
    assert re.search(r"transferring context: 3\.\d+MB", run("build", ".").stderr)
    (folder / "src/deep/file").write_text("new\n")
    assert re.search(r"transferring context: \d+B", run("build", "-t", "bk/again:1", ".").stderr)
    said = shown(client, "bk/again:1", "sh", "-c", "cat /src/link; sha256sum < /src/big")
    assert said == f"new\n{hashlib.sha256((folder / 'src/big').read_bytes()).hexdigest()}  -\n"


def test_a_dockerfile_elsewhere_or_from_stdin(run: Docker, folder: Path, client: docker.DockerClient) -> None:
    """-f outside of the context, a Dockerfile of its own with an ignore file, one from stdin."""
    (folder / "other").mkdir()
    (folder / "other/My.Dockerfile").write_text(f"FROM {IMAGE}\nCOPY . /all\n")
    (folder / "other/My.Dockerfile.dockerignore").write_text("src\n")
    run("build", "-t", "bk/other:1", "-f", "other/My.Dockerfile", ".")
    assert shown(client, "bk/other:1", "ls", "/all").split() == [
        "Dockerfile",
        "a.log",
        "ignored",
        "keep.log",
        "other",
    ]
    text = f"FROM {IMAGE}\nCOPY --chmod=600 keep.log /k\nRUN <<END\necho here > /doc\nEND\n"
    run("build", "-t", "bk/stdin:1", "-f", "-", ".", text=text)
    assert shown(client, "bk/stdin:1", "cat", "/k", "/doc") == "yes\nhere\n"
    subprocess.run(["tar", "-czf", folder / "a.tgz", "-C", folder / "other", "."], check=True)
    with (folder / "a.tgz").open("rb") as archive:
        run("build", "-t", "bk/tar:1", "-f", "My.Dockerfile", "-", stdin=archive)
    assert "My.Dockerfile" in shown(client, "bk/tar:1", "ls", "/all")
    run("build", "-t", "bk/none:1", "-", text=f"FROM {IMAGE}\nRUN echo 1 > /one\n")
    assert shown(client, "bk/none:1", "cat", "/one") == "1\n"


def test_secrets_come_from_the_client_and_stay_out_of_the_image(
    run: Docker, folder: Path, client: docker.DockerClient
) -> None:
    """--secret from a file and from the environment; one that is required and missing fails."""
    (folder / "token").write_text("geheim")
    (folder / "Dockerfile").write_text(
        f"FROM {IMAGE}\nRUN --mount=type=secret,id=t,required=true wc -c < /run/secrets/t > /size\n"
        "RUN --mount=type=secret,id=e,env=E echo ${#E} >> /size\n"
    )
    run("build", "-t", "bk/secret:1", "--secret", "id=t,src=token", "--secret", "id=e,env=HOME", ".")
    out = shown(client, "bk/secret:1", "sh", "-c", "cat /size; ls /run/secrets 2>&1 | grep -c t")
    assert out.split()[:2] == ["6", str(len(os.environ["HOME"]))]
    assert "the secret t was not given" in run("build", "--no-cache", ".", code=1).stderr


def test_options_reach_the_build(run: Docker, folder: Path) -> None:
    """--target, --network, --add-host, --shm-size, --ulimit and a named image as a build context."""
    (folder / "Dockerfile").write_text(
        f"FROM {IMAGE} AS first\nRUN grep 1.2.3.4 /etc/hosts && ulimit -n && df -k /dev/shm && ls /sys/class/net\n"
        "FROM named\nRUN false\n"
    )
    options = (
        "--add-host",
        "a:1.2.3.4",
        "--ulimit",
        "nofile=123:456",
        "--shm-size",
        "8m",
        "--network",
        "none",
    )
    said = run("build", "--no-cache", "--target", "first", *options, ".").stderr
    assert re.search(r"[0-9.]+ 123\n", said)
    assert re.search(r"\b8192 ", said)
    assert "eth0" not in said
    said = run("build", "--build-context", f"named=docker-image://{IMAGE}", ".", code=1).stderr
    assert 'process "/bin/sh -c false" did not complete' in said


def test_what_is_not_offered_says_so(run: Docker, folder: Path) -> None:
    """One sentence instead of a wrong image."""
    for options, sentence in [
        (("--output", "type=oci,tar=false,dest=x"), "type=oci,tar=false is not supported"),
        (("--call", "nonsense"), "frontend.nonsense cannot be asked"),
        (("--platform", "linux/amd64,linux/arm64"), ""),
    ]:
        assert sentence in run("buildx", "build", *options, ".", code=1).stderr


def test_buildx_knows_the_builder_and_the_cache_can_be_emptied(run: Docker, folder: Path) -> None:
    """`buildx ls`, `inspect`, `du` and `prune`, and `docker builder prune`, which is the same."""
    assert re.search(r"default .*running", run("buildx", "ls").stdout)
    assert "linux/" in run("buildx", "inspect").stdout
    run("buildx", "du")
    run("build", "-q", ".")
    run("buildx", "prune", "-f")
    run("builder", "prune", "-af")
    assert "CACHED" not in run("build", ".").stderr.partition("COPY src")[2]


def test_compose_builds_and_brings_up(run: Docker, folder: Path, client: docker.DockerClient) -> None:
    """Several services are built at once over one shared session; `up --build` runs what was built."""
    (folder / "compose.yaml").write_text(
        "name: bkcompose\nservices:\n"
        "  one:\n    build: .\n    command: sleep 60\n    stop_grace_period: 0s\n"
        "  two:\n    build:\n      context: src\n      dockerfile_inline: |\n"
        f"        FROM {IMAGE}\n        COPY . /x\n        ARG N\n        RUN echo n $$N > /n\n"
        "      args: {N: '5'}\n    command: sleep 60\n    stop_grace_period: 0s\n"
    )
    run("compose", "build")
    run("compose", "up", "--build", "-d")
    try:
        assert shown(client, "bkcompose-two", "cat", "/n", "/x/deep/file") == "n 5\ndeep\n"
        names = {
            line["Service"]
            for line in map(json.loads, run("compose", "ps", "--format", "json").stdout.splitlines())
        }
        assert names == {"one", "two"}
    finally:
        run("compose", "down", "--rmi", "all", "-t", "0")


def test_contexts_beside_the_context(run: Docker, folder: Path, client: docker.DockerClient) -> None:
    """Folders by name, to copy from and to mount; another service's image as a base, built first."""
    (folder / "extra").mkdir()
    (folder / "extra/file").write_text("extra\n")
    (folder / "extra/left-out").write_text("no\n")
    (folder / "extra/.dockerignore").write_text("left-out\n")
    (folder / "second.Dockerfile").write_text(
        "FROM first\nCOPY --from=more . /more\nRUN --mount=from=more,target=/m cat /m/file /made > /both\n"
    )
    (folder / "Dockerfile").write_text(f"FROM {IMAGE}\nRUN echo first > /made\n")
    (folder / "compose.yaml").write_text(
        "name: bkcontexts\nservices:\n  one:\n    build: .\n  two:\n    build:\n      context: .\n"
        "      dockerfile: second.Dockerfile\n"
        "      additional_contexts:\n        first: service:one\n        more: ./extra\n"
    )
    run("compose", "build")
    assert shown(client, "bkcontexts-two", "sh", "-c", "cat /both; ls -A /more") == (
        "extra\nfirst\n.dockerignore\nfile\n"
    )
    (folder / "second.Dockerfile").write_text("FROM more\n")
    said = run("build", "-f", "second.Dockerfile", "--build-context", "more=extra", ".", code=1).stderr
    assert "FROM a folder is not supported" in said


@pytest.fixture
def slow(engine: EngineHost, run: Docker, folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """A build that is in the middle of a RUN."""
    (folder / "Dockerfile").write_text(f"FROM {IMAGE}\nCOPY src /src\nRUN echo begun; sleep 60013\n")
    process = subprocess.Popen(
        ["docker", "build", "--no-cache", "."],
        env=_environ(engine),
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.rstrip().endswith(" begun"):
            break
    yield process
    process.kill()
    process.wait()
    process.stderr.close()


@pytest.mark.parametrize("signal", [9, 2])
def test_a_client_that_goes_ends_the_build(
    slow: "subprocess.Popen[str]", engine: EngineHost, signal: int
) -> None:
    """Killed or interrupted, nothing of the build goes on and nothing is left of it."""
    assert len(work(engine)) == 1
    slow.send_signal(signal)
    wait_until(lambda: not work(engine))
    assert not [path for path in Path("/proc").glob("[0-9]*/cmdline") if b"sleep\x0060013\x00" in _read(path)]


def test_a_client_that_goes_while_files_come_leaves_nothing(
    engine: EngineHost, run: Docker, folder: Path
) -> None:
    """Half a context is thrown away, and the engine holds no connection."""
    before = len(os.listdir(f"/proc/{engine.pid}/fd"))
    with (folder / "endless").open("wb") as file:
        file.truncate(1 << 40)
    (folder / "Dockerfile").write_text(f"FROM {IMAGE}\nCOPY endless /\n")
    process = subprocess.Popen(
        ["docker", "build", "."], env=_environ(engine), cwd=folder, stderr=subprocess.DEVNULL
    )
    try:
        wait_until(
            lambda: any(path.stat().st_size for path in engine.root.glob("build/work/*/context/endless"))
        )
    finally:
        process.kill()
        process.wait()
    wait_until(lambda: not work(engine))
    wait_until(lambda: len(os.listdir(f"/proc/{engine.pid}/fd")) <= before + 1)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


BROKEN = [
    b"",
    b"rubbish that is no HTTP/2 at all, and long enough to be looked at" * 10,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 64,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
]


@pytest.mark.parametrize("path", ["/grpc", "/session"])
@pytest.mark.parametrize("data", BROKEN)
def test_a_broken_client_harms_nobody(
    engine: EngineHost, client: docker.DockerClient, path: str, data: bytes
) -> None:
    """Whatever is sent on a hijacked connection, the engine goes on and holds nothing of it."""
    before = len(os.listdir(f"/proc/{engine.pid}/fd"))
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(20)
        sock.connect(str(engine.socket))
        sock.sendall(
            f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 0\r\n"
            "X-Docker-Expose-Session-Uuid: hostile\r\n\r\n".encode()
        )
        assert sock.recv(12).startswith(b"HTTP/1.1 101")
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):
            pass
    assert client.ping()
    wait_until(lambda: len(os.listdir(f"/proc/{engine.pid}/fd")) <= before + 1)


def test_a_session_without_an_id_is_refused(engine: EngineHost) -> None:
    """It could never be found."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(20)
        sock.connect(str(engine.socket))
        sock.sendall(
            b"POST /session HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 0\r\n\r\n"
        )
        assert b"400" in sock.recv(4096)


def test_stages_run_at_once(run: Docker, tmp_path: Path) -> None:
    """Two that wait for each other come to an end, and each says what it says at its own step."""
    (tmp_path / "Dockerfile").write_text(meeting("meet-buildkit"))
    said = run("build", "--progress=plain", ".").stderr
    for stage in "ab":
        step = re.search(rf"#(\d+) \[{stage} 2/2\] RUN", said)
        assert step is not None
        assert re.findall(rf"#{step[1]} [0-9.]+ (..)\n", said) == [f"{stage}1", f"{stage}2"]


def test_a_cache_goes_to_a_folder_of_the_client_and_comes_back(
    run: Docker, folder: Path, client: docker.DockerClient
) -> None:
    """--cache-to and --cache-from type=local: the layout is an ordinary one; what is broken in it is a warning's worth."""
    run("buildx", "build", "-t", "bk/kept:1", "--cache-to", "type=local,dest=cache,mode=max", ".")
    image = client.images.get("bk/kept:1").attrs["RootFS"]
    assert json.loads((folder / "cache/index.json").read_text())["manifests"]

    def again(tag: str) -> str:
        client.images.remove("bk/kept:1", force=True)
        client.api.prune_builds()
        return run(
            "buildx", "build", "-t", f"bk/kept:{tag}", "--cache-from", "type=local,src=cache", "."
        ).stderr

    said = again("1")
    assert "importing cache manifest from" in said
    assert said.count("CACHED") == 4
    assert client.images.get("bk/kept:1").attrs["RootFS"] == image
    for blob in (folder / "cache/blobs/sha256").iterdir():
        blob.write_bytes(blob.read_bytes()[:-1])
    assert "RUN echo out" in again("1")


def test_results_go_to_the_client(
    run: Docker, folder: Path, engine: EngineHost, client: docker.DockerClient
) -> None:
    """As files, their modes, links and times kept; as an archive of them; as an image in an archive, by its name."""
    (folder / "Dockerfile").write_text(
        f"FROM {IMAGE} AS made\nRUN mkdir -m 1777 /r /r/d; echo one > /r/d/a; ln /r/d/a /r/d/same; ln -s d/a /r/link;"
        " touch -d @1000000000 /r/empty; chmod 4711 /r/empty; head -c 3000000 /dev/zero > /r/large\n"
        "FROM scratch\nCOPY --from=made /r /\n"
    )
    run("buildx", "build", "-o", "out", ".")
    out = folder / "out"
    assert sorted(path.name for path in out.rglob("*")) == ["a", "d", "empty", "large", "link", "same"]
    assert (out / "link").readlink() == Path("d/a")
    assert (out / "d/a").samefile(out / "d/same")
    assert (out / "d/same").read_text() == "one\n"
    assert (out / "large").read_bytes() == bytes(3_000_000)
    assert (out / "empty").stat().st_mode & 0o7777 == 0o4711
    assert int((out / "empty").stat().st_mtime) == 1_000_000_000
    run("buildx", "build", "-o", "type=tar,dest=out.tar", ".")
    with tarfile.open(folder / "out.tar") as archive:
        names = [name.strip("/") for name in archive.getnames()]
        assert sorted(names) == ["d", "d/a", "d/same", "empty", "large", "link"]
    for kind in ("oci", "docker"):
        run("buildx", "build", "-t", f"bk/{kind}:1", "-o", f"type={kind},dest={kind}.tar", ".")
        assert client.images.list(f"bk/{kind}") == []
        (loaded,) = client.images.load((folder / f"{kind}.tar").read_bytes())
        assert loaded.tags == [f"bk/{kind}:1"]
        loaded.remove(force=True)
    assert work(engine) == []
