"""A container's file system seen from the host."""

import os
import stat
from pathlib import Path

import pytest

from yurt.engine.containers import rootfs


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    (folder / "etc").mkdir(parents=True)
    (tmp_path / "secret").write_text("root:x:0:0::/:/bin/sh\nspy:x:5:5::/:/bin/sh\n")
    return folder


def test_links_do_not_lead_out(root: Path) -> None:
    """A passwd that is a link is followed inside the container only."""
    (root / "etc" / "passwd").symlink_to("../../secret")
    assert rootfs.read_file(root, "/etc/passwd") == ""
    (root / "secret").write_text("inside")
    assert rootfs.read_file(root, "/etc/passwd") == "inside"


def test_strange_files_are_empty(root: Path) -> None:
    """A folder or nothing at all reads as an empty text."""
    (root / "etc" / "group").mkdir()
    assert rootfs.read_file(root, "/etc/group") == ""
    assert rootfs.read_file(root, "/etc/none") == ""


def test_copy_up(root: Path, tmp_path: Path) -> None:
    """Content, modes, links and hard links arrive; links are copied, not followed."""
    data = root / "data"
    (data / "sub").mkdir(parents=True)
    (data / "file").write_text("x")
    os.chmod(data / "file", 0o640)
    os.chmod(data, 0o750)
    os.link(data / "file", data / "sub" / "same")
    (data / "link").symlink_to("/etc/passwd")
    volume = tmp_path / "volume"
    volume.mkdir()
    rootfs.copy_up(root, "/data", volume)
    assert (volume / "file").read_text() == "x"
    assert stat.S_IMODE((volume / "file").stat().st_mode) == 0o640
    assert stat.S_IMODE(volume.stat().st_mode) == 0o750
    assert (volume / "file").stat().st_ino == (volume / "sub" / "same").stat().st_ino
    assert os.readlink(volume / "link") == "/etc/passwd"


def test_copy_up_of_nothing(root: Path, tmp_path: Path) -> None:
    """A place that the image does not have leaves the volume empty."""
    rootfs.copy_up(root, "/none", tmp_path)
    rootfs.copy_up(root, "/etc/none/deeper", tmp_path)


def test_narrow_programs(root: Path) -> None:
    """A loader for 32-bit programs, or such a program itself, tells that they are run."""
    (root / "bin").mkdir()
    (root / "bin" / "wide").write_bytes(b"\x7fELF\x02rest")
    (root / "bin" / "narrow").write_bytes(b"\x7fELF\x01rest")
    assert not rootfs.has_narrow_programs(root, "wide", ["/none", "/bin"])
    assert rootfs.has_narrow_programs(root, "narrow", ["/none", "/bin"])
    assert not rootfs.has_narrow_programs(root, "missing", ["/bin"])
    (root / "lib").mkdir()
    (root / "lib" / "ld-linux.so.2").touch()
    assert rootfs.has_narrow_programs(root, "/bin/wide", [])
