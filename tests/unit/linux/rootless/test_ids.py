"""Which numbers a user has."""

from pathlib import Path

import pytest

from yurt.isolation import Level
from yurt.linux.rootless import ids
from yurt.linux.rootless.ids import Ids, Range


@pytest.fixture
def helpers(tmp_path: Path) -> str:
    """A PATH with the two programs that give numbers."""
    for name in ("newuidmap", "newgidmap"):
        program = tmp_path / name
        program.touch(0o755)
    return str(tmp_path)


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "subids"
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("alice:100000:65536\n", (Range(100000, 65536),)),
        ("bob:1:2\n1000:5:6\nalice:7:8\n", (Range(5, 6), Range(7, 8))),
        ("alicea:1:2\nalice\nalice:x:2\nalice:1:x\nalice:1:0\n# alice:3:4\n", ()),
        ("", ()),
    ],
)
def test_ranges_are_by_name_or_number(tmp_path: Path, text: str, found: tuple[Range, ...]) -> None:
    """Lines that say nothing of the user, or nothing at all, are passed over."""
    assert ids.ranges(written(tmp_path, text), "alice", 1000) == found
    assert ids.ranges(tmp_path / "missing", "alice", 1000) == ()


def test_commands_map_the_user_to_root_and_the_ranges_after_it(tmp_path: Path, helpers: str) -> None:
    """The numbers inside are in one piece from 0 on, whatever those of the host are."""
    file = written(tmp_path, "alice:100000:1000\nalice:500:20\n")
    mine = ids.of_user(1000, 1001, search=helpers, subuid=file, subgid=file, name="alice")
    assert mine.level is Level.SUBUIDS
    users, groups = mine.commands(7)
    assert " ".join(users) == "newuidmap 7 0 1000 1 1 100000 1000 1001 500 20"
    assert " ".join(groups) == "newgidmap 7 0 1001 1 1 100000 1000 1001 500 20"


@pytest.mark.parametrize(
    ("users", "groups", "search", "lacking", "remedy"),
    [
        ("", "alice:1:2", "", "users gives alice no further numbers", "usermod --add-subuids"),
        ("alice:1:2", "", "", "groups gives alice no further numbers", "usermod --add-subuids"),
        (
            "alice:1:2",
            "alice:1:2",
            "/nowhere",
            "newuidmap and newgidmap not installed",
            "apt-get install uidmap",
        ),
    ],
)
def test_what_lacks_is_told(
    tmp_path: Path, helpers: str, users: str, groups: str, search: str, lacking: str, remedy: str
) -> None:
    """Then there is one uid, and the step that gives more."""
    (tmp_path / "users").write_text(users)
    (tmp_path / "groups").write_text(groups)
    mine = ids.of_user(
        1000,
        1000,
        search=search or helpers,
        subuid=tmp_path / "users",
        subgid=tmp_path / "groups",
        name="alice",
    )
    assert mine.level is Level.ONE_UID
    assert mine.lacking.endswith(lacking)
    assert mine.remedy.startswith(remedy)


def test_one_number_is_mapped_to_root() -> None:
    """As the kernel takes it (user_namespaces(7))."""
    assert Ids(1000, 1001).one() == ("0 1000 1\n", "0 1001 1\n")
