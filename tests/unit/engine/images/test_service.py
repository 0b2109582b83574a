"""ImageService: images come, go and survive, whole or not at all."""

import asyncio
import errno
import gzip
import io
import json
import os
import tarfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from yurt.engine.events import Events
from yurt.engine.images.model import Image, Layer, Removed
from yurt.engine.images.service import ImageService
from yurt.errors import Conflict, InvalidArgument, NotFound, Unavailable
from yurt.oci.config import History, ImageConfig
from yurt.oci.descriptor import MediaType
from yurt.oci.digest import Digest
from yurt.oci.manifest import Manifest
from yurt.storage.content import ContentStore
from yurt.storage.metadata import Documents
from yurt.storage.snapshots.overlay import OverlaySnapshotter

pytestmark = pytest.mark.root  # a layer's owners are root's to set


class World:
    """An engine's images on a disk; `restart` is what a new process does."""

    def __init__(self, root: Path) -> None:
        self.root = root

    async def start(self) -> None:
        self.documents = Documents(self.root / "test.db")
        self.content = ContentStore(self.root / "content")
        self.snapshots = OverlaySnapshotter(self.root / "snapshots", self.documents)
        self.events = Events()
        self.images = ImageService(
            content=self.content, snapshots=self.snapshots, documents=self.documents, events=self.events
        )
        await self.images.restore()

    def stop(self) -> None:
        self.content.close()
        self.snapshots.close()
        self.documents.close()

    async def restart(self) -> None:
        self.stop()
        await self.start()

    def is_empty(self) -> bool:
        """Nothing is stored, not even out of sight."""
        self.content.close()
        self.snapshots.close()
        return (
            not list(self.content.digests())
            and not (*self.snapshots.names(), *self.snapshots.keys())
            and not os.listdir(self.root / "content/ingest")
            and not [name for name in os.listdir(self.root / "snapshots") if name.isdecimal()]
        )

    def actions(self) -> list[str]:
        return [event.action for event in self.events.history(since_ns=0)]

    async def layer(self, content: str, on: Layer | None = None) -> Layer:
        """Commit a layer that has one file of that name and content."""
        parent = on.chain_id if on else None
        self.snapshots.prepare(f"build {content}", parent)
        (self.snapshots.upper(f"build {content}") / content).write_text(content)
        layer = await self.images.commit_layer(f"build {content}", parent=parent)
        assert layer is not None
        return layer

    async def image(self, content: str, *tags: str, on: Sequence[Layer] = ()) -> Image:
        layer = await self.layer(content, on[-1] if on else None)
        config = ImageConfig(author=content, labels={"name": content})
        return await self.images.create(config, [*on, layer], tags=tags)


@pytest.fixture
async def world(needs, tmp_path: Path):
    needs.root()
    world = World(tmp_path)
    await world.start()
    yield world
    world.stop()


async def stream(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 10_000):
        yield data[start : start + 10_000]


