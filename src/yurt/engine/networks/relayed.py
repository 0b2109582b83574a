"""Published ports of a user's engine, whose network is not the host's: its keeper listens there, and leads inside."""

import errno
from collections.abc import Iterable, Sequence
from dataclasses import replace
from ipaddress import ip_address

from yurt.engine.networks import handover
from yurt.engine.networks.model import ANY, ANY6, PortBinding
from yurt.engine.networks.ports import Addresses, Held
from yurt.engine.networks.published import refusal
from yurt.errors import InvalidArgument, YurtError
from yurt.linux.relay.ports import ANYBODY, Lead, Taken
from yurt.linux.rootless.client import KeeperClient


class RelayedPorts:
    """The host ports of one container, held by the keeper under the name *owner*: also while no engine runs."""

    def __init__(self, keeper: KeeperClient, owner: str, leads: tuple[Lead, ...]) -> None:
        self.bindings = tuple(map(_binding, leads))
        self.leads = leads
        self.owner = owner
        self._keeper = keeper

    def __repr__(self) -> str:
        return f"<RelayedPorts {' '.join(map(str, self.bindings)) or 'none'}>"

    def release(self) -> None:
        """Afterwards others may have the ports. Idempotent."""
        if self.bindings:
            self._keeper.drop(self.owner)

    def let_go(self) -> None:
        """The ports are the keeper's: nothing ends."""


class KeeperPorts:
    """The ports of the host, through the keeper."""

    def __init__(self, keeper: KeeperClient) -> None:
        self._keeper = keeper

    def unheld(self, owner: str, bindings: Sequence[PortBinding] = ()) -> RelayedPorts:
        return RelayedPorts(self._keeper, owner, tuple(_lead(one, Addresses()) for one in bindings))

    def hold(self, owner: str, bindings: Sequence[PortBinding], to: Addresses) -> RelayedPorts:
        """Take the host port of each of *bindings*; see `HostPorts`."""
        try:
            return self._taken(owner, bindings, to)
        except YurtError:
            self._keeper.drop(owner)
            raise

    def hold_again(self, owner: str, bindings: Sequence[PortBinding], to: Addresses) -> RelayedPorts:
        """The keeper has them still, with their connections; one that was started anew takes them."""
        return self._taken(owner, bindings, to, of=ANYBODY)

    def hand_over(
        self, held: Held, owner: str, wanted: Sequence[PortBinding], to: Addresses, of_old: Addresses
    ) -> tuple[RelayedPorts, RelayedPorts]:
        """Move ports to a successor; see `HostPorts`."""
        assert isinstance(held, RelayedPorts)
        both = any(one.is_six for one in held.bindings)
        plan = handover.plan(held.bindings, wanted, both=both)
        try:
            new = self._taken(owner, (*plan.moved, *plan.fresh), to, of=held.owner)
        except YurtError:
            self.take_back(held, RelayedPorts(self._keeper, owner, ()), of_old)
            raise
        leads = [lead for lead, one in zip(held.leads, held.bindings, strict=True) if one in plan.left]
        return new, RelayedPorts(self._keeper, held.owner, tuple(leads))

    def take_back(self, held: Held, new: Held, of_old: Addresses) -> None:  # noqa: ARG002 - the leads say it
        """Undo `hand_over`; see `HostPorts`."""
        assert isinstance(held, RelayedPorts)
        assert isinstance(new, RelayedPorts)
        self._keeper.take(held.owner, held.leads, of=new.owner)
        self._keeper.drop(new.owner)

    def keep(self, owners: Iterable[str]) -> None:
        """Afterwards nobody but *owners* has ports."""
        self._keeper.keep(owners)

    def close(self) -> None:
        """Nothing lives in this process."""

    def _taken(
        self, owner: str, bindings: Sequence[PortBinding], to: Addresses, *, of: str = ""
    ) -> RelayedPorts:
        leads = [_lead(binding.validated(), to) for binding in bindings]
        if not leads:
            return RelayedPorts(self._keeper, owner, ())
        try:
            taken = self._keeper.take(owner, leads, of=of)
            on_six = [
                replace(lead, host_ip=ANY6, address=_address(6, to))
                for lead, binding in zip(taken, bindings, strict=True)
                if not binding.host_ip
            ]
            if on_six:
                taken = self._with_six(owner, taken, on_six)
        except Taken as error:
            raise refusal(error.lead.host_ip, error.lead.port, error) from error
        return RelayedPorts(self._keeper, owner, tuple(taken))

    def _with_six(self, owner: str, taken: list[Lead], on_six: list[Lead]) -> list[Lead]:
        """Take more ports; without them where the host has no IPv6."""
        try:
            return self._keeper.take(owner, [*taken, *on_six])
        except Taken as error:
            if error.errno in {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}:
                return taken
            raise


def _lead(binding: PortBinding, to: Addresses) -> Lead:
    host_ip = binding.host_ip or ANY
    try:
        version = ip_address(host_ip).version
    except ValueError as error:
        raise InvalidArgument(f"cannot publish {binding}: invalid host address {host_ip}") from error
    return Lead(
        binding.protocol,
        host_ip,
        binding.host_port,
        binding.last_host_port,
        _address(version, to),
        binding.container_port,
    )


def _address(version: int, to: Addresses) -> str:
    """Return where to lead what comes by a family: to the same, if the container has it."""
    return str((to.ipv6 if version == 6 else None) or to.ipv4)


def _binding(lead: Lead) -> PortBinding:
    return PortBinding(lead.container_port, lead.protocol, lead.host_ip, lead.port)
