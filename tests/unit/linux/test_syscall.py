"""System calls that need no privilege."""

import os
from pathlib import Path

import pytest

from yurt.linux import syscall


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    (folder / "etc").mkdir(parents=True)
    (folder / "etc" / "name").write_text("inside")
    (tmp_path / "name").write_text("outside")
    (folder / "up").symlink_to("../../../../etc/name")
    (folder / "absolute").symlink_to("/etc/name")
    return folder


@pytest.mark.parametrize("path", ["/etc/name", "etc/name", "../../etc/name", "up", "/absolute"])
def test_open_in_root_stays_inside(root: Path, path: str) -> None:
    """No path and no symbolic link leads out of the root."""
    descriptor = os.open(root, os.O_PATH)
    found = syscall.open_in_root(descriptor, path)
    assert os.read(found, 100) == b"inside"
    assert not os.get_inheritable(found)
    os.close(found)
    os.close(descriptor)


def test_errors_are_os_errors(root: Path) -> None:
    """A failing call raises the OSError of its errno, with the path."""
    descriptor = os.open(root, os.O_PATH)
    with pytest.raises(FileNotFoundError) as failure:
        syscall.open_in_root(descriptor, "/none")
    assert failure.value.filename == "/none"
    os.close(descriptor)


def test_prctl_answers() -> None:
    """prctl returns what the kernel says: whether a capability is in the bounding set."""
    assert syscall.prctl(syscall.PR_CAPBSET_READ, 0) in {0, 1}
    with pytest.raises(OSError, match="Invalid argument"):
        syscall.prctl(syscall.PR_CAPBSET_READ, 999)
