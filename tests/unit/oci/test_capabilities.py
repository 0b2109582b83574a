"""Which capabilities a container gets."""

import pytest

from yurt.errors import InvalidArgument
from yurt.oci import capabilities


def test_defaults() -> None:
    """Without wishes a container has Docker's fourteen."""
    assert set(capabilities.granted()) == set(capabilities.DEFAULT)
    assert len(capabilities.DEFAULT) == 14


@pytest.mark.parametrize(
    ("add", "drop", "expected"),
    [
        (("net_admin",), ("ALL",), {"CAP_NET_ADMIN"}),
        (("ALL",), ("CAP_SYS_ADMIN",), set(capabilities.ALL) - {"CAP_SYS_ADMIN"}),
        ((), ("KILL", "MKNOD"), set(capabilities.DEFAULT) - {"CAP_KILL", "CAP_MKNOD"}),
        (("SYS_TIME",), (), {*capabilities.DEFAULT, "CAP_SYS_TIME"}),
    ],
)
def test_add_and_drop(add: tuple[str, ...], drop: tuple[str, ...], expected: set[str]) -> None:
    """Names work with and without prefix, in any case; a named one wins over ALL."""
    assert set(capabilities.granted(add=add, drop=drop)) == expected


def test_privileged() -> None:
    """A privileged container has all."""
    assert capabilities.granted(drop=("ALL",), privileged=True) == capabilities.ALL


def test_unknown() -> None:
    """An unknown name is refused in Docker's words."""
    with pytest.raises(InvalidArgument, match='unknown capability: "CAP_FLY"'):
        capabilities.granted(add=("fly",))
