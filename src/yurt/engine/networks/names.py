"""Which names stand for which containers on which network. Pure, in memory; rebuilt by adoption."""

from collections import defaultdict
from dataclasses import dataclass, field

from yurt.engine.networks.model import Endpoint


@dataclass(slots=True)
class _Zone:
    addresses: dict[str, list[str]] = field(default_factory=dict)  # lower-case name → addresses, in order
    names: dict[str, str] = field(default_factory=dict)  # address → name shown for it


class NameTable:
    """The names of all user-defined networks, by network id. Names are compared without case."""

    def __init__(self) -> None:
        self._zones: defaultdict[str, _Zone] = defaultdict(_Zone)
        self._turn = 0

    def add(self, endpoint: Endpoint) -> None:
        """Afterwards each of the endpoint's names resolves to its address, with the network's name appended too."""
        if endpoint.ipv4 is None or not endpoint.dns_names:
            return
        zone = self._zones[endpoint.network_id]
        for name in _spellings(endpoint):
            addresses = zone.addresses.setdefault(name, [])
            if endpoint.ipv4 not in addresses:
                addresses.append(endpoint.ipv4)
        zone.names[endpoint.ipv4] = f"{endpoint.dns_names[0]}.{endpoint.network_name}"

    def remove(self, endpoint: Endpoint) -> None:
        """Undo `add`; no harm when it was not added."""
        zone = self._zones.get(endpoint.network_id)
        if zone is None or endpoint.ipv4 is None:
            return
        for name in _spellings(endpoint):
            addresses = zone.addresses.get(name, [])
            if endpoint.ipv4 in addresses:
                addresses.remove(endpoint.ipv4)
            if not addresses:
                zone.addresses.pop(name, None)
        zone.names.pop(endpoint.ipv4, None)
        if not zone.names:
            del self._zones[endpoint.network_id]

    def addresses(self, networks: tuple[str, ...], name: str) -> tuple[str, ...]:
        """Return the addresses of *name* as seen from *networks*, the first of them changing from call to call."""
        wanted = name.rstrip(".").lower()
        for network in networks:
            zone = self._zones.get(network)
            if zone is not None and (found := zone.addresses.get(wanted)):
                self._turn += 1
                cut = self._turn % len(found)
                return (*found[cut:], *found[:cut])
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
