"""Rtnetlink: links, addresses and routes, asked of the kernel in one batch.

What belongs here: the encoding of the few messages Yurt needs, as values, and the socket that sends them.
What does not: which interfaces should exist; `yurt.engine.networks` decides that.

A `Message` is a value that can be printed as the `ip` command it stands for. `Rtnetlink.apply` sends a list
of them in one datagram: the kernel works through it in order before ``send`` returns, so there is nothing
to wait for. Formats: netlink(7), rtnetlink(7), and linux/if_link.h for the link attributes.
"""

import errno
import os
import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface
from types import TracebackType
from typing import Self

# linux/netlink.h
NLMSG_ERROR = 2
NLMSG_DONE = 3
NLM_F_REQUEST = 0x001
NLM_F_ACK = 0x004
NLM_F_CAPPED = 0x100
NLM_F_ACK_TLVS = 0x200
NLM_F_REPLACE = 0x100
NLM_F_EXCL = 0x200
NLM_F_DUMP = 0x300
NLM_F_CREATE = 0x400
NLMSGERR_ATTR_MSG = 1
SOL_NETLINK = 270
NETLINK_CAP_ACK = 10
NETLINK_EXT_ACK = 11
NETLINK_GET_STRICT_CHK = 12

# linux/rtnetlink.h
RTM_NEWLINK = 16
RTM_DELLINK = 17
RTM_GETLINK = 18
RTM_SETLINK = 19
RTM_NEWADDR = 20
RTM_NEWROUTE = 24
RTM_GETROUTE = 26
RT_TABLE_MAIN = 254
RTPROT_BOOT = 3
RTN_UNICAST = 1
RTA_DST = 1
RTA_OIF = 4
RTA_GATEWAY = 5
RTA_TABLE = 15

# linux/if_link.h, linux/if_addr.h, linux/veth.h
IFF_UP = 1
IFLA_ADDRESS = 1
IFLA_IFNAME = 3
IFLA_MTU = 4
IFLA_MASTER = 10
IFLA_LINKINFO = 18
IFLA_NET_NS_FD = 28
IFLA_INFO_KIND = 1
IFLA_INFO_DATA = 2
IFLA_INFO_SLAVE_KIND = 4
IFLA_INFO_SLAVE_DATA = 5
IFLA_BRPORT_MODE = 4  # hairpin
VETH_INFO_PEER = 1
IFA_ADDRESS = 1
IFA_LOCAL = 2
IFA_BROADCAST = 4
IFA_F_NODAD = 0x02
NLA_TYPE_MASK = 0x3FFF  # the two upper bits say nested, network byte order

_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_ATTRIBUTE = struct.Struct("=HH")
_LINK = struct.Struct("=BxHiII")  # struct ifinfomsg
_ADDRESS = struct.Struct("=BBBBi")  # struct ifaddrmsg
_ROUTE = struct.Struct("=BBBBBBBBI")  # struct rtmsg
_RECEIVE = 256 * 1024


class NetlinkError(OSError):
    """The kernel refused a message. The text names the message as an `ip` command, and the kernel's reason."""


@dataclass(frozen=True, slots=True)
class Message:
    """One request. *command* is the `ip` command it stands for; *tolerate* the errnos that mean: so already."""

    kind: int
    flags: int
    body: bytes
    command: str
    tolerate: frozenset[int] = frozenset()

    def __str__(self) -> str:
        return self.command

    def encode(self, sequence: int) -> bytes:
        """Return the message with its header, padded to four bytes."""
        flags = self.flags | NLM_F_REQUEST | NLM_F_ACK
        length = _HEADER.size + len(self.body)
        return _HEADER.pack(length, self.kind, flags, sequence, 0) + self.body + bytes(-length % 4)


@dataclass(frozen=True, slots=True)
class Link:
    """An interface as the kernel shows it."""

    index: int
    name: str
    up: bool
    mac: str
    master: int  # index of its bridge, 0: none


def attribute(kind: int, payload: bytes) -> bytes:
    """Return one attribute (type, length, value), padded to four bytes."""
    return _ATTRIBUTE.pack(len(payload) + 4, kind) + payload + bytes(-len(payload) % 4)


def text(kind: int, value: str) -> bytes:
    return attribute(kind, value.encode() + b"\0")


