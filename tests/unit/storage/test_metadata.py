"""Documents: named records that survive."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from yurt.errors import Unavailable
from yurt.storage.metadata import Documents


@pytest.fixture
def documents(tmp_path: Path) -> Iterator[Documents]:
    store = Documents(tmp_path / "some" / "folder" / "test.db")
    yield store
    store.close()


def test_a_document_is_what_was_put_last(documents: Documents) -> None:
    """put replaces, get finds, delete forgets and does not mind twice."""
    assert documents.get("a", "1") is None
    documents.put("a", "1", b"one")
    documents.put("a", "1", b"uno")
    assert documents.get("a", "1") == b"uno"
    assert documents.get("b", "1") is None
    documents.delete("a", "1")
    documents.delete("a", "1")
    assert documents.get("a", "1") is None


def test_all_lists_one_kind_in_order(documents: Documents) -> None:
    """Kinds do not mix."""
    for id_ in ("2", "1", "3"):
        documents.put("a", id_, id_.encode())
    documents.put("b", "0", b"")
    assert documents.all("a") == [("1", b"1"), ("2", b"2"), ("3", b"3")]


def test_a_transaction_that_raises_changes_nothing(documents: Documents) -> None:
    """All or none, also of the blocks inside."""
    documents.put("a", "1", b"before")

    def fail() -> None:
        with documents.transaction():
            documents.put("a", "1", b"after")
            with documents.transaction():
                documents.delete("a", "1")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert documents.get("a", "1") == b"before"


def test_a_transaction_keeps_other_threads_out(documents: Documents) -> None:
    """Nobody reads, or adds to, what is half done."""
    seen: list[bytes | None] = []
    other = threading.Thread(target=lambda: seen.append(documents.get("a", "2")))
    with documents.transaction():
        documents.put("a", "1", b"x")
        other.start()
        other.join(0.05)
        assert other.is_alive()
        documents.put("a", "2", b"y")
    other.join(5)
    assert seen == [b"y"]


def test_what_is_put_survives_kill_9(tmp_path: Path) -> None:
    """A process that dies right after a put has put; one that dies inside a transaction has not."""
    script = """
import os, signal, sys
from pathlib import Path
from yurt.storage.metadata import Documents
documents = Documents(Path(sys.argv[1]))
documents.put("a", "kept", b"1")
with documents.transaction():
    documents.put("a", "lost", b"2")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    path = tmp_path / "test.db"
    done = subprocess.run([sys.executable, "-c", script, os.fspath(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    documents = Documents(path)
    assert documents.all("a") == [("kept", b"1")]
    documents.close()


def test_a_file_that_is_no_database_is_one_clear_error(tmp_path: Path) -> None:
    """The path is in the sentence."""
    (tmp_path / "test.db").write_bytes(b"nonsense" * 1000)
    with pytest.raises(Unavailable, match=r"cannot open the database .*test\.db") as caught:
        Documents(tmp_path / "test.db")
    assert isinstance(caught.value.__cause__, sqlite3.DatabaseError)