def a_tar(files: Mapping[str, bytes | str]) -> bytes:
    """Return an archive; a text is a symbolic link's target."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def a_docker_archive(
    *layers: bytes,
    tags: Sequence[str] = ("app:1",),
    diff_ids: Sequence[str] | None = None,
    extra: Mapping[str, bytes] | None = None,
) -> bytes:
    if diff_ids is None:
        diff_ids = [Digest.of(layer) for layer in layers]
    config = ImageConfig(cmd=("sh",), diff_ids=tuple(map(str, diff_ids))).to_bytes()
    names = [f"layer{number}.tar" for number in range(len(layers))]
    manifest = [{"Config": "config.json", "RepoTags": list(tags), "Layers": names}]
    files = dict(zip(names, layers, strict=True)) | {
        "config.json": config,
        "manifest.json": json.dumps(manifest).encode(),
    }
    return a_tar({**files, **(extra or {})})


ROOTFS = a_tar({"hello": b"world", "bin/sh": b"#!", "link": "hello"})


# Making


async def test_an_archive_becomes_an_image(world: World) -> None:
    """Plain or compressed, with the configuration and the name that were asked."""
    image = await world.images.import_tar(
        stream(gzip.compress(ROOTFS)), reference="base", changes=ImageConfig(cmd=("sh",)), message="made here"
    )
    assert image.tags == ("base:latest",)
    assert image.config.cmd == ("sh",)
    assert image.config.history == (History(created=image.config.created, comment="made here"),)
    assert image.config.diff_ids == (Digest.of(ROOTFS),)
    assert image.size == 12
    assert image.chain_id is not None
    assert (world.snapshots.upper(image.chain_id) / "hello").read_text() == "world"
    blob = world.content.read(image.layers[0].descriptor.digest)
    assert gzip.decompress(blob) == ROOTFS
    assert world.images.get("base") == image
    assert world.actions() == ["tag", "import"]


@pytest.mark.parametrize(
    "data", [b"", b"no archive at all" * 100, ROOTFS[:514], gzip.compress(ROOTFS)[:-20], a_tar({"../x": b""})]
)
async def test_a_broken_or_hostile_archive_leaves_nothing(world: World, data: bytes) -> None:
    """One clear error, and the state before."""
    with pytest.raises(InvalidArgument):
        await world.images.import_tar(stream(data), reference="base")
    assert world.images.list() == ()
    assert world.is_empty()


async def test_a_bad_name_is_refused_before_anything_is_read(world: World) -> None:
    """Nothing needs to be undone."""

    read = []

    async def watched() -> AsyncIterator[bytes]:
        read.append(1)
        yield b""

    with pytest.raises(InvalidArgument):
        await world.images.import_tar(watched(), reference="No Name")
    assert read == []


async def test_a_cancelled_import_leaves_nothing(world: World) -> None:
    """The client may go away at any time."""

    async def stalled() -> AsyncIterator[bytes]:
        yield ROOTFS[:2000] + bytes(1 << 20)
        await asyncio.Event().wait()

    task = asyncio.create_task(world.images.import_tar(stalled(), reference="base"))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert world.is_empty()


async def test_a_written_snapshot_becomes_a_layer(world: World) -> None:
    """Afterwards its key is gone and its chain is committed; the blob is the archive of what was written."""
    base = await world.layer("one")
    layer = await world.layer("two", base)
    assert layer.descriptor.media_type == MediaType.OCI_LAYER_GZIP
    assert world.snapshots.keys() == ()
    assert world.snapshots.parent(layer.chain_id) == base.chain_id
    plain = gzip.decompress(world.content.read(layer.descriptor.digest))
    assert Digest.of(plain) == layer.diff_id
    with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
        assert archive.getnames() == ["two"]
    assert world.images.layer(layer.chain_id) == layer


async def test_a_snapshot_that_changed_nothing_is_no_layer(world: World) -> None:
    """Its key is gone all the same."""
    world.snapshots.prepare("build", None)
    assert await world.images.commit_layer("build", parent=None) is None
    assert world.snapshots.keys() == ()


async def test_the_same_change_is_the_same_layer(world: World) -> None:
    """It is kept once."""
    first = await world.layer("one")
    mtime = (world.snapshots.upper(first.chain_id) / "one").stat().st_mtime
    world.snapshots.prepare("again", None)
    file = world.snapshots.upper("again") / "one"
    file.write_text("one")
    os.utime(file, (mtime, mtime))
    assert await world.images.commit_layer("again", parent=None) == first
    assert len(list(world.content.digests())) == 1


async def test_a_layer_is_committed_over_its_own_parent_only(world: World) -> None:
    """A mistake of the caller is no broken image."""
    base = await world.layer("one")
    world.snapshots.prepare("build", None)
    with pytest.raises(Conflict, match="is not over"):
        await world.images.commit_layer("build", parent=base.chain_id)


async def test_an_image_is_made_of_layers(world: World) -> None:
    """Its id is the digest of its configuration, its manifest names its blobs."""
    image = await world.image("two", "app:1", "app:2", on=[await world.layer("one")])
    assert image.id == Digest.of(world.content.read(image.id))
    manifest = Manifest.from_bytes(world.content.read(image.manifest))
    assert manifest.config.digest == image.id
    assert manifest.layers == tuple(layer.descriptor for layer in image.layers)
    assert image.config.diff_ids == tuple(layer.diff_id for layer in image.layers)
    assert image.tags == ("app:1", "app:2")
    assert image.size == 6
    assert image.created_ns > 0


async def test_history_tells_steps_and_sizes(world: World) -> None:
    """The last first; a step without files has no size."""
    one, two = await world.layer("one"), await world.layer("four", await world.layer("one"))
    config = ImageConfig(
        created="2024-01-01T00:00:00Z",
        history=(
            History(created_by="COPY"),
            History(created_by="ENV", empty_layer=True),
            History(created_by="RUN"),
        ),
    )
    image = await world.images.create(config, [one, two], tags=["app"])
    steps = world.images.history(image)
    assert [(step.created_by, step.size) for step in steps] == [("RUN", 4), ("ENV", 0), ("COPY", 3)]
    assert [(step.id, step.tags) for step in steps] == [(image.id, ("app:latest",)), ("", ()), ("", ())]


# Surviving


async def test_a_restart_changes_nothing(world: World) -> None:
    """Images, names, files and layers that no image has."""
    base = await world.layer("one")
    image = await world.image("two", "app:1", on=[base])
    loose = await world.layer("three", base)
    await world.restart()
    assert world.images.list() == (image,)
    assert world.images.get("app:1") == image
    assert world.images.loose_layers() == (loose,)
    assert (world.snapshots.upper(image.layers[-1].chain_id) / "two").exists()


async def test_what_an_interrupted_operation_left_goes_at_the_next_start(world: World) -> None:
    """Blobs and snapshots that have no name yet, files half written, folders half filled."""
    image = await world.image("one", "app:1")
    world.content.add(b"a layer of an image that never came")
    world.snapshots.prepare("unpacking-123", None)
    world.snapshots.prepare("a container", image.chain_id)
    world.snapshots.prepare("x", None)
    world.snapshots.commit(Digest.of(b"a layer that never came"), "x")
    (world.root / "content/ingest/half").write_bytes(b"x")
    await world.restart()
    kept = {image.id, image.manifest, image.layers[0].descriptor.digest}
    assert set(world.content.digests()) == kept
    assert world.snapshots.names() == (image.chain_id,)
    assert world.snapshots.keys() == ("a container",)
    assert os.listdir(world.root / "content/ingest") == []


# Names and removal


async def test_layers_that_a_power_cut_took_are_unpacked_again(world: World) -> None:
    """From their blobs, in their order; a layer of the build cache alone is forgotten, its step is made again."""
    base = await world.layer("base")
    image = await world.image("app", "app:1", on=[base])
    loose = await world.layer("loose")
    world.stop()
    documents = Documents(world.root / "test.db")
    for chain_id in (base.chain_id, image.chain_id, loose.chain_id):
        documents.delete("snapshot", str(chain_id))
    documents.close()
    await world.start()
    assert world.images.get("app:1").id == image.id
    for layer, name in zip(image.layers, ("base", "app"), strict=True):
        assert (world.snapshots.upper(layer.chain_id) / name).read_text() == name
    assert world.images.layer(loose.chain_id) is None
    assert world.images.loose_layers() == ()


async def test_an_image_whose_layer_cannot_be_unpacked_again_is_lost(world: World) -> None:
    """Better no image than one that differs from its digest."""
    image = await world.image("app", "app:1")
    world.stop()
    documents = Documents(world.root / "test.db")
    documents.delete("snapshot", str(image.chain_id))
    documents.close()
    world.content.path(image.layers[0].descriptor.digest).write_bytes(b"something else")
    await world.start()
    assert world.images.list() == ()
    with pytest.raises(NotFound):
        world.images.get("app:1")


async def test_a_tag_is_a_further_name(world: World) -> None:
    """And moves from one image to another."""
    one, two = await world.image("one", "app:1"), await world.image("two", "app:2")
    assert (await world.images.tag(one, "app:latest")).tags == ("app:1", "app:latest")
    assert (await world.images.tag(two, "app")).tags == ("app:2", "app:latest")
    assert world.images.get(one.id).tags == ("app:1",)
    with pytest.raises(InvalidArgument, match="digest reference"):
        await world.images.tag(one, f"app@{one.id}")


async def test_the_last_name_takes_image_and_files_along(world: World) -> None:
    """What other images share stays."""
    base = await world.layer("one")
    await world.image("two", "app:1", "app:2", on=[base])
    other = await world.image("three", "other", on=[base])
    assert await world.images.remove("app:2") == (Removed(untagged="app:2"),)
    image = world.images.get("app:1")
    assert await world.images.remove("app:1") == (
        Removed(untagged="app:1"),
        Removed(deleted=image.id),
        Removed(deleted=str(image.chain_id)),
    )
    assert world.images.list() == (other,)
    assert world.snapshots.exists(base.chain_id)
    await world.images.remove("other")
    assert world.is_empty()


async def test_a_held_image_is_not_removed(world: World) -> None:
    """Until its last holder lets go."""
    image = await world.image("one", "app:1")
    for holder in ("a" * 64, "b" * 64):
        world.images.hold(image.id, holder)
    world.images.release(image.id, "a" * 64)
    with pytest.raises(Conflict, match="container bbbbbbbbbbbb is using"):
        await world.images.remove("app:1")
    assert await world.images.prune(all=True) == replace(await world.images.prune(), removed=())
    world.images.release(image.id, "b" * 64)
    world.images.release(image.id, "b" * 64)
    await world.images.remove("app:1")
    assert world.is_empty()


async def test_a_forced_removal_leaves_a_containers_files(world: World) -> None:
    """A snapshot that something stands on stays until that is gone."""
    image = await world.image("one", "app:1")
    world.snapshots.prepare("container", image.chain_id)
    removed = await world.images.remove(image.id, force=True)
    assert Removed(deleted=image.id) in removed
    assert world.snapshots.names() == (image.chain_id,)
    world.snapshots.remove("container")
    await world.restart()
    assert world.is_empty()


async def test_prune_takes_what_has_no_name_and_no_use(world: World) -> None:
    """With ``all`` also what has a name; labels and age choose."""
    dangling = await world.image("one", "app:1")
    await world.image("three", "app:1")
    pruned = await world.images.prune()
    assert Removed(deleted=dangling.id) in pruned.removed
    assert pruned.freed > 0
    assert (await world.images.prune()).removed == ()
    assert (await world.images.prune(all=True, labels={"name": "one"})).removed == ()
    assert (await world.images.prune(all=True, labels_not={"name": None})).removed == ()
    assert (await world.images.prune(all=True, until_ns=1)).removed == ()
    assert (await world.images.prune(all=True, labels={"name": "three"})).removed != ()
    assert world.is_empty()


async def test_layers_without_an_image_stay_until_they_are_pruned(world: World) -> None:
    """They are the build cache's; those it still wants are kept."""
    one, two = await world.layer("one"), await world.layer("two")
    assert sorted(world.images.loose_layers(), key=str) == sorted([one, two], key=str)
    pruned = await world.images.prune_layers(keep=[one.chain_id])
    assert pruned.removed == (Removed(deleted=two.chain_id),)
    assert world.images.loose_layers() == (one,)
    assert world.images.layer(two.chain_id) is None
    await world.images.prune_layers()
    assert world.is_empty()


