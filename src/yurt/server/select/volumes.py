"""Filters of ``GET /volumes``."""

from collections.abc import Callable, Iterable, Mapping

from yurt.engine.volumes.model import Volume
from yurt.server.select import labels

KNOWN = ("dangling", "driver", "label", "name")


def select(
    volumes: Iterable[Volume],
    filters: Mapping[str, tuple[str, ...]],
    *,
    is_used: Callable[[Volume], bool],
) -> list[Volume]:
    return [
        volume
        for volume in volumes
        if labels.match(volume.labels, filters)
        and all(
            any(_matches(volume, key, value, is_used) for value in values)
            for key, values in filters.items()
            if values and key not in {"label", "label!"}
        )
    ]


def _matches(volume: Volume, key: str, value: str, is_used: Callable[[Volume], bool]) -> bool:
    match key:
        case "name":
            return value in volume.name
        case "driver":
            return volume.driver == value
        case "dangling":
            return (value in {"1", "true"}) == (not is_used(volume))
        case _:
            return False
