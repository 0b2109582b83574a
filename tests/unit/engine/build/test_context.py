import contextlib
import io
import os
import tarfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yurt.engine.build.context import receive, unpack
from yurt.errors import InvalidArgument, NotFound


def an_archive(*entries: tuple[str, str, str], mode: str = "w") -> bytes:
    """Return an archive of (name, kind, content or link target)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, kind, text in entries:
            info = tarfile.TarInfo(name)
            info.mode = 0o640
            if kind == "file":
                info.size = len(text)
                archive.addfile(info, io.BytesIO(text.encode()))
                continue
            info.type = {
                "folder": tarfile.DIRTYPE,
                "link": tarfile.SYMTYPE,
                "hard": tarfile.LNKTYPE,
                "device": tarfile.CHRTYPE,
                "pipe": tarfile.FIFOTYPE,
            }[kind]
            info.linkname = text
            archive.addfile(info)
    return buffer.getvalue()


def test_files_links_and_folders_arrive(tmp_path: Path) -> None:
    """What was packed can be selected, with modes, and content on the disk."""
    data = an_archive(
        ("Dockerfile", "file", "FROM x"),
        ("src", "folder", ""),
        ("src/a.py", "file", "a"),
        ("src/b.py", "hard", "src/a.py"),
        ("src/link", "link", "a.py"),
        ("deep/er/c.txt", "file", "c"),
    )
    tree = unpack(iter([data]), str(tmp_path))
    (source,) = tree.select("src")
    assert [(entry.path, entry.kind) for entry in source.entries] == [
        ("a.py", "file"),
        ("b.py", "file"),
        ("link", "link"),
    ]
    assert source.entries[0].digest == source.entries[1].digest
    assert source.entries[0].mode == 0o640
    assert (tmp_path / "deep/er/c.txt").read_text() == "c"
    assert [each.name for each in tree.select("src/*.py")] == ["a.py", "b.py"]
    assert [each.entries[0].kind for each in tree.select("src/link")] == ["file"]
    assert tree.read("Dockerfile", limit=10) == b"FROM x"


@pytest.mark.parametrize(
    "entries",
    [
        [("../evil", "file", "x")],
        [("/etc/evil", "file", "x")],
        [("a/../../evil", "file", "x")],
        [("link", "link", "/etc"), ("link/evil", "file", "x")],
        [("link", "link", ".."), ("link/evil", "file", "x")],
        [("hard", "hard", "../../etc/passwd")],
        [("hard", "hard", "/etc/passwd")],
        [("link", "link", "/etc/passwd"), ("hard", "hard", "link")],
        [("a", "file", "x"), ("a/b", "file", "y")],
    ],
)
def test_a_hostile_archive_is_refused(tmp_path: Path, entries: list[tuple[str, str, str]]) -> None:
    """Nothing is written outside of the folder."""
    folder = tmp_path / "inside"
    folder.mkdir()
    with pytest.raises(InvalidArgument):
        unpack(iter([an_archive(*entries)]), str(folder))
    assert os.listdir(tmp_path) == ["inside"]


def test_a_later_link_cannot_redirect_a_file(tmp_path: Path) -> None:
    """A name that is given twice is written anew, never through the link that it was."""
    outside = tmp_path / "outside"
    outside.write_text("safe")
    folder = tmp_path / "inside"
    folder.mkdir()
    unpack(iter([an_archive(("x", "link", str(outside)), ("x", "file", "new"))]), str(folder))
    assert outside.read_text() == "safe"
    assert (folder / "x").read_text() == "new"


def test_what_has_no_content_is_left_out(tmp_path: Path) -> None:
    """Devices and pipes are not copied."""
    tree = unpack(
        iter([an_archive(("null", "device", ""), ("p", "pipe", ""), ("a", "file", ""))]), str(tmp_path)
    )
    assert len(tree) == 1


def test_dockerignore_hides_files_but_keeps_the_way_to_exceptions(tmp_path: Path) -> None:
    """What is left out cannot be selected; a folder that leads to an exception can."""
    data = an_archive(("a/x", "file", "1"), ("a/y", "file", "2"), ("b", "file", "3"))
    tree = unpack(iter([data]), str(tmp_path)).without(lambda path: path in {"a", "a/x", "b"})
    assert [entry.path for entry in tree.select(".")[0].entries] == ["a", "a/y"]
    with pytest.raises(NotFound):
        tree.select("b")


def test_the_fingerprint_sees_content_mode_and_names(tmp_path: Path) -> None:
    """Times and owners do not count."""
    seen = set()
    for index, entries in enumerate(
        [
            [("d/a", "file", "1")],
            [("d/a", "file", "2")],
            [("d/b", "file", "1")],
            [("d/a", "link", "1")],
        ]
    ):
        folder = tmp_path / str(index)
        folder.mkdir()
        seen.add(unpack(iter([an_archive(*entries)]), str(folder)).select("d")[0].fingerprint())
    assert len(seen) == 4


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
async def test_compressed_contexts_are_taken(tmp_path: Path, mode: str) -> None:
    """The kind of compression is seen from the stream."""
    data = an_archive(("a", "file", "content"), mode=mode)

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(data), 100):
            yield data[start : start + 100]

    assert len(await receive(chunks(), str(tmp_path))) == 1


@given(st.binary(max_size=600))
def test_any_bytes_are_a_context_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """Broken archives raise InvalidArgument."""
    folder = tmp_path_factory.mktemp("context")

    def chunks() -> Iterator[bytes]:
        yield data

    with contextlib.suppress(InvalidArgument):
        unpack(chunks(), str(folder))
