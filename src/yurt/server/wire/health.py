"""Health checks: nanoseconds on the wire, seconds inside; 0 on the wire means the default."""

from dataclasses import fields

from yurt.api.types import containers as wire
from yurt.engine.containers.model import Health, Healthcheck
from yurt.server.wire import times

_DEFAULTS = {field.name: field.default for field in fields(Healthcheck) if field.name != "test"}


def from_wire(check: wire.HealthConfig | None) -> Healthcheck | None:
    """Return the check; None when nothing was asked, so that the image's holds."""
    if check is None:
        return None
    asked = {
        "interval": (check.interval or 0) / times.SECOND,
        "timeout": (check.timeout or 0) / times.SECOND,
        "start_period": (check.start_period or 0) / times.SECOND,
        "start_interval": (check.start_interval or 0) / times.SECOND,
        "retries": check.retries or 0,
    }
    given = {name: value for name, value in asked.items() if value}
    if not check.test and not given:
        return None
    return Healthcheck(test=tuple(check.test or ()), **given)  # type: ignore[arg-type]


def to_wire(check: Healthcheck | None) -> wire.HealthConfig | None:
    """Return the check as asked: what is the default is not said."""
    if check is None:
        return None

    def nanoseconds(name: str) -> int:
        value: float = getattr(check, name)
        return 0 if value == _DEFAULTS[name] else round(value * times.SECOND)

    return wire.HealthConfig(
        test=list(check.test),
        interval=nanoseconds("interval"),
        timeout=nanoseconds("timeout"),
        start_period=nanoseconds("start_period"),
        start_interval=nanoseconds("start_interval"),
        retries=check.retries,
    )


def state_to_wire(health: Health | None) -> wire.HealthState | None:
    if health is None:
        return None
    return wire.HealthState(
        status=health.status,
        failing_streak=health.failing_streak,
        log=[
            wire.HealthLogEntry(
                start=times.rfc3339(result.start_ns),
                end=times.rfc3339(result.end_ns),
                exit_code=result.exit_code,
                output=result.output,
            )
            for result in health.log
        ],
    )
