"""Jobs: one solve from its request to its end, and those who watch its progress."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

from yurt.errors import InvalidArgument, NotFound
from yurt.server.buildkit.messages import ReturnRequest, SolveRequest, StatusResponse

PATIENCE = 5.0  # seconds that a job may come after the call that names it
LINGER = 10.0  # seconds that an ended job is told of: the call that watches a quick one may come after it
MAX_LOGS = 4 << 20  # bytes of output kept for watchers that come late or read slowly; the oldest go first


class Job:
    """One solve. What was published is told to every watcher from the beginning."""

    def __init__(self, request: SolveRequest) -> None:
        self.request = request
        self.images: dict[str, str] = {}  # by reference handed out: the id of the image it stands for
        self.response: dict[str, str] = {}  # what the client is told of the solve when it is over
        self.returned: asyncio.Future[ReturnRequest] = asyncio.get_running_loop().create_future()
        self._news: list[StatusResponse] = []
        self._log_bytes = 0
        self._trimmed = 0  # news before this have lost their output
        self._is_over = False
        self._changed = asyncio.Event()
        self._builds: set[asyncio.Task[object]] = set()

    def __repr__(self) -> str:
        return f"<Job {self.request.ref}{' over' if self._is_over else ''}>"

    def publish(self, news: StatusResponse) -> None:
        self._news.append(news)
        self._log_bytes += _log_bytes(news)
        while self._log_bytes > MAX_LOGS and self._trimmed < len(self._news) - 1:
            old = self._news[self._trimmed]
            self._log_bytes -= _log_bytes(old)
            self._news[self._trimmed] = replace(old, logs=())
            self._trimmed += 1
        self._changed.set()

    async def watch(self) -> AsyncIterator[StatusResponse]:
        """Yield all news until the job is over, many at once when they came at once."""
        seen = 0
        while True:
            if seen < len(self._news):
                news, seen = self._news[seen:], len(self._news)
                yield StatusResponse(
                    tuple(each for one in news for each in one.vertexes),
                    tuple(each for one in news for each in one.statuses),
                    tuple(each for one in news for each in one.logs),
                    tuple(each for one in news for each in one.warnings),
                )
            elif self._is_over:
                return
            else:
                self._changed.clear()
                await self._changed.wait()

    @contextlib.contextmanager
    def building(self) -> Iterator[None]:
        """While entered, the current task is cancelled when the job ends."""
        task = asyncio.current_task()
        assert task is not None
        if self._is_over:
            raise NotFound(f"the build {self.request.ref} is over")
        self._builds.add(task)
        try:
            yield
        finally:
            self._builds.discard(task)

    def end(self) -> None:
        """Afterwards watchers come to their end, and no build of this job goes on."""
        self._is_over = True
        self._changed.set()
        self.returned.cancel()
        for task in tuple(self._builds):
            task.cancel()


class Jobs:
    """The jobs that run now or have just ended, by reference."""

    def __init__(self) -> None:
        self._running: dict[str, Job] = {}
        self._ended: dict[str, Job] = {}
        self._changed = asyncio.Condition()

    def __repr__(self) -> str:
        return f"<Jobs {len(self._running)} running>"

    @contextlib.asynccontextmanager
    async def run(self, request: SolveRequest) -> AsyncIterator[Job]:
        """A job that others find while this is entered."""
        if not request.ref:
            raise InvalidArgument("a solve needs a reference")
        if request.ref in self._running:
            raise InvalidArgument(f"the build {request.ref} is running already")
        job = self._running[request.ref] = Job(request)
        try:
            async with self._changed:
                self._changed.notify_all()
            yield job
        finally:
            del self._running[request.ref]
            job.end()
            self._ended[request.ref] = job
            asyncio.get_running_loop().call_later(LINGER, self._forget, job)

    async def find(self, ref: str) -> Job:
        """Return the job. Clients watch and solve at once: the job may be yet to come, or over already."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE), self._changed:
                await self._changed.wait_for(lambda: ref in self._running or ref in self._ended)
        job = self._running.get(ref) or self._ended.get(ref)
        if job is None:
            raise NotFound(f"no such build is running: {ref or 'no reference was given'}")
        return job

    def _forget(self, job: Job) -> None:
        if self._ended.get(job.request.ref) is job:
            del self._ended[job.request.ref]


def _log_bytes(news: StatusResponse) -> int:
    return sum(len(log.msg) for log in news.logs)
