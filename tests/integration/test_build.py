"""Builds on a real engine, asked with docker-py: the classic builder's protocol."""

import contextlib
import hashlib
import http.server
import io
import os
import signal
import socket
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import docker
import pytest
from tests.integration.engine_host import IMAGE, EngineHost

pytestmark = pytest.mark.root


@dataclass(frozen=True)
class Result:
    """What a build said; *error* empty: it went well."""

    output: str
    image: str
    error: str

    @property
    def last_line(self) -> str:
        return self.output.rstrip("\n").rpartition("\n")[2]


def an_archive(files: Mapping[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.mtime = (
                len(data),
                0o755 if name.endswith(".sh") else 0o644,
                1_700_000_000,
            )
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def build(client: docker.DockerClient, dockerfile: str, *, tag: str = "", **more: Any) -> Result:
    files = {"Dockerfile": dockerfile, **more.pop("files", {})}
    output: list[str] = []
    image = error = ""
    for line in client.api.build(
        fileobj=io.BytesIO(an_archive(files)),
        custom_context=True,
        tag=tag or None,
        decode=True,
        rm=True,
        **more,
    ):
        output.append(line.get("stream", ""))
        image = line.get("aux", {}).get("ID", image)
        error = line.get("error", error)
    return Result("".join(output), image, error)


def run(client: docker.DockerClient, image: str, *command: str, **more: Any) -> str:
    data: bytes = client.containers.run(image, list(command), remove=True, **more)
    return data.decode()


def test_a_build_makes_what_its_dockerfile_says(client: docker.DockerClient) -> None:
    """RUN, COPY, ENV, WORKDIR and the rest leave their mark; the output tells the steps."""
    result = build(
        client,
        f"FROM {IMAGE}\nMAINTAINER Me\nENV GREETING hello\nWORKDIR /app\nCOPY a.txt sub/ ./\n"
        'RUN echo "$GREETING from $(pwd)" > out && chmod 600 out\nEXPOSE 8000\nCMD ["cat", "out"]\n',
        tag="test/basic:1",
        files={"a.txt": "A", "sub/b.txt": "B"},
    )
    assert result.error == ""
    assert "Step 6/8 : RUN echo" in result.output
    assert f"Successfully built {result.image[7:19]}" in result.output
    assert "Successfully tagged test/basic:1" in result.output
    assert run(client, "test/basic:1") == "hello from /app\n"
    assert run(client, "test/basic:1", "ls", "/app").split() == ["a.txt", "b.txt", "out"]
    attrs = client.images.get("test/basic:1").attrs
    assert attrs["Author"] == "Me"
    assert attrs["Config"]["WorkingDir"] == "/app"
    assert "8000/tcp" in attrs["Config"]["ExposedPorts"]


CACHED = f"FROM {IMAGE}\nCOPY a /a\nRUN cat /proc/sys/kernel/random/uuid > /when\nLABEL x=1\n"


def test_a_second_build_does_nothing_and_says_so(client: docker.DockerClient) -> None:
    """Same input, same image; every step says that the cache was used."""
    first = build(client, CACHED, files={"a": "1"})
    second = build(client, CACHED, files={"a": "1"})
    assert second.image == first.image
    assert second.output.count("Using cache") == 3
    assert second.last_line == "Nothing to do: all 4 steps cached"


def test_a_change_runs_what_comes_after_it(client: docker.DockerClient) -> None:
    """A changed file invalidates its COPY and later steps, a changed label only the image; no_cache all."""
    first = build(client, CACHED, files={"a": "2"})
    label = build(client, CACHED.replace("x=1", "x=2"), files={"a": "2"})
    assert label.image != first.image
    when = run(client, first.image, "cat", "/when")
    assert run(client, label.image, "cat", "/when") == when
    assert run(client, build(client, CACHED, files={"a": "3"}).image, "cat", "/when") != when
    again = build(client, CACHED, files={"a": "2"}, nocache=True)
    assert "Using cache" not in again.output
    assert run(client, again.image, "cat", "/when") != when


def test_a_failing_step_shows_its_output_line_and_exit_code(client: docker.DockerClient) -> None:
    """The steps before it stay cached, no container and no name is left."""
    text = f"FROM {IMAGE}\n\nRUN echo fine > /fine\nRUN echo working; \\\n  echo broken >&2; exit 7\n"
    failed = build(client, text, tag="test/failed:1")
    assert "working\nbroken\n" in failed.output
    assert failed.error.startswith("Dockerfile:4: RUN echo working;")
    assert "exit code 7" in failed.error
    assert failed.output.endswith(
        "------\n > Step 3/3 : RUN echo working;   echo broken >&2; exit 7:\nworking\nbroken\n------\n"
        "Dockerfile:4\n--------------------\n   3 |     RUN echo fine > /fine\n"
        "   4 | >>> RUN echo working; \\\n   5 | >>>   echo broken >&2; exit 7\n   6 |     \n--------------------\n"
    )
    assert client.containers.list(all=True) == []
    with pytest.raises(docker.errors.ImageNotFound):
        client.images.get("test/failed:1")
    mended = build(client, text.replace("exit 7", "exit 0"))
    assert mended.error == ""
    assert mended.output.count("Using cache") == 1


@pytest.mark.parametrize(
    ("dockerfile", "error"),
    [
        (f"FROM {IMAGE}\nCOPPY a b\n", 'Dockerfile:2:1: unknown instruction "COPPY"'),
        (f"FROM {IMAGE}\nCOPY nothing /\n", "Dockerfile:2: COPY: 'nothing' matches no file"),
        (f"FROM {IMAGE}\nCOPY --chown=ghost Dockerfile /\n", "Dockerfile:2: no user ghost in the image's"),
        (
            f"FROM {IMAGE}\nCOPY --from={IMAGE} /nothing /x\n",
            "Dockerfile:2: '/nothing' matches no file there",
        ),
        (
            f"FROM {IMAGE}\nCOPY Dockerfile /bin\n# x\nCOPY Dockerfile /bin/sh/x\n",
            "Dockerfile:4: cannot make the folder",
        ),
        ("FROM postgres:9\n", "Dockerfile:1: "),
    ],
)
def test_a_mistake_names_file_and_line(client: docker.DockerClient, dockerfile: str, error: str) -> None:
    """Whenever the mistake is noticed, the answer starts with where it is."""
    try:
        said = build(client, dockerfile).error
    except docker.errors.APIError as refused:
        said = refused.explanation
    assert said.startswith(error)


STAGES = f"""\
FROM {IMAGE} AS base
ARG WHO=nobody
ENV WHO=$WHO
FROM base AS build
RUN mkdir /out && echo "$WHO" > /out/who && ln /out/who /out/same && ln -s who /out/link && chown 1000 /out/who
FROM {IMAGE} AS unused
RUN exit 1
FROM scratch AS final
COPY --from=build /out/ /data/
COPY --from={IMAGE} /bin /bin
COPY --from=0 --chown=alice --chmod=700 /etc/group /g/
"""


def test_only_the_needed_stages_are_built(client: docker.DockerClient) -> None:
    """Files come from stages and images with owners, links and hard links; another stage is not even tried."""
    refused = build(client, STAGES)
    assert refused.error.startswith("Dockerfile:11: no user alice")
    text = STAGES.replace("--chown=alice", "--chown=5:6")
    result = build(client, text, buildargs={"WHO": "me"})
    assert result.error == ""
    assert "exit 1" not in result.output
    shown = run(
        client, result.image, "sh", "-c", "cd /data; cat who; stat -c '%u %g %h %N' who same link /g/group"
    )
    assert shown.splitlines() == [
        "me",
        "1000 0 2 who",
        "1000 0 2 same",
        "0 0 1 'link' -> 'who'",
        "5 6 1 /g/group",
    ]
    target = build(client, text, target="base", buildargs={"WHO": "you"})
    assert run(client, target.image, "sh", "-c", "echo $WHO") == "you\n"


def test_heredocs_and_arguments(client: docker.DockerClient) -> None:
    """Scripts in RUN, files in COPY, variables where they count."""
    result = build(
        client,
        f"FROM {IMAGE}\nARG V=1\nRUN <<END\nset -e\necho a$V > /a\necho b > /b\nEND\n"
        "RUN <<END\n#!/bin/cat\nnot a shell\nEND\nCOPY <<one <<'two' /h/\nv=$V\none\nv=$V\ntwo\n",
    )
    assert result.error == ""
    assert "not a shell" in result.output
    assert run(client, result.image, "cat", "/a", "/b", "/h/one", "/h/two") == "a1\nb\nv=1\nv=$V\n"


def test_dockerignore_counts_on_the_server_too(client: docker.DockerClient) -> None:
    """A client that sends everything still cannot copy what is ignored."""
    result = build(
        client,
        f"FROM {IMAGE}\nCOPY . /ctx/\n",
        files={
            ".dockerignore": "*.log\nsecret\n!keep.log\n",
            "a.log": "",
            "keep.log": "",
            "secret/key": "",
            "b": "",
        },
    )
    assert run(client, result.image, "ls", "-A", "/ctx").split() == [
        ".dockerignore",
        "Dockerfile",
        "b",
        "keep.log",
    ]


def test_add_unpacks_local_archives(client: docker.DockerClient) -> None:
    """ADD opens an archive, COPY does not."""
    result = build(
        client,
        f"FROM {IMAGE}\nADD a.tar /added/\nCOPY a.tar /copied/\n",
        files={"a.tar": an_archive({"x/y": "content"})},
    )
    assert run(client, result.image, "cat", "/added/x/y") == "content"
    assert run(client, result.image, "ls", "/copied") == "a.tar\n"


def test_mounts_of_a_run_leave_nothing_but_caches(client: docker.DockerClient) -> None:
    """A cache is kept between builds, a bind shows the context, none of it is in the image."""
    text = (
        f"FROM {IMAGE}\nRUN --mount=type=cache,target=/cache echo $N >> /cache/log; cp /cache/log /seen\n"
        "RUN --mount=type=bind,target=/ctx --mount=type=tmpfs,target=/t cat /ctx/a > /copied; echo > /t/x\n"
    )
    build(client, text.replace("$N", "1"), files={"a": "from the context"})
    result = build(client, text.replace("$N", "2"), files={"a": "from the context"})
    assert run(client, result.image, "cat", "/seen", "/copied") == "1\n2\nfrom the context"
    assert not {"ctx", "cache", "t"} & set(run(client, result.image, "ls", "/").split())


def test_nothing_of_the_host_stays_in_the_image(client: docker.DockerClient) -> None:
    """RUN sees the host's certificates and the proxies given; the image does not."""
    result = build(
        client,
        f'FROM {IMAGE}\nRUN env > /env; test -z "$SSL_CERT_FILE" || head -c 1 $SSL_CERT_FILE > /dev/null\n',
        buildargs={"HTTP_PROXY": "http://proxy.example:1"},
    )
    assert "HTTP_PROXY=http://proxy.example:1" in run(client, result.image, "cat", "/env")
    attrs = client.images.get(result.image).attrs
    assert not any("PROXY" in entry or "CERT" in entry for entry in attrs["Config"].get("Env") or [])
    assert run(client, result.image, "ls", "/dev").count("yurt") == 0


def test_onbuild_and_users(client: docker.DockerClient) -> None:
    """A parent's triggers run in the child; USER counts for RUN and for the container."""
    build(client, f"FROM {IMAGE}\nONBUILD COPY a /a\nONBUILD RUN cat /a > /b\n", tag="test/parent:1")
    child = build(client, "FROM test/parent:1\nUSER alice\nRUN id -u > /tmp/me\n", files={"a": "trigger"})
    assert run(client, child.image, "cat", "/b", "/tmp/me") == "trigger1000\n"
    assert run(client, child.image, "id", "-u") == "1000\n"


def test_the_image_can_be_saved_and_its_history_read(client: docker.DockerClient) -> None:
    """Each instruction is a line of the history, layers only where files changed."""
    image = client.images.get(build(client, f"FROM {IMAGE}\nRUN echo 1 > /x\nENV A=1\nRUN true\n").image)
    made = [step["CreatedBy"] for step in image.history()]
    assert made[:3] == ["RUN true", "ENV A=1", "RUN echo 1 > /x"]
    assert len(image.attrs["RootFS"]["Layers"]) == 2
    assert b"".join(image.save())


def test_a_client_that_hangs_up_ends_the_build(client: docker.DockerClient, engine: EngineHost) -> None:
    """Nothing of a cancelled build goes on, and nothing is left of it."""
    stream = client.api.build(
        fileobj=io.BytesIO(an_archive({"Dockerfile": f"FROM {IMAGE}\nRUN echo started; sleep 1000\n"})),
        custom_context=True,
        decode=True,
    )
    said = ""
    while "started" not in said:
        said += next(stream).get("stream", "")
    stream.close()
    client.api.close()
    deadline = time.monotonic() + 10
    work = engine.root / "build/work"
    while any(work.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert list(work.iterdir()) == []


def test_builds_run_side_by_side(engine: EngineHost) -> None:
    """Several clients build at once, each its own image."""
    results: dict[int, Result] = {}

    def one(number: int) -> None:
        results[number] = build(engine.client(), f"FROM {IMAGE}\nRUN echo {number} > /n\n")

    threads = [threading.Thread(target=one, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client = engine.client()
    assert [run(client, results[number].image, "cat", "/n") for number in range(4)] == [
        "0\n",
        "1\n",
        "2\n",
        "3\n",
    ]


def test_the_cache_can_be_emptied(client: docker.DockerClient) -> None:
    """After a prune everything is built anew."""
    build(client, CACHED, files={"a": "9"})
    client.api._post(client.api._url("/build/prune"))
    assert "Using cache" not in build(client, CACHED, files={"a": "9"}).output


@pytest.fixture
def site(tmp_path: Path) -> Iterator["Site"]:
    """Files served over HTTP, and every request that came for them."""
    folder = tmp_path / "site"
    folder.mkdir()
    with Site(folder) as running:
        yield running


class Site:
    """A web server on the loopback interface that answers conditional requests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.answers: list[tuple[str, int]] = []
        outer = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *args: Any) -> None:
                super().__init__(*args, directory=str(folder))

            def log_message(self, *_args: object) -> None:
                """Say nothing."""

            def send_response(self, code: int, message: str | None = None) -> None:
                outer.answers.append((self.path, code))
                super().send_response(code, message)

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def test_add_fetches_a_file_and_asks_again_only_whether_it_changed(
    client: docker.DockerClient, site: Site
) -> None:
    """It lies there readable by its owner only, with the server's time; a change makes the step run again."""
    file = site.folder / "data.txt"
    file.write_text("one")
    os.utime(file, (1_700_000_000, 1_700_000_000))
    text = f"FROM {IMAGE}\nADD {site.url}/data.txt /in/\nADD {site.url}/data.txt /other"
    built = build(client, text)
    assert not built.error
    assert run(client, built.image, "sh", "-c", "cat /in/data.txt /other; stat -c '%a %Y' /other") == (
        "oneone600 1700000000\n"
    )
    again = build(client, text)
    assert (again.image, again.last_line.startswith("Nothing to do")) == (built.image, True)
    assert [status for _path, status in site.answers] == [200, 304]
    file.write_text("two")
    assert run(client, build(client, text).image, "cat", "/other") == "two"


def test_add_believes_only_what_has_the_checksum(client: docker.DockerClient, site: Site) -> None:
    """Another content is refused; what is here already with that checksum is not asked for."""
    (site.folder / "data.txt").write_text("one")
    right, wrong = hashlib.sha256(b"one").hexdigest(), "0" * 64
    text = f"FROM {IMAGE}\nADD --checksum=sha256:{{}} {site.url}/data.txt /x"
    with pytest.raises(docker.errors.APIError) as caught:
        build(client, text.format(wrong))
    assert str(caught.value.explanation).endswith(f"is not what --checksum says: it is sha256:{right}")
    site.answers.clear()
    assert not build(client, text.format(right)).error
    assert site.answers == []


def test_add_leaves_a_fetched_archive_whole_unless_asked(client: docker.DockerClient, site: Site) -> None:
    (site.folder / "all.tar").write_bytes(an_archive({"a.txt": "in the archive"}))
    text = f"FROM {IMAGE}\nADD {site.url}/all.tar /whole/\nADD --unpack=true {site.url}/all.tar /parts/"
    built = build(client, text)
    assert not built.error
    assert run(client, built.image, "sh", "-c", "ls /whole; ls /parts") == "all.tar\na.txt\n"


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("/gone", "the server answers 404"),
        ("/", "names no file"),
    ],
)
def test_add_says_what_could_not_be_fetched(
    client: docker.DockerClient, site: Site, source: str, error: str
) -> None:
    with pytest.raises(docker.errors.APIError) as caught:
        build(client, f"FROM {IMAGE}\nADD {site.url}{source} /x/")
    assert str(caught.value.explanation).startswith("Dockerfile:2: ADD: ")
    assert error in str(caught.value.explanation)


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[str]:
    """A repository behind git://, with a tag v1, a branch main and a folder docs."""
    source = tmp_path / "repositories" / "shop.git"
    source.mkdir(parents=True)
    (source / "docs").mkdir()

    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
        subprocess.run(["git", *identity, *arguments], cwd=source, check=True, capture_output=True)

    git("init", "-q", "-b", "main")
    for number in ("1", "2"):
        (source / "version").write_text(number)
        (source / "docs" / "guide").write_text(f"guide {number}")
        (source / "Dockerfile").write_text(f"FROM {IMAGE}\nCOPY . /from-git/")
        git("add", ".")
        git("commit", "-q", "-m", number)
        git("tag", f"v{number}")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    daemon = subprocess.Popen(
        [
            "git", "daemon", "--export-all", f"--base-path={source.parent}", "--listen=127.0.0.1",
            f"--port={port}", "--reuseaddr",
        ],
        start_new_session=True,
    )  # fmt: skip
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        yield f"git://127.0.0.1:{port}/shop.git"
    finally:
        os.killpg(daemon.pid, signal.SIGTERM)
        daemon.wait()


def test_add_takes_a_repository(client: docker.DockerClient, repository: str) -> None:
    """At its branch, a tag, a folder; with .git only when asked; the second time from the cache."""
    text = (
        f"FROM {IMAGE}\nADD {repository} /main/\nADD {repository}#v1 /old/\nADD {repository}#v1:docs /docs/\n"
        f"ADD --keep-git-dir=true {repository} /whole/"
    )
    built = build(client, text)
    assert not built.error
    listing = run(
        client, built.image, "sh", "-c", "cat /main/version /old/version /docs/guide; ls -A /main /whole"
    )
    assert listing == (
        "21guide 1/main:\nDockerfile\ndocs\nversion\n\n/whole:\n.git\nDockerfile\ndocs\nversion\n"
    )
    assert build(client, text).last_line.startswith("Nothing to do")
    with pytest.raises(docker.errors.NotFound, match="has no branch, tag or commit v9"):
        build(client, f"FROM {IMAGE}\nADD {repository}#v9 /x/")


def test_a_context_may_be_a_repository_an_archive_or_a_dockerfile(
    client: docker.DockerClient, repository: str, site: Site
) -> None:
    """The engine fetches it; nothing is sent."""

    def built(remote: str) -> str:
        lines = list(client.api.build(path=remote, decode=True, rm=True))
        return str(next(line["aux"]["ID"] for line in lines if "aux" in line))

    assert run(client, built(f"{repository}#v1"), "cat", "/from-git/version") == "1"
    (site.folder / "context.tar").write_bytes(
        an_archive(
            {"Dockerfile": f"FROM {IMAGE}\nCOPY . /x", ".dockerignore": "secret", "a": "A", "secret": "B"}
        )
    )
    assert run(client, built(f"{site.url}/context.tar"), "ls", "/x") == "Dockerfile\na\n"
    (site.folder / "recipe").write_text(f"FROM {IMAGE}\nRUN echo alone >/x")
    assert run(client, built(f"{site.url}/recipe"), "cat", "/x") == "alone\n"


def test_copy_keeps_parents_from_context_and_stage(client: docker.DockerClient) -> None:
    files = {"a/b/x.txt": "x", "a/c/y.txt": "y", "a/c/z.py": "z"}
    built = build(
        client,
        f"FROM {IMAGE} AS first\nCOPY --parents **/*.txt /all/\nFROM {IMAGE}\n"
        "COPY --parents --from=first /all/./a/b /there/\nCOPY --parents --exclude=**/*.py ./a/./c /here/",
        files=files,
    )
    assert not built.error
    assert run(client, built.image, "sh", "-c", "cd /; find there here -type f | sort") == (
        "here/c/y.txt\nthere/a/b/x.txt\n"
    )


def test_chmod_may_be_symbolic(client: docker.DockerClient) -> None:
    built = build(
        client,
        f"FROM {IMAGE}\nCOPY --chmod=u=rwX,go=rX d /d\nCOPY --chmod=+x a.txt /run",
        files={"d/run.sh": "", "d/a.txt": "", "a.txt": ""},
    )
    assert not built.error
    assert run(client, built.image, "stat", "-c", "%a", "/d", "/d/run.sh", "/d/a.txt", "/run") == (
        "755\n755\n644\n755\n"
    )
