"""The life of a container, and its restarts."""

import pytest

from yurt.engine.containers import state
from yurt.engine.containers.model import Health, RestartPolicy, State, Status
from yurt.errors import Conflict

RUNNING = State(Status.RUNNING, pid=9, started_ns=1, health=Health("healthy"))


def test_steps() -> None:
    """What is not in the table is refused."""
    assert state.after(Status.CREATED, "start") is Status.RUNNING
    with pytest.raises(Conflict, match="cannot pause a container that is exited"):
        state.after(Status.EXITED, "pause")


def test_start_forgets_the_last_run() -> None:
    """A start clears exit code, error and finish."""
    before = State(
        Status.EXITED, exit_code=3, error="x", oom_killed=True, finished_ns=5, stopped_by_user=True
    )
    after = state.started(before, pid=7, time_ns=9, has_healthcheck=True)
    assert after == State(Status.RUNNING, pid=7, started_ns=9, health=Health())


def test_exit() -> None:
    """An exit keeps the code; health is unhealthy then, as in Docker."""
    after = state.exited(RUNNING, code=2, oom_killed=False, time_ns=8, retry=False)
    assert (after.status, after.pid, after.exit_code, after.finished_ns) == (Status.EXITED, 0, 2, 8)
    assert after.health == Health("unhealthy")
    assert state.exited(RUNNING, code=2, oom_killed=False, time_ns=8, retry=True).status is Status.RESTARTING


@pytest.mark.parametrize(
    ("policy", "code", "count", "expected"),
    [
        (RestartPolicy("no"), 1, 0, False),
        (RestartPolicy("always"), 0, 0, True),
        (RestartPolicy("unless-stopped"), 0, 0, True),
        (RestartPolicy("on-failure"), 0, 0, False),
        (RestartPolicy("on-failure"), 1, 99, True),
        (RestartPolicy("on-failure", 2), 1, 1, True),
        (RestartPolicy("on-failure", 2), 1, 2, False),
    ],
)
def test_wants_restart(policy: RestartPolicy, code: int, count: int, *, expected: bool) -> None:
    """Each policy decides by exit code and number of restarts."""
    assert state.wants_restart(policy, State(restart_count=count), exit_code=code) is expected


def test_stopped_by_hand() -> None:
    """Who was stopped by hand is not restarted; with the engine only `always` is."""
    stopped = State(Status.EXITED, started_ns=1, stopped_by_user=True)
    for name in ("always", "unless-stopped", "on-failure"):
        assert not state.wants_restart(RestartPolicy(name), stopped, exit_code=1)
    assert state.wants_start_with_engine(RestartPolicy("always"), stopped)
    assert not state.wants_start_with_engine(RestartPolicy("unless-stopped"), stopped)
    assert not state.wants_start_with_engine(RestartPolicy("always"), State())


def test_back_off() -> None:
    """Delays double up to a minute; a run of ten seconds makes the next one short again."""
    back_off, delays = state.BackOff(), []
    for _ in range(12):
        back_off = back_off.next(ran_for=0)
        delays.append(back_off.delay)
    assert delays[:4] == [0.1, 0.2, 0.4, 0.8]
    assert delays[-1] == 60.0
    assert back_off.next(ran_for=11).delay == 0.1
