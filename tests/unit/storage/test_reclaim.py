"""What nobody needs is gone, whatever state the disk is in."""

from pathlib import Path

from yurt.storage.reclaim import Reclaimer


def test_what_the_trash_cannot_take_is_deleted_in_its_place(tmp_path: Path) -> None:
    """A full disk has no room for a name in the trash; here a file is in its way."""
    reclaimer = Reclaimer(tmp_path / "trash")
    (tmp_path / "trash").rmdir()
    (tmp_path / "trash").touch()
    (tmp_path / "1" / "fs").mkdir(parents=True)
    reclaimer.discard(tmp_path / "1")
    assert not (tmp_path / "1").exists()
    reclaimer.close()
