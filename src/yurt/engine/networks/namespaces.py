"""Network namespaces for containers: prepared ahead in a pool, kept under <run>/netns, opened again after a restart.

Everything here blocks for a millisecond or so and is called in a thread.
"""

import contextlib
import os
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface
from pathlib import Path

from yurt.engine.networks.files import EMBEDDED_DNS
from yurt.errors import InvalidArgument, translated
from yurt.linux import netlink
from yurt.linux.namespace import run_in_network, run_in_new_network
from yurt.linux.netlink import Rtnetlink
from yurt.linux.nftables import Nftables

LOOPBACK = 1  # its index in every network namespace
DNS_PORT = 53
# Interfaces get IPv6 where their network has it; the loopback interface keeps ::1. What else is set in a namespace
# the runtime sets, by the container's specification: below the host's /proc the kernel goes through the settings of
# all namespaces to find this one's.
_NO_IPV6 = ("ipv6/conf/default/disable_ipv6", "1")


@dataclass(frozen=True, slots=True)
class DnsSockets:
    """Sockets of the embedded DNS, bound inside a container's namespace."""

    udp: socket.socket
    tcp: socket.socket

    def close(self) -> None:
        self.udp.close()
        self.tcp.close()


@dataclass(slots=True)
class Inside:
    """A hold on a namespace: its descriptor, a socket to its routing tables, and its DNS sockets (taken by the user)."""

    descriptor: int
    routes: Rtnetlink
    dns: DnsSockets | None

    def move_dns(self) -> None:
        """Serve DNS from another port of 127.0.0.11, and lead the usual one there by packet rules.

        For a container that is a DNS server itself: it could not bind port 53 on every address otherwise. Others
        are spared these rules, which take longer to make, and to remove, than the rest of a namespace.
        """
        if self.dns is not None:
            self.dns.close()
            self.dns = None
        self.dns = run_in_network(self.descriptor, _open_moved_dns_sockets)

    def close(self, *, dns: bool = True) -> None:
        """Let go of the namespace; with *dns* false its DNS sockets stay open."""
        os.close(self.descriptor)
        self.routes.close()
        if dns and self.dns is not None:
            self.dns.close()


