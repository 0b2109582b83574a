"""Subnets and addresses are given once, in order, and never across a boundary."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yurt.engine.networks import ipam
from yurt.engine.networks.ipam import AddressPool
from yurt.errors import Conflict, InvalidArgument, Unavailable


def a_pool(subnet: str = "172.30.0.0/16", gateway: str | None = None) -> AddressPool[IPv4Address]:
    network = IPv4Network(subnet)
    return AddressPool(network, IPv4Address(gateway) if gateway else network.network_address + 1)


@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        ([], "172.17.0.0/16"),
        (["172.17.0.0/16"], "172.18.0.0/16"),
        (["172.17.5.0/24", "172.18.0.0/15"], "172.20.0.0/16"),
        (["172.16.0.0/12"], "192.168.0.0/20"),
        (["172.16.0.0/12", "192.168.1.0/24"], "192.168.16.0/20"),
    ],
)
def test_the_first_free_subnet_is_chosen(taken: list[str], expected: str) -> None:
    """Docker's pools are tried in order; whatever overlaps is passed over."""
    assert str(ipam.free_subnet(map(IPv4Network, taken))) == expected


def test_no_subnet_left_is_said() -> None:
    """With everything taken the error says what to do."""
    with pytest.raises(Unavailable, match="non-overlapping") as full:
        ipam.free_subnet([IPv4Network("0.0.0.0/0")])
    assert "--subnet" in str(full.value.hint)


@pytest.mark.parametrize(
    "text", ["", "172.17.0.0", "/16", "172.17.0.0/33", "172.17.0.0/x", "300.0.0.0/8", "10.0.0.0/31"]
)
def test_what_is_no_subnet_is_refused(text: str) -> None:
    """A subnet needs an address, a prefix, and room."""
    with pytest.raises(InvalidArgument):
        ipam.parse_subnet(text)


def test_the_families_are_not_mixed() -> None:
    """An IPv6 subnet is no IPv4 one."""
    with pytest.raises(InvalidArgument, match="invalid subnet"):
        ipam.parse_subnet("fd00::/64")


def test_bits_of_the_host_are_a_mistake() -> None:
    """As with Docker, which tells the subnet that was meant."""
    assert str(ipam.parse_subnet("172.30.0.0/16")) == "172.30.0.0/16"
    with pytest.raises(
        InvalidArgument, match=r"invalid subnet 172\.30\.5\.1/16: it should be 172\.30\.0\.0/16"
    ):
        ipam.parse_subnet("172.30.5.1/16")


def test_the_hardware_address_follows_the_address() -> None:
    """02:42 and the four bytes."""
    assert ipam.mac_of(IPv4Address("172.17.0.2")) == "02:42:ac:11:00:02"


def test_addresses_are_given_in_turn() -> None:
    """The gateway is passed over; a freed address comes again only after all others."""
    pool = a_pool("10.0.0.0/29")
    given_ = [str(pool.take()) for _ in range(3)]
    assert given_ == ["10.0.0.2", "10.0.0.3", "10.0.0.4"]
    pool.give_back(IPv4Address("10.0.0.2"))
    assert [str(pool.take()) for _ in range(3)] == ["10.0.0.5", "10.0.0.6", "10.0.0.2"]
    with pytest.raises(Conflict, match="no available IPv4 addresses"):
        pool.take()


def test_the_pool_shows_its_state() -> None:
    """Its repr tells subnet, gateway and use."""
    pool = a_pool()
    pool.take()
    assert repr(pool) == "<AddressPool 172.30.0.0/16 gateway 172.30.0.1, 1 in use>"


@pytest.mark.parametrize(
    ("wanted", "kind"),
    [
        ("172.30.0.1", Conflict),  # the gateway
        ("172.30.0.9", Conflict),  # taken
        ("172.30.0.0", InvalidArgument),
        ("172.30.255.255", InvalidArgument),
        ("10.0.0.5", InvalidArgument),
    ],
)
def test_an_address_that_cannot_be_had_is_refused(wanted: str, kind: type[Exception]) -> None:
    """Taken ones are a conflict, foreign ones a mistake."""
    pool = a_pool()
    pool.take(IPv4Address("172.30.0.9"))
    with pytest.raises(kind):
        pool.take(IPv4Address(wanted))


def test_a_gateway_outside_of_the_subnet_is_refused() -> None:
    """The gateway must be a host address of the subnet."""
    for gateway in ("10.0.0.1", "172.30.0.0", "172.30.255.255"):
        with pytest.raises(InvalidArgument, match="invalid gateway"):
            a_pool(gateway=gateway)


@given(st.lists(st.one_of(st.none(), st.integers(1, 14)), max_size=40))
def test_no_address_is_given_twice(steps: list[int | None]) -> None:
    """However takes and give-backs follow one another, what is in use is in use once."""
    pool, used = a_pool("10.0.0.0/28"), set[IPv4Address]()
    for step in steps:
        if step is None:
            try:
                address = pool.take()
            except Conflict:
                assert len(used) == 13
                continue
            assert address not in used
            used.add(address)
        else:
            address = IPv4Address("10.0.0.0") + step
            pool.give_back(address)
            used.discard(address)


def test_a_part_of_the_subnet() -> None:
    """Automatic addresses come from the range alone; any other can still be chosen, but for the reserved."""
    pool = AddressPool(
        IPv4Network("10.0.0.0/24"),
        IPv4Address("10.0.0.254"),
        part=IPv4Network("10.0.0.4/30"),
        reserved=[IPv4Address("10.0.0.5"), IPv4Address("10.0.0.9")],
    )
    assert [str(pool.take()) for _ in range(3)] == ["10.0.0.4", "10.0.0.6", "10.0.0.7"]
    with pytest.raises(Conflict, match="no available IPv4 addresses"):
        pool.take()
    assert str(pool.take(IPv4Address("10.0.0.8"))) == "10.0.0.8"
    with pytest.raises(Conflict, match=r"Address already in use: 10\.0\.0\.9"):
        pool.take(IPv4Address("10.0.0.9"))


@pytest.mark.parametrize(
    ("part", "reserved", "message"),
    [("10.0.1.0/24", [], "no matching subnet for range"), (None, ["10.0.1.1"], "for aux-address")],
)
def test_a_part_lies_within(part: str | None, reserved: list[str], message: str) -> None:
    """A range or a reserved address outside of the subnet is refused."""
    with pytest.raises(InvalidArgument, match=message):
        AddressPool(
            IPv4Network("10.0.0.0/24"),
            IPv4Address("10.0.0.1"),
            part=IPv4Network(part) if part else None,
            reserved=map(IPv4Address, reserved),
        )


def test_a_pool_of_ipv6() -> None:
    """The same rules for a subnet that has more addresses than anybody can list."""
    pool = AddressPool(IPv6Network("fd00:5::/64"), IPv6Address("fd00:5::1"))
    assert [str(pool.take()) for _ in range(2)] == ["fd00:5::2", "fd00:5::3"]
    assert str(pool.take(IPv6Address("fd00:5::abcd"))) == "fd00:5::abcd"
    with pytest.raises(InvalidArgument, match="no configured subnet contains"):
        pool.take(IPv6Address("fd00:6::1"))


def test_a_subnet_of_ones_own() -> None:
    """It is one of the unique local ones, the same for the same seed."""
    assert str(ipam.unique_local_subnet(bytes.fromhex("0123456789ab"))) == "fd01:2345:6789::/64"
