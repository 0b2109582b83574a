"""What answers make of a container's health."""

import asyncio
import time

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


async def watched(check: Healthcheck, codes: list[int], *, until: int) -> tuple[list[Health], int]:
    """Watch with a probe that answers *codes* in turn, until *until* reports came; return them, and how often was asked."""
    reported: list[Health] = []
    asked = 0
    over = asyncio.Event()

    async def probe(_timeout: float) -> tuple[int, str]:
        nonlocal asked
        asked += 1
        return codes[asked - 1], ""

    def report(found: Health) -> None:
        reported.append(found)
        if len(reported) == until:
            over.set()

    watching = asyncio.create_task(
        health.watch(
            check,
            time.time_ns(),
            current=lambda: reported[-1] if reported else Health(),
            is_paused=lambda: False,
            probe=probe,
            report=report,
        )
    )
    await over.wait()
    watching.cancel()
    return reported, asked


async def test_early_success() -> None:
    """A container that answers at once is healthy long before its first interval is over."""
    check = Healthcheck(("CMD", "x"), interval=3600)
    async with asyncio.timeout(60):
        reported, _asked = await watched(check, [1, 0], until=1)
    assert [found.status for found in reported] == ["healthy"]


async def test_early_failures() -> None:
    """Failures of early questions count for nothing: neither the streak nor the log sees them."""
    check = Healthcheck(("CMD", "x"), interval=0.35, retries=3)
    async with asyncio.timeout(60):
        reported, asked = await watched(check, [1] * 20, until=2)
    assert asked > len(reported)
    assert [found.failing_streak for found in reported] == [1, 2]


def test_early_pauses() -> None:
    """Early questions come ever more slowly, up to one a second."""
    assert [health.early_pause(asked) for asked in range(6)] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
