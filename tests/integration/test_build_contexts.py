"""Contexts beside the context of a build, by name: folders, images, layouts, repositories, files behind addresses."""

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import docker
import pytest
from tests.integration.engine_host import IMAGE, EngineHost
from tests.integration.test_build import Site, repository, run, site  # noqa: F401 - fixtures
from tests.integration.test_buildkit import Docker
from tests.integration.test_buildkit import run as docker_run  # noqa: F401 - a fixture

pytestmark = pytest.mark.root


def yurt(engine: EngineHost, folder: Path, *words: str, code: int = 0) -> str:
    done = subprocess.run(
        [Path(sys.executable).with_name("yurt"), *words], cwd=folder,
        env=os.environ | {"YURT_HOST": engine.host, "TOKEN": "hidden"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def folder(tmp_path: Path, client: docker.DockerClient, repository: str, site: Site) -> Path:  # noqa: F811
    """A context, and beside it a folder, a layout, and a Dockerfile that reads each of the named contexts."""
    here = tmp_path / "context"
    (here / "extra").mkdir(parents=True)
    (here / "extra/file").write_text("extra\n")
    (here / "extra/left-out").write_text("no\n")
    (here / "extra/.dockerignore").write_text("left-out\n")
    (here / "own").write_text("own\n")
    (site.folder / "served.txt").write_text("served\n")
    saved = b"".join(client.images.get(IMAGE).save(named=True))
    with tarfile.open(fileobj=io.BytesIO(saved)) as archive:
        archive.extractall(tmp_path / "layout", filter="data")
    (here / "Dockerfile").write_text(
        f"FROM {IMAGE} AS hidden\nRUN false\nFROM base\nCOPY . /own\nCOPY --from=more . /more\n"
        "COPY --from=git version /version\nCOPY --from=served . /served\n"
        "COPY --from=layout bin/busybox /from-layout\nRUN --mount=from=more,target=/m cat /m/file > /mounted\n"
        "COPY --from=hidden file /not-the-stage\n"
    )
    return here


def named(repository: str, site: Site, layout: Path) -> dict[str, str]:  # noqa: F811
    return {
        "base": f"docker-image://{IMAGE}",
        "more": "extra",
        "hidden": "./extra",
        "git": f"{repository}#v1",
        "served": f"{site.url}/served.txt",
        "layout": f"oci-layout://{layout}:test",
    }


def shown(client: docker.DockerClient, image: str) -> list[str]:
    command = (
        "ls -A /more; cat /version; echo; cat /served/served.txt /mounted /not-the-stage;"
        " cmp /from-layout /bin/busybox && ls -A /own"
    )
    return run(client, image, "sh", "-c", command).split()


EXPECTED = [".dockerignore", "file", "1", "served", "extra", "extra", "Dockerfile", "extra", "own"]


def test_every_kind_of_context_has_its_name(
    engine: EngineHost,
    client: docker.DockerClient,
    folder: Path,
    repository: str,  # noqa: F811
    site: Site,  # noqa: F811
    tmp_path: Path,
) -> None:
    """To copy from, to mount, and as a base; a stage of the same name is not made. The second time all is cached."""
    contexts = named(repository, site, tmp_path / "layout")
    words = [word for name, where in contexts.items() for word in ("--build-context", f"{name}={where}")]
    yurt(engine, folder, "build", "-t", "named:1", *words, ".")
    assert shown(client, "named:1") == EXPECTED
    assert "Nothing to do" in yurt(engine, folder, "build", "-t", "named:1", *words, ".")
    assert "no such folder" in yurt(engine, folder, "build", "--build-context", "x=nowhere", ".", code=1)


def test_compose_brings_contexts_and_secrets(
    engine: EngineHost,
    client: docker.DockerClient,
    folder: Path,
    repository: str,  # noqa: F811
    site: Site,  # noqa: F811
    tmp_path: Path,
) -> None:
    """additional_contexts, secrets from files and variables, ulimits, and a context that is a repository."""
    (folder / "Dockerfile").write_text(
        (folder / "Dockerfile").read_text()
        + "RUN --mount=type=secret,id=token --mount=type=secret,id=other,target=/o"
        " cat /run/secrets/token /o | wc -c > /seen; ulimit -n >> /seen\n"
    )
    contexts = named(repository, site, tmp_path / "layout")
    project = {
        "name": "named",
        "services": {
            "one": {
                "build": {
                    "context": ".",
                    "additional_contexts": contexts,
                    "secrets": ["token", {"source": "file", "target": "other"}],
                    "ulimits": {"nofile": {"soft": 77, "hard": 88}},
                }
            },
            "two": {"build": f"{repository}#v1"},
        },
        "secrets": {"token": {"environment": "TOKEN"}, "file": {"file": "./own"}},
    }
    (folder / "compose.yaml").write_text(json.dumps(project))
    assert "Dockerfile: no findings" in yurt(engine, folder, "compose", "build", "--check", "one")
    said = yurt(engine, folder, "compose", "build", "--check", "--build-arg", "X=1", code=1)
    assert f"two: cannot check {repository}#v1: it is not here" in said
    assert client.images.list("named-one") == []
    yurt(engine, folder, "compose", "build")
    assert shown(client, "named-one") == [*EXPECTED[:7], "compose.yaml", *EXPECTED[7:]]
    assert run(client, "named-one", "cat", "/seen").split() == ["10", "77"]
    assert run(client, "named-two", "cat", "/from-git/version") == "1"


@pytest.mark.docker
def test_buildx_names_them_too(
    docker_run: Docker,  # noqa: F811
    client: docker.DockerClient,
    folder: Path,
    repository: str,  # noqa: F811
    site: Site,  # noqa: F811
    tmp_path: Path,
) -> None:
    contexts = named(repository, site, tmp_path / "layout") | {
        "more": str(folder / "extra"),
        "hidden": str(folder / "extra"),
    }
    words = [word for name, where in contexts.items() for word in ("--build-context", f"{name}={where}")]
    docker_run("buildx", "build", "-t", "named:2", *words, str(folder))
    assert shown(client, "named:2") == EXPECTED
