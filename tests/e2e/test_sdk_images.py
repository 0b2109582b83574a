"""All that docker-py's high-level client offers for images: the same holds on Docker and on yurtd."""

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from docker.errors import APIError, BuildError, ImageNotFound, NotFound
from tests.conftest import Needs
from tests.e2e.cli_host import IMAGE
from tests.e2e.sdk_host import MARK, Sdk, tar_of
from tests.faults.registry import Registry, registry_address

# docker-py leaves hijacked sockets to the garbage collector.
pytestmark = [
    pytest.mark.parity,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]
RECIPE = f"FROM {IMAGE}\nARG WHO=nobody\nLABEL {MARK}= who=$WHO\n"


@pytest.fixture
def address(needs: Needs, tmp_path: Path) -> Iterator[str]:
    """The address of an empty registry."""
    needs.program("docker-registry")
    registry = Registry(tmp_path)
    registry.open()
    yield registry_address()
    registry.close()


def test_build(sdk: Sdk, tmp_path: Path) -> None:
    """From a text, a folder with an ignore file, and an archive; with arguments, a target, labels and a tag."""
    build = sdk.client.images.build
    image, log = build(
        fileobj=io.BytesIO(RECIPE.encode()), buildargs={"WHO": "me"}, tag="sdk-built:1", rm=True
    )
    assert (image.tags, image.labels["who"]) == (["sdk-built:1"], "me")
    said = "".join(entry.get("stream", "") for entry in log)
    assert "Step 1/3 : FROM" in said
    assert f"Successfully built {image.short_id.removeprefix('sha256:')}" in said
    assert "Successfully tagged sdk-built:1" in said
    (tmp_path / "other").write_text(
        f"{RECIPE}FROM {IMAGE} AS first\nCOPY . /there\nLABEL {MARK}=\nFROM first\nENV LAST=1\n"
    )
    (tmp_path / "kept").write_text("kept")
    (tmp_path / "left").write_text("left")
    (tmp_path / ".dockerignore").write_text("left\n")
    image, _ = build(
        path=str(tmp_path), dockerfile="other", target="first", labels={"more": "1"}, nocache=True, pull=False, forcerm=True
    )  # fmt: skip
    assert (image.tags, image.labels["more"]) == ([], "1")
    assert "LAST=1" not in image.attrs["Config"]["Env"]
    listed = sdk.client.containers.run(image.id, ["ls", "-A", "/there"], remove=True).split()
    assert b"kept" in listed
    assert b"left" not in listed
    context = tar_of(Dockerfile=f"{RECIPE}COPY in /in\nRUN cat /in > /out\n", **{"in": "words"})
    image, _ = build(fileobj=io.BytesIO(context), custom_context=True)
    assert sdk.client.containers.run(image, ["cat", "/out"], remove=True) == b"words"


def test_a_build_that_fails(sdk: Sdk) -> None:
    """BuildError has the message and the log; a Dockerfile that is none is refused."""
    recipe = f"FROM {IMAGE}\nRUN echo so far && exit 3\n"
    with pytest.raises(BuildError, match=r"code:? 3") as failed:
        sdk.client.images.build(fileobj=io.BytesIO(recipe.encode()), forcerm=True)
    assert "so far" in "".join(entry.get("stream", "") for entry in failed.value.build_log)
    with pytest.raises((BuildError, APIError), match=r"unknown instruction:? \"?NONSENSE"):
        sdk.client.images.build(fileobj=io.BytesIO(b"NONSENSE\n"))
    with pytest.raises(TypeError):
        sdk.client.images.build()


def test_the_low_level_build_streams(sdk: Sdk) -> None:
    """APIClient.build gives JSON lines, the last of which names the image."""
    lines = list(sdk.client.api.build(fileobj=io.BytesIO(RECIPE.encode()), decode=True, rm=True))
    ids = [line["aux"]["ID"] for line in lines if "aux" in line]
    assert sdk.client.images.get(ids[-1]).id == ids[-1]


def test_get_list_and_history(sdk: Sdk) -> None:
    """By name, ID and part of it; filters; attributes and history."""
    image = sdk.client.images.get(IMAGE)
    assert IMAGE in image.tags
    assert sdk.client.images.get(image.id) == image
    assert sdk.client.images.get(image.short_id).id == image.id
    assert {"Architecture", "Os", "Size", "RootFS", "Config", "Created"} <= set(image.attrs)
    assert [each.id for each in sdk.client.images.list(name=IMAGE)] == [image.id]
    assert image.id in [each.id for each in sdk.client.images.list(all=True)]
    recipe = f"{RECIPE}RUN echo > /list\n"  # an image of labels alone is as old as its base
    built, _ = sdk.client.images.build(fileobj=io.BytesIO(recipe.encode()), tag="sdk-list:1")
    (found,) = sdk.client.images.list(filters={"label": f"{MARK}", "reference": "sdk-list:*"})
    assert found == built
    assert sdk.client.images.list(name="sdk-list", filters={"before": IMAGE}) == []
    assert built in sdk.client.images.list(filters={"since": IMAGE, "dangling": False})
    history = built.history()
    assert {"Id", "Created", "CreatedBy", "Tags", "Size", "Comment"} == set(history[0])
    assert history[0]["Tags"] == ["sdk-list:1"]
    with pytest.raises(ImageNotFound):
        sdk.client.images.get("sdk-nosuch:1")


