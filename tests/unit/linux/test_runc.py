"""Which runtime is chosen. Its programs are files here; the command lines are proved by containers that run."""

from pathlib import Path

import pytest

from yurt.errors import Unavailable
from yurt.linux import cgroup
from yurt.linux.runc import Runtime


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH, with both runtimes."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("runc", "crun"):
        (folder / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(folder))
    return folder


def test_the_quicker_one_where_it_works(programs: Path, tmp_path: Path) -> None:
    """crun, but not where it would refuse to start anything."""
    best = "runc" if cgroup.is_split() else "crun"
    assert Runtime.probe(tmp_path / "state").name == best


def test_the_only_one_there(programs: Path, tmp_path: Path) -> None:
    """runc runs everywhere; without any, the refusal says what to install."""
    (programs / "crun").unlink()
    assert Runtime.probe(tmp_path / "state").name == "runc"
    (programs / "runc").unlink()
    with pytest.raises(Unavailable, match="no OCI runtime") as refused:
        Runtime.probe(tmp_path / "state")
    assert refused.value.hint == "apt-get install runc"


@pytest.mark.parametrize(("file", "name"), [("state.json", "runc"), ("status", "crun")])
def test_containers_that_run_keep_theirs(programs: Path, tmp_path: Path, file: str, name: str) -> None:
    """A runtime that was installed meanwhile cannot read what the other wrote."""
    container = tmp_path / "state" / "c1"
    container.mkdir(parents=True)
    (container / file).touch()
    assert Runtime.probe(tmp_path / "state").name == name


def test_what_the_settings_say(programs: Path, tmp_path: Path) -> None:
    """A name, or a path."""
    assert Runtime.probe(tmp_path / "state", "crun").name == "crun"
    chosen = Runtime.probe(tmp_path / "state", str(programs / "runc"))
    assert (chosen.name, chosen.program) == ("runc", str(programs / "runc"))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            "executable file `nosuch` not found in $PATH: No such file or directory",
            'exec: "nosuch": executable file not found in $PATH',
        ),
        (
            "executable file `/no/such` not found in $PATH: No such file or directory",
            'exec: "/no/such": stat /no/such: no such file or directory',
        ),
        ("open executable: Operation not permitted", "exec: permission denied"),
        ("mount `/x` to `y`: Invalid argument", "mount `/x` to `y`: invalid argument"),
        ("broken", "broken"),
    ],
)
def test_crun_s_complaints_in_runc_s_words(programs: Path, tmp_path: Path, said: str, words: str) -> None:
    """Clients look for them, small letters and all, to tell 127 from 126."""
    complaint = Runtime.probe(tmp_path / "state", "crun").complaint(said)
    assert complaint == f"crun run failed: unable to start container process: {words}"
    assert Runtime.probe(tmp_path / "state", "runc").complaint(said) == said