# Archives


async def saved(world: World, *refs: str) -> bytes:
    return b"".join([chunk async for chunk in world.images.save(refs)])


async def test_what_is_saved_loads_again(world: World) -> None:
    """Several images, their names and shared layers, also without the first engine."""
    base = await world.layer("one")
    one = await world.image("two", "app:1", "app:2", on=[base])
    two = await world.image("three", "other", on=[base])
    archive = await saved(world, "app:1", "other")
    for ref in ("app:1", "app:2", "other"):
        await world.images.remove(ref)
    assert world.is_empty()
    assert await world.images.load(stream(gzip.compress(archive))) == (
        "Loaded image: app:1",
        "Loaded image: other:latest",
    )
    assert {image.id for image in world.images.list()} == {one.id, two.id}
    assert world.images.get("app:1").layers == one.layers
    assert world.images.get("app:1").manifest == one.manifest


async def test_an_archive_is_also_an_oci_layout(world: World) -> None:
    """Without Docker's manifest.json it loads as one."""
    image = await world.image("one", "app:1")
    archive = await saved(world, "app:1")
    await world.images.remove("app:1")
    files: dict[str, bytes | str] = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as theirs:
        for info in theirs:
            if info.isfile() and info.name != "manifest.json":
                files[info.name] = theirs.extractfile(info).read()  # type: ignore[union-attr]
    assert await world.images.load(stream(a_tar(files))) == ("Loaded image: app:1",)
    assert world.images.get("app:1").id == image.id