def number(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("=I", value))


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (type, value) of each attribute in *data*; flags in the type are dropped."""
    offset = 0
    while offset + 4 <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < 4:
            return
        yield kind & NLA_TYPE_MASK, data[offset + 4 : offset + length]
        offset += (length + 3) & ~3


def mac_bytes(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", "").replace("-", ""))


def _link(index: int = 0, *, up: bool = False) -> bytes:
    flags = IFF_UP if up else 0
    return _LINK.pack(socket.AF_UNSPEC, 0, index, flags, flags)


def add_bridge(name: str, mac: str, *, mtu: int | None = None) -> Message:
    """A bridge that is up; its hardware address is fixed, else it would change as ports come and go."""
    body = _link(up=True) + text(IFLA_IFNAME, name) + attribute(IFLA_ADDRESS, mac_bytes(mac))
    if mtu is not None:
        body += number(IFLA_MTU, mtu)
    body += attribute(IFLA_LINKINFO, attribute(IFLA_INFO_KIND, b"bridge"))
    return Message(
        RTM_NEWLINK,
        NLM_F_CREATE | NLM_F_EXCL,
        body,
        f"ip link add {name} address {mac} up type bridge",
        tolerate=frozenset({errno.EEXIST}),
    )


def add_veth(
    name: str,
    *,
    bridge: int,
    peer: str,
    peer_mac: str,
    netns: int,
    mtu: int | None = None,
) -> Message:
    """A pair of interfaces: *name* here, up and on *bridge*; *peer* made directly inside *netns*, still down.

    *bridge* is the bridge's index, *netns* an open file descriptor of the namespace. The peer cannot be
    brought up here: the kernel would open it before it has a partner (veth_open: ENOTCONN).
    """
    mtus = number(IFLA_MTU, mtu) if mtu is not None else b""
    inside = (
        _link()
        + text(IFLA_IFNAME, peer)
        + attribute(IFLA_ADDRESS, mac_bytes(peer_mac))
        + number(IFLA_NET_NS_FD, netns)
        + mtus
    )
    info = attribute(IFLA_INFO_KIND, b"veth") + attribute(IFLA_INFO_DATA, attribute(VETH_INFO_PEER, inside))
    body = (
        _link(up=True)
        + text(IFLA_IFNAME, name)
        + mtus
        + number(IFLA_MASTER, bridge)
        + attribute(IFLA_LINKINFO, info)
    )
    return Message(
        RTM_NEWLINK,
        NLM_F_CREATE | NLM_F_EXCL,
        body,
        f"ip link add {name} up master if{bridge} type veth"
        f" peer name {peer} address {peer_mac} netns /proc/{os.getpid()}/fd/{netns}",
    )


def set_hairpin(name: str) -> Message:
    """Let a bridge port send frames back where they came from."""
    slave = attribute(IFLA_INFO_SLAVE_KIND, b"bridge") + attribute(
        IFLA_INFO_SLAVE_DATA, attribute(IFLA_BRPORT_MODE, b"\1")
    )
    return Message(
        RTM_NEWLINK,
        0,
        _link() + text(IFLA_IFNAME, name) + attribute(IFLA_LINKINFO, slave),
        f"ip link set {name} type bridge_slave hairpin on",
    )


def set_up(index: int) -> Message:
    return Message(RTM_SETLINK, 0, _link(index, up=True), f"ip link set if{index} up")


def delete_link(name: str) -> Message:
    """Afterwards there is no interface *name* (nor its peer), whoever removed it."""
    return Message(
        RTM_DELLINK,
        0,
        _link() + text(IFLA_IFNAME, name),
        f"ip link del {name}",
        tolerate=frozenset({errno.ENODEV}),
    )


def add_address(index: int, address: IPv4Interface | IPv6Interface) -> Message:
    """Give an interface an address; one of IPv6 is usable at once, nobody is asked whether it is taken."""
    local = address.ip.packed
    if isinstance(address, IPv6Interface):
        return Message(
            RTM_NEWADDR,
            NLM_F_CREATE | NLM_F_EXCL,
            _ADDRESS.pack(socket.AF_INET6, address.network.prefixlen, IFA_F_NODAD, 0, index)
            + attribute(IFA_LOCAL, local)
            + attribute(IFA_ADDRESS, local),
            f"ip address add {address} dev if{index} nodad",
            tolerate=frozenset({errno.EEXIST}),
        )
    body = _ADDRESS.pack(socket.AF_INET, address.network.prefixlen, 0, 0, index)
    body += attribute(IFA_LOCAL, local) + attribute(IFA_ADDRESS, local)
    if address.network.prefixlen < 31:
        body += attribute(IFA_BROADCAST, address.network.broadcast_address.packed)
    return Message(
        RTM_NEWADDR,
        NLM_F_CREATE | NLM_F_EXCL,
        body,
        f"ip address add {address} brd + dev if{index}",
        tolerate=frozenset({errno.EEXIST}),
    )


def set_default_route(gateway: IPv4Address | IPv6Address, index: int) -> Message:
    """Afterwards the only default route of the family goes by *gateway*."""
    family = socket.AF_INET if gateway.version == 4 else socket.AF_INET6
    default = _ROUTE.pack(family, 0, 0, 0, RT_TABLE_MAIN, RTPROT_BOOT, 0, RTN_UNICAST, 0)
    return Message(
        RTM_NEWROUTE,
        NLM_F_CREATE | NLM_F_REPLACE,
        default + attribute(RTA_GATEWAY, gateway.packed) + number(RTA_OIF, index),
        f"ip route replace default via {gateway} dev if{index}",
    )


class Rtnetlink:
    """A socket to the kernel's routing tables of ONE network namespace: that of the thread that opened it."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        try:
            self._socket.bind((0, 0))
            for option in (NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK):
                self._socket.setsockopt(SOL_NETLINK, option, 1)
        except BaseException:
            self._socket.close()
            raise
        self._sequence = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def apply(self, messages: Sequence[Message]) -> None:
        """Do all of *messages* in order, in one send.

        The kernel goes on past a failure; afterwards the first one (that is not tolerated) is raised.
        """
        if not messages:
            return
        first = self._sequence + 1
        self._sequence += len(messages)
        self._socket.send(b"".join(m.encode(first + n) for n, m in enumerate(messages)))
        failure: NetlinkError | None = None
        pending = len(messages)
        while pending:
            for kind, flags, sequence, body in _split(self._socket.recv(_RECEIVE)):
                if kind != NLMSG_ERROR or not first <= sequence <= self._sequence:
                    continue
                pending -= 1
                number_, message = -struct.unpack_from("=i", body)[0], messages[sequence - first]
                if number_ and number_ not in message.tolerate and failure is None:
                    failure = NetlinkError(number_, _reason(number_, flags, body), message.command)
        if failure is not None:
            raise failure

    def index(self, name: str) -> int:
        """Return the index of interface *name*; NetlinkError (ENODEV) when there is none."""
        self._sequence += 1
        request = Message(RTM_GETLINK, 0, _link() + text(IFLA_IFNAME, name), f"ip link show {name}")
        self._socket.send(request.encode(self._sequence))
        found = 0
        while True:
            for kind, flags, sequence, body in _split(self._socket.recv(_RECEIVE)):
                if sequence != self._sequence:
                    continue
                if kind == RTM_NEWLINK:
                    found = _LINK.unpack_from(body)[2]
                elif kind == NLMSG_ERROR:
                    if number_ := -struct.unpack_from("=i", body)[0]:
                        raise NetlinkError(number_, _reason(number_, flags, body), request.command)
                    return int(found)

    def links(self) -> tuple[Link, ...]:
        return tuple(_parse_link(body) for body in self._dump(RTM_GETLINK, _link()))

    def destinations(self) -> tuple[IPv4Network, ...]:
        """Return the IPv4 subnets of the main table that have a route; the default route is left out."""
        found = []
        for body in self._dump(RTM_GETROUTE, _ROUTE.pack(socket.AF_INET, 0, 0, 0, 0, 0, 0, 0, 0)):
            values = dict(attributes(body[_ROUTE.size :]))
            table = struct.unpack("=I", values[RTA_TABLE])[0] if RTA_TABLE in values else body[4]
            if table == RT_TABLE_MAIN and body[1] and RTA_DST in values:
                found.append(IPv4Network((values[RTA_DST], body[1])))
        return tuple(found)

    def _dump(self, kind: int, body: bytes) -> Iterable[bytes]:
        self._sequence += 1
        header = _HEADER.pack(_HEADER.size + len(body), kind, NLM_F_REQUEST | NLM_F_DUMP, self._sequence, 0)
        self._socket.send(header + body)
        found: list[bytes] = []
        while True:
            for reply, _flags, sequence, payload in _split(self._socket.recv(_RECEIVE)):
                if sequence != self._sequence:
                    continue
                if reply == NLMSG_DONE:
                    return found
                if reply == NLMSG_ERROR:
                    number_ = -struct.unpack_from("=i", payload)[0]
                    raise NetlinkError(number_, os.strerror(number_))
                found.append(payload)


def _split(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Yield (type, flags, sequence, body) of each message in a datagram."""
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind, flags, sequence, _port = _HEADER.unpack_from(data, offset)
        yield kind, flags, sequence, data[offset + _HEADER.size : offset + length]
        offset += (length + 3) & ~3


def _reason(number_: int, flags: int, body: bytes) -> str:
    """Return the errno's text and, where the kernel gave one, its own sentence (extended acknowledgement)."""
    words = os.strerror(number_)
    if flags & NLM_F_ACK_TLVS:
        for kind, value in attributes(body[4 + _HEADER.size :]):
            if kind == NLMSGERR_ATTR_MSG:
                words += f" ({value.rstrip(bytes(1)).decode(errors='replace')})"
    return words


def _parse_link(body: bytes) -> Link:
    _family, _type, index, flags, _change = _LINK.unpack_from(body)
    values = dict(attributes(body[_LINK.size :]))
    return Link(
        index=index,
        name=values.get(IFLA_IFNAME, b"").rstrip(b"\0").decode(),
        up=bool(flags & IFF_UP),
        mac=values.get(IFLA_ADDRESS, b"").hex(":"),
        master=struct.unpack("=I", values[IFLA_MASTER])[0] if IFLA_MASTER in values else 0,
    )
