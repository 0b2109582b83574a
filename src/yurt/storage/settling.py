"""Settling: what was written comes to the disk in the background, and whoever needs to know is told."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from yurt.errors import YurtError
from yurt.linux.disk import sync_file_system

log = logging.getLogger(__name__)

DELAY = 5.0  # seconds that more may come in, so that many share one sync


class Settler:
    """Syncs the file system of *folder* some seconds after the first name that it is given, in a thread of its own.

    *settled* is called there with the names that were given before the sync began. The thread is started by the
    first name and ends with the process.
    """

    def __init__(
        self, folder: Path, settled: Callable[[frozenset[str]], None], *, delay: float = DELAY
    ) -> None:
        self._folder = folder
        self._settled = settled
        self._delay = delay
        self._lock = threading.Lock()
        self._waiting: set[str] = set()
        self._wanted = threading.Event()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, name: str) -> None:
        """From now on *name* waits for a sync."""
        with self._lock:
            self._waiting.add(name)
            if self._thread is None and not self._closing.is_set():
                self._thread = threading.Thread(target=self._work, name="settle", daemon=True)
                self._thread.start()
        self._wanted.set()

    def close(self) -> None:
        """End the thread; what still waits stays unsettled. Idempotent."""
        self._closing.set()
        self._wanted.set()
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()

    def _work(self) -> None:
        while True:
            self._wanted.wait()
            if self._closing.wait(self._delay):
                return
            self._wanted.clear()
            with self._lock:
                names, self._waiting = frozenset(self._waiting), set()
            try:
                sync_file_system(self._folder)
                self._settled(names)
            except (OSError, YurtError) as error:
                # They stay unsettled, which costs time after a power cut and nothing else; the next sync takes them along.
                log.warning("settle.failed", extra={"folder": str(self._folder), "error": str(error)})
                with self._lock:
                    self._waiting |= names
