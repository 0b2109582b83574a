"""The short forms of ports and volumes: one text each."""

import os
import posixpath
import re
from collections.abc import Iterator

from yurt.compose.model import Mount, Port
from yurt.errors import InvalidArgument

_PORTS = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")
_VOLUME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.\-]*")
_PROPAGATION = frozenset({"shared", "rshared", "slave", "rslave", "private", "rprivate"})


def port_range(text: str) -> range:
    """Return the ports that ``80`` or ``8000-8005`` names; InvalidArgument for anything else."""
    found = _PORTS.fullmatch(text)
    first = int(found[1]) if found else 0
    last = int(found[2] or found[1]) if found else 0
    if not 0 < first <= last <= 65535:
        raise InvalidArgument(f"{text!r} is no port, expected 1 to 65535, or a range such as 8000-8005")
    return range(first, last + 1)


def ports(text: str) -> Iterator[Port]:
    """Yield the ports of ``[[IP:]HOST:]CONTAINER[/PROTOCOL]``; ranges of equal length are paired."""
    address, slash, protocol = text.partition("/")
    protocol = protocol.lower() if slash else "tcp"
    if protocol not in ("tcp", "udp", "sctp"):
        raise InvalidArgument(f"{text!r} has the protocol {protocol!r}, expected tcp, udp or sctp")
    host_ip, published = "", ""
    if address.startswith("["):
        host_ip, bracket, rest = address[1:].partition("]:")
        if not bracket:
            raise InvalidArgument(f"{text!r} is not a port, expected [IP]:HOST:CONTAINER")
        published, colon, target = rest.rpartition(":")
        if not colon:
            raise InvalidArgument(f"{text!r} is not a port, expected [IP]:HOST:CONTAINER")
    else:
        parts = address.split(":")
        if len(parts) > 3:
            raise InvalidArgument(f"{text!r} is not a port, expected [[IP:]HOST:]CONTAINER[/PROTOCOL]")
        target = parts[-1]
        published = parts[-2] if len(parts) > 1 else ""
        host_ip = parts[0] if len(parts) == 3 else ""
    targets = port_range(target)
    if not published:
        for number in targets:
            yield Port(number, "", host_ip, protocol)
        return
    offered = port_range(published)
    if len(offered) == len(targets):
        for number, outside in zip(targets, offered, strict=True):
            yield Port(number, str(outside), host_ip, protocol)
    elif len(targets) == 1:
        yield Port(targets[0], published, host_ip, protocol)  # the engine picks one of the range
    else:
        raise InvalidArgument(f"{text!r} has ranges of different lengths, {len(offered)} and {len(targets)}")


def host_path(text: str, directory: str, home: str) -> str:
    """Return a host path as absolute: relative to *directory*, ``~`` being *home*."""
    if text == "~" or text.startswith("~/"):
        text = home + text[1:]
    return os.path.normpath(os.path.join(directory, text))


def mount(text: str, directory: str, home: str) -> Mount:
    """Return the mount that ``[SOURCE:]TARGET[:OPTIONS]`` describes."""
    parts = text.split(":")
    if len(parts) > 3 or not all(parts):
        raise InvalidArgument(f"{text!r} is not a volume, expected [SOURCE:]TARGET[:OPTIONS]")
    if len(parts) == 1:
        return Mount("volume", _inside(text, text))
    source, target = parts[0], _inside(parts[1], text)
    read_only, nocopy, propagation, selinux = False, False, "", ""
    for option in parts[2].split(",") if len(parts) == 3 else ():
        if option in ("ro", "rw"):
            read_only = option == "ro"
        elif option == "nocopy":
            nocopy = True
        elif option in ("z", "Z"):
            selinux = option
        elif option in _PROPAGATION:
            propagation = option
        elif option not in ("cached", "delegated", "consistent"):
            raise InvalidArgument(
                f"{text!r} has the option {option!r}, expected ro, rw, z, Z, nocopy or a propagation"
            )
    if source[0] in "/.~":
        path = host_path(source, directory, home)
        return Mount("bind", target, path, read_only, propagation=propagation, selinux=selinux)
    if not _VOLUME.fullmatch(source):
        raise InvalidArgument(
            f"{text!r} names the volume {source!r}, expected letters, digits, '_', '.', '-', or ./PATH"
        )
    return Mount("volume", target, source, read_only, nocopy=nocopy)


def _inside(target: str, text: str) -> str:
    if not target.startswith("/"):
        raise InvalidArgument(
            f"{text!r} is mounted at {target!r}, expected an absolute path in the container"
        )
    return posixpath.normpath(target)
