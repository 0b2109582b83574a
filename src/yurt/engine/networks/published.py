"""Host ports that are taken: a bound socket for each published port, so that no one else can have it too."""

import errno
import socket
from collections.abc import Iterable, Sequence
from dataclasses import replace
from ipaddress import ip_address
from typing import Self

from yurt.engine.networks.model import PortBinding
from yurt.engine.networks.ports import Addresses
from yurt.errors import Conflict, Forbidden, InvalidArgument, YurtError

_TYPES = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


class HeldPorts:
    """The host ports of one container. *bindings* are those asked for, with host ports resolved."""

    def __init__(self, bindings: tuple[PortBinding, ...], sockets: tuple[socket.socket, ...]) -> None:
        self.bindings = bindings
        self._sockets = sockets

    def __repr__(self) -> str:
        return f"<HeldPorts {' '.join(map(str, self.bindings)) or 'none'}>"

    @classmethod
    def hold(cls, bindings: Sequence[PortBinding]) -> Self:
        """Take the host port of each of *bindings*, all or none. One that is not free raises Conflict."""
        sockets: list[socket.socket] = []
        resolved: list[PortBinding] = []
        try:
            for binding in bindings:
                held = _bound_in_range(binding.validated())
                sockets.append(held)
                resolved.append(
                    replace(
                        binding, host_port=held.getsockname()[1], last_host_port=0, host_ip=_host_ip(binding)
                    )
                )
        except BaseException:
            for held in sockets:
                held.close()
            raise
        return cls(tuple(resolved), tuple(sockets))

    def handed_over(self, wanted: Sequence[PortBinding]) -> tuple[Self, Self]:
        """Return the ports of a successor that wants *wanted*, and what is left to this owner.

        They are in the place of this value, which is good for nothing more than `take_back`. A port that both have
        keeps its socket, so that nobody else can have it in between; others are taken anew. One that is not free
        raises Conflict, and all is as it was.
        """
        left = dict(zip(self.bindings, self._sockets, strict=False))
        taken: list[tuple[PortBinding, socket.socket]] = []
        fresh: list[PortBinding] = []
        for binding in wanted:
            held = next((mine for mine in left if _same_port(mine, binding)), None)
            if held is None:
                fresh.append(binding)
            else:
                taken.append((replace(held, container_port=binding.container_port), left.pop(held)))
        new = type(self).hold(fresh)
        bindings = (*(binding for binding, _ in taken), *new.bindings)
        sockets = (*(held for _, held in taken), *new._sockets)
        return type(self)(bindings, sockets), type(self)(tuple(left), tuple(left.values()))

    def take_back(self, successor: "HeldPorts") -> None:
        """Undo `handed_over`: this value holds its ports again, and others may have what the *successor* took anew."""
        for held in set(successor._sockets) - set(self._sockets):
            held.close()

    def release(self) -> None:
        """Afterwards others may have the ports. Idempotent."""
        for held in self._sockets:
            held.close()
        self._sockets = ()

    def let_go(self) -> None:
        """End what lives in this process: others could have the ports, and packets still go to the container."""
        self.release()


class OwnPorts:
    """The ports of the network that this process is in: packet rules lead them to containers."""

    def hold(self, owner: str, bindings: Sequence[PortBinding], to: Addresses) -> HeldPorts:  # noqa: ARG002
        return HeldPorts.hold(bindings)

    def keep(self, owners: Iterable[str]) -> None:
        """Nobody else has any: they end with the process that holds them."""


def _same_port(held: PortBinding, wanted: PortBinding) -> bool:
    """Tell whether *wanted* asks for the host port that is held; any port: for that of the same container port."""
    if (held.protocol, held.host_ip) != (wanted.protocol, _host_ip(wanted)):
        return False
    if not wanted.host_port:
        return held.container_port == wanted.container_port
    return wanted.host_port <= held.host_port <= max(wanted.host_port, wanted.last_host_port)


def _host_ip(binding: PortBinding) -> str:
    return binding.host_ip or "0.0.0.0"  # noqa: S104 - published on every address, Docker's default


def _bound_in_range(binding: PortBinding) -> socket.socket:
    """Take the first port of a range that is free; the error is that of its last one."""
    for port in range(binding.host_port, binding.last_host_port):
        try:
            return _bound(replace(binding, host_port=port))
        except Conflict:
            continue
    return _bound(replace(binding, host_port=binding.last_host_port or binding.host_port))


def _bound(binding: PortBinding) -> socket.socket:
    host_ip = _host_ip(binding)
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
            # others out. Nobody connects to it: the packet rules send each packet to the container.
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((host_ip, binding.host_port))
        if binding.protocol == "tcp":
            held.listen(1)
    except OSError as error:
        held.close()
        raise refusal(host_ip, binding.host_port, error) from error
    return held


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
