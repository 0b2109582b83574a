"""What a transfer says of one layer: each status at once, byte counts at most ten times a second."""

import asyncio
import time

from yurt.engine.progress import Progress, ProgressSink

INTERVAL = 0.1  # seconds between two counts


class LayerReport:
    """The news of one layer. Made on the event loop; `count_from_thread` may be called elsewhere."""

    def __init__(self, sink: ProgressSink, id_: str, total: int) -> None:
        self._sink = sink
        self._id = id_
        self._total = total
        self._due = 0.0
        self._loop = asyncio.get_running_loop()

    def say(self, status: str) -> None:
        """Tell a status; the next count comes without delay."""
        self._due = 0.0
        self._sink(Progress(status, self._id))

    def count(self, status: str, current: int) -> None:
        """Tell how far it is, unless that was told just now."""
        if self._is_due(current):
            self._sink(Progress(status, self._id, current, self._total))

    def count_from_thread(self, status: str, current: int) -> None:
        """Do what `count` does, from a thread."""
        if self._is_due(current):
            news = Progress(status, self._id, current, self._total)
            self._loop.call_soon_threadsafe(self._sink, news)

    def retrying(self, seconds: int) -> None:
        """Tell when the transfer goes on."""
        self.say(f"Retrying in {seconds} second{'s' if seconds > 1 else ''}")

    def _is_due(self, current: int) -> bool:
        now = time.monotonic()
        if now < self._due and current < self._total:
            return False
        self._due = now + INTERVAL
        return True