def test_tag_and_remove(sdk: Sdk) -> None:
    """A further name, in two forms; a name goes without the image, and the image with its last name."""
    built, _ = sdk.client.images.build(fileobj=io.BytesIO(f"{RECIPE}ENV T=tag\n".encode()), tag="sdk-tag:1")
    assert built.tag("sdk-tag", tag="2") is True
    assert built.tag("sdk-tag:3") is True
    built.reload()
    assert set(built.tags) == {"sdk-tag:1", "sdk-tag:2", "sdk-tag:3"}
    sdk.client.images.remove("sdk-tag:2")
    with pytest.raises(APIError) as several:
        sdk.client.images.remove(built.id)
    assert several.value.status_code == 409
    with pytest.raises(ImageNotFound):
        sdk.client.images.get("sdk-tag:2")
    built.remove(force=True)
    with pytest.raises(ImageNotFound):
        sdk.client.images.get(built.id)
    with pytest.raises(ImageNotFound):
        sdk.client.images.remove("sdk-tag:1", noprune=True)


def test_an_image_in_use_stays(sdk: Sdk) -> None:
    """A container holds it: 409."""
    built, _ = sdk.client.images.build(fileobj=io.BytesIO(f"{RECIPE}ENV T=used\n".encode()), tag="sdk-used:1")
    sdk.client.containers.create("sdk-used:1", "true", labels={MARK: ""})
    with pytest.raises(APIError) as used:
        sdk.client.images.remove(built.id)
    assert used.value.status_code == 409


def test_save_and_load(sdk: Sdk) -> None:
    """An archive brings an image back, with its name when that was saved; what is no archive is refused."""
    built, _ = sdk.client.images.build(fileobj=io.BytesIO(f"{RECIPE}ENV T=save\n".encode()), tag="sdk-save:1")
    named, unnamed = b"".join(built.save(named=True)), b"".join(built.save())
    with tarfile.open(fileobj=io.BytesIO(named)) as tar:
        manifest = tar.extractfile("manifest.json")
        assert manifest is not None
        assert json.load(manifest)[0]["RepoTags"] == ["sdk-save:1"]
    built.remove(force=True)
    (loaded,) = sdk.client.images.load(named)
    assert (loaded.id, loaded.tags) == (built.id, ["sdk-save:1"])
    built.remove(force=True)
    (loaded,) = sdk.client.images.load(io.BytesIO(unnamed))
    assert (loaded.id, loaded.tags) == (built.id, [])
    with pytest.raises((APIError, docker.errors.ImageLoadError)):
        sdk.client.images.load(b"this is no archive")
    with pytest.raises(docker.errors.InvalidArgument):
        list(built.save(named="another:1"))


def test_push_pull_and_registry_data(sdk: Sdk, address: str) -> None:
    """To a registry and back: progress, digests; what is not there is said."""
    repository = f"{address}/sdk/image"
    built, _ = sdk.client.images.build(fileobj=io.BytesIO(f"{RECIPE}ENV T=push\n".encode()))
    for tag in ("1", "2"):
        built.tag(repository, tag=tag)
        lines = list(sdk.client.images.push(repository, tag=tag, stream=True, decode=True))
        assert not [line for line in lines if "error" in line]
        assert {"Pushed", "Layer already exists", "Mounted from sdk/image"} & {
            line.get("status") for line in lines
        }
    (pushed,) = [line["aux"] for line in lines if "aux" in line]
    assert pushed["Tag"] == "2"
    data = sdk.client.images.get_registry_data(f"{repository}:1")
    assert data.id == pushed["Digest"]
    assert data.has_platform("linux/amd64") is True
    assert data.has_platform("windows/amd64") is False
    built.remove(force=True)
    pulled = sdk.client.images.pull(repository, tag="1")
    assert (pulled.id, pulled.tags) == (built.id, [f"{repository}:1"])
    assert pulled.attrs["RepoDigests"] == [f"{repository}@{pushed['Digest']}"]
    assert data.pull() == pulled
    lines = list(sdk.client.api.pull(repository, tag="1", stream=True, decode=True))
    assert lines[-1]["status"] == f"Status: Image is up to date for {repository}:1"
    with pytest.raises(NotFound):
        sdk.client.images.pull(repository, tag="nosuch")
    with pytest.raises(APIError):
        sdk.client.images.get_registry_data(f"{repository}:nosuch")


def test_what_needs_docker_hub_says_so(sdk: Sdk) -> None:
    """A search that cannot be answered is an error of the engine, not of the client's parser."""
    with pytest.raises(APIError) as failed:
        sdk.client.images.search("busybox", limit=1)
    assert failed.value.explanation


def test_prune(sdk: Sdk) -> None:
    """Those without a name and with the label go; the cache of builds is pruned for itself."""
    recipe = f"{RECIPE}LABEL sdk.prune=1\nRUN echo > /new\n"
    first, _ = sdk.client.images.build(fileobj=io.BytesIO(recipe.encode()))
    kept, _ = sdk.client.images.build(fileobj=io.BytesIO(f"{recipe}ENV N=1\n".encode()), tag="sdk-prune:1")
    told = sdk.client.images.prune({"dangling": True, "label": "sdk.prune"})
    assert isinstance(told["SpaceReclaimed"], int)
    kept.reload()
    assert first.id not in [each.id for each in sdk.client.images.list(filters={"dangling": True})]
    assert "SpaceReclaimed" in sdk.client.images.prune_builds(filters={"until": "9000h"})
