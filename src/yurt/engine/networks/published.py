"""Host ports that are taken: a bound socket for each published port, so that no one else can have it too.

Those of IPv4 stay here: packet rules lead what comes to the container. Those of IPv6 are the relay's, which leads on
what no packet rule can: what comes to ::1, or is for a container without an IPv6 address.
"""

import errno
import socket
from collections.abc import Iterable, Sequence
from dataclasses import replace
from ipaddress import ip_address
from typing import Protocol

from yurt.engine.networks import handover
from yurt.engine.networks.model import ANY, ANY6, PortBinding
from yurt.engine.networks.ports import Addresses, Held
from yurt.errors import Conflict, Forbidden, InvalidArgument, YurtError
from yurt.linux.relay.ports import ANYBODY, Lead, Taken

_TYPES = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
_ATTEMPTS = 16  # to find a port that is free in both families
_BACKLOG = 1024

Bound = tuple[PortBinding, socket.socket]
"""A binding of one address and one port, and the socket that holds it."""


class Relay(Protocol):
    """Where ports of IPv6 are; `yurt.linux.relay.client.RelayClient` is one, and says what each method does."""

    def add(self, owner: str, taken: Sequence[tuple[Lead, socket.socket]]) -> None: ...
    def take(self, owner: str, leads: Iterable[Lead], *, of: str = "") -> None: ...
    def drop(self, owner: str) -> None: ...
    def keep(self, owners: Iterable[str]) -> None: ...
    def settle(self) -> None: ...
    def close(self) -> None: ...


class HeldPorts:
    """The host ports of the container *owner*. *bindings* are those asked for, each of one address, with host ports resolved."""

    def __init__(
        self,
        relay: Relay,
        owner: str,
        bindings: tuple[PortBinding, ...],
        sockets: dict[PortBinding, socket.socket],
    ) -> None:
        self.bindings = bindings
        self.owner = owner
        self.sockets = sockets  # those that stay in this process
        self._relay = relay

    def __repr__(self) -> str:
        return f"<HeldPorts {' '.join(map(str, self.bindings)) or 'none'}>"

    def release(self) -> None:
        """Afterwards others may have the ports, those of IPv6 very soon. Idempotent."""
        if self.bindings:
            self._relay.drop(self.owner)
        self.let_go()

    def let_go(self) -> None:
        """End what lives in this process: others could have the ports, and packets still go to the container."""
        for held in self.sockets.values():
            held.close()
        self.sockets = {}


