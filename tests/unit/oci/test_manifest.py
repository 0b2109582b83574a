"""Manifests and indexes: parsed strictly, written the same way every time."""

import json

import pytest

from yurt.errors import InvalidArgument, NotFound, Unimplemented
from yurt.oci.descriptor import Descriptor, MediaType
from yurt.oci.digest import Digest
from yurt.oci.manifest import Index, IndexEntry, Manifest, is_index
from yurt.oci.platform import Platform


def a_descriptor(content: bytes, media_type: str = MediaType.OCI_LAYER_GZIP) -> Descriptor:
    return Descriptor(media_type, Digest.of(content), len(content))


MANIFEST = Manifest(
    MediaType.OCI_MANIFEST,
    a_descriptor(b"config", MediaType.OCI_CONFIG),
    (a_descriptor(b"one"), a_descriptor(b"two")),
    {"a": "b"},
)


def an_index(*platforms: str | None) -> Index:
    entries = [
        IndexEntry(a_descriptor(f"{number}".encode()), Platform(*text.split("/")) if text else None)
        for number, text in enumerate(platforms)
    ]
    return Index(MediaType.OCI_INDEX, tuple(entries))


def test_a_manifest_comes_back_from_its_bytes() -> None:
    """to_bytes is the inverse of from_bytes, and equal values are equal bytes."""
    data = MANIFEST.to_bytes()
    assert Manifest.from_bytes(data) == MANIFEST
    assert Manifest.from_bytes(data).to_bytes() == data
    assert not is_index("", data)


def test_an_index_comes_back_from_its_bytes() -> None:
    """Platforms and annotations are kept."""
    index = an_index("linux/amd64", "linux/arm/v7", None)
    assert Index.from_bytes(index.to_bytes()) == index
    assert is_index("", index.to_bytes())


@pytest.mark.parametrize(
    "change",
    [
        {"layers": None},
        {"config": None},
        {"config": {"mediaType": "x", "digest": "sha256:nope", "size": 1}},
        {"config": {"mediaType": "x", "digest": "sha256:" + "0" * 64, "size": -1}},
        {"config": {"mediaType": "x", "digest": "sha256:" + "0" * 64, "size": True}},
        {"mediaType": "application/json"},
        {"manifests": []},
        {"layers": ["text"]},
    ],
)
def test_a_manifest_of_another_shape_is_refused(change: dict[str, object]) -> None:
    """Every field that is used is checked."""
    document = json.loads(MANIFEST.to_bytes()) | change
    with pytest.raises(InvalidArgument):
        Manifest.from_bytes(json.dumps(document).encode())


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b'"x"', b"{" + b" " * (4 << 20) + b"}"])
def test_what_is_no_json_object_is_refused(data: bytes) -> None:
    """A registry's answer may be anything."""
    with pytest.raises(InvalidArgument):
        Manifest.from_bytes(data)


def test_schema_1_is_named() -> None:
    """Old images get a sentence that says what to do."""
    with pytest.raises(Unimplemented, match="schema version 1"):
        Manifest.from_bytes(b'{"schemaVersion": 1, "fsLayers": []}')


def test_the_best_platform_of_an_index_is_chosen() -> None:
    """Attestations are passed over, the own variant wins over an older one."""
    index = an_index("unknown/unknown", "linux/arm/v6", "linux/arm/v7", "linux/amd64")
    assert index.choose(Platform.parse("linux/amd64")) == index.entries[3].descriptor
    assert index.choose(Platform.parse("linux/arm/v7")) == index.entries[2].descriptor
    assert index.choose(Platform.parse("linux/arm/v6")) == index.entries[1].descriptor


def test_a_platform_that_is_not_offered_says_which_are() -> None:
    """The sentence is Docker's; the hint lists what there is."""
    with pytest.raises(NotFound, match="no matching manifest for linux/s390x") as caught:
        an_index("linux/amd64", "unknown/unknown").choose(Platform.parse("linux/s390x"))
    assert caught.value.hint == "it is offered for linux/amd64"


def test_an_index_of_one_without_a_platform_means_that_one() -> None:
    """Layouts written by builders often say no platform."""
    index = an_index(None)
    assert index.choose(Platform.parse("linux/amd64")) == index.entries[0].descriptor
