"""A snapshot of what is really there of a project, as values. Pure: `observe` takes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from yurt.values import Value, made


class ObservedContainer(Value):
    """A container of the project, as the engine lists it."""

    id: str
    name: str
    service: str
    number: int = 1
    state: str = "running"
    health: str = ""  # "", "starting", "healthy" or "unhealthy"
    exit_code: int | None = None
    oneoff: bool = False
    config_hash: str = ""
    image: str = ""
    image_id: str = ""
    depends_on: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    anonymous: tuple[tuple[str, str], ...] = ()  # (volume, target)
    status: str = ""
    command: str = ""
    created: int = 0
    ports: tuple[Mapping[str, Any], ...] = ()
    labels: Mapping[str, str] = made(factory=dict)

    @property
    def is_running(self) -> bool:
        return self.state in ("running", "restarting", "paused")

    @property
    def has_completed(self) -> bool:
        return self.state == "exited" and self.exit_code == 0


class ObservedResource(Value):
    """A network or a volume; ``key`` and ``project`` are empty when no project made it."""

    name: str
    key: str = ""
    project: str = ""
    config_hash: str = ""


class Observed(Value):
    """The snapshot. ``images`` maps each reference asked about to its ID, or None when it is not there."""

    containers: tuple[ObservedContainer, ...] = ()
    networks: Mapping[str, ObservedResource] = made(factory=dict)
    volumes: Mapping[str, ObservedResource] = made(factory=dict)
    images: Mapping[str, str | None] = made(factory=dict)
    ages: Mapping[str, float] = made(factory=dict)  # seconds since an image came here, if the engine says

    def of(self, service: str) -> tuple[ObservedContainer, ...]:
        """Return the containers of *service* by number, without one-off ones."""
        found = (each for each in self.containers if each.service == service and not each.oneoff)
        return tuple(sorted(found, key=lambda each: each.number))