@dataclass(frozen=True, slots=True)
class Wire:
    """One interface to make in a container: a veth pair whose other end is on *bridge*."""

    bridge: str
    host_interface: str
    interface: str  # inside: eth0, eth1, …
    mac: str
    address: IPv4Interface
    address6: IPv6Interface | None = None
    mtu: int | None = None
    hairpin: bool = False  # may reach itself through a port that it publishes
    replaces: str | None = None  # a veth that had this address and may not be quite gone
    link_local: tuple[IPv4Interface | IPv6Interface, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()  # paths below /proc/sys/net and their values

    def has_six(self) -> bool:
        """Tell whether the interface needs IPv6."""
        return self.address6 is not None or any(address.version == 6 for address in self.link_local)


def open_dns_sockets(port: int = DNS_PORT) -> DnsSockets:
    """Bind the DNS sockets in the namespace of the calling thread."""
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        udp.bind((EMBEDDED_DNS, port))
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tcp.bind((EMBEDDED_DNS, port))
        tcp.listen(64)
    except BaseException:
        udp.close()
        tcp.close()
        raise
    return DnsSockets(udp, tcp)


def _open_moved_dns_sockets() -> DnsSockets:
    sockets = open_dns_sockets(0)
    nft = Nftables()
    try:
        nft.run(moved_dns_text(sockets.udp.getsockname()[1], sockets.tcp.getsockname()[1]))
    except BaseException:
        sockets.close()
        raise
    finally:
        nft.close()
    return sockets


def moved_dns_text(udp: int, tcp: int) -> str:
    """Return the nft commands that lead port 53 of the embedded DNS to these ports, and answers back."""
    ports = {"udp": udp, "tcp": tcp}
    rules = [
        f"add rule ip yurt_dns output ip daddr {EMBEDDED_DNS} {p} dport {DNS_PORT} dnat to {EMBEDDED_DNS}:{port}"
        for p, port in ports.items()
    ]
    return "\n".join(
        [
            "add table ip yurt_dns",
            "delete table ip yurt_dns",
            "add table ip yurt_dns",
            "add chain ip yurt_dns output { type nat hook output priority -100; }",
            *rules,
            "",
        ]
    )


def new_namespace() -> Inside:
    """Make a namespace with its loopback interface up and the DNS sockets bound."""

    def prepare() -> tuple[Rtnetlink, DnsSockets]:
        routes = Rtnetlink()
        try:
            routes.apply([netlink.set_up(LOOPBACK)])
            with contextlib.suppress(FileNotFoundError):  # a kernel without IPv6
                write_sysctl(*_NO_IPV6)
            return routes, open_dns_sockets()
        except BaseException:
            routes.close()
            raise

    descriptor, (routes, dns) = run_in_new_network(prepare)
    return Inside(descriptor, routes, dns)


def enter_namespace(path: Path, *, dns: bool = False) -> Inside:
    """Take hold of the namespace kept at *path*; with *dns* also bind the DNS sockets in it."""

    def prepare() -> tuple[Rtnetlink, DnsSockets | None]:
        routes = Rtnetlink()
        try:
            return routes, open_dns_sockets() if dns else None
        except BaseException:
            routes.close()
            raise

    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        routes, sockets = run_in_network(descriptor, prepare)
    except BaseException:
        os.close(descriptor)
        raise
    return Inside(descriptor, routes, sockets)


def write_sysctl(name: str, value: str) -> None:
    """Set /proc/sys/net/*name* in the namespace of the calling thread."""
    descriptor = os.open(f"/proc/sys/net/{name}", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, value.encode())
    finally:
        os.close(descriptor)


def _enable_six(interfaces: Sequence[str]) -> None:
    for name in interfaces:
        write_sysctl(f"ipv6/conf/{name}/disable_ipv6", "0")


def _set(settings: Sequence[tuple[str, str]]) -> None:
    for path, value in settings:
        with translated({OSError: InvalidArgument}, f"cannot set net/{path} of the interface to {value!r}"):
            write_sysctl(path, value)


class HostLinks:
    """The host's own interfaces, through one socket that threads take turns at."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._routes = Rtnetlink()

    def close(self) -> None:
        self._routes.close()

    def apply(self, messages: Sequence[netlink.Message]) -> None:
        with self._lock:
            self._routes.apply(messages)

    def links(self) -> tuple[netlink.Link, ...]:
        with self._lock:
            return self._routes.links()

    def destinations(self) -> tuple[IPv4Network, ...]:
        with self._lock:
            return self._routes.destinations()

    def ensure_bridge(
        self,
        name: str,
        address: IPv4Interface,
        mac: str,
        *,
        mtu: int | None = None,
        address6: IPv6Interface | None = None,
    ) -> None:
        """Afterwards bridge *name* exists, is up, has *address*, and takes packets from 127.0.0.1 through itself."""
        try:
            index = socket.if_nametoindex(name)
        except OSError:
            self.apply([netlink.add_bridge(name, mac, mtu=mtu)])
            index = socket.if_nametoindex(name)
            with contextlib.suppress(FileNotFoundError):
                write_sysctl(f"ipv6/conf/{name}/disable_ipv6", "1")
        self.apply([netlink.set_up(index), netlink.add_address(index, address)])
        if address6 is not None:
            write_sysctl(f"ipv6/conf/{name}/disable_ipv6", "0")
            write_sysctl("ipv6/conf/all/forwarding", "1")
            self.apply([netlink.add_address(index, address6)])
        write_sysctl(f"ipv4/conf/{name}/route_localnet", "1")

    def connect(
        self,
        inside: Inside,
        wires: Sequence[Wire],
        gateway: IPv4Address | None,
        gateway6: IPv6Address | None = None,
    ) -> None:
        """Make *wires* between their bridges and the namespace; the gateways given are its default routes."""
        outer: list[netlink.Message] = []
        for wire in wires:
            if wire.replaces is not None:
                outer.append(netlink.delete_link(wire.replaces))
            outer.append(
                netlink.add_veth(
                    wire.host_interface,
                    bridge=socket.if_nametoindex(wire.bridge),
                    peer=wire.interface,
                    peer_mac=wire.mac,
                    netns=inside.descriptor,
                    mtu=wire.mtu,
                )
            )
            if wire.hairpin:
                # Where bridged packets pass the packet rules too (bridge-nf-call-iptables, which Docker sets),
                # the rewritten packet is bridged, not routed, and may have to leave by the port it came in.
                outer.append(netlink.set_hairpin(wire.host_interface))
        self.apply(outer)
        if six := [wire.interface for wire in wires if wire.has_six()]:
            run_in_network(inside.descriptor, lambda: _enable_six(six))
        if settings := [setting for wire in wires for setting in wire.settings]:
            run_in_network(inside.descriptor, lambda: _set(settings))
        inner: list[netlink.Message] = []
        for wire in wires:
            index = inside.routes.index(wire.interface)
            inner += [netlink.set_up(index), netlink.add_address(index, wire.address)]
            inner += [netlink.add_address(index, address) for address in wire.link_local]
            if gateway is not None and gateway in wire.address.network:
                inner.append(netlink.set_default_route(gateway, index))
            if wire.address6 is not None:
                inner.append(netlink.add_address(index, wire.address6))
                if gateway6 is not None and gateway6 in wire.address6.network:
                    inner.append(netlink.set_default_route(gateway6, index))
        inside.routes.apply(inner)
