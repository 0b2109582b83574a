"""Mounts on the wire."""

from typing import Any

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


@pytest.mark.parametrize(
    "text", ["", ":", "/a:b", "/a:/b:bogus", "/a:/b:ro:x", "a:", "/a:/b:ro,rw", "/a:/b:shared,slave"]
)
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
    assert mounts.parse_mount(tmpfs) == MountRequest(
        "tmpfs", "/t", tmpfs_size=1024, tmpfs_mode=0o1777, as_object=True
    )
    bind = wire.Mount(type="bind", source="/s", target="/b")
    assert mounts.parse_mount(bind) == MountRequest("bind", "/b", "/s")


def a_bind(**options: Any) -> wire.Mount:
    return wire.Mount(type="bind", source="/s", target="/x", bind_options=wire.BindOptions(**options))


def a_subpath(path: str) -> wire.Mount:
    return wire.Mount(type="volume", source="v", target="/x", volume_options=wire.VolumeOptions(subpath=path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("/a:b", "invalid mount path: 'b' mount path must be absolute"),
        ("/a:/", "destination can't be '/'"),
        ("/a:/b:nocopy", "field VolumeOptions must not be specified"),
        ("a:/b:rshared", "field BindOptions must not be specified"),
    ],
)
def test_the_sentence_names_the_text(text: str, message: str) -> None:
    """It begins with the whole text, as in Docker."""
    with pytest.raises(InvalidArgument, match=message) as refused:
        mounts.parse_bind(text)
    assert refused.value.message.startswith(f"invalid volume specification: '{text}': ")


@pytest.mark.parametrize(
    ("mount", "message"),
    [
        (wire.Mount(type="tmpfs", source="a", target="/x"), "field Source must not be specified"),
        (wire.Mount(type="bind", target="/x"), "field Source must not be empty"),
        (
            wire.Mount(type="bind", target="x", source="/a"),
            "invalid mount path: 'x' mount path must be absolute",
        ),
        (
            wire.Mount(type="bind", target="/x", source="a"),
            "invalid mount path: 'a' mount path must be absolute",
        ),
        (wire.Mount(type="bind", target="/x/..", source="/a"), "destination can't be '/'"),
        (wire.Mount(type="foo", target="/x"), 'invalid mount config for type "foo": mount type unknown'),
        (a_bind(propagation="odd"), "invalid propagation mode: odd"),
        (a_bind(read_only_force_recursive=True), "ReadOnlyForceRecursive was set without Mount.ReadOnly"),
        (
            wire.Mount(type="volume", target="/x", bind_options=wire.BindOptions()),
            "field BindOptions must not be",
        ),
        (wire.Mount(type="volume", target="/x", read_only=True), "when using anonymous volumes"),
        (a_subpath("../x"), "subpath must be a relative path within the volume"),
        (a_subpath("/x"), "subpath must be a relative path within the volume"),
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
        mounts=[
            wire.Mount(type="volume", source="v", target="/b"),
            wire.Mount(type="tmpfs", target="/d"),
        ],
        tmpfs={"/c": "size=1m"},
    )
    host = HostConfig(mounts=tuple(mounts.requests(asked)), binds=("data:/a",))
    assert mounts.to_mounts(host) == asked.mounts
    assert mounts.to_tmpfs(host) == {"/c": "size=1m"}


def test_inspect_shows_how_a_bind_was_asked() -> None:
    """Its options come back as they were given."""
    asked = wire.Mount(
        type="bind",
        source="/s",
        target="/b",
        read_only=True,
        bind_options=wire.BindOptions(non_recursive=True, read_only_non_recursive=True),
    )
    host = HostConfig(mounts=tuple(mounts.requests(wire.HostConfig(mounts=[asked]))))
    assert mounts.to_mounts(host) == [asked]


def test_a_mount_point_tells_its_mode() -> None:
    """The mode is the text's third part."""
    point = MountPoint("bind", "/s", "/d", read_only=True, propagation="rprivate")
    [shown] = mounts.to_mount_points((point,), ("/s:/d:ro",))
    assert (shown.mode, shown.read_write, shown.propagation) == ("ro", False, "rprivate")
