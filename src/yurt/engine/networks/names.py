"""Which names stand for which containers on which network. Pure, in memory; rebuilt by adoption."""

import random
from collections import defaultdict
from dataclasses import dataclass, field

from yurt.engine.networks.model import Endpoint


@dataclass(slots=True)
class _Zone:
    addresses: dict[str, list[str]] = field(default_factory=dict)  # lower-case name → addresses, in order
    addresses6: dict[str, list[str]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)  # address → name shown for it


class NameTable:
    """The names of all user-defined networks, by network id. Names are compared without case."""

    def __init__(self) -> None:
        self._zones: defaultdict[str, _Zone] = defaultdict(_Zone)

    def add(self, endpoint: Endpoint) -> None:
        """Afterwards each of the endpoint's names resolves to its address, with the network's name appended too."""
        if endpoint.ipv4 is None or not endpoint.dns_names:
            return
        zone = self._zones[endpoint.network_id]
        for known, address in ((zone.addresses, endpoint.ipv4), (zone.addresses6, endpoint.ipv6)):
            if address is None:
                continue
            for name in _spellings(endpoint):
                addresses = known.setdefault(name, [])
                if address not in addresses:
                    addresses.append(address)
            zone.names[address] = f"{endpoint.dns_names[0]}.{endpoint.network_name}"

    def remove(self, endpoint: Endpoint) -> None:
        """Undo `add`; no harm when it was not added."""
        zone = self._zones.get(endpoint.network_id)
        if zone is None or endpoint.ipv4 is None:
            return
        for known, address in ((zone.addresses, endpoint.ipv4), (zone.addresses6, endpoint.ipv6)):
            if address is None:
                continue
            for name in _spellings(endpoint):
                addresses = known.get(name, [])
                if address in addresses:
                    addresses.remove(address)
                if not addresses:
                    known.pop(name, None)
            zone.names.pop(address, None)
        if not zone.names:
            del self._zones[endpoint.network_id]

    def addresses(self, networks: tuple[str, ...], name: str) -> tuple[str, ...]:
        """Return the addresses of *name* as seen from *networks*, in an order of chance: each gets its share."""
        wanted = name.rstrip(".").lower()
        for network in networks:
            zone = self._zones.get(network)
            if zone is not None and (found := zone.addresses.get(wanted)):
                return tuple(random.sample(found, len(found)))
        return ()

    def addresses6(self, networks: tuple[str, ...], name: str) -> tuple[str, ...]:
        """The same for IPv6; empty also for a container that has only IPv4."""
        wanted = name.rstrip(".").lower()
        for network in networks:
            zone = self._zones.get(network)
            if zone is not None and (found := zone.addresses6.get(wanted)):
                return tuple(random.sample(found, len(found)))
        return ()

    def name_of(self, networks: tuple[str, ...], address: str) -> str | None:
        """Return the name to show for *address* (``web.shop_default``), None when it is nobody's there."""
        for network in networks:
            zone = self._zones.get(network)
            if zone is not None and address in zone.names:
                return zone.names[address]
        return None


def _spellings(endpoint: Endpoint) -> tuple[str, ...]:
    names = tuple(name.lower() for name in endpoint.dns_names)
    return names + tuple(f"{name}.{endpoint.network_name.lower()}" for name in names)
