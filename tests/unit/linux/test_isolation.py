"""The level of isolation that a user namespace tells."""

from collections.abc import Callable
from pathlib import Path

import pytest

from yurt.errors import InvalidArgument
from yurt.isolation import Level
from yurt.linux import isolation


@pytest.mark.parametrize(
    ("uid_map", "level"),
    [
        ("         0          0 4294967295\n", Level.ROOT),
        ("         0       1000          1\n         1     100000      65536\n", Level.SUBUIDS),
        ("         0       1000          1\n", Level.ONE_UID),
    ],
)
def test_the_numbers_of_a_namespace_tell_its_level(tmp_path: Path, uid_map: str, level: Level) -> None:
    """Read from the kernel, so that it is what is so, whoever made the namespace."""
    file = tmp_path / "uid_map"
    file.write_text(uid_map)
    assert isolation.level(file) is level


@pytest.fixture
def of_a_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Have this process seem to have the numbers of a map."""

    def have(text: str) -> None:
        file = tmp_path / "map"
        file.write_text(text)
        found = isolation.level(file)
        monkeypatch.setattr(isolation, "level", lambda: found)
        monkeypatch.setattr(isolation, "UID_MAP", file)
        monkeypatch.setattr(isolation, "GID_MAP", file)

    return have


def test_with_ranges_those_beyond_are_refused(of_a_user: Callable[[str], None]) -> None:
    """Files and processes are given to numbers that there are."""
    of_a_user("0 1000 1\n1 100000 9\n")
    assert isolation.owner(9, 1) == (9, 1)
    assert (isolation.highest_group(), isolation.has_group(9), isolation.has_group(10)) == (9, True, False)
    with pytest.raises(InvalidArgument, match=r"no user or group 10 in this engine: .* the numbers 0 to 9"):
        isolation.owner(0, 10)
    assert not isolation.makes_devices()


def test_with_one_uid_everything_is_its_own(of_a_user: Callable[[str], None]) -> None:
    """There is nobody else to become."""
    of_a_user("0 1000 1\n")
    assert isolation.owner(33, 33) == (0, 0)
    with pytest.raises(
        InvalidArgument, match=r"no user or group 33 in this engine: it is rootless, with one uid"
    ):
        isolation.check_named(33)
