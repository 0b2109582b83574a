"""ImageStore: names lead to images, and both survive."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from yurt.engine.images.model import Image, Layer
from yurt.engine.images.store import ImageStore, image_of, timestamp_ns
from yurt.errors import Conflict, InvalidArgument, NotFound
from yurt.oci.config import ImageConfig
from yurt.oci.descriptor import Descriptor, MediaType
from yurt.oci.digest import Digest
from yurt.oci.reference import Reference
from yurt.storage.content import ContentStore
from yurt.storage.metadata import Documents


class World:
    """A store on a disk, that can be opened again."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.content = ContentStore(root / "content")
        self.opened: list[Documents] = []
        self.store = self.open()

    def open(self) -> ImageStore:
        self.opened.append(Documents(self.root / "test.db"))
        store = ImageStore(self.opened[-1], self.content)
        self.lost = store.restore()
        return store

    def image(self, author: str, *names: str) -> Image:
        config = ImageConfig(author=author, labels={"a": author})
        layer = a_layer(author)
        self.content.add(author.encode())
        image = image_of(
            self.content.add(config.to_bytes()),
            config,
            self.content.add(b"manifest"),
            [layer],
            size=5,
            parent="p",
        )
        return self.store.put(image, [Reference.parse(name) for name in names])


def a_layer(seed: str) -> Layer:
    blob = Descriptor(MediaType.OCI_LAYER_GZIP, Digest.of(seed.encode()), 3)
    return Layer(blob, Digest.of(b"diff"), Digest.of(f"chain {seed}".encode()))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.content.close()
    for documents in world.opened:
        documents.close()


def test_an_image_is_found_by_every_name_it_has(world: World) -> None:
    """Reference, id with and without algorithm, and the beginning of one."""
    image = world.image("me", "app:1", f"app@{Digest.of(b'm')}")
    names = ["app:1", "docker.io/library/app:1", f"app@{Digest.of(b'm')}", f"app:9@{Digest.of(b'm')}"]
    for ref in [*names, image.id, image.id.hex, image.id.hex[:12], image.id[:20]]:
        assert world.store.get(ref) == image
    assert image.tags == ("app:1",)
    assert image.repo_digests == (f"app@{Digest.of(b'm')}",)


@pytest.mark.parametrize(
    ("ref", "sentence"),
    [
        ("nope", "No such image: nope:latest"),
        ("app:2", "No such image: app:2"),
        ("abcdef", "No such image: abcdef:latest"),
        ("sha256:" + "0" * 64, "No such image: sha256:" + "0" * 64),
    ],
)
def test_what_is_not_here_is_named_as_docker_does(world: World, ref: str, sentence: str) -> None:
    """With the tag that was meant."""
    world.image("me", "app:1")
    with pytest.raises(NotFound) as caught:
        world.store.get(ref)
    assert str(caught.value) == sentence


def test_nonsense_is_no_name(world: World) -> None:
    """It is a mistake, not a missing image."""
    with pytest.raises(InvalidArgument, match="invalid reference format"):
        world.store.get("No Such")


def test_a_beginning_that_two_share_is_ambiguous(world: World) -> None:
    """One must say more."""
    ids = {world.image(str(number)).id.hex for number in range(17)}
    shared = next(digit for digit in "0123456789abcdef" if sum(id_.startswith(digit) for id_ in ids) > 1)
    with pytest.raises(Conflict, match="ambiguous"):
        world.store.get(shared)


def test_a_name_moves(world: World) -> None:
    """The image that had it stays, without it."""
    old = world.image("old", "app:1")
    new = world.image("new", "app:1", "app:2")
    assert world.store.get("app:1") == new
    assert world.store.get(old.id).tags == ()
    assert new.tags == ("app:1", "app:2")


def test_the_same_image_again_gains_names(world: World) -> None:
    """What is stored of it stays."""
    first = world.image("me", "app:1")
    again = world.image("me", "app:2")
    assert again.tags == ("app:1", "app:2")
    assert first.last_tagged_ns < again.last_tagged_ns


def test_everything_survives_a_restart(world: World) -> None:
    """Images, names, times and loose layers."""
    image = world.image("me", "app:1", f"app@{Digest.of(b'm')}")
    world.store.keep_loose(a_layer("loose"))
    again = world.open()
    assert again.images == {image.id: image}
    assert again.get("app:1") == image
    assert list(again.loose.values()) == [a_layer("loose")]
    assert again.needed() == world.store.needed()


def test_what_is_dropped_is_gone_for_good(world: World) -> None:
    """With its names."""
    image = world.image("me", "app:1")
    world.store.drop([Reference.parse("app:1")], image)
    for store in (world.store, world.open()):
        assert store.images == {}
        assert store.references == {}


def test_an_image_whose_configuration_is_lost_is_dropped(world: World) -> None:
    """The engine starts without it, and says which."""
    image = world.image("me", "app:1")
    world.content.remove(image.id)
    again = world.open()
    assert world.lost == (image.id,)
    assert (again.images, again.references) == ({}, {})


def test_a_loose_layer_belongs_to_the_image_that_takes_it(world: World) -> None:
    """From then on the image keeps it."""
    layer = a_layer("me")
    world.store.keep_loose(layer)
    assert world.store.layer(layer.chain_id) == layer
    world.image("me")
    assert world.store.loose == {}
    assert world.store.layer(layer.chain_id) == layer
    assert world.store.layer(Digest.of(b"other")) is None


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1970-01-01T00:00:01Z", 10**9),
        ("1970-01-01T00:00:01.123456789Z", 1_123_456_789),
        ("1970-01-01T01:00:01.5+01:00", 1_500_000_000),
        ("0001-01-01T00:00:00Z", 0),
        ("", 0),
        ("yesterday", 0),
        ("2024-01-01T00:00:00", 0),
    ],
)
def test_times_are_read_to_the_nanosecond(text: str, nanoseconds: int) -> None:
    """RFC 3339, or nothing."""
    assert timestamp_ns(text) == nanoseconds
