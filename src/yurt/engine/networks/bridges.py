"""Bridges: the host's end of each network. Planned as values, then made; everything that asks the kernel blocks."""

import socket
import time
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Interface, IPv6Network

from yurt.engine.networks import ipam
from yurt.engine.networks.model import Network
from yurt.engine.networks.namespaces import HostLinks
from yurt.errors import Conflict, InvalidArgument
from yurt.ids import new_id
from yurt.linux import netlink

BRIDGE_NAME = "com.docker.network.bridge.name"
MTU = "com.docker.network.driver.mtu"
NAME_BYTES = 15  # IFNAMSIZ less the end


class Bridges:
    """The bridges of one engine; *tag* tells its interfaces from those of another on this host."""

    def __init__(self, links: HostLinks, tag: str) -> None:
        self._links = links
        self.prefix = f"yu{tag[:5]}"  # of our bridges' names
        self.veth_prefix = f"yv{tag[:5]}"  # of the names of veths on them

    def plan(
        self,
        name: str,
        others: Iterable[Network],
        *,
        subnet: str | None = None,
        gateway: str | None = None,
        ipv6: bool = False,
        subnet6: str | None = None,
        gateway6: str | None = None,
        ip_range: str | None = None,
        reserved: Mapping[str, str] | None = None,
        attachable: bool = False,
        internal: bool = False,
        labels: Mapping[str, str],
        options: Mapping[str, str],
        ipam_options: Mapping[str, str] | None = None,
    ) -> Network:
        """Decide on a new network's subnet, gateway and bridge. A subnet of one of *others* is refused."""
        others = tuple(others)
        mine = [IPv4Network(n.subnet) for n in others if n.subnet]
        if subnet is None:
            chosen = ipam.free_subnet([*mine, *self._links.destinations()])
        else:
            chosen = ipam.parse_subnet(subnet)
            if any(chosen.overlaps(other) for other in mine):
                raise Conflict(
                    "invalid pool request: Pool overlaps with other one on this address space",
                    hint=f"{subnet} is used by another network: yurt network ls, yurt network inspect",
                )
        identifier = new_id()
        six = self._plan6(identifier, others, subnet6) if ipv6 else None
        network = Network(
            id=identifier,
            name=name,
            driver="bridge",
            created_ns=time.time_ns(),
            subnet=str(chosen),
            gateway=str(ipam.parse_address(gateway)) if gateway else str(chosen.network_address + 1),
            bridge=options.get(BRIDGE_NAME) or self.prefix + identifier[:8],
            subnet6=str(six) if six else None,
            gateway6=str(ipam.parse_address6(gateway6) if gateway6 else six.network_address + 1)
            if six
            else None,
            ip_range=str(ipam.parse_range(ip_range)) if ip_range else None,
            reserved={name: str(ipam.parse_address(text)) for name, text in (reserved or {}).items()},
            attachable=attachable,
            internal=internal,
            labels=dict(labels),
            options=dict(options),
            ipam_options=ipam_options,
        )
        _check_options(network)
        if any(network.bridge == other.bridge for other in others):
            raise Conflict(f"cannot make network {name}: bridge {network.bridge} belongs to another network")
        return network

    @staticmethod
    def _plan6(identifier: str, others: Iterable[Network], asked: str | None) -> IPv6Network:
        chosen = (
            ipam.parse_subnet6(asked) if asked else ipam.unique_local_subnet(bytes.fromhex(identifier[:10]))
        )
        if any(chosen.overlaps(IPv6Network(other.subnet6)) for other in others if other.subnet6):
            raise Conflict(
                "invalid pool request: Pool overlaps with other one on this address space",
                hint=f"{chosen} is used by another network: yurt network ls, yurt network inspect",
            )
        return chosen

    def ensure(self, network: Network) -> None:
        """Afterwards the network's bridge exists with its address, whoever made it."""
        gateway = IPv4Address(str(network.gateway))
        prefix = str(network.subnet).rpartition("/")[2]
        self._links.ensure_bridge(
            str(network.bridge),
            IPv4Interface(f"{gateway}/{prefix}"),
            ipam.mac_of(gateway),
            mtu=mtu_of(network),
            address6=_interface6(network.gateway6, network.subnet6),
        )

    def ensure_quickly(self, networks: Iterable[Network]) -> None:
        """Make those bridges again that someone removed behind our back."""
        for network in networks:
            try:
                socket.if_nametoindex(str(network.bridge))
            except OSError:
                self.ensure(network)

    def drop(self, network: Network) -> None:
        """Afterwards the network's bridge does not exist."""
        self._links.apply([netlink.delete_link(str(network.bridge))])

    def drop_strangers(self, *, bridges: Iterable[str | None], veths: Iterable[str | None]) -> int:
        """Remove the interfaces that look like ours and are neither of *bridges* nor of *veths*; return how many."""
        kept = {*bridges, *veths}
        strange = [
            link.name
            for link in self._links.links()
            if link.name.startswith((self.prefix, self.veth_prefix)) and link.name not in kept
        ]
        self._links.apply([netlink.delete_link(name) for name in strange])
        return len(strange)


def _interface6(address: str | None, subnet: str | None) -> IPv6Interface | None:
    return IPv6Interface(f"{address}/{subnet.rpartition('/')[2]}") if address and subnet else None


def mtu_of(network: Network) -> int | None:
    value = network.options.get(MTU)
    return int(value) if value else None


def _check_options(network: Network) -> None:
    name = str(network.bridge)
    if len(name.encode()) > NAME_BYTES or set(name) & set('/ "\\*:') or name in {".", ".."}:
        raise InvalidArgument(f"invalid bridge name {name!r}: at most {NAME_BYTES} characters, no slash")
    value = network.options.get(MTU, "1500")
    if not value.isdecimal() or not 68 <= int(value) <= 65535:
        raise InvalidArgument(f"invalid {MTU} {value!r}: a number from 68 to 65535")
