"""Values of networks: what a network is, what a container asks of it, what it got."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from yurt.errors import InvalidArgument

ANY, ANY6 = "0.0.0.0", "::"  # noqa: S104 - every address of a family


@dataclass(frozen=True, slots=True)
class Network:
    """A network. *driver* is ``bridge``, ``host`` or ``none``; *subnet* and *gateway* are IPv4 text for bridges."""

    id: str
    name: str
    driver: str
    created_ns: int
    subnet: str | None = None  # "172.20.0.0/16"
    gateway: str | None = None  # "172.20.0.1"
    bridge: str | None = None  # the interface's name on the host
    subnet6: str | None = None  # "fd00:5::/64"; None: no IPv6
    gateway6: str | None = None
    ip_range: str | None = None  # part of the subnet that automatic addresses come from
    reserved: Mapping[str, str] = field(default_factory=dict)  # name → address that no container gets
    attachable: bool = False  # shown only: it matters to swarms
    internal: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    ipam_options: Mapping[str, str] | None = None  # shown only: address management has none
    predefined: bool = False  # bridge, host, none: cannot be removed


@dataclass(frozen=True, slots=True)
class EndpointRequest:
    """What a container asks of one network. *network* is a name or id."""

    network: str
    aliases: tuple[str, ...] = ()
    ipv4: str | None = None
    mac: str | None = None
    ipv6: str | None = None
    link_local: tuple[str, ...] = ()  # further addresses, of either family
    gateway_priority: int = 0  # the highest of a container's networks gives the default route
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What a container got on one network."""

    id: str
    network_id: str
    network_name: str
    aliases: tuple[str, ...] = ()
    ipv4: str | None = None  # "172.20.0.2"
    prefix_length: int = 0
    gateway: str | None = None
    mac: str | None = None
    interface: str | None = None  # name inside the container: eth0, eth1, …
    host_interface: str | None = None  # the veth's other end
    dns_names: tuple[str, ...] = ()  # every name that resolves to it on this network
    ipv6: str | None = None  # "fd00:5::2"
    prefix_length6: int = 0
    gateway6: str | None = None
    gateway_priority: int = 0
    link_local: tuple[str, ...] = ()  # "169.254.8.8/16"
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PortBinding:
    """One published port. Host port 0 means: any free one; with *last_host_port*, a free one up to that.

    Textual form, as in ``docker run -p``: ``[host_ip:][host_port]:container_port[/protocol]``.
    """

    container_port: int
    protocol: str = "tcp"  # tcp | udp
    host_ip: str = ""  # Docker's default: published ports answer on every address, of IPv4 and of IPv6
    host_port: int = 0
    last_host_port: int = 0

    def __str__(self) -> str:
        host_ip = f"[{self.host_ip}]" if ":" in self.host_ip else self.host_ip
        address = f"{host_ip}:" if host_ip else ""
        return f"{address}{self.host_ports()}:{self.container_port}/{self.protocol}"

    @property
    def is_six(self) -> bool:
        """Whether it is on an address of IPv6."""
        return ":" in self.host_ip

    @property
    def at(self) -> tuple[str, str, int]:
        """The port of the host, whatever it leads to."""
        return self.protocol, self.host_ip, self.host_port

    def host_ports(self) -> str:
        """Return the host port, or both ends of the range to choose from."""
        return f"{self.host_port}-{self.last_host_port}" if self.last_host_port else str(self.host_port)

    def validated(self) -> "PortBinding":
        """Return self; raise InvalidArgument when a number or the protocol is out of range."""
        if self.protocol == "sctp":
            raise InvalidArgument(
                f"cannot publish {self}: ports of sctp are not led into containers, those of tcp and udp are",
                hint="with --network host it has the host's own",
            )
        if self.protocol not in {"tcp", "udp"}:
            raise InvalidArgument(f"cannot publish {self}: protocol {self.protocol!r} is not tcp or udp")
        if not (
            0 < self.container_port < 65536 and 0 <= self.host_port < 65536 and self.last_host_port < 65536
        ):
            raise InvalidArgument(f"cannot publish {self}: ports go from 1 to 65535")
        return self


@dataclass(frozen=True, slots=True)
class SandboxRequest:
    """All that a container needs of networking when it starts.

    *mode* is ``none``, ``host``, ``container:<id>``, or the network that it was made with. In the last case it is
    attached to *endpoints*: those that it has joined since, and has not left, that one maybe among them.
    """

    container_id: str
    name: str
    hostname: str
    mode: str
    domainname: str = ""
    endpoints: tuple[EndpointRequest, ...] = ()
    ports: tuple[PortBinding, ...] = ()
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    extra_hosts: tuple[str, ...] = ()  # "name:ip"; ip may be host-gateway


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A started container's share of the network.

    *netns* is the path of its mounted network namespace (None: the host's). *hosts* and *resolv_conf* are
    the texts of the two files in /etc.
    """

    container_id: str
    netns: Path | None
    endpoints: tuple[Endpoint, ...]
    ports: tuple[PortBinding, ...]  # host ports resolved
    hosts: str
    resolv_conf: str
