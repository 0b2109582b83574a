"""Documents: small named records in one SQLite file, grouped by kind. What a body means is its owner's business."""

import contextlib
import errno
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from yurt.errors import Internal, Unavailable, no_space

RESERVE = 1 << 20  # bytes kept back for deletions on a full disk
# Of the log, which SQLite writes from its beginning again after a thousand pages, if the disk takes them then.
LOG = 1000 * 4120 + RESERVE
FULL = 1 << 17  # a disk with less left than this takes nothing more for certain
ROOMY = LOG + 4 * RESERVE  # a disk with more left than this can spare the reserve again


class Documents:
    """A store of documents by kind and id, whole after ``kill -9`` at any instant.

    Each change is durable against the death of this process when the call returns, and a change or a
    transaction is seen wholly or not at all. Safe to call from any thread; a transaction keeps the other
    threads out until it ends. A full disk raises Unavailable and changes nothing. Still go then deletions, from a
    reserve, because they are what makes room, and notes of what is so already: the log, where all is written
    first, has its place on the disk from the beginning, and nothing else may be written to it then.

    Write-ahead logging with ``synchronous=NORMAL``: a power cut may lose the last changes, never an older
    one and never the file's consistency. `sync` makes them last.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._lock = threading.RLock()
        self._depth = 0
        self._log = path.with_name(f"{path.name}-wal")
        self._reserve = path.with_name(f"{path.name}-reserve")
        with self._translated("cannot open"):
            # Autocommit: transactions are opened by hand, below.
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
            try:
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute("PRAGMA synchronous=NORMAL")
                self._db.execute(
                    "CREATE TABLE IF NOT EXISTS documents"
                    " (kind TEXT, id TEXT, body BLOB, PRIMARY KEY (kind, id)) WITHOUT ROWID"
                )
            except sqlite3.Error:
                self._db.close()
                raise
        self._has_reserve = False
        self._fill_reserve()
        if not self._has_reserve:
            with contextlib.suppress(OSError):
                _allocate(self._log, RESERVE)

    def put(self, kind: str, id: str, body: bytes) -> None:  # noqa: A002 - the word the contract has
        """Afterwards *body* is the document, whatever it was before."""
        with self._lock, self._translated("cannot write"):
            self._fill_reserve()
            if self._depth == 0:
                self._refuse_when_full()
            self._put(kind, id, body)

    def note(self, kind: str, id: str, body: bytes) -> None:  # noqa: A002
        """The same for what is so already, whether it can be stored or not: a full disk takes some hundreds of these."""
        with self._lock, self._translated("cannot write"):
            self._put(kind, id, body)

    def get(self, kind: str, id: str) -> bytes | None:  # noqa: A002
        """Return the document's body, None when there is none."""
        with self._lock, self._translated("cannot read"):
            row = self._db.execute(
                "SELECT body FROM documents WHERE kind = ? AND id = ?", (kind, id)
            ).fetchone()
        return None if row is None else row[0]

    def delete(self, kind: str, id: str) -> None:  # noqa: A002
        """Afterwards there is no such document, whether there was one or not."""
        with self._lock, self._translated("cannot write"):
            if self._depth == 0:
                self._make_room()
            self._db.execute("DELETE FROM documents WHERE kind = ? AND id = ?", (kind, id))

    def all(self, kind: str) -> list[tuple[str, bytes]]:
        """Return every document of a kind as (id, body), in order of their ids."""
        with self._lock, self._translated("cannot read"):
            return self._db.execute(
                "SELECT id, body FROM documents WHERE kind = ? ORDER BY id", (kind,)
            ).fetchall()

    @contextmanager
    def transaction(self, *, freeing: bool = False) -> Iterator[None]:
        """Do all the changes of the block or, when it raises, none. Blocks may nest; the outermost decides.

        *freeing* says that the block makes room, so that the reserve may be spent on it.
        """
        with self._lock:
            if self._depth == 0:
                with self._translated("cannot write"):
                    if freeing:
                        self._make_room()
                    else:
                        self._refuse_when_full()
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
                    with self._translated("cannot write"):
                        self._db.execute("COMMIT")
                except BaseException:
                    self._db.rollback()
                    raise

    def sync(self) -> None:
        """Afterwards no power cut can take away what was changed before the call. Takes a disk's time, keeps nobody out.

        Everything since the last checkpoint is in the log file, of which SQLite has synced the name with its first
        header; checkpoints sync by themselves.
        """
        try:
            descriptor = os.open(self._log, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return  # nothing was ever written
        try:
            os.fsync(descriptor)
        except OSError as error:
            raise Unavailable(
                f"cannot bring the database {self._path} to the disk: {error.strerror}"
            ) from error
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Afterwards the file is closed; the documents stay."""
        with self._lock:
            self._db.close()

    def _put(self, kind: str, id: str, body: bytes) -> None:  # noqa: A002
        self._db.execute("INSERT OR REPLACE INTO documents VALUES (?, ?, ?)", (kind, id, body))

    def _fill_reserve(self) -> None:
        """Set the reserve aside, or again, where the disk can spare it."""
        if self._has_reserve or self._left() < ROOMY:
            return
        with contextlib.suppress(OSError):
            _allocate(self._log, LOG)
            _allocate(self._reserve, RESERVE)
            self._has_reserve = True

    def _make_room(self) -> None:
        """Spend the reserve on a full disk: SQLite fails only when it is too late to ask again."""
        if self._left() < FULL:
            self._reserve.unlink(missing_ok=True)
            self._has_reserve = False

    def _refuse_when_full(self) -> None:
        """Leave the log's place to notes and deletions. Root may use more than statvfs tells: it is tried."""
        if self._left() >= FULL:
            return
        try:
            descriptor = os.open(self._path.parent, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, FULL)
            finally:
                os.close(descriptor)
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise no_space(str(self._path)) from error

    def _left(self) -> int:
        disk = os.statvfs(self._path.parent)
        return disk.f_bavail * disk.f_frsize

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if _is_full(error):
                raise no_space(str(self._path)) from error
            kind = Internal if isinstance(error, sqlite3.InterfaceError) else Unavailable
            raise kind(f"{what} the database {self._path}: {error}") from error


def _allocate(path: Path, size: int) -> None:
    """Afterwards the first *size* bytes of the file have their place on the disk; raises OSError when it is full."""
    with path.open("ab") as file:
        os.posix_fallocate(file.fileno(), 0, size)


def _is_full(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
