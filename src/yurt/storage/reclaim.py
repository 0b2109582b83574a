"""Reclaimer: folders that nobody needs go out of sight at once, and off the disk in the background."""

import contextlib
import logging
import os
import queue
import shutil
import threading
from pathlib import Path

log = logging.getLogger(__name__)


class Reclaimer:
    """Deletes folders by moving them into *trash* and emptying that in a thread of its own.

    The thread is started by the first folder and ends with the process; `sweep` finds what it left then.
    """

    def __init__(self, trash: Path) -> None:
        self._trash = trash
        self._queue: queue.SimpleQueue[Path | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def discard(self, folder: Path, *, aside: str | None = None) -> None:
        """Afterwards nothing is at *folder*, whether there was or not; *aside* names it in the trash."""
        hidden = self._trash / (aside or folder.name)
        try:
            folder.rename(hidden)
        except FileNotFoundError:
            return
        except OSError:
            # The name is taken by an earlier folder that is not gone yet: any other will do.
            hidden = self._trash / f"{hidden.name}-{os.urandom(4).hex()}"
            folder.rename(hidden)
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
            with contextlib.suppress(FileNotFoundError):
                try:
                    shutil.rmtree(path)
                except OSError as error:
                    # It stays in the trash, and the next start tries again.
                    log.warning("reclaim.failed path=%s error=%s", path, error)
