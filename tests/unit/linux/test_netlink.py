"""Messages are encoded as the kernel wants them, and print as the `ip` command they stand for."""

import errno
import os
import socket
import struct
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yurt.linux import netlink
from yurt.linux.netlink import Message, Rtnetlink


@given(st.lists(st.tuples(st.integers(0, netlink.NLA_TYPE_MASK), st.binary(max_size=200))))
def test_attributes_round_trip(pairs: list[tuple[int, bytes]]) -> None:
    """Encoded attributes are aligned to four bytes and decode to the same."""
    encoded = b"".join(netlink.attribute(kind, value) for kind, value in pairs)
    assert len(encoded) % 4 == 0
    assert list(netlink.attributes(encoded)) == pairs


@given(st.binary(max_size=100))
def test_any_bytes_are_read_without_harm(data: bytes) -> None:
    """Torn attributes end the reading."""
    assert all(isinstance(value, bytes) for _, value in netlink.attributes(data))


def test_a_message_has_the_header_of_rtnetlink() -> None:
    """Length, type, flags (a request that wants an answer), sequence and port come first."""
    encoded = netlink.set_up(3).encode(7)
    length, kind, flags, sequence, port = struct.unpack_from("=IHHII", encoded)
    assert (length, kind, sequence, port) == (len(encoded), netlink.RTM_SETLINK, 7, 0)
    assert flags == netlink.NLM_F_REQUEST | netlink.NLM_F_ACK
    assert struct.unpack_from("=BxHiII", encoded, 16) == (0, 0, 3, 1, 1)


def test_a_veth_carries_its_peer_inside() -> None:
    """The peer's name, address and namespace are nested in the link's data."""
    message = netlink.add_veth("yv1", bridge=4, peer="eth0", peer_mac="02:42:ac:11:00:02", netns=9, mtu=1400)
    link = dict(netlink.attributes(message.body[16:]))
    assert link[netlink.IFLA_IFNAME] == b"yv1\0"
    assert link[netlink.IFLA_MASTER] == struct.pack("=I", 4)
    assert link[netlink.IFLA_MTU] == struct.pack("=I", 1400)
    info = dict(netlink.attributes(link[netlink.IFLA_LINKINFO]))
    assert info[netlink.IFLA_INFO_KIND] == b"veth"
    data = dict(netlink.attributes(info[netlink.IFLA_INFO_DATA]))
    peer = dict(netlink.attributes(data[netlink.VETH_INFO_PEER][16:]))
    assert peer[netlink.IFLA_IFNAME] == b"eth0\0"
    assert peer[netlink.IFLA_ADDRESS] == bytes.fromhex("0242ac110002")
    assert peer[netlink.IFLA_NET_NS_FD] == struct.pack("=I", 9)


@pytest.mark.parametrize(
    ("message", "command"),
    [
        (
            netlink.add_bridge("yu1", "02:42:ac:11:00:01"),
            "ip link add yu1 address 02:42:ac:11:00:01 up type bridge",
        ),
        (
            netlink.add_veth("yv1", bridge=4, peer="eth0", peer_mac="02:42:ac:11:00:02", netns=9),
            (
                "ip link add yv1 up master if4 type veth peer name eth0 address 02:42:ac:11:00:02"
                f" netns /proc/{os.getpid()}/fd/9"
            ),
        ),
        (netlink.set_hairpin("yv1"), "ip link set yv1 type bridge_slave hairpin on"),
        (netlink.delete_link("yv1"), "ip link del yv1"),
        (
            netlink.add_address(2, IPv4Interface("172.17.0.2/16")),
            "ip address add 172.17.0.2/16 brd + dev if2",
        ),
        (
            netlink.set_default_route(IPv4Address("172.17.0.1"), 2),
            "ip route replace default via 172.17.0.1 dev if2",
        ),
    ],
)
def test_messages_print_as_commands(message: Message, command: str) -> None:
    """What is asked of the kernel can be read, and pasted into a shell."""
    assert str(message) == command


def test_the_loopback_interface_is_found() -> None:
    """Dumps are read whole: lo is there, up, and first."""
    with Rtnetlink() as routes:
        first = routes.links()[0]
        assert (first.index, first.name, first.up) == (1, "lo", True)
        assert routes.index("lo") == 1
        with pytest.raises(OSError, match="No such device") as missing:
            routes.index("nowhere0")
        assert missing.value.errno == errno.ENODEV
        assert all(isinstance(subnet, IPv4Network) for subnet in routes.destinations())


def test_a_refused_message_is_named() -> None:
    """The error tells the kernel's reason and the command; what is tolerated is no error; later ones are done."""
    with Rtnetlink() as routes:
        routes.apply([])
        with pytest.raises(netlink.NetlinkError) as refused:
            routes.apply(
                [netlink.delete_link("nowhere0"), netlink.set_up(999_999), netlink.delete_link("nowhere1")]
            )
        assert refused.value.filename == "ip link set if999999 up"
        assert routes.index("lo") == 1  # no answer was left unread


def test_ipv6_messages() -> None:
    """They print as the command of their family, and carry sixteen bytes."""
    address = netlink.add_address(3, IPv6Interface("fd00:5::2/64"))
    assert str(address) == "ip address add fd00:5::2/64 dev if3 nodad"
    assert IPv6Interface("fd00:5::2").packed in address.body
    route = netlink.set_default_route(IPv6Address("fd00:5::1"), 3)
    assert str(route) == "ip route replace default via fd00:5::1 dev if3"
    assert route.body[0] == socket.AF_INET6
