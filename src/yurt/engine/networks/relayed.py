"""Published ports of a user's engine, whose network is not the host's: its keeper listens there, and leads inside."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from ipaddress import ip_address

from yurt.engine.networks.firewall import ANY, ANY6
from yurt.engine.networks.model import PortBinding
from yurt.engine.networks.ports import Addresses
from yurt.engine.networks.published import refusal
from yurt.errors import InvalidArgument
from yurt.linux.rootless.client import KeeperClient
from yurt.linux.rootless.relay import Lead, Taken


class RelayedPorts:
    """The host ports of one container, held by the keeper under the name *owner*: also while no engine runs."""

    def __init__(self, keeper: KeeperClient, owner: str, bindings: tuple[PortBinding, ...]) -> None:
        self.bindings = bindings
        self._keeper = keeper
        self._owner = owner

    def __repr__(self) -> str:
        return f"<RelayedPorts {' '.join(map(str, self.bindings)) or 'none'}>"

    def release(self) -> None:
        """Afterwards others may have the ports. Idempotent."""
        if self.bindings:
            self._keeper.drop(self._owner)

    def let_go(self) -> None:
        """The ports are the keeper's: nothing ends."""


class KeeperPorts:
    """The ports of the host, through the keeper."""

    def __init__(self, keeper: KeeperClient) -> None:
        self._keeper = keeper

    def hold(self, owner: str, bindings: Sequence[PortBinding], to: Addresses) -> RelayedPorts:
        """Take the host port of each of *bindings*, all or none, and lead it to the container. One that is not free raises Conflict."""
        asked = [_lead(binding.validated(), to) for binding in bindings]
        if not asked:
            return RelayedPorts(self._keeper, owner, ())
        try:
            named = _of_six((lead for lead in asked if lead.port and not lead.last_port), to)
            taken = self._keeper.take(owner, [*asked, *named])[: len(asked)]
            if (both := _of_six(taken, to)) != named:  # some port was to be any, or of a range
                self._keeper.take(owner, [*taken, *both])
        except Taken as error:
            self._keeper.drop(owner)
            raise refusal(error.lead.host_ip, error.lead.port, error) from error
        return RelayedPorts(
            self._keeper,
            owner,
            tuple(
                replace(binding, host_port=lead.port, last_host_port=0, host_ip=lead.host_ip)
                for binding, lead in zip(bindings, taken, strict=True)
            ),
        )

    def keep(self, owners: Iterable[str]) -> None:
        """Afterwards nobody but *owners* has ports."""
        self._keeper.keep(owners)


def _lead(binding: PortBinding, to: Addresses) -> Lead:
    host_ip = binding.host_ip or ANY
    try:
        version = ip_address(host_ip).version
    except ValueError as error:
        raise InvalidArgument(f"cannot publish {binding}: invalid host address {host_ip}") from error
    address = to.ipv4 if version == 4 else to.ipv6
    return Lead(
        binding.protocol,
        host_ip,
        binding.host_port,
        binding.last_host_port,
        str(address),
        binding.container_port,
    )


def _of_six(leads: Iterable[Lead], to: Addresses) -> list[Lead]:
    """What is published on every address is so on those of IPv6, too, where the container has it."""
    if not to.ipv6:
        return []
    return [replace(lead, host_ip=ANY6, address=to.ipv6) for lead in leads if lead.host_ip == ANY]
