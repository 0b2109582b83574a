"""Mounts on the wire."""

import pytest

from yurt.api.types import containers as wire
from yurt.engine.containers.model import HostConfig, MountPoint, MountRequest
from yurt.errors import InvalidArgument
from yurt.server.wire import mounts


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        ("/src:/dst", MountRequest("bind", "/dst", "/src", create_source=True)),
        ("/src:/dst:ro", MountRequest("bind", "/dst", "/src", read_only=True, create_source=True)),
        ("/s:/d:rw,z", MountRequest("bind", "/d", "/s", create_source=True)),
        ("/s:/d:rshared", MountRequest("bind", "/d", "/s", propagation="rshared", create_source=True)),
        ("data:/dst", MountRequest("volume", "/dst", "data")),
        ("data:/dst:nocopy,ro", MountRequest("volume", "/dst", "data", read_only=True, no_copy=True)),
        ("/dst", MountRequest("volume", "/dst")),
    ],
)
def test_a_text_names_a_bind_or_a_volume(text: str, request_: MountRequest) -> None:
    """A slash in front makes the source a host path; anything else is a volume's name."""
    assert mounts.parse_bind(text) == request_


@pytest.mark.parametrize("text", ["", ":", "/a:b", "/a:/b:bogus", "/a:/b:ro:x", "a:"])
def test_a_wrong_text_is_refused(text: str) -> None:
    """The sentence says which text is wrong."""
    with pytest.raises(InvalidArgument):
        mounts.parse_bind(text)


def test_a_mount_object_says_all() -> None:
    """Each kind has its own options."""
    volume = wire.Mount(
        type="volume",
        source="data",
        target="/d",
        read_only=True,
        volume_options=wire.VolumeOptions(no_copy=True, labels={"a": "b"}, subpath="sub"),
    )
    assert mounts.parse_mount(volume) == MountRequest(
        "volume", "/d", "data", read_only=True, no_copy=True, labels={"a": "b"}, subpath="sub"
    )
    tmpfs = wire.Mount(
        type="tmpfs", target="/t", tmpfs_options=wire.TmpfsOptions(size_bytes=1024, mode=0o1777)
    )
    assert mounts.parse_mount(tmpfs) == MountRequest("tmpfs", "/t", tmpfs_size=1024, tmpfs_mode=0o1777)
    bind = wire.Mount(type="bind", source="/s", target="/b")
    assert mounts.parse_mount(bind) == MountRequest("bind", "/b", "/s")


@pytest.mark.parametrize(
    ("mount", "message"),
    [
        (wire.Mount(type="tmpfs", source="a", target="/x"), "field Source must not be specified"),
        (wire.Mount(type="bind", target="/x"), "field Source must not be empty"),
    ],
)
def test_a_wrong_object_is_refused(mount: wire.Mount, message: str) -> None:
    """In Docker's words: what has no source, and what must have one."""
    with pytest.raises(InvalidArgument, match=message):
        mounts.parse_mount(mount)


def test_two_mounts_for_one_target_are_refused() -> None:
    """Docker's sentence, since clients show it."""
    host = wire.HostConfig(binds=["/a:/x"], tmpfs={"/x": ""})
    with pytest.raises(InvalidArgument, match="Duplicate mount point: /x"):
        list(mounts.requests(host))


def test_inspect_shows_each_mount_where_it_was_asked() -> None:
    """Texts stay in Binds, objects in Mounts, and --tmpfs in Tmpfs."""
    asked = wire.HostConfig(
        binds=["data:/a"],
        mounts=[wire.Mount(type="volume", source="v", target="/b")],
        tmpfs={"/c": "size=1m"},
    )
    host = HostConfig(mounts=tuple(mounts.requests(asked)), binds=("data:/a",))
    assert mounts.to_mounts(host) == [wire.Mount(type="volume", source="v", target="/b")]
    assert mounts.to_tmpfs(host) == {"/c": "size=1m"}


def test_a_mount_point_tells_its_mode() -> None:
    """The mode is the text's third part."""
    point = MountPoint("bind", "/s", "/d", read_only=True, propagation="rprivate")
    [shown] = mounts.to_mount_points((point,), ("/s:/d:ro",))
    assert (shown.mode, shown.read_write, shown.propagation) == ("ro", False, "rprivate")