async def test_a_repository_is_saved_with_all_of_its_tags(world: World) -> None:
    """And the file of Docker's older form tells the topmost layer of each; an id alone is not in it."""
    one, two = await world.image("one", "app:1"), await world.image("two", "app:2", "other:1")
    with tarfile.open(fileobj=io.BytesIO(await saved(world, "app"))) as archive:
        told = json.loads(archive.extractfile("repositories").read())  # type: ignore[union-attr]
    assert told == {
        "app": {"1": one.layers[-1].descriptor.digest.hex, "2": two.layers[-1].descriptor.digest.hex}
    }
    with tarfile.open(fileobj=io.BytesIO(await saved(world, one.id))) as archive:
        assert "repositories" not in archive.getnames()


async def test_an_image_saved_by_id_has_no_name(world: World) -> None:
    """The sentence tells the id."""
    image = await world.image("one", "app:1")
    archive = await saved(world, image.id)
    await world.images.remove("app:1")
    assert await world.images.load(stream(archive)) == (f"Loaded image ID: {image.id}",)
    assert world.images.get(image.id).tags == ()


async def test_saving_what_is_not_here_fails_before_the_first_byte(world: World) -> None:
    """Half an archive would look like a whole one."""
    await world.image("one", "app:1")
    with pytest.raises(NotFound, match="No such image: missing:latest"):
        await anext(world.images.save(["app:1", "missing"]))


