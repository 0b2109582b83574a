"""What is mounted into a container."""

import pytest

from yurt.engine.containers import mounts
from yurt.engine.containers.model import MountPoint, MountRequest
from yurt.errors import InvalidArgument

ASKED = MountRequest("bind", "/data/", source="/src")


def test_one_mount_for_each_target() -> None:
    """What was asked for wins over --volumes-from, and that over what the image declares."""
    inherited = (
        MountPoint("volume", "/v", "/data", read_only=False, name="x"),
        MountPoint("bind", "/s", "/b", read_only=True),
    )
    planned = mounts.planned([ASKED], inherited=inherited, image_volumes=("/b", "/own"))
    assert [(request.kind, mounts.normal(request.target)) for request in planned] == [
        ("bind", "/data"),
        ("bind", "/b"),
        ("volume", "/own"),
    ]


def test_duplicates() -> None:
    """Two mounts at one place are refused."""
    with pytest.raises(InvalidArgument, match="Duplicate mount point: /data"):
        mounts.planned([ASKED, ASKED], inherited=(), image_volumes=())


@pytest.mark.parametrize("target", ["data", "/", "//", "/a/.."])
def test_bad_targets(target: str) -> None:
    """A target is absolute, and not the root."""
    with pytest.raises(InvalidArgument):
        mounts.normal(target)


@pytest.mark.parametrize(
    ("point", "options"),
    [
        (MountPoint("bind", "/s", "/b", read_only=True), ("rbind", "rro", "rprivate")),
        (MountPoint("bind", "/s", "/b", read_only=False), ("rbind", "rw", "rprivate")),
        (MountPoint("bind", "/s", "/b", read_only=True, writable_below=True), ("rbind", "ro", "rprivate")),
        (MountPoint("bind", "/s", "/b", read_only=True, alone=True), ("bind", "ro", "rprivate")),
    ],
)
def test_read_only_is_so_below_as_well(point: MountPoint, options: tuple[str, ...]) -> None:
    """What is mounted below a read-only bind is read-only, too, unless it was asked to be left alone."""
    (mount,) = mounts.to_spec([point], has_mounts_below=lambda _source: True)
    assert mount.options == options


def test_a_relative_volume_of_an_image_is_at_the_root() -> None:
    """As in Docker: ``VOLUME data`` is /data."""
    (request,) = mounts.planned([], inherited=(), image_volumes=("data",))
    assert request.target == "/data"


def test_to_spec() -> None:
    """Binds say whether they may be written, and how they travel; tmpfs has its options."""
    points = (
        MountPoint("bind", "/s", "/b", read_only=True, propagation="rslave"),
        MountPoint("tmpfs", "", "/t", read_only=False, options="nosuid,size=9"),
    )
    bind, tmpfs = mounts.to_spec(points, has_mounts_below=lambda _source: False)
    assert bind.options == ("rbind", "ro", "rslave")
    assert (tmpfs.kind, tmpfs.options) == ("tmpfs", ("nosuid", "size=9"))
