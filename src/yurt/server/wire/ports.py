"""Ports: ``"80/tcp": [{"HostIp": "", "HostPort": "8000"}]`` to PortBinding and back."""

from collections.abc import Iterable

from yurt.api.types import containers as wire
from yurt.engine.networks.model import PortBinding
from yurt.errors import InvalidArgument


def split(key: str) -> tuple[int, str]:
    """Read ``80/tcp`` or ``80``."""
    number, _, protocol = key.partition("/")
    if not number.isdecimal() or not 0 < int(number) < 65536:
        raise InvalidArgument(f"invalid port {key!r}", hint="write 80/tcp")
    return int(number), (protocol or "tcp").lower()


def normal(key: str) -> str:
    """Return *key* as ``80/tcp``."""
    number, protocol = split(key)
    return f"{number}/{protocol}"


def from_wire(bindings: dict[str, list[wire.PortBinding] | None] | None) -> tuple[PortBinding, ...]:
    """Return the bindings; an empty host port is 0, any free one."""
    found = []
    for key, targets in (bindings or {}).items():
        number, protocol = split(key)
        for target in targets or [wire.PortBinding()]:
            first, last = _host_ports(target.host_port or "0", key)
            found.append(PortBinding(number, protocol, target.host_ip or "", first, last).validated())
    return tuple(found)


def _host_ports(text: str, key: str) -> tuple[int, int]:
    """Read ``8000``, or ``8000-8010``: one that is free among them. The end is 0 when there is no range."""
    first, dash, last = text.partition("-")
    if not (first.isdecimal() and (last.isdecimal() if dash else True)) or (dash and int(last) < int(first)):
        raise InvalidArgument(
            f"invalid host port {text!r} for {key}",
            hint="for example 8000, or 8000-8010 for a free one of these",
        )
    return int(first), int(last) if dash and last != first else 0


def to_wire(
    bindings: Iterable[PortBinding], exposed: Iterable[str] = ()
) -> dict[str, list[wire.PortBinding] | None]:
    """Return the map of inspect; *exposed* ports that are not published have null."""
    answer: dict[str, list[wire.PortBinding] | None] = {normal(key): None for key in exposed}
    for binding in bindings:
        key = f"{binding.container_port}/{binding.protocol}"
        target = wire.PortBinding(
            host_ip=binding.host_ip, host_port=binding.host_ports() if binding.host_port else ""
        )
        answer[key] = [*(answer.get(key) or ()), target]
    return answer


def to_list(bindings: Iterable[PortBinding], exposed: Iterable[str]) -> list[wire.Port]:
    """Return ``Ports`` of the list."""
    published = tuple(bindings)
    taken = {(binding.container_port, binding.protocol) for binding in published}
    answer = [
        wire.Port(
            ip=binding.host_ip,
            private_port=binding.container_port,
            public_port=binding.host_port,
            type=binding.protocol,
        )
        for binding in published
    ]
    for key in exposed:
        number, protocol = split(key)
        if (number, protocol) not in taken:
            answer.append(wire.Port(private_port=number, type=protocol))
    return sorted(answer, key=lambda port: (port.private_port, port.type, port.ip))
