"""RUN --mount, --network and --security on a real engine, asked by Buildx; and, where it has them, on the reference."""

import os
import re
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import docker
import pytest
from tests.conftest import Needs
from tests.integration.engine_host import EngineHost, having_busybox

pytestmark = [pytest.mark.root, pytest.mark.docker, pytest.mark.parity]

IMAGE = "yurt-parity/mounts:1"
RESULT = "yurt-parity/mounted:1"
SECRET = "f3c1d2-do-not-keep-this-9b8a"
Build = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def hosts(engine: EngineHost, needs: Needs) -> Iterator[tuple[str, str]]:
    """The addresses of both engines: ours, the reference. Both have IMAGE."""
    needs.program("docker")
    both = engine.host, needs.reference()
    with having_busybox(IMAGE, both):
        yield both


def build(
    host: str, folder: Path, text: str, *words: str, code: int = 0
) -> "subprocess.CompletedProcess[str]":
    (folder / "Dockerfile").write_text(text.replace("BASE", IMAGE))
    done = subprocess.run(
        ["docker", "build", *words, str(folder)],
        env=os.environ | {"DOCKER_HOST": host, "BUILDKIT_PROGRESS": "plain"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    (folder / "src").mkdir(parents=True)
    (folder / "src/f").write_text("hi\n")
    return folder


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A secret, not in the context."""
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "secret").chmod(0o640)
    return tmp_path / "secret"


MOUNTS = """\
FROM BASE AS st
RUN mkdir -p /o/d && echo x > /o/d/x && chown -R 7:8 /o && chmod 757 /o/d
FROM BASE
RUN mkdir -m 777 /out
USER 1000
RUN --mount=type=cache,target=/c,id=ID-a,uid=1000,gid=1001,mode=0711 stat -c '%a %u:%g' /c > /out/a; touch /c/q
RUN --mount=type=cache,target=/c,id=ID-b,from=st,source=/o stat -c '%a %u:%g %n' /c /c/d /c/d/x > /out/b; touch /c/d/new
RUN --mount=type=cache,target=/c,id=ID-b,from=st,source=/o ls /c/d > /out/c
RUN --mount=type=cache,target=/c,id=ID-b,from=st,source=/o,readonly touch /c/d/z || echo refused > /out/d
RUN --mount=type=cache,target=/c,id=ID-e,from=st,source=/o/d,uid=1000,mode=0700 stat -c '%a %u:%g %n' /c /c/x > /out/e
USER 0
RUN --mount=type=bind,target=/b,source=src,rw echo more > /b/f; echo new > /b/g; cat /b/f > /out/f; ls /b >> /out/f
RUN --mount=type=bind,target=/b,source=src/f,rw echo more > /b; cat /b > /out/ff
RUN --mount=type=bind,target=/b,source=src cat /b/f > /out/g; ls /b >> /out/g; touch /b/x || echo read-only >> /out/g
RUN --mount=type=bind,target=/b,from=st,source=/o,rw stat -c '%a %u:%g' /b > /out/h; rm -r /b/d; ls /b >> /out/h
RUN --mount=type=bind,target=/b,from=st,source=/o ls /b >> /out/h
RUN --mount=type=secret,id=s stat -c '%a %u:%g %n' /run/secrets/s /run/secrets > /out/i; wc -c < /run/secrets/s >> /out/i
RUN --mount=type=secret,id=s,target=/x/y,mode=0444,uid=5,gid=6 stat -c '%a %u:%g %n' /x/y /x > /out/j
RUN --mount=type=secret,id=s,env=FOO echo ${#FOO} > /out/k; ls -d /run/secrets >> /out/k 2>&1 || true
RUN --mount=type=secret,id=s,env=FOO,target=/zz echo ${#FOO} > /out/l; wc -c < /zz >> /out/l
RUN --mount=type=secret,id=nope ls /run/secrets/nope > /out/m 2>&1 || true
RUN --mount=type=tmpfs,target=/t,size=2m df -k /t | tail -1 | cut -d% -f1 > /out/n
RUN --mount=type=tmpfs,target=/t grep -c ' /t tmpfs rw,nosuid' /proc/mounts > /out/o
WORKDIR /wd
RUN --mount=type=bind,target=rel,source=src ls -d /wd/rel/f > /out/p
RUN --mount=type=ssh echo "no agent: $SSH_AUTH_SOCK" > /out/q
RUN --network=none ip link | grep -c '^[0-9]' > /out/r; ip link | grep -o lo: >> /out/r
RUN echo $FOO > /out/s; ls -d /x /run /c /b /t /zz /wd/rel > /out/t 2>&1 || true
"""


def test_mounts_show_what_the_reference_shows(hosts: tuple[str, str], folder: Path, secret: Path) -> None:
    """Contents, owners, modes, what may be written, and that no trace of where they were is left."""
    text = MOUNTS.replace("ID", folder.parent.name)
    shown = []
    for host in hosts:
        build(host, folder, text, "--no-cache", "-t", RESULT, "--secret", f"id=s,src={secret}")
        with closing(docker.DockerClient(base_url=host)) as client:
            said = client.containers.run(RESULT, ["sh", "-c", "grep -r . /out | sort"], remove=True)
            client.images.remove(RESULT, force=True)
        shown.append(said.decode().splitlines())
    assert shown[0] == shown[1]


@pytest.mark.parametrize(
    "mount",
    [
        "type=secret,id=nope,required",
        "type=ssh,required",
        "type=cache,target=/c,sharing=foo",
        "type=bind",
        "type=tmpfs",
        "type=secret",
        "type=cache",
        "type=bind,target=/x,source=nope",
        "foo=bar",
        "type=ssh,foo=1",
        "type=bind,target=/x,sharing=locked",
        "type=secret,id=s,mode=99",
        "type=tmpfs,target=/x,size=zz",
        "type=cache,target=/x,readonly=maybe",
        "type=bind,target=/",
        "type=foo,target=/x",
    ],
)
def test_wrong_mounts_are_refused_as_by_the_reference(
    mount: str, hosts: tuple[str, str], folder: Path
) -> None:
    """With the line they stand in."""
    for host in hosts:
        done = build(host, folder, f"FROM BASE\nRUN --mount={mount} true\n", code=1)
        assert f">>> RUN --mount={mount} true" in done.stderr or host == hosts[1]


@pytest.mark.parametrize(
    ("run", "told"),
    [
        ("--mount=type=secret,id=gone,required true", "the secret gone was not given"),
        ("--mount=type=ssh,id=gone,required true", "the SSH agent gone was not given"),
        ("--security=insecure true", "security.insecure is not allowed"),
        ("--security=nonsense true", "--security=nonsense: expected sandbox or insecure"),
        ("--network=host true", "network.host is not allowed"),
        ("--network=nonsense true", "--network=nonsense: expected default, none or host"),
    ],
)
def test_refusals_say_what_is_missing(run: str, told: str, hosts: tuple[str, str], folder: Path) -> None:
    """What, and the line."""
    assert told in build(hosts[0], folder, f"FROM BASE\nRUN {run}\n", code=1).stderr


def test_entitlements_are_honoured(hosts: tuple[str, str], folder: Path) -> None:
    """An insecure step may mount, a sandboxed one may not; the host's network is that."""
    text = "FROM BASE\nRUN --security=SECURITY mount -t tmpfs none /tmp && echo mounted > /m\n"
    insecure, sandbox = (text.replace("SECURITY", word) for word in ("insecure", "sandbox"))
    build(hosts[0], folder, insecure, "--allow", "security.insecure")
    build(hosts[0], folder, sandbox, "--allow", "security.insecure", code=1)
    build(hosts[0], folder, insecure, code=1)  # though the cache has it
    here = os.readlink("/proc/self/ns/net")
    text = f"FROM BASE\nRUN --network=host test $(readlink /proc/self/ns/net) = '{here}'\n"
    build(hosts[0], folder, text, "--allow", "network.host")
    build(hosts[0], folder, text, "--network", "host")


def files_with(root: Path, secret: str) -> list[str]:
    """Return the files on the disk below *root* that hold *secret*."""
    found = subprocess.run(
        ["find", str(root), "-xdev", "-type", "f", "-exec", "grep", "-lF", secret, "{}", "+"],
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.splitlines()


def test_a_secret_is_written_nowhere(
    hosts: tuple[str, str], folder: Path, secret: Path, engine: EngineHost
) -> None:
    """Neither while a step has it nor after; not when the step fails; not in history, cache, records or log."""
    text = (
        "FROM BASE\nRUN --mount=type=secret,id=s --mount=type=secret,id=s,env=FOO,target=/a/b"
        ' test -n "$FOO" && cat /run/secrets/s > /tmp/x && rm /tmp/x && echo ready && sleep 3; exit CODE\n'
    )
    for code in (0, 1):
        with ThreadPoolExecutor() as pool:
            asked = (
                hosts[0],
                folder,
                text.replace("CODE", str(code)),
                "--secret",
                f"id=s,src={secret}",
                "-t",
                RESULT,
            )
            building = pool.submit(build, *asked, code=code)
            seen: list[str] = []
            while not building.done():
                seen += files_with(engine.root / "metadata", SECRET) + files_with(
                    engine.root / "build", SECRET
                )
                seen += files_with(engine.root / "containers", SECRET)
            done = building.result()
        assert seen == []
        assert SECRET not in done.stdout + done.stderr
        assert files_with(engine.root, SECRET) == []
        assert files_with(engine.run, SECRET) == []
        assert SECRET not in engine.log.read_text()
    with closing(docker.DockerClient(base_url=hosts[0])) as client:
        history = client.images.get(RESULT).history()
        client.images.remove(RESULT, force=True)
    assert SECRET not in str(history)


def test_a_secret_does_not_count_in_the_cache(hosts: tuple[str, str], folder: Path, secret: Path) -> None:
    """A new value is no new step, as with BuildKit."""
    text = "FROM BASE\nRUN --mount=type=secret,id=s true\n"
    for host in hosts:
        build(host, folder, text, "--secret", f"id=s,src={secret}")
        secret.write_text("another")
        assert "CACHED" in build(host, folder, text, "--secret", f"id=s,src={secret}").stderr


@pytest.mark.parametrize("sharing", ["shared", "locked", "private"])
def test_sharing_of_caches(sharing: str, hosts: tuple[str, str], folder: Path) -> None:
    """Two steps at once: they see each other's files, or wait for one another, or each has a folder of its own."""
    mount = f"--mount=type=cache,id={folder.parent.name}-{sharing},target=/c,sharing={sharing}"
    alone = (
        "touch /c/WHO; for i in 1 2 3 4 5 6 7 8; do ls /c > /seen; test $(wc -l < /seen) = 2 && break; sleep 0.5; done;"
        " rm /c/WHO"
    )
    text = (
        f"FROM BASE AS a\nRUN {mount} {alone.replace('WHO', 'a')}\nFROM BASE AS b\nRUN {mount} {alone.replace('WHO', 'b')}\n"
        "FROM BASE\nCOPY --from=a /seen /a\nCOPY --from=b /seen /b\n"
    )
    for host in hosts:
        build(host, folder, text, "-t", RESULT, "--no-cache")
        with closing(docker.DockerClient(base_url=host)) as client:
            said = client.containers.run(RESULT, ["cat", "/a", "/b"], remove=True).decode().split()
            client.images.remove(RESULT, force=True)
        if sharing == "shared":
            assert {"a", "b"} <= set(said)
        else:
            assert sorted(said) == ["a", "b"]


def test_a_cache_outlives_its_build(hosts: tuple[str, str], folder: Path) -> None:
    """Without an id the target is its name; a build without cache begins it anew."""
    target = f"/{uuid.uuid4().hex}"  # the reference may have cached the steps of an earlier test
    mount = f"--mount=type=cache,target={target}"
    for host in hosts:
        build(host, folder, f"FROM BASE\nRUN {mount} echo kept > {target}/f\n")
        build(host, folder, f"FROM BASE\nRUN {mount} grep kept {target}/f\n")
        build(host, folder, f"FROM BASE\nRUN {mount} test ! -e {target}/f\n", "--no-cache")


@pytest.fixture
def agent(folder: Path, needs: Needs) -> Iterator[str]:
    """The socket of a real ssh agent that holds a key; its program's files are in the context's folder `ssh`."""
    sock = folder / "agent"
    needs.program("ssh-agent")
    running = subprocess.Popen([needs.program("ssh-agent"), "-D", "-a", str(sock)], stdout=subprocess.DEVNULL)
    try:
        key = folder / "key"
        subprocess.run(
            [needs.program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", "mine", "-f", key],
            check=True,
        )
        subprocess.run(
            [needs.program("ssh-add"), "-q", key], env=os.environ | {"SSH_AUTH_SOCK": str(sock)}, check=True
        )
        program = shutil.which("ssh-add")
        assert program is not None
        listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        for path in {program, *re.findall(r"(/\S+) \(0x", listed)}:
            (folder / "ssh" / path.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, folder / "ssh" / path.lstrip("/"))
        yield str(sock)
    finally:
        running.terminate()
        running.wait()


def test_an_agent_of_the_client_answers_in_RUN(hosts: tuple[str, str], folder: Path, agent: str) -> None:  # noqa: N802
    """ssh-add lists the key; several agents, owner and mode, and none in the next step."""
    text = (
        "FROM BASE\nCOPY ssh /\nRUN --mount=type=ssh ssh-add -l > /1; echo $SSH_AUTH_SOCK >> /1\n"
        "RUN --mount=type=ssh,id=two,target=/tmp/sock,mode=0666,uid=5,gid=6 --mount=type=ssh stat -c '%a %u:%g' /tmp/sock > /2;"
        " ssh-add -l >> /2\nUSER 1000\nWORKDIR /tmp\nRUN --mount=type=ssh,uid=1000 ssh-add -l > /tmp/3; ls /run > /tmp/4 2>&1 || true\n"
        'RUN echo "$SSH_AUTH_SOCK" >> /tmp/4; ls /run >> /tmp/4 2>&1 || true\n'
    )
    shown = []
    for host in hosts:
        words = ("--ssh", f"default={agent}", "--ssh", f"two={agent}", "-t", RESULT, "--no-cache")
        build(host, folder, text, *words)
        with closing(docker.DockerClient(base_url=host)) as client:
            said = client.containers.run(
                RESULT, ["sh", "-c", "cat /1 /2 /tmp/3 /tmp/4"], remove=True
            ).decode()
            client.images.remove(RESULT, force=True)
        shown.append(said)
    assert shown[0].count("mine (ED25519)") == 3
    assert shown[0] == shown[1]
