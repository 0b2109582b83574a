"""Options that a container gives to one of its networks (``--network driver-opt=…``), by Docker's names. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from yurt.errors import InvalidArgument

INTERFACE = "com.docker.network.endpoint.ifname"
SYSCTLS = "com.docker.network.endpoint.sysctls"
_PLACEHOLDER = "IFNAME"  # in a parameter's name, where the interface's goes
_LONGEST_NAME = 15  # IFNAMSIZ, less the zero byte


@dataclass(frozen=True, slots=True)
class EndpointOptions:
    """*interface* is a name for the interface inside; *sysctls* are paths below /proc/sys/net and their values."""

    interface: str = ""
    sysctls: tuple[tuple[str, str], ...] = ()

    def settings(self, interface: str) -> tuple[tuple[str, str], ...]:
        """Return the kernel parameters for the interface of that name."""
        return tuple((path.replace(_PLACEHOLDER, interface), value) for path, value in self.sysctls)


def parse(options: Mapping[str, str]) -> EndpointOptions:
    """Read *options*; those that are not ours are other drivers'. Raises InvalidArgument for a wrong value."""
    interface = options.get(INTERFACE, "")
    if interface and (
        len(interface) > _LONGEST_NAME or re.search(r"[/\s:]", interface) or interface in {".", "..", "lo"}
    ):
        raise InvalidArgument(
            f"invalid interface name {interface!r}: at most {_LONGEST_NAME} characters, no slash"
        )
    return EndpointOptions(interface, tuple(map(_setting, filter(None, options.get(SYSCTLS, "").split(",")))))


def _setting(text: str) -> tuple[str, str]:
    """Read ``net.ipv4.conf.IFNAME.log_martians=1``."""
    name, equals, value = text.partition("=")
    parts = name.split(".")
    if (
        not equals
        or len(parts) != 5
        or not all(parts)
        or "/" in name
        or (parts[0], parts[3].upper()) != ("net", _PLACEHOLDER)  # Docker's client sends it in lower case
        or parts[1] not in {"ipv4", "ipv6", "mpls"}
    ):
        raise InvalidArgument(
            f"unrecognised network interface sysctl '{text}'; represent 'net.X.Y.ethN.Z=V' as "
            "'net.X.Y.IFNAME.Z=V', 'X' must be 'ipv4', 'ipv6' or 'mpls'"
        )
    return "/".join((parts[1], parts[2], _PLACEHOLDER, parts[4])), value
