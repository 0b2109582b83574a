"""Jobs and their watchers."""

import asyncio

import pytest

from yurt.errors import InvalidArgument, NotFound
from yurt.server.buildkit import jobs
from yurt.server.buildkit.jobs import Job, Jobs
from yurt.server.buildkit.messages import SolveRequest, StatusResponse, Vertex, VertexLog


async def test_a_watcher_sees_all_from_the_beginning_to_the_end() -> None:
    """However late it comes, as long as the job runs; then it ends."""
    running = Jobs()
    seen: list[str] = []

    async def watch(job: Job) -> None:
        async for news in job.watch():
            seen.extend(vertex.name for vertex in news.vertexes)

    async with running.run(SolveRequest(ref="a")) as job:
        job.publish(StatusResponse((Vertex(name="one"),)))
        watching = asyncio.create_task(watch(await running.find("a")))
        await asyncio.sleep(0)
        job.publish(StatusResponse((Vertex(name="two"),)))
    await watching
    assert seen == ["one", "two"]


async def test_a_watcher_may_come_before_the_job() -> None:
    """Clients ask for the status before they solve."""
    running = Jobs()
    finding = asyncio.create_task(running.find("a"))
    await asyncio.sleep(0)
    async with running.run(SolveRequest(ref="a")) as job:
        assert await finding is job
        with pytest.raises(InvalidArgument, match="running already"):
            async with running.run(SolveRequest(ref="a")):
                pass


async def test_a_watcher_may_come_after_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quick solve can be over before its watcher's call arrives; it is forgotten a little later."""
    monkeypatch.setattr(jobs, "PATIENCE", 0.01)
    monkeypatch.setattr(jobs, "LINGER", 0.01)
    running = Jobs()
    async with running.run(SolveRequest(ref="a")) as job:
        job.publish(StatusResponse((Vertex(name="one"),)))
    news = [each async for each in (await running.find("a")).watch()]
    assert [vertex.name for each in news for vertex in each.vertexes] == ["one"]
    await asyncio.sleep(0.05)
    with pytest.raises(NotFound):
        await running.find("a")


async def test_a_job_that_never_comes_is_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A watcher does not wait for ever."""
    monkeypatch.setattr(jobs, "PATIENCE", 0.01)
    with pytest.raises(NotFound, match="no such build"):
        await Jobs().find("a")


async def test_the_end_of_a_job_ends_its_builds() -> None:
    """Nothing is built that nobody will take."""
    running = Jobs()

    async def build(job: Job) -> None:
        with job.building():
            await asyncio.Event().wait()

    async with running.run(SolveRequest(ref="a")) as job:
        building = asyncio.create_task(build(job))
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await building


async def test_a_late_watcher_misses_old_output_but_no_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Output is bounded in memory, whatever a build prints."""
    monkeypatch.setattr(jobs, "MAX_LOGS", 30)
    running = Jobs()
    async with running.run(SolveRequest(ref="a")) as job:
        for number in range(10):
            line = VertexLog(msg=b"%09d\n" % number)
            job.publish(StatusResponse((Vertex(name=str(number)),), logs=(line,)))
        news = await anext(aiter(job.watch()))
    assert [vertex.name for vertex in news.vertexes] == [str(number) for number in range(10)]
    assert [log.msg for log in news.logs] == [b"000000007\n", b"000000008\n", b"000000009\n"]
