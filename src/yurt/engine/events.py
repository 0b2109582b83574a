"""What happened in the engine, told to whoever listens. Imported by every service; imports none of them."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

HISTORY = 1024  # events kept for `since`
BACKLOG = 4096  # events a slow listener may lag behind before it is cut off


@dataclass(frozen=True, slots=True)
class Event:
    """One change of state. *kind* is container, image, network, volume or builder.

    *actor* is its id (a volume's name), or empty when the event is about all of its kind.
    """

    kind: str
    action: str
    actor: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    time_ns: int = field(default_factory=time.time_ns)


class Events:
    """The engine's event bus: `publish` never waits, each listener has its own bounded queue."""

    def __init__(self) -> None:
        self._history: deque[Event] = deque(maxlen=HISTORY)
        self._listeners: set[asyncio.Queue[Event | None]] = set()

    def publish(
        self, kind: str, action: str, actor: str, attributes: Mapping[str, str] | None = None
    ) -> None:
        """Tell every listener; afterwards the event is in the history."""
        event = Event(kind, action, actor, dict(attributes or {}))
        self._history.append(event)
        for queue in list(self._listeners):
            if queue.qsize() >= BACKLOG:
                self._listeners.discard(queue)
                queue.put_nowait(None)
            else:
                queue.put_nowait(event)

    def pruned(self, kind: str, freed: int) -> None:
        """Tell that all unused things of *kind* have been removed, after each was told of, and the bytes that freed."""
        self.publish(kind, "prune", "", {"reclaimed": str(freed)})

    @contextmanager
    def listen(self) -> Iterator["Listener"]:
        """Hear every event published from now on, until the block ends."""
        queue: asyncio.Queue[Event | None] = asyncio.Queue()
        self._listeners.add(queue)
        try:
            yield Listener(queue)
        finally:
            self._listeners.discard(queue)

    def history(self, *, since_ns: int) -> tuple[Event, ...]:
        """Return the kept events at or after *since_ns*, oldest first."""
        return tuple(event for event in self._history if event.time_ns >= since_ns)


class Listener:
    """An async iterator over events; it ends when this listener lagged too far behind."""

    def __init__(self, queue: asyncio.Queue[Event | None]) -> None:
        self._queue = queue

    async def __aiter__(self) -> AsyncIterator[Event]:
        while (event := await self._queue.get()) is not None:
            yield event
