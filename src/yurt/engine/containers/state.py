"""The life of a container as a table, and when one is started again. Pure.

created ──start──▶ running ──die──▶ exited ──start──▶ running
                    │   ▲
                 pause  unpause        running ──die, to be restarted──▶ restarting ──start──▶ running
                    ▼   │
                   paused
"""

from dataclasses import dataclass, replace

from yurt.engine.containers.model import Health, RestartPolicy, State, Status
from yurt.errors import Conflict

TRANSITIONS: dict[tuple[Status, str], Status] = {
    (Status.CREATED, "start"): Status.RUNNING,
    (Status.EXITED, "start"): Status.RUNNING,
    (Status.RESTARTING, "start"): Status.RUNNING,
    (Status.RUNNING, "pause"): Status.PAUSED,
    (Status.PAUSED, "unpause"): Status.RUNNING,
    (Status.RUNNING, "die"): Status.EXITED,
    (Status.PAUSED, "die"): Status.EXITED,
    (Status.RESTARTING, "die"): Status.EXITED,
    (Status.RUNNING, "retry"): Status.RESTARTING,
    (Status.PAUSED, "retry"): Status.RESTARTING,
    (Status.CREATED, "remove"): Status.REMOVING,
    (Status.EXITED, "remove"): Status.REMOVING,
    (Status.DEAD, "remove"): Status.REMOVING,
    (Status.REMOVING, "remove"): Status.REMOVING,
}

ALIVE = frozenset({Status.RUNNING, Status.PAUSED})
ACTIVE = ALIVE | {Status.RESTARTING}

FIRST_DELAY = 0.1  # seconds
LONGEST_DELAY = 60.0
STABLE_AFTER = 10.0  # seconds of running that make the next delay the first again


def after(status: Status, change: str) -> Status:
    """Return the status that follows; Conflict when the table has no such step."""
    try:
        return TRANSITIONS[status, change]
    except KeyError:
        raise Conflict(f"cannot {change} a container that is {status}") from None


def started(state: State, *, pid: int, time_ns: int, has_healthcheck: bool) -> State:
    """Return the state of a container whose process runs."""
    return replace(
        state,
        status=after(state.status, "start"),
        pid=pid,
        exit_code=0,
        error="",
        oom_killed=False,
        started_ns=time_ns,
        finished_ns=0,
        health=Health() if has_healthcheck else None,
        stopped_by_user=False,
    )


def exited(state: State, *, code: int, oom_killed: bool, time_ns: int, retry: bool, error: str = "") -> State:
    """Return the state of a container whose process ended; *retry*: it will be started again."""
    return replace(
        state,
        status=after(state.status, "retry" if retry else "die"),
        pid=0,
        exit_code=code,
        oom_killed=oom_killed,
        finished_ns=time_ns,
        error=error,
        health=replace(state.health, status="unhealthy") if state.health else None,
    )


@dataclass(frozen=True, slots=True)
class BackOff:
    """How long to wait before the next start: a tenth of a second, then twice as long each time, up to a minute."""

    delay: float = 0.0

    def next(self, *, ran_for: float) -> "BackOff":
        if self.delay == 0.0 or ran_for >= STABLE_AFTER:
            return BackOff(FIRST_DELAY)
        return BackOff(min(self.delay * 2, LONGEST_DELAY))


def wants_restart(policy: RestartPolicy, state: State, *, exit_code: int) -> bool:
    """Return whether a container that just ended is to be started again."""
    if state.stopped_by_user:
        return False
    if policy.name in {"always", "unless-stopped"}:
        return True
    if policy.name == "on-failure":
        return exit_code != 0 and (policy.maximum == 0 or state.restart_count < policy.maximum)
    return False


def wants_start_with_engine(policy: RestartPolicy, state: State) -> bool:
    """Return whether a container that is not running is started when the engine comes up."""
    if policy.name == "always":
        return state.started_ns > 0
    return state.started_ns > 0 and wants_restart(policy, state, exit_code=state.exit_code)