async def test_dockers_older_archives_load(world: World) -> None:
    """Plain layers, shared ones as links."""
    config = ImageConfig(diff_ids=(Digest.of(ROOTFS), Digest.of(ROOTFS))).to_bytes()
    manifest = [{"Config": "c.json", "RepoTags": None, "Layers": ["a/layer.tar", "b/layer.tar"]}]
    archive = a_tar(
        {
            "a/layer.tar": ROOTFS,
            "b/layer.tar": "../a/layer.tar",
            "c.json": config,
            "manifest.json": json.dumps(manifest).encode(),
        }
    )
    await world.images.load(stream(archive))
    [image] = world.images.list()
    assert len(image.layers) == 2
    assert {layer.descriptor.media_type for layer in image.layers} == {MediaType.OCI_LAYER}


OTHER = a_tar({"other": b"file"})


@pytest.mark.parametrize(
    "archive",
    [
        b"",
        b"nonsense" * 1000,
        ROOTFS,
        a_docker_archive(ROOTFS)[:-9000],
        gzip.compress(a_docker_archive(ROOTFS))[:-9],
        a_docker_archive(ROOTFS, diff_ids=[Digest.of(b"other")]),
        a_docker_archive(ROOTFS, diff_ids=[]),
        a_docker_archive(OTHER, b"no archive" * 100),
        a_docker_archive(OTHER, a_tar({"../../etc/x": b"x"})),
        a_docker_archive(OTHER, tags=["No Name"]),
        a_docker_archive(OTHER, extra={"manifest.json": b"{}"}),
        a_docker_archive(OTHER, extra={"manifest.json": b'[{"Config": "../config.json"}]'}),
        a_docker_archive(OTHER, extra={"manifest.json": b'[{"Config": "config.json", "Layers": ["gone"]}]'}),
        a_docker_archive(OTHER, extra={"config.json": b"{"}),
        a_tar({"index.json": b'{"schemaVersion": 2, "manifests": []}'}),
        a_tar({"manifest.json": "../../etc/passwd"}),
        a_tar({"manifest.json": "manifest.json"}),
        a_tar({"index.json": b"{}", "/etc/passwd": b"x"}),
    ],
)
async def test_a_broken_image_archive_leaves_the_state_before(world: World, archive: bytes) -> None:
    """Truncated, of other content than it says, hostile, or no image at all: one error, nothing kept."""
    image = await world.image("one", "kept")
    before = set(world.content.digests()), world.snapshots.names()
    with pytest.raises(InvalidArgument):
        await world.images.load(stream(archive))
    assert world.images.list() == (image,)
    assert (set(world.content.digests()), world.snapshots.names()) == before
    assert world.snapshots.keys() == ()
    assert os.listdir(world.root / "content/ingest") == []


