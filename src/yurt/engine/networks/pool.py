"""Namespaces prepared ahead, so that starting a container need not wait for one."""

import asyncio
from concurrent.futures import Executor

import structlog

from yurt.engine.networks.namespaces import Inside, new_namespace

log = structlog.get_logger()

SIZE = 4
QUIET = 0.1  # seconds without a start before the pool is filled up again


class NamespacePool:
    """Up to *size* unused namespaces. They have no name on the host, so that nothing is left of them after a crash."""

    def __init__(self, executor: Executor, *, size: int = SIZE) -> None:
        self._executor = executor
        self._size = size
        self._ready: list[Inside] = []
        self._timer: asyncio.TimerHandle | None = None
        self._filling: asyncio.Task[None] | None = None
        self._closed = asyncio.Event()

    def __repr__(self) -> str:
        return f"<NamespacePool {len(self._ready)} of {self._size} ready>"

    def take(self) -> Inside | None:
        """Return a prepared namespace, now the caller's to close; None when there is none left: make one then."""
        self.fill_when_quiet()
        return self._ready.pop() if self._ready else None

    def fill_when_quiet(self) -> None:
        """Fill up, one at a time, when no container has started for a moment: starts come first."""
        if self._closed.is_set():
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(QUIET, self._start_filling)

    def _start_filling(self) -> None:
        self._timer = None
        if self._filling is None or self._filling.done():
            self._filling = asyncio.create_task(self.fill(), name="namespace-pool")

    async def fill(self) -> None:
        """Fill up now. Afterwards the pool is full, or a start came in between (it fills up again later)."""
        loop = asyncio.get_running_loop()
        while len(self._ready) < self._size and self._timer is None and not self._closed.is_set():
            try:
                inside = await loop.run_in_executor(self._executor, new_namespace)
            except OSError as error:  # a start will make one itself, and report
                log.warning("network.pool_failed", error=str(error))
                return
            if self._closed.is_set():
                inside.close()
            else:
                self._ready.append(inside)

    async def close(self) -> None:
        """Let go of all; afterwards `take` returns None."""
        self._closed.set()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._filling is not None:
            await asyncio.wait({self._filling})
        while self._ready:
            self._ready.pop().close()
