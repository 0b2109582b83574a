"""Images and builds through docker-py."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import APIError, BuildError, ImageNotFound

pytestmark = [
    pytest.mark.root,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]
IMAGE = "busybox:test"


def build(client: docker.DockerClient, dockerfile: str, *, tag: str, **options: Any) -> Any:
    return client.images.build(fileobj=io.BytesIO(dockerfile.encode()), tag=tag, rm=True, **options)


def test_an_image_is_listed_and_inspected(client: docker.DockerClient) -> None:
    """By name and by id."""
    image = client.images.get(IMAGE)
    assert image.tags == [IMAGE]
    assert client.images.get(image.id) == image
    assert client.images.get(image.short_id) == image
    assert image in client.images.list()
    assert client.images.list(filters={"reference": "nosuch*"}) == []
    assert image.attrs["RootFS"]["Type"] == "layers"
    assert image.history()[-1]["Size"] > 0


def test_names_come_and_go(client: docker.DockerClient) -> None:
    """A tag is another name; removing it leaves the image, while it has one."""
    image = client.images.get(IMAGE)
    assert image.tag("registry.example:5000/team/box", "v1")
    image.reload()
    assert set(image.tags) == {IMAGE, "registry.example:5000/team/box:v1"}
    client.images.remove("registry.example:5000/team/box:v1")
    image.reload()
    assert image.tags == [IMAGE]
    with pytest.raises(ImageNotFound, match="No such image: nosuch:latest"):
        client.images.get("nosuch")


def test_an_image_in_use_stays(client: docker.DockerClient) -> None:
    """Removing it is a conflict that names the container."""
    container = client.containers.create(IMAGE, "true")
    with pytest.raises(APIError) as conflict:
        client.images.remove(IMAGE)
    assert conflict.value.status_code == 409
    assert container.short_id in str(conflict.value)


def test_save_and_load(client: docker.DockerClient, tmp_path: Path) -> None:
    """What is saved comes back under the same id and name; a broken archive is refused and changes nothing."""
    image, _ = build(client, f"FROM {IMAGE}\nRUN echo kept >/kept\n", tag="saved:1")
    archive = tmp_path / "saved.tar"
    with archive.open("wb") as file:
        for chunk in image.save(named=True):
            file.write(chunk)
    with tarfile.open(archive) as tar:
        manifest = json.loads(tar.extractfile("manifest.json").read())  # type: ignore[union-attr]
    assert manifest[0]["RepoTags"] == ["saved:1"]
    client.images.remove("saved:1")
    with archive.open("rb") as file:
        [loaded] = client.images.load(file)
    assert (loaded.id, loaded.tags) == (image.id, ["saved:1"])
    assert client.containers.run("saved:1", ["cat", "/kept"], remove=True) == b"kept\n"
    client.images.remove("saved:1")
    broken = bytearray(archive.read_bytes())
    del broken[len(broken) // 2 :]
    before = {one.id for one in client.images.list()}
    with pytest.raises(APIError):
        client.images.load(bytes(broken))
    assert {one.id for one in client.images.list()} == before


def test_a_build_makes_an_image(client: docker.DockerClient) -> None:
    """Arguments, environment, labels and commands end in the image; the log tells the steps."""
    image, log = build(
        client,
        f'FROM {IMAGE}\nARG WHO=nobody\nENV A=b\nRUN echo $WHO >/who\nLABEL tier=front\nCMD ["cat", "/who"]\n',
        tag="built:1",
        buildargs={"WHO": "me"},
    )
    text = "".join(line.get("stream", "") for line in log)
    assert "Step 1/6" in text
    assert f"Successfully built {image.short_id.removeprefix('sha256:')}" in text
    assert image.labels == {"tier": "front"}
    assert client.containers.run("built:1", remove=True) == b"me\n"
    client.images.remove("built:1")


def test_a_failing_step_says_which(client: docker.DockerClient) -> None:
    """Line, exit code and output; no image is left, and no container."""
    before = {image.id for image in client.images.list(all=True)}
    with pytest.raises(BuildError) as caught:
        build(client, f"FROM {IMAGE}\nRUN echo on the way; exit 3\n", tag="never:1")
    assert "Dockerfile:2" in str(caught.value)
    assert "3" in str(caught.value)
    assert any("on the way" in line.get("stream", "") for line in caught.value.build_log)
    assert {image.id for image in client.images.list(all=True)} == before
    assert client.containers.list(all=True) == []


def test_a_mistake_in_the_dockerfile_is_a_status(client: docker.DockerClient) -> None:
    """Nothing was said yet, so it is 400, with the line."""
    with pytest.raises(APIError, match="Dockerfile:2") as caught:
        build(client, f"FROM {IMAGE}\nRUNN true\n", tag="never:1")
    assert caught.value.status_code == 400


def test_search_is_refused_with_a_way_out(client: docker.DockerClient) -> None:
    """There is no registry to search, but a catalog."""
    with pytest.raises(APIError) as caught:
        client.images.search("debian")
    assert caught.value.status_code == 503


def test_prune_removes_what_has_no_name(client: docker.DockerClient) -> None:
    """An image whose name moved on is dangling."""
    build(client, f"FROM {IMAGE}\nRUN echo 1 >/f\n", tag="moving:1")
    build(client, f"FROM {IMAGE}\nRUN echo 2 >/f\n", tag="moving:1")
    [dangling] = client.images.list(filters={"dangling": True})
    deleted = client.images.prune()["ImagesDeleted"]
    assert dangling.id in {one.get("Deleted") for one in deleted}
    assert client.images.list(filters={"dangling": True}) == []
    client.images.remove("moving:1")
