"""Documents: small named records in one SQLite file, grouped by kind. What a body means is its owner's business."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from yurt.errors import Internal, Unavailable, translated


class Documents:
    """A store of documents by kind and id, whole after ``kill -9`` at any instant.

    Each change is durable against the death of this process when the call returns, and a change or a
    transaction is seen wholly or not at all. Safe to call from any thread; a transaction keeps the other
    threads out until it ends.

    Write-ahead logging with ``synchronous=NORMAL``: a power cut may lose the last changes, never an older
    one and never the file's consistency.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._depth = 0
        with translated({sqlite3.Error: Unavailable}, f"cannot open the database {path}"):
            # Autocommit: transactions are opened by hand, below.
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS documents (kind TEXT, id TEXT, body BLOB, PRIMARY KEY (kind, id))"
                " WITHOUT ROWID"
            )

    def put(self, kind: str, id: str, body: bytes) -> None:  # noqa: A002 - the word the contract has
        """Afterwards *body* is the document, whatever it was before."""
        with self._lock, _failing():
            self._db.execute("INSERT OR REPLACE INTO documents VALUES (?, ?, ?)", (kind, id, body))

    def get(self, kind: str, id: str) -> bytes | None:  # noqa: A002
        """Return the document's body, None when there is none."""
        with self._lock, _failing():
            row = self._db.execute(
                "SELECT body FROM documents WHERE kind = ? AND id = ?", (kind, id)
            ).fetchone()
        return None if row is None else row[0]

    def delete(self, kind: str, id: str) -> None:  # noqa: A002
        """Afterwards there is no such document, whether there was one or not."""
        with self._lock, _failing():
            self._db.execute("DELETE FROM documents WHERE kind = ? AND id = ?", (kind, id))

    def all(self, kind: str) -> list[tuple[str, bytes]]:
        """Return every document of a kind as (id, body), in order of their ids."""
        with self._lock, _failing():
            return self._db.execute(
                "SELECT id, body FROM documents WHERE kind = ? ORDER BY id", (kind,)
            ).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Do all the changes of the block or, when it raises, none. Blocks may nest; the outermost decides."""
        with self._lock:
            if self._depth == 0:
                with _failing():
                    self._db.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if self._depth == 0:
                    self._db.rollback()
                raise
            self._depth -= 1
            if self._depth == 0:
                try:
                    with _failing():
                        self._db.execute("COMMIT")
                except BaseException:
                    self._db.rollback()
                    raise

    def close(self) -> None:
        """Afterwards the file is closed; the documents stay."""
        with self._lock:
            self._db.close()


def _failing() -> AbstractContextManager[None]:
    return translated(
        {sqlite3.OperationalError: Unavailable, sqlite3.Error: Internal}, "the engine's database failed"
    )
