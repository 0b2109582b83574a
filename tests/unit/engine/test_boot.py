"""Which boot of the machine an engine was last up in, by the folder of what does not outlive one."""

import socket
from pathlib import Path

from yurt.engine import boot

EARLIER = "00000000-0000-4000-8000-000000000001"


def test_a_folder_that_lay_in_memory_is_of_another_boot(tmp_path: Path) -> None:
    """It is empty."""
    assert boot.is_another(tmp_path)


def test_the_boot_that_is_remembered_is_no_other(tmp_path: Path) -> None:
    """Until then it is, as often as an engine asks: one that was killed before had not come so far."""
    tmp_path.joinpath(boot.MARK).write_text(EARLIER)
    assert boot.is_another(tmp_path)
    boot.remember(tmp_path)
    assert not boot.is_another(tmp_path)


def test_what_an_engine_without_marks_left_is_of_this_boot(tmp_path: Path) -> None:
    """Its containers run on when a newer one takes over."""
    tmp_path.joinpath(boot.CONTAINERS).mkdir()
    assert not boot.is_another(tmp_path)
    boot.remember(tmp_path)
    assert not boot.is_another(tmp_path)
    tmp_path.joinpath(boot.MARK).write_text(EARLIER)
    assert boot.is_another(tmp_path)


def test_a_mark_that_a_power_cut_emptied_is_of_another_boot(tmp_path: Path) -> None:
    """Folders for what does not outlive a boot need not lie in memory."""
    tmp_path.joinpath(boot.CONTAINERS).mkdir()
    tmp_path.joinpath(boot.MARK).touch()
    assert boot.is_another(tmp_path)


def test_only_what_is_of_the_engine_is_cleared(tmp_path: Path) -> None:
    """It listens in that folder already, and other engines have theirs in it."""
    for name in (boot.CONTAINERS, boot.NETWORKS, boot.RUNTIME, "0123abcd"):
        tmp_path.joinpath(name, "one").mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "yurt.sock"))
        boot.clear(tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == {"0123abcd", "yurt.sock"}
        assert tmp_path.joinpath("0123abcd", "one").is_dir()
