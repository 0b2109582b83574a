"""Files on their way to the client, as fsutil's packets tell of them."""

import os
import stat
from pathlib import Path

import pytest

from yurt.server.buildkit.delivery import go_mode, stats_of
from yurt.server.buildkit.filesync import (
    IS_CHARACTER_DEVICE,
    IS_DEVICE,
    IS_FOLDER,
    IS_LINK,
    SETUID,
    STICKY,
    permissions,
)


def test_every_file_is_told_in_the_order_that_clients_expect(tmp_path: Path) -> None:
    """A folder before what is in it, and all of that before the next name; further names of a file are links to the first."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a/z").write_text("zz")
    (tmp_path / "a.b").write_text("")
    (tmp_path / "link").symlink_to("a/z")
    os.link(tmp_path / "a/z", tmp_path / "same")
    os.utime(tmp_path / "a.b", ns=(5, 7))
    told = {each.path: each for each in stats_of(tmp_path)}
    assert list(told) == ["a", "a/z", "a.b", "link", "same"]
    assert (told["a/z"].size, told["a/z"].linkname, told["same"].linkname, told["same"].size) == (
        2,
        "",
        "a/z",
        0,
    )
    assert (told["link"].linkname, told["link"].mode & IS_LINK) == ("a/z", IS_LINK)
    assert told["a.b"].mod_time == 7
    assert told["a"].mode & IS_FOLDER


@pytest.mark.parametrize(
    ("mode", "go"),
    [
        (stat.S_IFREG | 0o4755, 0o755 | SETUID),
        (stat.S_IFDIR | 0o1777, 0o777 | STICKY | IS_FOLDER),
        (stat.S_IFCHR | 0o666, 0o666 | IS_DEVICE | IS_CHARACTER_DEVICE),
    ],
)
def test_modes_are_as_go_has_them(mode: int, go: int) -> None:
    assert go_mode(mode) == go
    assert permissions(go) == stat.S_IMODE(mode)