async def test_of_two_images_in_an_archive_a_broken_one_takes_both(world: World) -> None:
    """All of its images appear, or none."""
    good, bad = a_docker_archive(OTHER), ROOTFS
    config = ImageConfig(diff_ids=(str(Digest.of(b"wrong")),)).to_bytes()
    manifest = [
        {"Config": "config.json", "RepoTags": ["good:1"], "Layers": ["layer0.tar"]},
        {"Config": "bad.json", "RepoTags": ["bad:1"], "Layers": ["bad.tar"]},
    ]
    files: dict[str, bytes | str] = {"bad.json": config, "bad.tar": bad}
    with tarfile.open(fileobj=io.BytesIO(good)) as theirs:
        for info in theirs:
            files[info.name] = theirs.extractfile(info).read()  # type: ignore[union-attr]
    files["manifest.json"] = json.dumps(manifest).encode()
    with pytest.raises(InvalidArgument, match="wrong content of layer"):
        await world.images.load(stream(a_tar(files)))
    assert world.images.list() == ()
    assert world.is_empty()


async def test_two_loads_of_one_archive_at_once_are_one_image(world: World) -> None:
    """A layer is unpacked once; whoever comes second finds it."""
    archive = a_docker_archive(ROOTFS, OTHER)
    said = await asyncio.gather(*(world.images.load(stream(archive)) for _ in range(4)))
    assert set(said) == {("Loaded image: app:1",)}
    assert len(world.images.list()) == 1
    assert len(world.snapshots.names()) == 2


async def test_a_full_disk_leaves_the_state_before(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what is full and what to do."""
    write, written = os.write, 0

    def filling(descriptor: int, data: bytes) -> int:
        nonlocal written
        written += len(data)
        if written > 5_000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", filling)
    with pytest.raises(Unavailable, match="no space left on device"):
        await world.images.load(stream(a_docker_archive(ROOTFS)))
    written = 0
    with pytest.raises(Unavailable, match="no space left on device"):
        await world.images.import_tar(stream(a_tar({"big": os.urandom(100_000)})), reference="base")
    monkeypatch.undo()
    assert world.images.list() == ()
    assert world.is_empty()
