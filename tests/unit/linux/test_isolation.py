"""The level of isolation that a user namespace tells."""

from pathlib import Path

import pytest

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
