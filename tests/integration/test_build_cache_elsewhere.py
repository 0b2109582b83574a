"""Build caches that leave the engine: to a registry, a folder, into an image; and come back, on an engine without any."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest
from tests.conftest import Needs
from tests.faults.registry import Registry, registry_address
from tests.integration.engine_host import IMAGE, EngineHost
from tests.integration.test_build import run

pytestmark = pytest.mark.root

DOCKERFILE = f"""FROM {IMAGE} AS made
COPY early /early
RUN head -c 64 /dev/urandom > /made
FROM {IMAGE}
RUN head -c 64 /dev/urandom > /first
COPY --from=made /made /made
COPY late /late
RUN head -c 64 /dev/urandom > /last
"""


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "Dockerfile").write_text(DOCKERFILE)
    (folder / "early").write_text("early")
    (folder / "late").write_text("late")
    return folder


@pytest.fixture
def registry(needs: Needs, tmp_path: Path) -> Iterator[str]:
    needs.program("docker-registry")
    folder = tmp_path / "registry"
    folder.mkdir()
    host = Registry(folder)
    host.open()
    yield registry_address()
    host.close()


def built(engine: EngineHost, context: Path, *words: str) -> str:
    """Build on *engine*; return what was said."""
    done = subprocess.run(
        [Path(sys.executable).with_name("yurt"), "build", "-t", "kept:1", *words, str(context)],
        env=os.environ | {"YURT_HOST": engine.host}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def random_files(client: docker.DockerClient) -> list[str]:
    return run(client, "kept:1", "sha256sum", "/made", "/first", "/last").split()[::2]


def emptied(client: docker.DockerClient) -> None:
    """Afterwards the engine knows nothing of any build."""
    for image in client.images.list():
        if f"{IMAGE}" not in image.tags:
            client.images.remove(image.id, force=True)
    client.api.prune_builds()


def made(said: str) -> int:
    """Return how many steps with work were made, of the result and of what it needs."""
    steps = [
        line for line in said.splitlines() if line.startswith("Step ") and ("RUN" in line or "COPY" in line)
    ]
    return len(steps) - said.count("Using cache")


def test_a_cache_in_a_registry_serves_another_engine(
    new_engine: Callable[[], EngineHost], registry: str, context: Path
) -> None:
    """The other engine, which has nothing, makes nothing; of a changed file only the steps that see it."""
    place = f"type=registry,ref={registry}/kept:cache"
    first, second = new_engine(), new_engine()
    assert made(built(first, context, "--cache-to", f"{place},mode=max")) == 6
    files = random_files(first.client())
    assert made(built(second, context, "--cache-from", place)) == 0
    assert random_files(second.client()) == files
    emptied(second.client())
    (context / "late").write_text("changed")
    assert made(built(second, context, "--cache-from", place)) == 2
    after = random_files(second.client())
    assert after[:2] == files[:2]
    assert after[2] != files[2]
    emptied(second.client())
    (context / "early").write_text("changed")
    assert made(built(second, context, "--cache-from", place)) == 5  # all but RUN … > /first


def test_a_folder_holds_the_cache_and_is_never_believed(
    engine: EngineHost, client: docker.DockerClient, context: Path, tmp_path: Path
) -> None:
    """mode=min has what the result stands on. Layers of other steps, layers cut short, no folder: a warning, and the steps are made."""
    place = tmp_path / "cache"
    built(engine, context)
    client.api.prune_builds({"until": "0s"})  # the image stays, its steps have to be made again
    built(engine, context, "--cache-to", f"type=local,dest={place}")
    files = random_files(client)
    emptied(client)
    assert made(built(engine, context, "--cache-from", f"type=local,src={place}")) == 0
    assert random_files(client) == files

    index = json.loads((place / "index.json").read_text())
    blobs = place / "blobs/sha256"
    named = index["manifests"][0]
    manifest = json.loads((blobs / named["digest"].removeprefix("sha256:")).read_text())
    manifest["layers"].reverse()  # every digest is right, and no layer is what its step made
    data = json.dumps(manifest).encode()
    named |= {"digest": f"sha256:{hashlib.sha256(data).hexdigest()}", "size": len(data)}
    (blobs / named["digest"].removeprefix("sha256:")).write_bytes(data)
    (place / "index.json").write_text(json.dumps(index))
    emptied(client)
    said = built(engine, context, "--cache-from", f"type=local,src={place}")
    assert "[Warning] no build cache from local:" in said
    assert "wrong content of layer" in said
    assert made(said) == 6
    assert random_files(client)[1] != files[1]

    for layer in manifest["layers"]:
        blob = blobs / layer["digest"].removeprefix("sha256:")
        blob.write_bytes(blob.read_bytes()[:-1])
    emptied(client)
    said = built(engine, context, "--cache-from", f"type=local,src={place}")
    assert "is cut short" in said
    assert made(said) == 6
    emptied(client)
    assert "cannot read" in built(engine, context, "--cache-from", f"type=local,src={tmp_path}/nowhere")


def test_an_image_holds_its_own_cache(
    engine: EngineHost, client: docker.DockerClient, context: Path, registry: str
) -> None:
    """With type=inline the image that is pushed is also the cache; one without is told to hold none."""
    built(engine, context, "-t", f"{registry}/kept:1", "--cache-to", "type=inline")
    client.images.push(f"{registry}/kept:1")
    files = random_files(client)
    emptied(client)
    said = built(
        engine, context, "-t", f"{registry}/kept:2", "--cache-from", f"type=registry,ref={registry}/kept:1"
    )
    assert made(said) == 0
    assert random_files(client) == files
    client.images.push(f"{registry}/kept:2")
    emptied(client)
    assert "the image holds none" in built(engine, context, "--cache-from", f"{registry}/kept:2")
