"""yurt.compose.watching, syncing and inotify: from changed files to what is done in containers."""

import io
import os
import tarfile
import threading
from pathlib import Path

import pytest
from tests.unit.compose.projects import a_project

from yurt.compose.inotify import Changes
from yurt.compose.syncing import everything, packed
from yurt.compose.watching import Copy, Matcher, watched
from yurt.errors import InvalidArgument

TEXT = """
services:
  web:
    image: a
    build: .
    develop:
      watch:
        - {path: ./src, action: sync, target: /app, ignore: [cache/, "**/*.tmp"]}
        - {path: ./src/conf, action: sync+restart, target: /app/conf, include: ["*.ini"]}
        - {path: ./assets, action: sync+exec, target: /assets, exec: {command: make assets}}
        - {path: pyproject.toml, action: rebuild}
        - {path: ./flags, action: restart}
  other: {image: b}
"""


@pytest.fixture
def matcher(tmp_path: Path) -> Matcher:
    project = a_project(TEXT, tmp_path)
    assert [each.name for each in watched(project, ())] == ["web"]
    assert watched(project, ["other"]) == ()
    return Matcher(watched(project, ()), {str(tmp_path): "**/*.log\n"})


@pytest.mark.parametrize(
    ("paths", "done"),
    [
        (["src/a.py"], "copy /app/a.py"),
        (["src/a.py", "src/deep/b.py"], "copy /app/a.py /app/deep/b.py"),
        (["src/cache/x", "src/y.tmp", "src/.git/HEAD", "src/.a.py.swp", "src/b.py~", "src/z.log"], ""),
        (["src/conf/a.ini"], "copy /app/conf/a.ini, restart"),
        (["src/conf/a.txt"], "copy /app/conf/a.txt"),
        (["assets/a.css"], "copy /assets/a.css, make assets"),
        (["pyproject.toml", "src/a.py"], "rebuild"),
        (["flags/x"], "restart"),
        (["srcs/a.py", "README"], ""),
    ],
)
def test_tasks(matcher: Matcher, tmp_path: Path, paths: list[str], done: str) -> None:
    """Each change does what the rules that it meets say; a rebuild makes the rest needless."""
    told = []
    for task in matcher.tasks(str(tmp_path / path) for path in paths):
        parts = ["rebuild"] if task.rebuild else []
        parts += [f"copy {' '.join(copy.target for copy in task.copies)}"] if task.copies else []
        parts += ["restart"] if task.restart else []
        parts += [" ".join(hook.command) for hook in task.hooks]
        told.append(", ".join(parts))
    assert " | ".join(told) == done


def test_skipped_folders(matcher: Matcher, tmp_path: Path) -> None:
    """Folders in which nothing can meet a rule are not watched."""
    assert matcher.skips(str(tmp_path / "src" / "cache"))
    assert matcher.skips(str(tmp_path / ".git"))
    assert not matcher.skips(str(tmp_path / "src" / "deep"))


def test_packed(tmp_path: Path) -> None:
    """Files, folders and links go into the archive as they are; what is gone is told."""
    (tmp_path / "a").write_text("hello")
    (tmp_path / "a").chmod(0o755)
    (tmp_path / "link").symlink_to("a")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    names = ("a", "link", "folder", "pipe", "none", "a/below")
    body, gone = packed(Copy(str(tmp_path / name), f"/app/{name}") for name in names)
    assert gone == ("/app/none", "/app/a/below")
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        members = {member.name: member for member in tar}
        assert set(members) == {"app/a", "app/link", "app/folder"}
        assert (members["app/a"].mode, members["app/link"].linkname) == (0o755, "a")
    assert packed([Copy(str(tmp_path / "none"), "/x")]) == (b"", ("/x",))


def test_everything(tmp_path: Path) -> None:
    """The first synchronisation takes all files below a rule's path."""
    project = a_project(TEXT, tmp_path)
    rule = project.service("web").watch[0]
    (tmp_path / "src" / "deep").mkdir(parents=True)
    (tmp_path / "src" / "deep" / "b").write_text("")
    (tmp_path / "src" / "a").write_text("")
    assert {copy.target for copy in everything(rule)} == {"/app/a", "/app/deep/b"}


def test_changes(tmp_path: Path) -> None:
    """Writes, removals and new folders with what is in them are told; skipped folders are not."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "old").write_text("")
    (tmp_path / "skipped").mkdir()
    single = tmp_path / "single"
    single.write_text("")

    def happen() -> None:
        (tmp_path / "src" / "new" / "deep").mkdir(parents=True)
        (tmp_path / "src" / "new" / "deep" / "file").write_text("x")
        (tmp_path / "src" / "old").unlink()
        (tmp_path / "skipped" / "file").write_text("x")
        (tmp_path / "other").write_text("y")
        (tmp_path / "other").rename(single)

    with Changes(
        [str(tmp_path / "src"), str(single)], skips=lambda path: path.endswith("skipped")
    ) as changes:
        assert changes.next(0) == set()
        threading.Thread(target=happen).start()
        wanted = {str(tmp_path / name) for name in ("src/new/deep/file", "src/old", "single")}
        seen: set[str] = set()
        while not wanted <= seen:
            seen |= changes.next(10)
        assert str(tmp_path / "skipped" / "file") not in seen


def test_nothing_to_watch(tmp_path: Path) -> None:
    """A path that is not there is told of."""
    with pytest.raises(InvalidArgument, match="no such file or folder"), Changes([str(tmp_path / "none")]):
        pass


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("{action: sync, target: /a}", "develop.watch[0]: is not whole, expected `path:` and `action:`"),
        ("{path: a, action: sync}", "the action sync has the target ''"),
        ("{path: a, action: sync, target: a}", "the action sync has the target 'a'"),
        ("{path: a, action: sync+exec, target: /a}", "the action sync+exec has nothing to execute"),
        (
            "{path: a, action: sink}",
            "'sink' is not known, expected rebuild, restart, sync, sync+restart or sync+exec",
        ),
    ],
)
def test_mistakes(tmp_path: Path, rule: str, message: str) -> None:
    """Rules that can't be meant are told of with their place."""
    with pytest.raises(InvalidArgument) as caught:
        a_project(f"services: {{web: {{image: a, develop: {{watch: [{rule}]}}}}}}", tmp_path)
    assert message in str(caught.value)
