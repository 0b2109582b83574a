"""Health checks: when to ask, and what the answers make of a container's health. The asking itself is an exec."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

from yurt.engine.containers.model import Health, Healthcheck, HealthResult

KEPT_RESULTS = 5
EARLY_FIRST = 0.1  # seconds after the start
EARLY_MOST = 1.0  # seconds between early questions

Probe = Callable[[float], Awaitable[tuple[int, str]]]
"""Asks once, with a timeout in seconds; returns exit code and output."""


def after(health: Health, result: HealthResult, check: Healthcheck, *, in_start_period: bool) -> Health:
    """Return the health after one more answer. Failures in the start period count only once it was healthy. Pure."""
    log = (*health.log, result)[-KEPT_RESULTS:]
    if result.exit_code == 0:
        return Health("healthy", 0, log)
    if in_start_period and health.status == "starting":
        return replace(health, log=log)
    streak = health.failing_streak + 1
    status = "unhealthy" if streak >= check.retries else health.status
    return Health(status, streak, log)


def pause_before_next(health: Health, check: Healthcheck, *, in_start_period: bool) -> float:
    """Return the seconds until the next question: shorter ones while the container comes up. Pure."""
    if in_start_period and health.status == "starting":
        return check.start_interval
    return check.interval


def early_pause(asked: int) -> float:
    """Return the seconds before an early question, when *asked* were put already. Pure.

    Early questions come before the first regular one, so that a container is healthy as soon as it answers, not
    when an interval is over (docs/adr/0008). Their failures count for nothing.
    """
    return min(EARLY_FIRST * 2.0 ** min(asked, 10), EARLY_MOST)


async def watch(
    check: Healthcheck,
    started_ns: int,
    *,
    current: Callable[[], Health],
    is_paused: Callable[[], bool],
    probe: Probe,
    report: Callable[[Health], None],
) -> None:
    """Ask for as long as the task lives; *report* is told after each answer."""

    def in_start_period() -> bool:
        return time.time_ns() < started_ns + int(check.start_period * 1e9)

    early_questions = 0
    asked_regularly = False
    regular = time.monotonic() + pause_before_next(current(), check, in_start_period=in_start_period())
    while True:
        pause = max(0.0, regular - time.monotonic())
        is_early = (
            not asked_regularly and current().status == "starting" and early_pause(early_questions) < pause
        )
        if is_early:
            pause = early_pause(early_questions)
            early_questions += 1
        await asyncio.sleep(pause)
        if not is_paused():
            start_ns = time.time_ns()
            code, output = await probe(check.timeout)
            result = HealthResult(start_ns, time.time_ns(), code, output)
            if code == 0 or not is_early:
                report(after(current(), result, check, in_start_period=in_start_period()))
        if not is_early:
            asked_regularly = True
            regular = time.monotonic() + pause_before_next(
                current(), check, in_start_period=in_start_period()
            )
