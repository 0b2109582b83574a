"""A folder becomes the tar stream of a build."""

import io
import tarfile
from pathlib import Path

import pytest

from yurt.client.context import BuildContext
from yurt.errors import InvalidArgument, NotFound


def names(context: BuildContext) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(b"".join(context.stream()))) as tar:
        return tar.getnames()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project: a Dockerfile, a source, and what should stay at home."""
    (tmp_path / "app").mkdir()
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY . .\n")
    for name in ("app/main.py", "app/main.pyc", "notes.md", "keep.md"):
        (tmp_path / name).write_text(name)
    return tmp_path


def test_ignored_files(folder: Path) -> None:
    """What .dockerignore names stays out, but for what it takes back and the Dockerfile itself."""
    (folder / ".dockerignore").write_text("**/*.pyc\n*.md\n!keep.md\nDockerfile\n")
    assert names(BuildContext.find(str(folder))) == [
        ".dockerignore",
        "Dockerfile",
        "app",
        "app/main.py",
        "keep.md",
    ]


def test_dockerfile_elsewhere(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A Dockerfile outside the folder travels under a name of its own, and errors speak of it by the user's name."""
    outside = tmp_path_factory.mktemp("elsewhere") / "Special"
    outside.write_text("FROM scratch\n")
    context = BuildContext.find(str(folder), dockerfile=str(outside))
    assert context.dockerfile in names(context)
    said = context.in_users_words(f"{context.dockerfile}:1: no")
    assert said.endswith("Special:1: no")
    assert context.dockerfile not in said


def test_dockerfile_inside(folder: Path) -> None:
    """A Dockerfile of the folder is called what it is called."""
    context = BuildContext.find(str(folder))
    assert context.in_users_words("Dockerfile:1: no") == "Dockerfile:1: no"


def test_missing(folder: Path) -> None:
    """A missing folder or Dockerfile is refused by name."""
    with pytest.raises(NotFound, match="no such folder"):
        BuildContext.find(str(folder / "nowhere"))
    with pytest.raises(NotFound, match="no Other there"):
        BuildContext.find(str(folder), dockerfile="Other")
    with pytest.raises(InvalidArgument, match="not a folder"):
        BuildContext.find(str(folder / "keep.md"))
