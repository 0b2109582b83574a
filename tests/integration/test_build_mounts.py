"""What RUN is shown and allowed: caches, writable binds, secrets, SSH agents, rights; and where a result goes."""

import contextlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import docker
import pytest
from tests.conftest import Needs
from tests.integration.engine_host import IMAGE, EngineHost
from tests.integration.test_build import build, run
from tests.integration.test_build_graph import waits_for

pytestmark = pytest.mark.root

SOURCE = f"FROM {IMAGE} AS src\nRUN mkdir -m 750 /d; echo hi > /d/f; chown -R 5:6 /d\nFROM {IMAGE}\n"


def yurt(
    engine: EngineHost, *words: str, text: str | None = None, cwd: Path, **environ: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [Path(sys.executable).with_name("yurt"), *words],
        cwd=cwd, env=os.environ | {"YURT_HOST": engine.host} | environ, input=text,
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_a_cache_starts_with_the_files_of_another_stage(client: docker.DockerClient) -> None:
    """It has them once, with their owners, and keeps what is added; other files make another cache."""
    mount = "--mount=type=cache,id=from,target=/c,from=src,source=/d,uid=9"
    text = f"{SOURCE}RUN {mount} cat /c/f > /one; stat -c '%a %u %g' /c /c/f >> /one; echo more >> /c/f\n"
    first = build(client, f"{text}RUN {mount} cat /c/f > /two\n")
    assert first.error == ""
    assert run(client, first.image, "cat", "/one", "/two") == "hi\n750 5 6\n644 5 6\nhi\nmore\n"
    other = build(client, text.replace("echo hi", "echo ho"))
    assert run(client, other.image, "head", "-n1", "/one") == "ho\n"
    assert "no folder" in build(client, text.replace("source=/d", "source=/d/f")).error


def test_owner_and_mode_of_a_new_cache(client: docker.DockerClient) -> None:
    text = f"FROM {IMAGE}\nRUN --mount=type=cache,id=owned,target=/c,uid=7,gid=8,mode=0711 stat -c '%a %u %g' /c > /s\n"
    assert run(client, build(client, text).image, "cat", "/s") == "711 7 8\n"


@pytest.mark.parametrize("source", ["from=src,source=/d", "source=sub"])
def test_what_is_written_to_a_bind_mount_is_lost(client: docker.DockerClient, source: str) -> None:
    """Folders and single files, of stages and of the context: the next step sees them as they were."""
    text = (
        f"{SOURCE}RUN --mount=type=bind,target=/b,{source},rw echo x >> /b/f; cp /b/f /one; touch /b/new\n"
        f"RUN --mount=type=bind,target=/b,{source} ls /b > /two; cat /b/f >> /two\n"
        f"RUN --mount=type=bind,target=/f,{source}/f,rw echo y >> /f; cp /f /three\n"
        f"RUN --mount=type=bind,target=/f,{source}/f echo z >> /f || echo read-only > /four\n"
    )
    result = build(client, text, files={"sub/f": "hi\n"})
    assert result.error == ""
    assert (
        run(client, result.image, "cat", "/one", "/two", "/three", "/four")
        == "hi\nx\nf\nhi\nhi\ny\nread-only\n"
    )


def test_a_locked_cache_is_for_one_at_a_time(engine: EngineHost, client: docker.DockerClient) -> None:
    """Whoever finds another one in it fails."""
    step = "mkdir /c/in || exit 5; sleep 0.3; rmdir /c/in"
    stages = "".join(
        f"FROM {IMAGE} AS s{n}\nRUN --mount=type=cache,id=locked,sharing=locked,target=/c {step}; echo {n} > /n\n"
        for n in range(3)
    )
    text = f"{stages}FROM {IMAGE}\n" + "".join(f"COPY --from=s{n} /n /n{n}\n" for n in range(3))
    with ThreadPoolExecutor(2) as pool:
        results = list(
            pool.map(lambda n: build(engine.client(), f"{text}RUN echo {n}\n", nocache=True), range(2))
        )
    assert [result.error for result in results] == ["", ""]


def test_a_private_cache_is_another_one_for_who_comes_meanwhile(client: docker.DockerClient) -> None:
    """Two steps at once have one each; the first folder is there for who comes later."""
    private = "--mount=type=cache,id=private,sharing=private,target=/c"
    meet = "--mount=type=cache,id=meeting,target=/m"
    stages = "".join(
        f"FROM {IMAGE} AS s{n}\nRUN {private} {meet} touch /m/{n}; {waits_for(f'/m/{1 - n}')}; ls /c > /n; touch /c/x\n"
        for n in range(2)
    )
    text = (
        f"{stages}FROM {IMAGE}\nCOPY --from=s0 /n /n0\nCOPY --from=s1 /n /n1\nRUN {private} ls /c > /later\n"
    )
    result = build(client, text)
    assert result.error == ""
    assert run(client, result.image, "sh", "-c", "cat /n0 /n1; cat /later") == "x\n"


def test_secrets_come_with_yurt_build_and_stay_nowhere(
    engine: EngineHost, client: docker.DockerClient, tmp_path: Path
) -> None:
    """From files and variables, as files and variables, also large ones; not in the image, its history or the log."""
    (tmp_path / "token").write_text("s3cret-in-a-file\n" + "x" * 40_000)
    (tmp_path / "Dockerfile").write_text(
        f"FROM {IMAGE}\n"
        "RUN --mount=type=secret,id=token head -n1 /run/secrets/token | md5sum > /one; wc -c < /run/secrets/token > /size\n"
        "RUN --mount=type=secret,id=var,env=VALUE,required=true echo $VALUE | md5sum > /two; test ! -e /run/secrets/var\n"
        "RUN --mount=type=secret,id=mine,target=/k,uid=1000,mode=0440 stat -c '%a %u' /k > /three\n"
        "RUN --mount=type=secret,id=absent test ! -e /run/secrets/absent\n"
    )
    words = (
        "--secret",
        "id=token,src=token",
        "--secret",
        "id=var,env=MY_VALUE",
        "--secret",
        "id=mine,env=MY_VALUE",
    )
    done = yurt(engine, "build", "-t", "secret:1", *words, ".", cwd=tmp_path, MY_VALUE="s3cret-in-a-variable")
    assert done.returncode == 0, done.stderr
    shown = run(client, "secret:1", "cat", "/size", "/three").split("\n")
    assert shown == ["40017", "440 1000", ""]
    sums = run(
        client,
        "secret:1",
        "sh",
        "-c",
        "cat /one /two; echo s3cret-in-a-file | md5sum; echo s3cret-in-a-variable | md5sum",
    )
    one, two, right_one, right_two = sums.splitlines()
    assert (one, two) == (right_one, right_two)
    kept = b"".join(client.images.get("secret:1").save())
    for text in (kept.decode("latin-1"), engine.log.read_text(), done.stdout + done.stderr):
        assert "s3cret-in" not in text
    without = yurt(engine, "build", "--no-cache", "--secret", "id=token,src=token", ".", cwd=tmp_path)
    assert without.returncode == 1
    assert "the secret var was not given" in without.stderr
    for bad, said in (
        ("id=x,src=nothing", "cannot read the secret x"),
        ("src=token", "no id"),
        ("id=NOPE", "no NOPE"),
    ):
        refused = yurt(engine, "build", "--secret", bad, ".", cwd=tmp_path)
        assert refused.returncode == 1
        assert said in refused.stderr


def test_rights_have_to_be_allowed(engine: EngineHost, client: docker.DockerClient, tmp_path: Path) -> None:
    """In BuildKit's words: a privileged step, and the host's network."""
    insecure = f"FROM {IMAGE}\nRUN --security=insecure grep CapEff /proc/self/status > /caps\nRUN grep CapEff /proc/self/status > /less\n"
    network = f"FROM {IMAGE}\nRUN --network=host ls /sys/class/net > /net\n"
    for text, right in ((insecure, "security.insecure"), (network, "network.host")):
        refused = yurt(engine, "build", "-", text=text, cwd=tmp_path)
        assert refused.returncode == 1
        assert f"Dockerfile:2: {right} is not allowed" in refused.stderr
        allowed = yurt(engine, "build", "-t", "rights:1", "--allow", right, "-", text=text, cwd=tmp_path)
        assert allowed.returncode == 0, allowed.stderr
        if right == "security.insecure":
            much, little = run(client, "rights:1", "cat", "/caps", "/less").splitlines()
            assert int(much.split()[1], 16) > int(little.split()[1], 16)
        else:
            mine = {name for name in os.listdir("/sys/class/net") if name[:2] not in {"ve", "yv", "br"}}
            assert mine <= set(run(client, "rights:1", "cat", "/net").split())
    assert yurt(engine, "build", "--network", "host", "-", text=network, cwd=tmp_path).returncode == 0


def test_limits_and_stages_to_be_made_anew(
    engine: EngineHost, client: docker.DockerClient, tmp_path: Path
) -> None:
    when = "cat /proc/sys/kernel/random/uuid > /when"
    text = (
        f"FROM {IMAGE} AS a\nRUN {when}; ulimit -n > /n\nFROM {IMAGE} AS b\nRUN {when}; true\n"
        f"FROM {IMAGE}\nCOPY --from=a /when /n /a/\nCOPY --from=b /when /b/\n"
    )
    seen = []
    for more in ((), ("--no-cache-filter", "b"), ()):
        done = yurt(
            engine, "build", "-t", "anew:1", "--ulimit", "nofile=123:456", *more, "-", text=text, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        seen.append(run(client, "anew:1", "cat", "/a/when", "/b/when", "/a/n").split())
    assert seen[0][0] == seen[1][0]
    assert seen[0][1] != seen[1][1] == seen[2][1]
    assert seen[0][2] == "123"


def test_a_result_can_go_elsewhere(engine: EngineHost, client: docker.DockerClient, tmp_path: Path) -> None:
    """Its files to a folder or a tar, the image to an archive; what it is to a file."""
    text = f"FROM {IMAGE} AS b\nRUN mkdir -p /o/etc; echo 1 > /o/etc/hosts.mine; ln -s hosts.mine /o/etc/l; echo 2 > /o/x; chmod 700 /o/x\nFROM scratch\nCOPY --from=b /o /\n"
    done = yurt(
        engine, "build", "-t", "out:1", "-o", "dist", "-o", "type=tar,dest=files.tar", "-o", "type=oci,dest=image.tar",
        "-o", "type=docker,dest=docker.tar", "-o", "type=image", "--metadata-file", "meta.json", "--iidfile", "id", "-",
        text=text, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    files = sorted(str(path.relative_to(tmp_path / "dist")) for path in (tmp_path / "dist").rglob("*"))
    assert files == ["etc", "etc/hosts.mine", "etc/l", "x"]
    assert (tmp_path / "dist/x").stat().st_mode & 0o777 == 0o700
    with tarfile.open(tmp_path / "files.tar") as archive:
        assert sorted(name.strip("/") for name in archive.getnames()) == files
    for name in ("image.tar", "docker.tar"):
        with tarfile.open(tmp_path / name) as archive:
            assert {"oci-layout", "index.json", "manifest.json"} <= set(archive.getnames())
            assert "out:1" in archive.extractfile("manifest.json").read().decode()  # type: ignore[union-attr]
    meta = json.loads((tmp_path / "meta.json").read_text())
    assert meta["containerimage.digest"] == (tmp_path / "id").read_text() == client.images.get("out:1").id
    assert meta["image.name"] == "out:1"
    piped = subprocess.run(
        [Path(sys.executable).with_name("yurt"), "build", "-o", "-", "-"],
        env=os.environ | {"YURT_HOST": engine.host}, input=text.encode(), capture_output=True, check=True,
    )  # fmt: skip
    with tarfile.open(fileobj=io.BytesIO(piped.stdout)) as archive:
        assert "x" in [name.strip("/") for name in archive.getnames()]
    refused = yurt(engine, "build", "-o", "type=nonsense", "-", text=text, cwd=tmp_path)
    assert "unknown type nonsense" in refused.stderr
    assert client.containers.list(all=True) == []


@pytest.fixture
def agent(needs: Needs, tmp_path: Path) -> Iterator[str]:
    """A real SSH agent with one key; its socket."""
    needs.program("ssh-agent")
    path = tmp_path / "agent.sock"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "the-key", "-f", tmp_path / "key"], check=True
    )
    while not path.exists():
        assert process.poll() is None
    subprocess.run(
        ["ssh-add", "-q", tmp_path / "key"], env=os.environ | {"SSH_AUTH_SOCK": str(path)}, check=True
    )
    yield str(path)
    process.terminate()
    process.wait()


def with_ssh_add(folder: Path) -> None:
    """Put ssh-add and the libraries that it needs into *folder*/root."""
    libraries = subprocess.run(["ldd", "/usr/bin/ssh-add"], check=True, capture_output=True, text=True).stdout
    for path in ("/usr/bin/ssh-add", *re.findall(r"(/\S+) \(", libraries)):
        place = folder / "root" / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(Path(path).read_bytes())
        place.chmod(0o755)


AGENT = (
    f"FROM {IMAGE}\nCOPY root /\n"
    "RUN --mount=type=ssh ssh-add -l > /keys; stat -c '%a %u' $SSH_AUTH_SOCK > /sock; echo $SSH_AUTH_SOCK >> /sock\n"
    "RUN --mount=type=ssh,id=other,target=/tmp/a,mode=0666,uid=3 stat -c '%a %u' /tmp/a >> /sock; echo $SSH_AUTH_SOCK >> /sock; ssh-add -l\n"
    'RUN test -z "$SSH_AUTH_SOCK"\n'
)  # fmt: skip


def test_a_step_talks_to_the_agent_that_yurt_build_names(
    engine: EngineHost, client: docker.DockerClient, tmp_path: Path, agent: str
) -> None:
    with_ssh_add(tmp_path)
    (tmp_path / "Dockerfile").write_text(AGENT)
    words = ("build", "-t", "ssh:1", "--ssh", "default", "--ssh", f"other={agent}", ".")
    done = yurt(engine, *words, cwd=tmp_path, SSH_AUTH_SOCK=agent)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the-key" in run(client, "ssh:1", "cat", "/keys")
    shown = run(client, "ssh:1", "cat", "/sock").splitlines()
    assert shown == ["600 0", "/run/buildkit/ssh_agent.0", "666 3", "/tmp/a"]
    (tmp_path / "Dockerfile").write_text(f"FROM {IMAGE}\nRUN --mount=type=ssh,required=true true\n")
    refused = yurt(engine, "build", ".", cwd=tmp_path)
    assert "Dockerfile:2: the SSH agent default was not given" in refused.stderr
    assert (
        "no SSH agent runs here"
        in yurt(engine, "build", "--ssh", "default", ".", cwd=tmp_path, SSH_AUTH_SOCK="").stderr
    )
    assert "no agent's socket" in yurt(engine, "build", "--ssh", "a=key", ".", cwd=tmp_path).stderr


@pytest.mark.docker
def test_a_step_talks_to_the_agent_of_buildkits_client(
    engine: EngineHost, client: docker.DockerClient, needs: Needs, tmp_path: Path, agent: str
) -> None:
    """Ours and the reference's answers are the same ones."""
    needs.program("docker")
    with_ssh_add(tmp_path)
    (tmp_path / "Dockerfile").write_text(AGENT)
    done = subprocess.run(
        ["docker", "buildx", "build", "-t", "ssh:2", "--ssh", "default", "--ssh", f"other={agent}", "."],
        cwd=tmp_path, env=os.environ | {"DOCKER_HOST": engine.host, "SSH_AUTH_SOCK": agent},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "the-key" in run(client, "ssh:2", "cat", "/keys")


def test_an_agent_that_dies_ends_the_conversation_only(
    engine: EngineHost, client: docker.DockerClient, tmp_path: Path
) -> None:
    """The step sees a closed connection; the engine goes on."""
    import socket

    path = tmp_path / "dead.sock"
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listening:
        listening.bind(str(path))
        listening.listen()

        def hang_up() -> None:
            for _ in range(1):
                listening.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with_ssh_add(tmp_path)
        (tmp_path / "Dockerfile").write_text(
            f"FROM {IMAGE}\nCOPY root /\nRUN --mount=type=ssh ssh-add -l > /out 2>&1; echo $? >> /out\n"
        )
        done = yurt(engine, "build", "-t", "dead:1", "--ssh", f"default={path}", ".", cwd=tmp_path)
        thread.join()
    assert done.returncode == 0, done.stdout + done.stderr
    assert run(client, "dead:1", "tail", "-n1", "/out").strip() != "0"


def test_places_of_mounts_leave_no_trace_but_what_was_put_there(client: docker.DockerClient) -> None:
    """Folders and files made for a mount go; what the base or the command has stays, and links lead nowhere else."""
    text = (
        f"FROM {IMAGE}\nRUN mkdir /kept /real; ln -s /real /link\n"
        "RUN --mount=type=tmpfs,target=/a/b/c --mount=type=cache,id=t,target=/kept --mount=type=tmpfs,target=/link/x"
        " --mount=type=bind,source=Dockerfile,target=/d/file echo > /a/mine; mkdir /a/b/other; echo 1 > /made\n"
    )
    result = build(client, text)
    assert result.error == ""
    found = run(client, result.image, "sh", "-c", "find /a /d /kept | sort")
    assert found.split() == ["/a", "/a/b", "/a/b/other", "/a/mine", "/kept"]
