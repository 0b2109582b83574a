"""Images on a real kernel and a real disk: mounted, killed, full, and exchanged with the reference engine."""

import asyncio
import contextlib
import io
import json
import os
import random
import signal
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from yurt.engine.events import Events
from yurt.engine.images.model import Image
from yurt.engine.images.service import ImageService
from yurt.errors import Unavailable
from yurt.linux import syscall
from yurt.linux.mount import unmount
from yurt.oci.config import ImageConfig
from yurt.oci.digest import Digest
from yurt.storage.content import ContentStore
from yurt.storage.metadata import Documents
from yurt.storage.snapshots.overlay import OverlaySnapshotter

pytestmark = pytest.mark.root


@pytest.fixture(autouse=True)
def _root(needs) -> None:
    needs.root()


class World:
    """An engine's images below *root*."""

    def __init__(self, root: Path) -> None:
        self.documents = Documents(root / "test.db")
        self.content = ContentStore(root / "content")
        self.snapshots = OverlaySnapshotter(root / "snapshots", self.documents)
        self.images = ImageService(
            content=self.content, snapshots=self.snapshots, documents=self.documents, events=Events()
        )

    def settle(self) -> None:
        """Wait until the space of what was removed is free."""
        self.content.close()
        self.snapshots.close()

    def stop(self) -> None:
        self.settle()
        self.documents.close()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path / "engine")
    await world.images.restore()
    yield world
    world.stop()


@pytest.fixture
def mountpoint(tmp_path: Path) -> Iterator[Path]:
    """A folder to mount on; whatever is mounted there goes at the end."""
    folder = tmp_path / "mountpoint"
    folder.mkdir()
    yield folder
    if os.path.ismount(folder):
        unmount(folder, lazy=True)


async def stream(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 65536):
        yield data[start : start + 65536]


def a_layer(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name.replace("__", "/").replace("WH_", ".wh."))
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def an_archive(name: str, *layers: bytes) -> bytes:
    config = ImageConfig(author=name, diff_ids=tuple(str(Digest.of(layer)) for layer in layers)).to_bytes()
    files = {f"{number}.tar": layer for number, layer in enumerate(layers)}
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": list(files)}]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, data in {
            **files,
            "config.json": config,
            "manifest.json": json.dumps(manifest).encode(),
        }.items():
            info = tarfile.TarInfo(path)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


async def test_the_kernel_shows_the_layers_as_one(world: World, mountpoint: Path) -> None:
    """Whiteouts and opaque folders hide, upper files win, and what is written is the next layer."""
    await world.images.load(
        stream(
            an_archive(
                "app:1",
                a_layer(keep=b"1", gone=b"1", over=b"1", d__old=b"1"),
                a_layer(WH_gone=b"", over=b"2", **{"d__WH_.wh..opq": b""}, d__new=b"2"),
            )
        )
    )
    image = world.images.get("app:1")
    world.snapshots.prepare("container", image.chain_id)
    world.snapshots.mount_spec("container").mount(mountpoint)
    assert sorted(os.listdir(mountpoint)) == ["d", "keep", "over"]
    assert os.listdir(mountpoint / "d") == ["new"]
    assert (mountpoint / "over").read_bytes() == b"2"
    (mountpoint / "keep").unlink()
    (mountpoint / "d" / "new").write_bytes(b"3")
    unmount(mountpoint)
    layer = await world.images.commit_layer("container", parent=image.chain_id)
    assert layer is not None
    again = await world.images.create(image.config, [*image.layers, layer], tags=["app:2"])
    world.snapshots.mount_spec(str(again.chain_id)).mount(mountpoint)
    assert sorted(os.listdir(mountpoint)) == ["d", "over"]
    assert (mountpoint / "d/new").read_bytes() == b"3"
    with pytest.raises(OSError, match="Read-only"):
        (mountpoint / "x").write_text("")


async def test_many_layers_mount(world: World, mountpoint: Path) -> None:
    """More than fit into a page of mount options by their full paths."""
    layers = [a_layer(**{f"file{number}": b"x"}) for number in range(120)]
    await world.images.load(stream(an_archive("app:1", *layers)))
    world.snapshots.mount_spec(str(world.images.get("app:1").chain_id)).mount(mountpoint)
    assert len(os.listdir(mountpoint)) == 120


LOADER = """
import asyncio, sys
from pathlib import Path
from yurt.engine.events import Events
from yurt.engine.images.service import ImageService
from yurt.storage.content import ContentStore
from yurt.storage.metadata import Documents
from yurt.storage.snapshots.overlay import OverlaySnapshotter

async def chunks(path):
    with open(path, "rb") as archive:
        while chunk := archive.read(65536):
            yield chunk

async def main(root):
    documents = Documents(root / "test.db")
    images = ImageService(
        content=ContentStore(root / "content"), documents=documents, events=Events(),
        snapshots=OverlaySnapshotter(root / "snapshots", documents),
    )
    await images.restore()
    print("ready", flush=True)
    for archive in sys.argv[2:]:
        await images.load(chunks(archive))
        print("loaded", flush=True)

asyncio.run(main(Path(sys.argv[1])))
"""


def assert_whole(world: World, image: Image, *layers: bytes) -> None:
    assert [layer.diff_id for layer in image.layers] == [Digest.of(layer) for layer in layers]
    for layer, data in zip(image.layers, layers, strict=True):
        assert world.content.read(layer.descriptor.digest) == data
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for info in archive:
                content = archive.extractfile(info)
                assert content is not None
                assert (world.snapshots.upper(layer.chain_id) / info.name).read_bytes() == content.read()


