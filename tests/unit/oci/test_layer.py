"""Rules of layers."""

import pytest

from yurt.errors import InvalidArgument
from yurt.oci.digest import Digest
from yurt.oci.layer import chain_id, chain_ids, path_parts

ONE, TWO = Digest.of(b"one"), Digest.of(b"two")


def test_a_chain_names_what_lies_under_it() -> None:
    """The lowest layer's chain id is its diff id; others hash the chain below and their own (config.md)."""
    assert chain_id(None, ONE) == ONE
    assert chain_id(ONE, TWO) == Digest.of(f"{ONE} {TWO}".encode())
    assert chain_ids([ONE, TWO, ONE]) == (ONE, chain_id(ONE, TWO), chain_id(chain_id(ONE, TWO), ONE))
    assert chain_ids([]) == ()


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("a/b", ("a", "b")),
        ("./a//b/", ("a", "b")),
        (".", ()),
        ("./", ()),
        ("a/./b", ("a", "b")),
        ("..a/b..", ("..a", "b..")),
    ],
)
def test_honest_paths_are_taken_apart(name: str, parts: tuple[str, ...]) -> None:
    """Dots and slashes that mean nothing are dropped."""
    assert path_parts(name, what="entry") == parts


@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "a/../../x", "a/..", "a\0b"])
def test_paths_that_leave_the_archive_are_refused(name: str) -> None:
    """Absolute, climbing, or cut short by a NUL."""
    with pytest.raises(InvalidArgument, match="refusing entry"):
        path_parts(name, what="entry")
