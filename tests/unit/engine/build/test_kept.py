"""Contents that outlive the context they came in."""

import os
from dataclasses import replace
from pathlib import Path

from yurt.engine.build.context import ContextWriter
from yurt.engine.build.files import ContextTree
from yurt.engine.build.kept import KeptContents

TIME = 1_700_000_000_123_456_789


def a_tree(folder: Path, files: dict[str, bytes], *, mtime_ns: int = TIME) -> ContextTree:
    folder.mkdir()
    writer = ContextWriter(str(folder))
    for name, data in files.items():
        writing = writer.file(name, 0o644, mtime_ns)
        writing.write(data)
        writing.close()
    return writer.tree()


def stored(folder: Path) -> int:
    return sum(len(files) for _, _, files in os.walk(folder))


async def test_a_content_is_found_by_all_that_its_client_says_of_it(tmp_path: Path) -> None:
    """Another key, path, size, mode or time is another content; so it is when the context is gone."""
    kept = KeptContents(tmp_path / "kept")
    tree = a_tree(tmp_path / "c", {"d/a": b"data"})
    entry = next(each for each in tree.entries() if each.path == "d/a")
    await kept.keep("key", tree)
    (tmp_path / "c/d/a").unlink()
    found = kept.find("key", entry)
    assert found is not None
    assert (Path(found.place).read_bytes(), found.digest) == (b"data", entry.digest)
    assert kept.find("other", entry) is None
    for changes in ({"path": "b"}, {"size": 5}, {"mode": 0o600}, {"mtime_ns": TIME + 1}):
        assert kept.find("key", replace(entry, **changes)) is None


async def test_a_newer_content_takes_the_place_of_an_older(tmp_path: Path) -> None:
    """Nothing heaps up, and what a build did not ask for stays."""
    kept = KeptContents(tmp_path / "kept")
    await kept.keep("key", a_tree(tmp_path / "1", {"a": b"one", "b": b"b"}))
    second = a_tree(tmp_path / "2", {"a": b"two!"})
    await kept.keep("key", second)
    await kept.keep("key", second)
    (entry,) = second.entries()
    assert kept.find("key", entry) is not None
    assert stored(tmp_path / "kept") == 2


async def test_a_time_of_whole_seconds_tells_too_little(tmp_path: Path) -> None:
    """Files of archives have such times, and others of the same path and size have them too. No key, no keeping."""
    kept = KeptContents(tmp_path / "kept")
    await kept.keep("key", a_tree(tmp_path / "1", {"a": b"one"}, mtime_ns=TIME - TIME % 1_000_000_000))
    await kept.keep("", a_tree(tmp_path / "2", {"a": b"one"}))
    assert stored(tmp_path / "kept") == 0


async def test_there_is_a_limit_and_the_oldest_go_first(tmp_path: Path) -> None:
    """All of a context goes at once; one that is too large alone goes as well."""
    kept = KeptContents(tmp_path / "kept", limit=10)
    trees = [a_tree(tmp_path / name, {"a": b"1234"}) for name in ("x", "y", "z")]
    (entry,) = trees[0].entries()
    for key, tree in zip(("x", "y", "x", "z"), (trees[0], trees[1], trees[0], trees[2]), strict=True):
        await kept.keep(key, tree)
    assert [key for key in "xyz" if kept.find(key, entry)] == ["x", "z"]
    await kept.keep("big", a_tree(tmp_path / "big", {"a": b"12345678901"}))
    assert stored(tmp_path / "kept") == 0
    await kept.keep("x", trees[0])
    await kept.clear()
    assert kept.find("x", entry) is None
    assert not (tmp_path / "kept").exists()
