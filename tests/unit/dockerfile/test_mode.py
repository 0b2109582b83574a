import os
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yurt.dockerfile.mode import parse_mode


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        ("755", 0o600, 0o755),
        ("0755", 0o600, 0o755),
        ("u=rwX,go=rX", 0o600, 0o644),
        ("u=rwX,go=rX", 0o700, 0o755),
        ("+x", 0o644, 0o755),
        ("+w", 0o444, 0o644),
        ("a+w", 0o444, 0o666),
        ("g=u,o-rwx", 0o754, 0o770),
        ("u+s,g+s", 0o755, 0o6755),
        ("o+t", 0o777, 0o1777),
        ("u=rw+x-w", 0o000, 0o500),
    ],
)
def test_what_becomes_of_a_mode(text: str, before: int, after: int) -> None:
    assert oct(parse_mode(text).apply(before)) == oct(after)


def test_a_capital_x_lets_folders_be_entered() -> None:
    assert parse_mode("a=rX").apply(0o600, folder=True) == 0o555
    assert parse_mode("a=rX").apply(0o600) == 0o444


@pytest.mark.parametrize("text", ["999", "77777777", "u", "rwx", "u=rwz", "u+x,", "z+x", "u=gx", "888,u+x"])
def test_what_is_no_mode_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a mode"):
        parse_mode(text)


clauses = st.from_regex(r"[ugoa]{0,3}([-+=]([rwxX]{0,4}|[ugo])){1,2}", fullmatch=True)


@settings(deadline=None)  # it starts chmod, which takes what the machine's load lets it
@given(before=st.integers(0, 0o777), text=st.lists(clauses, min_size=1, max_size=3).map(",".join))
def test_chmod_agrees(tmp_path_factory: pytest.TempPathFactory, before: int, text: str) -> None:
    """The system's own chmod, under the umask that a build has, is of the same opinion."""
    file: Path = tmp_path_factory.getbasetemp() / "of-which-mode"
    file.touch()
    file.chmod(before)
    subprocess.run(["chmod", "--", text, file], check=True, umask=0o022, capture_output=True)
    assert oct(parse_mode(text).apply(before)) == oct(stat.S_IMODE(os.stat(file).st_mode))
