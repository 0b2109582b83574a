"""What clients show of a build."""

from yurt.engine.build.model import Activity, Announced, Begun, Ended, Output, Pulling
from yurt.engine.progress import Progress
from yurt.server.buildkit.messages import StatusResponse, Timestamp
from yurt.server.buildkit.progress import Narrator


def a_narrator() -> tuple[Narrator, list[StatusResponse]]:
    """A narrator whose clock counts its readings, and what it published."""
    told: list[StatusResponse] = []
    times = iter(range(1, 1000))
    return Narrator("job", told.append, clock=lambda: next(times)), told


def test_an_activity_is_announced_begun_and_ended() -> None:
    """Each telling repeats all that is known of the vertex, as clients expect."""
    narrator, told = a_narrator()
    narrator.take(Announced((Activity("1", "FROM x"), Activity("2", "RUN y", ("1",)))))
    narrator.take(Ended("1", cached=True))
    narrator.take(Begun("2"))
    narrator.take(Ended("2", error="it failed"))
    announced, cached, begun, failed = (news.vertexes for news in told)
    assert [vertex.name for vertex in announced] == ["FROM x", "RUN y"]
    assert announced[1].inputs == (announced[0].digest,) == (narrator.digest("1"),)
    assert cached[0].cached
    assert cached[0].started == cached[0].completed == Timestamp(0, 1)
    assert begun[0].started == Timestamp(0, 2)
    assert begun[0].completed is None
    assert (failed[0].started, failed[0].error) == (Timestamp(0, 2), "it failed")


def test_output_belongs_to_its_step() -> None:
    """Output of RUN is shown; the classic builder's narration is not."""
    narrator, told = a_narrator()
    narrator.take(Announced((Activity("1", "RUN y"),)))
    narrator.take(Output("Step 1/2 : RUN y\n"))
    narrator.take(Output("hé\n", "1", 2))
    (log,) = told[-1].logs
    assert len(told) == 2
    assert (log.vertex, log.stream, log.msg) == (narrator.digest("1"), 2, "hé\n".encode())


def test_pulls_have_statuses_that_end_with_their_activity() -> None:
    """A layer's bytes are a status; a sentence is output."""
    narrator, told = a_narrator()
    narrator.take(Announced((Activity("m", "load metadata"),)))
    narrator.take(Pulling(Progress("Downloading", "abc", 5, 10), "m"))
    narrator.take(Pulling(Progress("the registry cannot be reached"), "m"))
    narrator.take(Ended("m"))
    statuses = [status for news in told for status in news.statuses]
    assert [(status.id, status.current, status.total) for status in statuses] == [
        ("abc downloading", 5, 10)
    ] * 2
    assert statuses[0].completed is None
    assert statuses[1].completed is not None
    assert [log.msg for news in told for log in news.logs] == [b"the registry cannot be reached\n"]


def test_what_is_under_way_fails_with_the_build() -> None:
    """Nothing is left spinning in the client's display."""
    narrator, told = a_narrator()
    narrator.take(Announced((Activity("1", "a"), Activity("2", "b"))))
    narrator.take(Begun("1"))
    narrator.fail("no more")
    assert [vertex.error for vertex in told[-1].vertexes] == ["no more"]