async def test_killed_at_any_instant_images_are_whole_or_not_there(tmp_path: Path) -> None:
    """kill -9 in the middle of loading: the next start finds whole images and nothing else, and goes on."""
    layers = [a_layer(**{f"{name}{n}": os.urandom(20_000) for n in range(60)}) for name in "abc"]
    names = ["app:1", "app:2", "app:3"]
    archives = {name: an_archive(name, *layers[: number + 1]) for number, name in enumerate(names)}
    for name, data in archives.items():
        (tmp_path / name).write_bytes(data)
    root = tmp_path / "engine"
    chance = random.Random(4)
    for _ in range(8):
        process = subprocess.Popen(  # noqa: ASYNC220 - nothing else runs on this loop
            [sys.executable, "-c", LOADER, root, *(tmp_path / name for name in names)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        loaded = 0
        if chance.random() < 0.5:
            loaded = process.stdout.readline().count(b"loaded")
        await asyncio.sleep(chance.random() * 0.15)
        process.send_signal(signal.SIGKILL)
        loaded += process.stdout.read().count(b"loaded")
        process.wait()
        process.stdout.close()
        world = World(root)
        try:
            await world.images.restore()
            here = {image.tags[0]: image for image in world.images.list()}
            assert set(here) >= set(names[:loaded])
            for name, image in here.items():
                assert_whole(world, image, *layers[: names.index(name) + 1])
            needed = {name for image in here.values() for name in (image.id, image.manifest)}
            needed |= {layer.descriptor.digest for image in here.values() for layer in image.layers}
            assert set(world.content.digests()) == needed
            assert world.snapshots.keys() == ()
            for ref in here:
                await world.images.remove(ref)
        finally:
            world.stop()


async def test_a_full_disk_leaves_the_state_before(mountpoint: Path) -> None:
    """A real one: loading, importing and committing fail with one error, and what was there is there."""
    syscall.mount("tmpfs", mountpoint, "tmpfs", 0, "size=8m")
    world = World(mountpoint / "engine")
    try:
        await world.images.restore()
        await world.images.load(stream(an_archive("small:1", a_layer(file=b"x"))))
        before = set(world.content.digests()), world.snapshots.names()
        big = a_layer(one=os.urandom(2_500_000))
        huge = a_layer(one=os.urandom(9_000_000))
        for data in (big, huge):
            with pytest.raises(Unavailable, match="no space left on device"):
                await world.images.load(stream(an_archive("big:1", big, data, a_layer(x=b"x"))))
            assert (set(world.content.digests()), world.snapshots.names()) == before
            world.settle()
        with pytest.raises(Unavailable, match="no space left on device"):
            await world.images.import_tar(stream(huge), reference="huge")
        world.settle()
        world.snapshots.prepare("build", None)
        (world.snapshots.upper("build") / "file").write_bytes(os.urandom(5_000_000))
        with pytest.raises(Unavailable, match="no space left on device"):
            await world.images.commit_layer("build", parent=None)
        assert world.snapshots.keys() == ("build",)
        assert world.snapshots.usage("build") == 5_000_000
        world.snapshots.remove("build")
        world.settle()
        assert (set(world.content.digests()), world.snapshots.names()) == before
        assert [image.tags for image in world.images.list()] == [("small:1",)]
        await world.images.load(stream(an_archive("small:2", a_layer(other=b"y"))))
        fill(mountpoint / "filler")
        with pytest.raises(Unavailable, match="no space left on device"):
            await world.images.load(stream(an_archive("small:3", a_layer(more=b"z" * 5000))))
        await world.images.remove("small:1")  # what makes room goes on a full disk too
        await world.images.remove("small:2")
        assert world.images.list() == ()
    finally:
        world.stop()


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))


@pytest.fixture
def docker(needs) -> str:
    program: str = needs.program("docker")
    if subprocess.run([program, "version"], capture_output=True, check=False).returncode:
        needs._missing("a Docker engine that answers")
    return program


async def run(*argv: str | Path) -> bytes:
    process = await asyncio.create_subprocess_exec(*argv, stdout=subprocess.PIPE)
    output, _ = await process.communicate()
    assert process.returncode == 0
    return output


@pytest.mark.docker
async def test_docker_and_yurt_read_each_others_archives(world: World, docker: str, tmp_path: Path) -> None:
    """The same id on both sides, and the same files."""
    name = f"yurt-exchange-{os.getpid()}:1"
    busybox = Path("/bin/busybox")
    content = busybox.read_bytes() if busybox.exists() else b"x"
    archive = an_archive(name, a_layer(busybox=content, gone=b"1"), a_layer(WH_gone=b"", file=b"2"))
    await world.images.load(stream(archive))
    image = world.images.get(name)
    path = tmp_path / "saved.tar"
    with path.open("wb") as out:
        async for chunk in world.images.save([name]):
            out.write(chunk)
    try:
        await run(docker, "load", "-q", "-i", path)
        shown = json.loads(await run(docker, "image", "inspect", name))[0]
        assert shown["RootFS"]["Layers"] == list(image.config.diff_ids)
        assert shown["Id"] in {image.id, image.manifest}  # the second is the containerd store's way
        exported = tmp_path / "exported.tar"
        await run(docker, "save", "-o", exported, name)
    finally:
        await run(docker, "rmi", "-f", name)
    await world.images.remove(name)
    await world.images.load(stream(exported.read_bytes()))
    again = world.images.get(name)
    assert again.id == image.id
    assert (world.snapshots.upper(again.layers[1].chain_id) / "file").read_bytes() == b"2"
