"""What answers make of a container's health."""

from yurt.engine.containers import health
from yurt.engine.containers.model import Health, Healthcheck, HealthResult

CHECK = Healthcheck(("CMD", "x"), interval=30, retries=2, start_period=10, start_interval=1)


def answer(code: int) -> HealthResult:
    return HealthResult(1, 2, code, "")


def after(*codes: int, in_start_period: bool = False) -> Health:
    found = Health()
    for code in codes:
        found = health.after(found, answer(code), CHECK, in_start_period=in_start_period)
    return found


def test_healthy_at_once() -> None:
    """One good answer makes it healthy."""
    assert after(0).status == "healthy"


def test_unhealthy_after_retries() -> None:
    """It is unhealthy after as many failures in a row as the check allows, not sooner."""
    assert after(1).status == "starting"
    assert after(1, 1).status == "unhealthy"
    assert after(0, 1).status == "healthy"
    assert (after(0, 1, 1).status, after(0, 1, 1).failing_streak) == ("unhealthy", 2)
    assert after(1, 1, 0) == Health("healthy", 0, (answer(1), answer(1), answer(0)))


def test_start_period() -> None:
    """Failures while it comes up do not count."""
    assert (after(1, 1, 1, in_start_period=True).status, after(1, in_start_period=True).failing_streak) == (
        "starting",
        0,
    )


def test_log_is_short() -> None:
    """Only the last five answers are kept."""
    assert len(after(*[0] * 9).log) == 5


def test_pauses() -> None:
    """While it comes up it is asked more often."""
    assert health.pause_before_next(Health(), CHECK, in_start_period=True) == 1
    assert health.pause_before_next(Health("healthy"), CHECK, in_start_period=True) == 30
    assert health.pause_before_next(Health(), CHECK, in_start_period=False) == 30
