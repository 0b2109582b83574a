"""The local driver's options say what is mounted, or why it is refused."""

import pytest

from yurt.engine.volumes.options import Source, check, source
from yurt.errors import InvalidArgument, Unimplemented
from yurt.linux.syscall import MS_BIND, MS_NOEXEC, MS_RDONLY


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, None),
        ({"type": "tmpfs", "device": "tmpfs", "o": "size=1m,uid=7"}, Source("tmpfs", "tmpfs", 0, "size=1m,uid=7")),
        ({"type": "none", "o": "bind", "device": "/srv"}, Source("none", "/srv", MS_BIND)),
        ({"type": "none", "o": "bind,ro,noexec", "device": "/srv"}, Source("none", "/srv", MS_BIND | MS_RDONLY | MS_NOEXEC)),
        ({"type": "nfs", "o": "addr=10.0.0.1,rw", "device": ":/x"}, Source("nfs", ":/x", 0, "addr=10.0.0.1")),
        ({"type": "ext4", "device": "/dev/sdz1"}, Source("ext4", "/dev/sdz1")),
    ],
)  # fmt: skip
def test_options_are_those_of_mount(options: dict[str, str], wanted: Source | None) -> None:
    """Words that the kernel knows for every file system become flags, the rest is the file system's."""
    check("data", options)
    assert source(options) == wanted


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"colour": "red"}, InvalidArgument, 'create data: invalid option: "colour"'),
        ({"size": "10g"}, Unimplemented, "quota size requested but no quota support"),
        ({"type": "tmpfs"}, InvalidArgument, 'missing required option: "device"'),
        ({"o": "bind"}, InvalidArgument, 'missing required option: "device"'),
        ({"device": "/tmp", "o": "bind"}, InvalidArgument, 'missing required option: "type"'),
    ],
)
def test_refused_options(options: dict[str, str], kind: type[Exception], words: str) -> None:
    """What says too little is refused in Docker's words."""
    with pytest.raises(kind, match=words):
        check("data", options)


def test_a_tmpfs_of_an_earlier_engine_needs_no_device() -> None:
    """It was taken without one; what is stored goes on working."""
    assert source({"type": "tmpfs", "o": "size=1m"}) == Source("tmpfs", "tmpfs", 0, "size=1m")
