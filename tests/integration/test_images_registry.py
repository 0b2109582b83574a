"""Push to and pull from a real registry: Debian's docker-registry, on a loopback address."""

import asyncio
import io
import os
import socket
import tarfile
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from yurt.distribution.registries import Registries
from yurt.engine.events import Events
from yurt.engine.images.model import Image
from yurt.engine.images.service import ImageService
from yurt.engine.progress import Progress
from yurt.errors import InvalidArgument, NotFound
from yurt.oci.manifest import Index, IndexEntry
from yurt.oci.platform import Platform
from yurt.oci.reference import Reference
from yurt.storage.content import ContentStore
from yurt.storage.metadata import Documents
from yurt.storage.snapshots.overlay import OverlaySnapshotter

pytestmark = [pytest.mark.root, pytest.mark.network]


@pytest.fixture(autouse=True)
def _root(needs) -> None:
    needs.root()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
async def registry(needs, tmp_path: Path) -> AsyncIterator[str]:
    """The address of an empty registry."""
    program = needs.program("docker-registry")
    address = f"127.0.0.1:{free_port()}"
    config = tmp_path / "registry.yml"
    config.write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {tmp_path}/registry}}}}\n"
        f"http: {{addr: {address}}}\n"
    )
    with (tmp_path / "registry.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(program, "serve", config, stdout=log, stderr=log)
        try:
            await listening(address)
            yield address
        finally:
            process.terminate()
            await process.wait()


async def listening(address: str) -> None:
    host, _, port = address.partition(":")
    for _ in range(100):
        try:
            _reader, writer = await asyncio.open_connection(host, int(port))
        except ConnectionRefusedError:
            await asyncio.sleep(0.05)
            continue
        writer.close()
        await writer.wait_closed()
        return
    pytest.fail(f"nothing listens at {address}")


@asynccontextmanager
async def an_engine(root: Path) -> AsyncIterator[ImageService]:
    documents = Documents(root / "test.db")
    content = ContentStore(root / "content")
    snapshots = OverlaySnapshotter(root / "snapshots", documents)
    images = ImageService(content=content, snapshots=snapshots, documents=documents, events=Events())
    await images.restore()
    try:
        yield images
    finally:
        content.close()
        snapshots.close()
        documents.close()


async def an_image(images: ImageService, name: str, size: int) -> Image:
    """Make an image of one layer with one file of *size* random bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("file")
        info.size = size
        archive.addfile(info, io.BytesIO(os.urandom(size)))

    async def chunks() -> AsyncIterator[bytes]:
        yield buffer.getvalue()

    return await images.import_tar(chunks(), reference=name)


def statuses(news: list[Progress], id_: str) -> list[str]:
    """Return what was said of a layer, repeated counts once."""
    said = [item.status for item in news if item.id == id_]
    return [status for number, status in enumerate(said) if number == 0 or said[number - 1] != status]


async def test_an_image_comes_back_as_it_went(registry: str, tmp_path: Path) -> None:
    """Push from one engine, pull with another: the same id, layers and manifest, and Docker's words on the way."""
    name = f"{registry}/some/app:1"
    async with an_engine(tmp_path / "one") as one, an_engine(tmp_path / "two") as two:
        image = await an_image(one, name, 3_000_000)
        [layer] = image.layers
        short = layer.descriptor.digest.short
        news: list[Progress] = []
        pushed = await one.push(name, progress=news.append)
        assert pushed.digest == image.manifest
        assert news[0].status == f"The push refers to repository [{registry}/some/app]"
        assert statuses(news, short) == ["Preparing", "Pushing", "Pushed"]
        assert news[-1].status == f"1: digest: {pushed.digest} size: {pushed.size}"
        assert one.get(name).repo_digests == (f"{registry}/some/app@{pushed.digest}",)

        news.clear()
        pulled = await two.pull(name, progress=news.append)
        assert (pulled.id, pulled.layers, pulled.manifest) == (image.id, image.layers, image.manifest)
        assert (pulled.tags, pulled.repo_digests) == ((name,), (f"{registry}/some/app@{pushed.digest}",))
        assert news[0] == Progress("Pulling from some/app", "1")
        assert statuses(news, short) == [
            "Pulling fs layer",
            "Downloading",
            "Verifying Checksum",
            "Download complete",
            "Extracting",
            "Pull complete",
        ]
        assert [item.status for item in news[-2:]] == [
            f"Digest: {pushed.digest}",
            f"Status: Downloaded newer image for {name}",
        ]

        news.clear()
        await two.pull(name, progress=news.append)
        assert statuses(news, short) == []  # the image is here: its layers are not looked at
        assert news[-1].status == f"Status: Image is up to date for {name}"

        news.clear()
        await one.push(name, progress=news.append)
        assert statuses(news, short) == ["Preparing", "Layer already exists"]

        await one.tag(image, f"{registry}/other/app:2")
        news.clear()
        await one.push(f"{registry}/other/app:2", progress=news.append)
        assert statuses(news, short) == ["Preparing", "Mounted from some/app"]

        by_digest = await two.pull(f"{registry}/other/app@{pushed.digest}")
        assert by_digest.id == image.id
        assert f"{registry}/other/app:2" not in by_digest.tags


async def test_what_a_registry_has_is_told_without_a_pull(registry: str, tmp_path: Path) -> None:
    """An image's descriptor and platform, and all platforms of an index; what is not there is not found."""
    name = f"{registry}/some/app"
    async with an_engine(tmp_path / "one") as one, an_engine(tmp_path / "two") as two:
        image = await an_image(one, f"{name}:1", 1000)
        pushed = await one.push(f"{name}:1")
        found = await two.offered(f"{name}:1")
        assert (found.descriptor.digest, found.descriptor.size) == (image.manifest, pushed.size)
        assert found.descriptor.media_type == "application/vnd.oci.image.manifest.v1+json"
        assert found.platforms == (two.platform,)
        assert await two.offered(f"{name}@{image.manifest}") == found
        entries = tuple(
            IndexEntry(found.descriptor, Platform.parse(text)) for text in ("linux/arm64/v8", "linux/amd64")
        )
        index = Index("application/vnd.oci.image.index.v1+json", entries)
        async with Registries().pushing(Reference.parse(f"{name}:2"), None) as repository:
            await repository.put_manifest("2", index.media_type, index.to_bytes())
        several = await two.offered(f"{name}:2")
        assert several.descriptor.media_type == index.media_type
        assert [str(one) for one in several.platforms] == ["linux/arm64/v8", "linux/amd64"]
        for nothing in (f"{name}:3", f"{registry}/nosuch:1"):
            with pytest.raises(NotFound, match=r"manifest unknown|not found"):
                await two.offered(nothing)
        assert two.list() == ()


async def test_a_plain_layer_is_pushed_compressed(registry: str, tmp_path: Path) -> None:
    """What Docker's archives hold plain is not sent so; the pulled image is the same."""
    name = f"{registry}/app:1"
    async with an_engine(tmp_path / "one") as one, an_engine(tmp_path / "two") as two:
        image = await an_image(one, "app:1", 500_000)
        archive = b"".join([chunk async for chunk in one.save(["app:1"])])
        plain = with_plain_layers(archive)

        async def chunks() -> AsyncIterator[bytes]:
            yield plain

        await two.load(chunks())
        await two.tag(two.get("app:1"), name)
        await two.push(name)
        stored = set(two._content.digests())
        await one.pull(name)
        assert one.get(name).id == image.id
        assert two.get(name).layers[0].descriptor.digest in stored
        assert len(stored) == 3  # the compressed form was for the registry only


def with_plain_layers(archive: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(archive)) as old, tarfile.open(fileobj=out, mode="w") as new:
        for info in old:
            content = old.extractfile(info)
            data = content.read() if content else b""
            if data[:2] == b"\x1f\x8b":
                data = zlib.decompress(data, 31)
            info.size = len(data)
            if info.name != "index.json":
                new.addfile(info, io.BytesIO(data) if content else None)
    return out.getvalue()


async def test_what_the_registry_has_not_is_not_found(registry: str, tmp_path: Path) -> None:
    """A tag, a repository, and a name that is not here to push."""
    async with an_engine(tmp_path / "one") as images:
        news: list[Progress] = []
        with pytest.raises(NotFound, match=rf"manifest for {registry}/app:1 not found: manifest unknown"):
            await images.pull(f"{registry}/app:1", progress=news.append)
        assert news == []
        with pytest.raises(NotFound, match="An image does not exist locally with the tag"):
            await images.push(f"{registry}/app:1")
        assert images.list() == ()


async def test_every_tag_of_a_repository_comes(registry: str, tmp_path: Path) -> None:
    """Each under its name, one status at the end; what is here is not fetched again, however it is packed."""
    async with an_engine(tmp_path / "one") as one, an_engine(tmp_path / "two") as two:
        first, second = (
            await an_image(one, f"{registry}/app:1", 1000),
            await an_image(one, f"{registry}/app:2", 1000),
        )
        await one.tag(second, f"{registry}/app:latest")
        for image in ("app:1", "app:2", "app:latest"):
            await one.push(f"{registry}/{image}")
        news: list[Progress] = []
        pulled = await two.pull_all(f"{registry}/app", progress=news.append)
        assert {(image.id, two.get(image.id).tags) for image in pulled} == {
            (first.id, (f"{registry}/app:1",)),
            (second.id, (f"{registry}/app:2", f"{registry}/app:latest")),
        }
        said = [item.status for item in news]
        assert [text for text in said if text.startswith("Status: ")] == [
            f"Status: Downloaded newer image for {registry}/app"
        ]
        news.clear()
        await one.pull_all(f"{registry}/app", progress=news.append)
        assert {item.status.partition(":")[0] for item in news} == {"Pulling from app", "Digest", "Status"}
        assert news[-1].status == f"Status: Image is up to date for {registry}/app"
        with pytest.raises(InvalidArgument, match="it names one of them"):
            await two.pull_all(f"{registry}/app:1")


async def test_pulls_of_one_image_at_once_share_the_work(registry: str, tmp_path: Path) -> None:
    """One image, one transfer a layer, everyone is served."""
    name = f"{registry}/app:1"
    async with an_engine(tmp_path / "one") as one, an_engine(tmp_path / "two") as two:
        await an_image(one, name, 2_000_000)
        await one.push(name)
        news: list[Progress] = []
        pulled = await asyncio.gather(*(two.pull(name, progress=news.append) for _ in range(4)))
        assert len({image.id for image in pulled}) == 1
        assert [item.status for item in news].count("Verifying Checksum") == 1


async def test_a_cancelled_pull_leaves_nothing(registry: str, tmp_path: Path) -> None:
    """The client may go away at any time."""
    name = f"{registry}/app:1"
    async with an_engine(tmp_path / "one") as one, an_engine(tmp_path / "two") as two:
        await an_image(one, name, 8_000_000)
        await one.push(name)
        begun = asyncio.Event()

        def watch(item: Progress) -> None:
            if item.status == "Downloading":
                begun.set()

        task = asyncio.create_task(two.pull(name, progress=watch))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert two.list() == ()
        assert list(two._content.digests()) == []
        assert os.listdir(tmp_path / "two/content/ingest") == []
        await two.pull(name)
