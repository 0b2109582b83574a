"""Filters of ``GET /networks``."""

from collections.abc import Callable, Iterable, Mapping

from yurt.engine.networks.model import Network
from yurt.server.select import labels
from yurt.server.wire.networks import WIRE_DRIVERS

KNOWN = ("dangling", "driver", "id", "label", "name", "scope", "type")


def select(
    networks: Iterable[Network],
    filters: Mapping[str, tuple[str, ...]],
    *,
    is_used: Callable[[Network], bool],
) -> list[Network]:
    return [
        network
        for network in networks
        if labels.match(network.labels, filters)
        and all(
            any(_matches(network, key, value, is_used) for value in values)
            for key, values in filters.items()
            if values and key not in {"label", "label!"}
        )
    ]


def _matches(network: Network, key: str, value: str, is_used: Callable[[Network], bool]) -> bool:
    match key:
        case "name":
            return value in network.name
        case "id":
            return network.id.startswith(value)
        case "driver":
            return value in {network.driver, WIRE_DRIVERS.get(network.driver)}
        case "scope":
            return value == "local"
        case "type":
            return (value == "builtin") == network.predefined
        case "dangling":
            return (value in {"1", "true"}) == (not network.predefined and not is_used(network))
        case _:
            return False
