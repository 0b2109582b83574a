"""Which level of isolation this process can give to containers: told by the user namespace that it is in."""

from functools import cache
from pathlib import Path

from yurt.isolation import Level

UID_MAP = Path("/proc/self/uid_map")
_ALL_IDS = 2**32 - 1  # what the namespace has that the host began with


@cache
def level(uid_map: Path = UID_MAP) -> Level:
    """Return the level in force, by how many user numbers there are here (user_namespaces(7))."""
    lengths = [int(line.split()[2]) for line in uid_map.read_text().splitlines()]
    if sum(lengths) == _ALL_IDS:
        return Level.ROOT
    return Level.SUBUIDS if sum(lengths) > 1 else Level.ONE_UID


def is_rootless() -> bool:
    """Tell whether this is a user's engine: in a user namespace, where the kernel keeps some things for the host's root."""
    return level() is not Level.ROOT
