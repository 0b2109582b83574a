"""What was written comes to the disk in the background, and those who wait for it are told."""

import threading
from pathlib import Path

from yurt.errors import Unavailable
from yurt.storage.settling import Settler

PATIENCE = 20.0  # seconds for a sync of a busy machine's disk


class Told:
    """Hears of what is settled; *refusing* so many times before."""

    def __init__(self, *, refusing: int = 0) -> None:
        self.names: list[frozenset[str]] = []
        self.heard = threading.Semaphore(0)
        self._refusing = refusing

    def __call__(self, names: frozenset[str]) -> None:
        self.heard.release()
        if self._refusing:
            self._refusing -= 1
            raise Unavailable("no space left on device")
        self.names.append(names)


def test_names_that_come_together_share_a_sync(tmp_path: Path) -> None:
    """They are told of once."""
    told = Told()
    settler = Settler(tmp_path, told, delay=0.3)
    settler.add("one")
    settler.add("two")
    assert told.heard.acquire(timeout=PATIENCE)
    settler.close()
    assert told.names == [{"one", "two"}]


def test_what_cannot_be_told_of_is_told_of_with_the_next(tmp_path: Path) -> None:
    """A full disk may keep the news from being stored."""
    told = Told(refusing=1)
    settler = Settler(tmp_path, told, delay=0.01)
    settler.add("one")
    assert told.heard.acquire(timeout=PATIENCE)
    settler.add("two")
    assert told.heard.acquire(timeout=PATIENCE)
    settler.close()
    assert told.names == [{"one", "two"}]


def test_closing_does_not_wait_for_a_sync(tmp_path: Path) -> None:
    """What still waits stays unsettled."""
    told = Told()
    settler = Settler(tmp_path, told, delay=600)
    settler.add("one")
    settler.close()
    settler.close()
    assert told.names == []
