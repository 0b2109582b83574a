"""Platforms: which image runs where."""

import pytest

from yurt.errors import InvalidArgument
from yurt.oci.platform import Platform


@pytest.mark.parametrize(
    ("text", "platform"),
    [
        ("linux/amd64", Platform("linux", "amd64")),
        ("linux/x86_64", Platform("linux", "amd64")),
        ("arm64", Platform("linux", "arm64", "v8")),
        ("linux/arm/v6", Platform("linux", "arm", "v6")),
        ("windows/amd64", Platform("windows", "amd64")),
    ],
)
def test_platforms_are_read_as_people_write_them(text: str, platform: Platform) -> None:
    """Machine names and Go's names are the same thing."""
    assert Platform.parse(text) == platform
    assert Platform.parse(str(platform)) == platform


@pytest.mark.parametrize("text", ["", "linux/", "a/b/c/d", "/amd64"])
def test_what_is_no_platform_is_refused(text: str) -> None:
    """Empty parts are a mistake."""
    with pytest.raises(InvalidArgument, match="invalid platform"):
        Platform.parse(text)


@pytest.mark.parametrize(
    ("here", "offered", "rank"),
    [
        ("linux/amd64", "linux/amd64", 0),
        ("linux/amd64", "linux/arm64", None),
        ("linux/amd64", "windows/amd64", None),
        ("linux/amd64", "linux/amd64/v3", None),
        ("linux/arm64", "linux/arm64", 0),
        ("linux/arm/v7", "linux/arm/v7", 0),
        ("linux/arm/v7", "linux/arm/v6", 1),
        ("linux/arm/v6", "linux/arm/v7", None),
    ],
)
def test_a_machine_runs_what_it_can(here: str, offered: str, rank: int | None) -> None:
    """An ARM processor runs older variants too, and prefers its own."""
    assert Platform.parse(here).rank(Platform.parse(offered)) == rank