class OwnPorts:
    """The ports of the network that this process is in: packet rules and the relay lead them to containers."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def unheld(self, owner: str, bindings: Sequence[PortBinding] = ()) -> HeldPorts:
        return HeldPorts(self._relay, owner, tuple(bindings), {})

    def hold(self, owner: str, bindings: Sequence[PortBinding], to: Addresses) -> HeldPorts:
        """Take the host port of each of *bindings*; see `HostPorts`."""
        bound = self._bound(bindings)
        self._relay.add(owner, [(_lead(one, to), held) for one, held in bound if one.is_six])
        return HeldPorts(
            self._relay,
            owner,
            tuple(one for one, _held in bound),
            {one: held for one, held in bound if not one.is_six},
        )

    def hold_again(self, owner: str, bindings: Sequence[PortBinding], to: Addresses) -> HeldPorts:
        """Take again what an engine before had; the relay has never let its own go, whoever it thinks has them."""
        try:
            self._relay.take(owner, [_lead(one, to) for one in bindings if one.is_six], of=ANYBODY)
        except Taken as error:
            raise refusal(error.lead.host_ip, error.lead.port, error) from error
        bound = self._bound([one for one in bindings if not one.is_six])
        return HeldPorts(self._relay, owner, tuple(bindings), dict(bound))

    def hand_over(
        self, held: Held, owner: str, wanted: Sequence[PortBinding], to: Addresses, of_old: Addresses
    ) -> tuple[HeldPorts, HeldPorts]:
        """Move ports to a successor; see `HostPorts`."""
        assert isinstance(held, HeldPorts)
        plan = handover.plan(held.bindings, wanted, both=_has_ipv6())
        fresh = self._bound(plan.fresh)
        by_port = {one.at: sock for one, sock in held.sockets.items()}
        sockets = {one: by_port[one.at] for one in plan.moved if one.at in by_port}
        sockets |= {one: sock for one, sock in fresh if not one.is_six}
        new = HeldPorts(self._relay, owner, (*plan.moved, *(one for one, _sock in fresh)), sockets)
        left = {one: held.sockets[one] for one in plan.left if one in held.sockets}
        try:
            if sixes := [_lead(one, to) for one in plan.moved if one.is_six]:
                self._relay.take(owner, sixes, of=held.owner)
            self._relay.add(owner, [(_lead(one, to), sock) for one, sock in fresh if one.is_six])
        except BaseException:
            for _one, sock in fresh:
                sock.close()
            self.take_back(held, new, of_old)
            raise
        return new, HeldPorts(self._relay, held.owner, plan.left, left)

    def take_back(self, held: Held, new: Held, of_old: Addresses) -> None:
        """Undo `hand_over`; see `HostPorts`."""
        assert isinstance(held, HeldPorts)
        assert isinstance(new, HeldPorts)
        for sock in set(new.sockets.values()) - set(held.sockets.values()):
            sock.close()
        if sixes := [_lead(one, of_old) for one in held.bindings if one.is_six]:
            self._relay.take(held.owner, sixes, of=new.owner)
        self._relay.drop(new.owner)

    def keep(self, owners: Iterable[str]) -> None:
        """Afterwards nobody but *owners* has ports: those of IPv4 end with the process that holds them."""
        self._relay.keep(owners)

    def close(self) -> None:
        self._relay.close()

    def _bound(self, bindings: Sequence[PortBinding]) -> list[Bound]:
        try:
            return _all_bound(bindings)
        except Conflict:
            self._relay.settle()  # it may have been told to drop that very port a moment ago
            return _all_bound(bindings)


def _lead(binding: PortBinding, to: Addresses) -> Lead:
    """Say where the relay leads a port: to the address of IPv4, which every container has."""
    return Lead(binding.protocol, binding.host_ip, binding.host_port, 0, str(to.ipv4), binding.container_port)


def _all_bound(bindings: Sequence[PortBinding]) -> list[Bound]:
    """Take all, or none."""
    both = bool(bindings) and _has_ipv6()
    taken: list[Bound] = []
    try:
        for binding in bindings:
            taken += _bound_in_range(binding.validated(), both=both)
    except BaseException:
        for _binding, held in taken:
            held.close()
        raise
    return taken


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def _bound_in_range(binding: PortBinding, *, both: bool) -> list[Bound]:
    """Take the first port of a range that is free; the error is that of its last one."""
    for port in range(binding.host_port, binding.last_host_port):
        try:
            return _bound_on_each(replace(binding, host_port=port), both=both)
        except Conflict:
            continue
    return _bound_on_each(replace(binding, host_port=binding.last_host_port or binding.host_port), both=both)


def _bound_on_each(binding: PortBinding, *, both: bool) -> list[Bound]:
    """Take the port on the binding's address; without one, on all of IPv4 and, if *both*, of IPv6."""
    if binding.host_ip:
        return [_bound(binding)]
    for attempt in range(_ATTEMPTS):
        four, held = _bound(replace(binding, host_ip=ANY))
        if not both:
            return [(four, held)]
        try:
            return [(four, held), _bound(replace(four, host_ip=ANY6))]
        except BaseException as error:
            held.close()
            is_chance = isinstance(error, Conflict) and not binding.host_port
            if not is_chance or attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError("the last attempt returns or raises")


def _bound(binding: PortBinding) -> Bound:
    host_ip = binding.host_ip
    try:
        family = socket.AF_INET if ip_address(host_ip).version == 4 else socket.AF_INET6
    except ValueError as error:
        raise InvalidArgument(f"cannot publish {binding}: invalid host address {host_ip}") from error
    held = socket.socket(family, _TYPES[binding.protocol])
    try:
        if family == socket.AF_INET6:
            held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if binding.protocol == "tcp":
            # Reusing lets us past connections of an earlier owner that still linger; listening is what keeps
            # others out. To one of IPv4 nobody connects: the packet rules send each packet to the container.
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((host_ip, binding.host_port))
        if binding.protocol == "tcp":
            held.listen(_BACKLOG if family == socket.AF_INET6 else 1)
    except OSError as error:
        held.close()
        raise refusal(host_ip, binding.host_port, error) from error
    return replace(binding, host_port=held.getsockname()[1], last_host_port=0), held


def refusal(host_ip: str, port: int, error: OSError) -> YurtError:
    """Return what to say when a port of the host cannot be had."""
    shown = f"[{host_ip}]" if ":" in host_ip else host_ip
    if error.errno == errno.EADDRINUSE:
        return Conflict(
            f"Bind for {shown}:{port} failed: port is already allocated",
            hint=f"stop what uses it (ss -lnp 'sport = :{port}'), or publish another port",
        )
    if error.errno == errno.EACCES:
        return Forbidden(
            f"Bind for {shown}:{port} failed: low ports are kept for root on this host",
            hint=f"sysctl -w net.ipv4.ip_unprivileged_port_start={port}, or publish a port from 1024 on",
        )
    return InvalidArgument(
        f"Bind for {shown}:{port} failed: {error.strerror}",
        hint="the host address must be one of this machine's",
    )
