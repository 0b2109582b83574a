"""The local driver's options say what is mounted, or why it is refused."""

from pathlib import Path

import pytest

from yurt.engine.volumes.options import Source, parse
from yurt.errors import InvalidArgument, Unimplemented


@pytest.mark.parametrize(
    ("options", "source"),
    [
        ({}, None),
        ({"type": "tmpfs", "device": "tmpfs", "o": "size=10m,uid=7"}, Source("tmpfs", data="size=10m,uid=7")),
        ({"type": "tmpfs", "o": "ro,size=1m"}, Source("tmpfs", data="size=1m", read_only=True)),
        ({"type": "none", "o": "bind", "device": "/srv"}, Source("bind", device=Path("/srv"))),
        ({"o": "bind,ro", "device": "/srv"}, Source("bind", device=Path("/srv"), read_only=True)),
    ],
)
def test_offered_options(options: dict[str, str], source: Source | None) -> None:
    """A tmpfs and a folder of the host are offered."""
    assert parse("data", options) == source


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"colour": "red"}, InvalidArgument, 'invalid option: "colour"'),
        ({"size": "10g"}, Unimplemented, "quotas"),
        ({"type": "nfs", "o": "addr=10.0.0.1", "device": ":/x"}, Unimplemented, "type nfs is not offered"),
        ({"type": "none", "o": "bind", "device": "srv"}, InvalidArgument, "not an absolute path"),
        ({"type": "none", "o": "bind,noexec", "device": "/srv"}, Unimplemented, "noexec"),
        ({"device": "/dev/sda1"}, Unimplemented, "these options"),
    ],
)
def test_refused_options(options: dict[str, str], kind: type[Exception], words: str) -> None:
    """What is not offered is refused with the reason."""
    with pytest.raises(kind, match=words):
        parse("data", options)
