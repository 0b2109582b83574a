"""The spelling of --detach-keys."""

import pytest

from yurt.api.keys import parse_keys
from yurt.errors import InvalidArgument


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("ctrl-p,ctrl-q", b"\x10\x11"),
        ("a", b"a"),
        ("ctrl-a,x", b"\x01x"),
        ("ctrl-@", b"\0"),
        ("ctrl-[", b"\x1b"),
    ],
)
def test_keys_are_read(text, keys):
    """The spelling of Docker's --detach-keys."""
    assert parse_keys(text) == keys


@pytest.mark.parametrize("text", ["", "ab", "ctrl-", "ctrl-ab", "ctrl-1", "a,,b"])
def test_other_keys_are_refused(text):
    """What no keyboard can type is refused at once."""
    with pytest.raises(InvalidArgument, match="invalid detach key"):
        parse_keys(text)
