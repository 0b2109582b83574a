"""Reclaimer: files and folders that nobody needs go out of sight at once, and off the disk in the background."""

import logging
import os
import queue
import shutil
import threading
from pathlib import Path

log = logging.getLogger(__name__)


class Reclaimer:
    """Deletes by moving into *trash*, on the same file system, and emptying that in a thread of its own.

    The thread is started by the first deletion and ends with the process; `sweep` finds what it left then.
    """

    def __init__(self, trash: Path) -> None:
        self._trash = trash
        trash.mkdir(parents=True, exist_ok=True)
        self._queue: queue.SimpleQueue[Path | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def discard(self, path: Path) -> None:
        """Afterwards nothing is at *path*, whether there was or not."""
        hidden = self._trash / f"{path.name}-{os.urandom(4).hex()}"
        try:
            path.rename(hidden)
        except FileNotFoundError:
            return
        except OSError:
            # The trash needs room for a name, and a full disk may not have it: delete here, while the caller waits.
            self._erase(path)
            return
        self._delete(hidden)

    def sweep(self) -> None:
        """Delete what an earlier process left in the trash."""
        for name in os.listdir(self._trash):
            self._delete(self._trash / name)

    def close(self) -> None:
        """Wait until everything discarded so far is gone, and end the thread."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            thread.join()

    def _delete(self, path: Path) -> None:
        self._queue.put(path)
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="reclaim", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while (path := self._queue.get()) is not None:
            self._erase(path)

    def _erase(self, path: Path) -> None:
        try:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except FileNotFoundError:
            pass  # someone else emptied the trash
        except OSError as error:
            # It stays where it is, and the next start tries again.
            log.warning("reclaim.failed", extra={"path": str(path), "error": str(error)})
