"""Which level of isolation this process can give to containers: told by the user namespace that it is in.

A user's engine has fewer numbers of users and groups than the host. With ranges of them, those beyond are refused;
with one, everything belongs to it, and there is nobody else to become.
"""

from functools import cache
from pathlib import Path

from yurt.errors import InvalidArgument
from yurt.isolation import Level

UID_MAP = Path("/proc/self/uid_map")
GID_MAP = Path("/proc/self/gid_map")
_ALL_IDS = 2**32 - 1  # what the namespace has that the host began with
_HIGHEST = 2**31 - 1  # what Docker lets groups count up to in sysctls


@cache
def level(uid_map: Path = UID_MAP) -> Level:
    """Return the level in force, by how many user numbers there are here (user_namespaces(7))."""
    count = _count(uid_map)
    if count == _ALL_IDS:
        return Level.ROOT
    return Level.SUBUIDS if count > 1 else Level.ONE_UID


def is_rootless() -> bool:
    """Tell whether this is a user's engine: in a user namespace, where the kernel keeps some things for the host's root."""
    return level() is not Level.ROOT


def highest_group() -> int:
    """Return the highest number of a group that can be named here."""
    return min(_count(GID_MAP) - 1, _HIGHEST)


def has_group(number: int) -> bool:
    """Tell whether there is a group of that number here."""
    return number < _count(GID_MAP)


def makes_devices() -> bool:
    """Tell whether this process may make device nodes; without, those of archives are left out: nobody could open them."""
    return not is_rootless()


def owner(uid: int, gid: int) -> tuple[int, int]:
    """Return who a file is given to that is to belong to *uid* and *gid*; raise InvalidArgument when it cannot."""
    if level() is Level.ROOT:
        return uid, gid
    if level() is Level.ONE_UID:
        return 0, 0
    check_named(uid, gid)
    return uid, gid


def check_named(*numbers: int) -> None:
    """Raise InvalidArgument when one of *numbers* is of a user or a group that does not exist in this engine."""
    most = min(_count(UID_MAP), _count(GID_MAP))
    for number in numbers:
        if number >= most:
            have = "one uid" if most == 1 else f"the numbers 0 to {most - 1}"
            raise InvalidArgument(
                f"there is no user or group {number} in this engine: it is rootless, with {have}",
                hint="usermod --add-subuids and --add-subgids give a user more; yurt doctor tells",
            )


@cache
def _count(file: Path) -> int:
    """Return how many numbers a map has; an engine's are in one piece from 0 on."""
    return sum(int(line.split()[2]) for line in file.read_text().splitlines())
