import os
from pathlib import Path

import pytest

from yurt.engine.build.epoch import clamp, epoch_of, rfc3339
from yurt.errors import InvalidArgument


def test_a_time_is_seconds_since_1970() -> None:
    """Nothing given is no time; what is no number is refused."""
    assert epoch_of({"SOURCE_DATE_EPOCH": "1700000000"}) == 1700000000
    assert (
        epoch_of({}) is epoch_of({"SOURCE_DATE_EPOCH": ""}) is epoch_of({"SOURCE_DATE_EPOCH": None}) is None
    )
    assert rfc3339(1700000000) == "2023-11-14T22:13:20Z"


@pytest.mark.parametrize("text", ["now", "-1", "1.5", "9" * 12, "９"])
def test_what_is_no_time(text: str) -> None:
    """Such a build is refused before anything runs."""
    with pytest.raises(InvalidArgument, match="is no time"):
        epoch_of({"SOURCE_DATE_EPOCH": text})


def test_what_is_newer_gets_the_time(tmp_path: Path) -> None:
    """Files, folders and links themselves; what is older keeps its own, and what links lead to is left alone."""
    outside = tmp_path / "outside"
    outside.write_text("")
    folder = tmp_path / "folder"
    (folder / "below").mkdir(parents=True)
    (folder / "below/new").write_text("")
    (folder / "old").write_text("")
    os.utime(folder / "old", (5, 5))
    (folder / "link").symlink_to(outside)
    clamp(str(folder), 1000)
    times = {path.name: path.lstat().st_mtime for path in (folder, *folder.rglob("*"))}
    assert times == {"folder": 1000, "below": 1000, "new": 1000, "link": 1000, "old": 5}
    assert outside.stat().st_mtime > 1000
