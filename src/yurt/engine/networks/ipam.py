"""Address management: which subnet a network gets, which address a container gets. Pure, in memory.

Nothing here is stored: a network's subnet stands in its own document, and the addresses in use are those of the
endpoints that are alive, told again (`AddressPool.take` with *wanted*) when the engine restarts.
"""

from collections.abc import Iterable, Iterator
from ipaddress import (
    AddressValueError,
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    NetmaskValueError,
)
from itertools import chain
from typing import Generic, TypeVar

from yurt.errors import Conflict, InvalidArgument, Unavailable

DEFAULT_SUBNETS = (
    *(IPv4Network(f"172.{second}.0.0/16") for second in range(17, 32)),
    *IPv4Network("192.168.0.0/16").subnets(new_prefix=20),
)
"""Docker's default pools, in its order."""


def free_subnet(taken: Iterable[IPv4Network]) -> IPv4Network:
    """Return the first default subnet that overlaps none of *taken* (other networks, the host's routes)."""
    used = tuple(taken)
    for subnet in DEFAULT_SUBNETS:
        if not any(subnet.overlaps(other) for other in used):
            return subnet
    raise Unavailable(
        "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network",
        hint="choose one with --subnet, or remove networks that are not used: yurt network prune",
    )


def parse_subnet(text: str) -> IPv4Network:
    """Return the subnet in *text* (``a.b.c.d/n``); bits of a host in it are a mistake."""
    address, slash, _prefix = text.partition("/")
    try:
        if not slash or not address:
            raise ValueError("a subnet is written as address/prefix")
        subnet = IPv4Network(text, strict=False)
    except (AddressValueError, NetmaskValueError, ValueError) as error:
        raise InvalidArgument(f"invalid subnet {text}: {error}", hint="write it as 172.30.0.0/16") from error
    if str(subnet.network_address) != address:
        raise InvalidArgument(f"invalid network config:\ninvalid subnet {text}: it should be {subnet}")
    if subnet.prefixlen > 30:
        raise InvalidArgument(f"invalid subnet {text}: no room for a gateway and a container")
    return subnet


def parse_subnet6(text: str) -> IPv6Network:
    """Return the IPv6 subnet in *text*, bits of the host dropped."""
    try:
        subnet = IPv6Network(text, strict=False)
    except ValueError as error:
        raise InvalidArgument(f"invalid subnet {text}: {error}", hint="write it as fd00:5::/64") from error
    if subnet.prefixlen > 126:
        raise InvalidArgument(f"invalid subnet {text}: no room for a gateway and a container")
    return subnet


def parse_address6(text: str) -> IPv6Address:
    try:
        return IPv6Address(text)
    except ValueError as error:
        raise InvalidArgument(f"invalid IPv6 address: {text}") from error


def unique_local_subnet(seed: bytes) -> IPv6Network:
    """Return a subnet of one's own for *seed*, five bytes or more: RFC 4193 asks for 40 random bits."""
    return IPv6Network(((b"\xfd" + seed[:5]).ljust(16, b"\0"), 64))


def parse_range(text: str) -> IPv4Network:
    """Return the part of a subnet in *text*; unlike a subnet it may be a single address."""
    try:
        return IPv4Network(text, strict=False)
    except ValueError as error:
        raise InvalidArgument(
            f"invalid ip-range {text}: {error}", hint="write it as 172.30.5.0/24"
        ) from error


def parse_address(text: str) -> IPv4Address:
    try:
        return IPv4Address(text)
    except AddressValueError as error:
        raise InvalidArgument(f"invalid IPv4 address: {text}") from error


def mac_of(address: IPv4Address) -> str:
    """Return the hardware address that belongs to *address*: locally administered, 02:42 and its four bytes.

    The same address always has the same one, so neighbours' ARP caches never go stale.
    """
    return (b"\x02\x42" + address.packed).hex(":")


AddressT = TypeVar("AddressT", IPv4Address, IPv6Address)


class AddressPool(Generic[AddressT]):
    """The addresses of one subnet, all of one family. Automatic ones are given in turn, so a freed one rests as long as possible."""

    def __init__(
        self,
        subnet: "IPv4Network | IPv6Network",
        gateway: AddressT,
        *,
        part: "IPv4Network | IPv6Network | None" = None,
        reserved: Iterable[AddressT] = (),
    ) -> None:
        """*part* of the subnet is where automatic addresses come from; nobody gets one of *reserved*."""
        if gateway not in subnet or gateway in {subnet.network_address, subnet.broadcast_address}:
            raise InvalidArgument(f"invalid gateway {gateway}: not a host address of subnet {subnet}")
        self.subnet = subnet
        self.gateway: AddressT = gateway
        self._part = part or subnet
        self._reserved: frozenset[AddressT] = frozenset(reserved)
        if self._part.network_address not in subnet or self._part.prefixlen < subnet.prefixlen:
            raise InvalidArgument(
                f"invalid network config: no matching subnet for range {self._part}",
                hint=f"the network's subnet is {subnet}",
            )
        for address in self._reserved:
            if address not in subnet:
                raise InvalidArgument(
                    f"invalid network config: no matching subnet for aux-address {address}",
                    hint=f"the network's subnet is {subnet}",
                )
        self._used: set[AddressT] = set()
        self._last = self._part.network_address - 1

    def __repr__(self) -> str:
        return f"<AddressPool {self.subnet} gateway {self.gateway}, {len(self._used)} in use>"

    def take(self, wanted: AddressT | None = None) -> AddressT:
        """Return an address that nobody else has until it is given back: *wanted*, or the next free one."""
        if wanted is not None:
            self._check(wanted)
            self._used.add(wanted)
            return wanted
        for address in self._in_turn():
            if address not in self._used and address != self.gateway and address not in self._reserved:
                self._used.add(address)
                self._last = address
                return address
        raise Conflict(
            f"no available IPv{self.subnet.version} addresses on this network's address pools: {self.subnet}"
        )

    def give_back(self, address: AddressT) -> None:
        """Afterwards *address* is free, whether or not it was taken."""
        self._used.discard(address)

    def _check(self, wanted: AddressT) -> None:
        if wanted not in self.subnet:
            raise InvalidArgument(
                f"invalid endpoint settings: no configured subnet contains IP address {wanted}",
                hint=f"this network's subnet is {self.subnet}",
            )
        if wanted in {self.subnet.network_address, self.subnet.broadcast_address}:
            raise InvalidArgument(
                f"invalid endpoint settings: {wanted} is not a host address of {self.subnet}"
            )
        if wanted == self.gateway or wanted in self._used or wanted in self._reserved:
            raise Conflict(f"Address already in use: {wanted}")

    def _in_turn(self) -> Iterator[AddressT]:
        first = max(int(self._part.network_address), int(self.subnet.network_address) + 1)
        end = min(int(self._part.broadcast_address) + 1, int(self.subnet.broadcast_address))
        start = max(int(self._last) + 1, first)
        for value in chain(range(start, end), range(first, min(start, end))):
            yield type(self.gateway)(value)
