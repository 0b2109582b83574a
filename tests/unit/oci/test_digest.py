"""Digests are checked text."""

import pytest

from yurt.errors import InvalidArgument
from yurt.oci.digest import Digest


def test_a_digest_is_its_text_with_parts() -> None:
    """Algorithm, digits and the short form are read off the text."""
    digest = Digest.of(b"")
    assert digest == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert (digest.algorithm, digest.hex[:4], digest.short) == ("sha256", "e3b0", "e3b0c44298fc")
    assert Digest.parse(str(digest)) == digest
    assert Digest.parse("sha512:" + "0" * 128).algorithm == "sha512"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256:",
        "sha256:" + "a" * 63,
        "sha256:" + "A" * 64,
        "md5:" + "a" * 32,
        "sha256:" + "a" * 64 + "\n",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    """A digest becomes part of a path: only its own characters may be in it."""
    with pytest.raises(InvalidArgument):
        Digest.parse(text)
