"""Names of containers."""

import pytest

from yurt.engine.containers import names
from yurt.errors import InvalidArgument


def test_checked() -> None:
    """A leading slash is dropped; other characters than Docker's are refused."""
    assert names.checked("/web-1.a_b") == "web-1.a_b"
    for bad in ("", "a", "-a", "a b", "a/b", "ü1"):
        with pytest.raises(InvalidArgument, match="Invalid container name"):
            names.checked(bad)


def test_invented() -> None:
    """An invented name may be used, and is not taken."""
    assert names.checked(names.invented(lambda _name: False))
    taken: set[str] = set()
    for _ in range(300):
        name = names.invented(taken.__contains__)
        assert name not in taken
        taken.add(name)
