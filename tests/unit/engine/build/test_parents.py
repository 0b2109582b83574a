"""COPY --parents: from a context and from a file system alike."""

from collections.abc import Callable
from pathlib import Path

import pytest

from yurt.engine.build.files import ContextTree, RootTree, Selection
from yurt.engine.build.remote import scan
from yurt.errors import InvalidArgument, NotFound

Select = Callable[..., list[Selection]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for path in ("a/x.txt", "a/b/y.txt", "a/b/z.py", "c/d/e/w.txt", "top.txt"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    (tmp_path / "a/b").chmod(0o750)
    (tmp_path / "way").symlink_to("/etc")
    return tmp_path


@pytest.fixture(params=["context", "root"])
def select(folder: Path, request: pytest.FixtureRequest) -> Select:
    tree: ContextTree | RootTree = scan(folder) if request.param == "context" else RootTree(str(folder))
    return tree.select_with_parents


def paths(selections: list[Selection]) -> list[str]:
    (one,) = selections
    return [entry.path for entry in one.entries]


def test_the_whole_path_is_kept(select: Select) -> None:
    assert paths(select("a/b/y.txt")) == ["a", "a/b", "a/b/y.txt"]
    (selection,) = select("./a/b/y.txt")
    assert selection.entries[1].mode == 0o750
    assert Path(selection.base, selection.entries[-1].path).read_text() == "a/b/y.txt"


def test_what_stands_before_the_dot_is_not_kept(select: Select) -> None:
    assert paths(select("a/./b/y.txt")) == ["b", "b/y.txt"]
    assert paths(select("c/d/./")) == ["e", "e/w.txt"]


def test_a_folder_comes_with_all_in_it(select: Select) -> None:
    assert paths(select("a/b")) == ["a", "a/b", "a/b/y.txt", "a/b/z.py"]


def test_stars_match_in_all_depths(select: Select) -> None:
    assert paths(select("**/*.txt")) == [
        "a", "a/b", "a/b/y.txt", "a/x.txt", "c", "c/d", "c/d/e", "c/d/e/w.txt", "top.txt"
    ]  # fmt: skip
    assert paths(select("*/*.txt")) == ["a", "a/x.txt"]


def test_exclusions_count(select: Select) -> None:
    assert paths(select("a", ignores=lambda path: path == "a/b/z.py")) == ["a", "a/b", "a/b/y.txt", "a/x.txt"]
    assert paths(select("a/./b", ignores=lambda path: path == "a/b/z.py")) == ["b", "b/y.txt"]


def test_a_link_is_not_gone_through(select: Select) -> None:
    """What it leads to may be outside of the context."""
    with pytest.raises((InvalidArgument, NotFound)):
        select("way/passwd")
    (selection,) = select("way")
    assert [(entry.path, entry.link) for entry in selection.entries] == [("way", "/etc")]


@pytest.mark.parametrize("pattern", ["gone", "a/gone", "gone/./x", "*.gone", "top.txt/./x"])
def test_nothing_found_is_an_error(select: Select, pattern: str) -> None:
    with pytest.raises(NotFound):
        select(pattern)
