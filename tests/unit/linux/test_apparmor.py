"""AppArmor."""

import subprocess
from pathlib import Path

import pytest
from tests.conftest import Needs

from yurt.linux import apparmor


@pytest.mark.parametrize(("said", "enabled"), [("Y\n", True), ("N\n", False), (None, False)])
def test_it_is_enabled_where_the_kernel_says_so(tmp_path: Path, said: str | None, enabled: bool) -> None:
    """A kernel without the module has no such file."""
    module, profiles = tmp_path / "enabled", tmp_path / "profiles"
    profiles.touch()
    if said is not None:
        module.write_text(said)
    assert apparmor.is_enabled(module, profiles) is enabled
    assert not apparmor.is_enabled(module, tmp_path / "unseen")


def test_a_loaded_profile_is_found_by_its_whole_name(tmp_path: Path) -> None:
    """The kernel lists names, which may hold spaces, and the mode of each."""
    profiles = tmp_path / "profiles"
    profiles.write_text("yurt-default-old (enforce)\na b (complain)\n")
    assert not apparmor.is_loaded("yurt-default", profiles)
    assert apparmor.is_loaded("yurt-default-old", profiles)
    assert apparmor.is_loaded("a b", profiles)
    assert not apparmor.is_loaded("a b", tmp_path / "unseen")


def test_the_profile_is_one(needs: Needs) -> None:
    """AppArmor's own parser compiles it; that needs no kernel with AppArmor."""
    needs.program("apparmor_parser")
    compiled = subprocess.run(
        ["apparmor_parser", "--skip-kernel-load", "--skip-cache", "--stdout"],
        input=apparmor.profile().encode(),
        capture_output=True,
        check=False,
    )
    assert compiled.returncode == 0, compiled.stderr.decode()
    assert b"yurt-default" in compiled.stdout
