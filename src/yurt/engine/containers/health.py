"""Health checks: when to ask, and what the answers make of a container's health. The asking itself is an exec."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

from yurt.engine.containers.model import Health, Healthcheck, HealthResult

KEPT_RESULTS = 5

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

    while True:
        await asyncio.sleep(pause_before_next(current(), check, in_start_period=in_start_period()))
        if is_paused():
            continue
        start_ns = time.time_ns()
        code, output = await probe(check.timeout)
        result = HealthResult(start_ns, time.time_ns(), code, output)
        report(after(current(), result, check, in_start_period=in_start_period()))
