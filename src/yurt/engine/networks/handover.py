"""Which published ports move from one container to its successor, and which it has to find for itself. No I/O."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from yurt.engine.networks.model import ANY, ANY6, PortBinding


@dataclass(frozen=True, slots=True)
class Handover:
    """What is to be done: *moved* are bindings of the old owner, as they will be; *fresh* are to be taken; *left* stay."""

    moved: tuple[PortBinding, ...]
    fresh: tuple[PortBinding, ...]
    left: tuple[PortBinding, ...]


def plan(held: Sequence[PortBinding], wanted: Sequence[PortBinding], *, both: bool) -> Handover:
    """Decide by *held*, each of one address and one port, and what the successor wants. *both*: the host has IPv6."""
    left = list(held)
    moved: list[PortBinding] = []
    fresh: list[PortBinding] = []

    def move(binding: PortBinding, host_ip: str) -> PortBinding | None:
        found = next((mine for mine in left if _is_asked_for(mine, binding, host_ip)), None)
        if found is not None:
            left.remove(found)
            moved.append(replace(found, container_port=binding.container_port))
        return found

    for binding in wanted:
        first = move(binding, binding.host_ip or ANY)
        if first is None:
            fresh.append(binding)
        elif not binding.host_ip:
            same = replace(binding, host_port=first.host_port, last_host_port=0)
            if move(same, ANY6) is None and both:
                fresh.append(replace(same, host_ip=ANY6))
    return Handover(tuple(moved), tuple(fresh), tuple(left))


def _is_asked_for(held: PortBinding, wanted: PortBinding, host_ip: str) -> bool:
    """Tell whether *wanted* asks for the host port that is held; any port: for that of the same container port."""
    if (held.protocol, held.host_ip) != (wanted.protocol, host_ip):
        return False
    if not wanted.host_port:
        return held.container_port == wanted.container_port
    return wanted.host_port <= held.host_port <= max(wanted.host_port, wanted.last_host_port)
