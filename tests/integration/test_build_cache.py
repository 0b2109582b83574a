"""The build cache as it is shown and pruned: by age, by size, and never from under a build."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docker
import pytest
from tests.conftest import Needs
from tests.integration.engine_host import IMAGE, EngineHost
from tests.integration.test_build import Result, build, run
from tests.integration.test_build_graph import waits_for

pytestmark = pytest.mark.root

MEGABYTE = 1 << 20


def yurt(engine: EngineHost, *words: str) -> str:
    done = subprocess.run(
        [Path(sys.executable).with_name("yurt"), *words],
        env=os.environ | {"YURT_HOST": engine.host}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def entries(client: docker.DockerClient) -> dict[str, Any]:
    """Return what is kept by its description."""
    return {entry["Description"]: entry for entry in client.api.df()["BuildCache"]}


def a_large_step(name: str) -> str:
    return f"RUN head -c 1048576 /dev/urandom > /{name}\n"


def made(client: docker.DockerClient, name: str) -> Result:
    """Build a step of a megabyte, and remove the image: the step stays because another one stands on it."""
    result = build(
        client,
        f"FROM {IMAGE} AS made\n{a_large_step(name)}FROM {IMAGE}\nCOPY --from=made /bin/sh /x-{name}\n",
    )
    assert result.error == ""
    return result


@pytest.fixture
def emptied(client: docker.DockerClient) -> docker.DockerClient:
    client.images.prune({"dangling": True})
    client.api.prune_builds()
    assert [name for name in entries(client) if name.startswith("RUN head")] == []
    return client


def test_what_is_kept_is_shown(engine: EngineHost, emptied: docker.DockerClient) -> None:
    """Steps with their text, size and use, and caches of RUN; a build that uses a step again counts."""
    before = time.time()
    text = f"FROM {IMAGE} AS made\n{a_large_step('shown')}RUN --mount=type=cache,id=df-cache,target=/c head -c 1048576 /dev/zero > /c/x\nFROM {IMAGE}\nCOPY --from=made /bin/sh /x\n"
    build(emptied, text)
    build(emptied, text)
    found = entries(emptied)
    step = found["RUN head -c 1048576 /dev/urandom > /shown"]
    assert step["Type"] == "regular"
    assert step["Size"] >= MEGABYTE
    assert step["UsageCount"] == 2
    assert not step["InUse"]
    assert step["LastUsedAt"] >= time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(before))
    mount = found["cached mount df-cache"]
    assert mount["Type"] == "exec.cachemount"
    assert mount["Size"] >= MEGABYTE
    shown = yurt(engine, "builder", "du", "--no-trunc")
    assert "RUN head -c 1048576 /dev/urandom > /shown" in shown
    assert "Total: " in shown
    assert json.loads(yurt(engine, "builder", "du", "--format", "json").splitlines()[0])["ID"]


def test_the_least_recently_used_goes_until_the_rest_fits(
    engine: EngineHost, emptied: docker.DockerClient
) -> None:
    """Of three steps of a megabyte, the one that nobody used for the longest time; what is left is still used."""
    for name in ("one", "two", "three"):
        made(emptied, name)
    made(emptied, "one")
    yurt(engine, "builder", "prune", "-f", "--max-used-space", "5m")
    left = {
        name
        for name in ("one", "two", "three")
        if f"RUN head -c 1048576 /dev/urandom > /{name}" in entries(emptied)
    }
    assert left == {"one", "three"}
    assert made(emptied, "one").output.count("Using cache") == 2
    kept = yurt(engine, "builder", "prune", "-f", "--max-used-space", "0", "--reserved-space", "2m")
    assert "Total reclaimed space: 0B" not in kept
    assert sum(entry["Size"] for entry in entries(emptied).values() if not entry["Shared"]) >= 2 * MEGABYTE


def test_what_was_used_lately_stays_with_until(engine: EngineHost, emptied: docker.DockerClient) -> None:
    made(emptied, "lately")
    assert "Total reclaimed space: 0B" in yurt(engine, "builder", "prune", "-f", "--filter", "until=1h")
    assert "RUN head -c 1048576 /dev/urandom > /lately" in entries(emptied)
    yurt(engine, "builder", "prune", "-f", "--filter", "until=0s")
    assert "RUN head -c 1048576 /dev/urandom > /lately" not in entries(emptied)


def test_use_is_remembered_by_the_next_engine(new_engine: Callable[[], EngineHost]) -> None:
    host = new_engine()
    made(host.client(), "a")
    made(host.client(), "a")
    before = entries(host.client())["RUN head -c 1048576 /dev/urandom > /a"]
    host.kill()
    host.start()
    assert entries(host.client())["RUN head -c 1048576 /dev/urandom > /a"] == before
    assert before["UsageCount"] == 2


def test_a_running_build_loses_nothing(engine: EngineHost, emptied: docker.DockerClient) -> None:
    """While it waits in its last step, everything is pruned again and again; then it finds its steps, and its caches."""
    made_before = f"FROM {IMAGE} AS base\nRUN echo before > /before\n"
    build(emptied, made_before)
    text = (
        f"{made_before}RUN echo made > /made\nFROM base AS other\nRUN echo o > /other\n"
        f"FROM base\nCOPY --from=other /other /o\nRUN --mount=type=cache,id=under,target=/c touch /c/here; {waits_for('/c/go')}; echo end > /end\n"
        "COPY --from=base /made /copied\n"
    )
    process = subprocess.Popen(
        [Path(sys.executable).with_name("yurt"), "build", "-t", "pruned:1", "-"],
        env=os.environ | {"YURT_HOST": engine.host}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(text.encode())
    process.stdin.close()
    end = time.monotonic() + 30
    while not (here := list((engine.root / "build/caches").glob("*/here"))):
        assert time.monotonic() < end, "it did not begin"
        time.sleep(0.02)
    for _ in range(5):
        emptied.images.prune({"dangling": True})
        emptied.api.prune_builds()
    (here[0].parent / "go").touch()
    said = process.stdout.read().decode()
    process.stdout.close()
    assert process.wait() == 0, said
    assert run(emptied, "pruned:1", "cat", "/before", "/o", "/end", "/copied") == "before\no\nend\nmade\n"


@pytest.mark.docker
def test_buildx_shows_and_prunes_it(engine: EngineHost, emptied: docker.DockerClient, needs: Needs) -> None:
    needs.program("docker")
    environ = os.environ | {"DOCKER_HOST": engine.host}

    def buildx(*words: str) -> str:
        done = subprocess.run(
            ["docker", "buildx", *words], env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    made(emptied, "bx")
    shown = buildx("du", "--verbose")
    assert "RUN head -c 1048576 /dev/urandom > /bx" in shown
    assert "Total:	0B" in buildx("prune", "-f", "--filter", "until=1h")
    buildx("prune", "-f")
    assert "RUN head -c 1048576 /dev/urandom > /bx" not in buildx("du", "--verbose")
