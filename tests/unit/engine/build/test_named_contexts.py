"""Which named context a name in a Dockerfile means."""

import pytest

from yurt.engine.build.named_contexts import LayoutPlace, meant
from yurt.errors import InvalidArgument


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("alpine", "alpine"),
        ("alpine:latest", "alpine"),
        ("docker.io/library/alpine", "alpine"),
        ("alpine:3", None),
        ("r.example/app:1", "r.example/app:1"),
        ("more", "more"),
        ("UPPER", None),
        ("0", None),
    ],
)
def test_names_of_images_may_be_written_otherwise(reference: str, name: str | None) -> None:
    assert meant(reference, {"alpine", "r.example/app:1", "more"}) == name


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("/a/b", LayoutPlace("/a/b")),
        ("/a/b:v1", LayoutPlace("/a/b", "v1")),
        ("/a:b/c", LayoutPlace("/a:b/c")),
        ("/a@sha256:" + "0" * 64, LayoutPlace("/a", digest="sha256:" + "0" * 64)),
    ],
)
def test_places_of_layouts(text: str, place: LayoutPlace) -> None:
    assert LayoutPlace.parse(text) == place


@pytest.mark.parametrize("text", ["", ":v1", "/a@", "/a@sha256:1"])
def test_what_is_no_place(text: str) -> None:
    with pytest.raises(InvalidArgument):
        LayoutPlace.parse(text)
