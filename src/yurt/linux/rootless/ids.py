"""Which numbers of users and groups a normal user has for a namespace (subuid(5)), and how they are given to it."""

import os
import pwd
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from yurt.isolation import Level

SUBUID = Path("/etc/subuid")
SUBGID = Path("/etc/subgid")
_HELPERS = ("newuidmap", "newgidmap")
USUAL_RANGE = "100000-165535"


@dataclass(frozen=True, slots=True)
class Range:
    """*count* numbers of the host from *start* on."""

    start: int
    count: int


@dataclass(frozen=True, slots=True)
class Ids:
    """What a user has: the own numbers and the ranges of further ones. *lacking* says why there are none, and *remedy* what to do."""

    uid: int
    gid: int
    users: tuple[Range, ...] = ()
    groups: tuple[Range, ...] = ()
    lacking: str = ""
    remedy: str = ""

    @property
    def level(self) -> Level:
        return Level.ONE_UID if self.lacking else Level.SUBUIDS

    def commands(self, pid: int) -> tuple[list[str], list[str]]:
        """Return the commands that give the numbers to the namespace of process *pid*; the user is its root."""
        return (
            ["newuidmap", str(pid), *_map(self.uid, self.users)],
            ["newgidmap", str(pid), *_map(self.gid, self.groups)],
        )

    def one(self) -> tuple[str, str]:
        """Return the maps of users and of groups with the user's own number only, as the kernel takes them."""
        return f"0 {self.uid} 1\n", f"0 {self.gid} 1\n"


def of_user(
    uid: int, gid: int, *, search: str, subuid: Path = SUBUID, subgid: Path = SUBGID, name: str | None = None
) -> Ids:
    """Return what user *uid* has on this host; *search* is PATH. *name*: None for what the host calls the user."""
    who = _name(uid) if name is None else name
    users, groups = ranges(subuid, who, uid), ranges(subgid, who, uid)
    missing = [helper for helper in _HELPERS if shutil.which(helper, path=search) is None]
    if not users or not groups:
        file = subgid if users else subuid
        return Ids(
            uid, gid,
            lacking=f"{file} gives {who} no further numbers",
            remedy=f"usermod --add-subuids {USUAL_RANGE} --add-subgids {USUAL_RANGE} {who}",
        )  # fmt: skip
    if missing:
        return Ids(
            uid,
            gid,
            lacking=f"{' and '.join(missing)} not installed",
            remedy="apt-get install uidmap",
        )
    return Ids(uid, gid, users, groups)


def ranges(file: Path, name: str, number: int) -> tuple[Range, ...]:
    """Return the ranges that *file* gives to a user, by name or by number; none when there is no such file."""
    try:
        lines = file.read_text(errors="replace").splitlines()
    except OSError:
        return ()
    found = []
    for line in lines:
        fields = line.split(":")
        if len(fields) == 3 and fields[0] in {name, str(number)} and fields[1].isdecimal():
            count = int(fields[2]) if fields[2].isdecimal() else 0
            if count:
                found.append(Range(int(fields[1]), count))
    return tuple(found)


def _map(own: int, further: Sequence[Range]) -> list[str]:
    words = ["0", str(own), "1"]
    inside = 1
    for some in further:
        words += [str(inside), str(some.start), str(some.count)]
        inside += some.count
    return words


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def mine(search: str) -> Ids:
    """Return what the user of this process has."""
    return of_user(os.geteuid(), os.getegid(), search=search)
