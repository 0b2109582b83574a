"""Users of a container: what ``user[:group]`` means by the container's own passwd and group files. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from yurt.errors import InvalidArgument

LARGEST_ID = 2**31 - 1  # Docker's, where the kernel would know one bit more


@dataclass(frozen=True, slots=True)
class User:
    """Numbers for the kernel. *groups* holds the primary group, too, as Docker does it (CVE-2022-36109)."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str = "/"


def resolve(user: str, passwd: str, group: str, *, add: Sequence[str] = ()) -> User:
    """Return who *user* is: "", a name or number, with ``:group`` behind it or without.

    *add* are further groups, names or numbers. A name must be known; a number need not be.
    """
    name, _colon, group_name = user.partition(":")
    entries = [fields for line in passwd.splitlines() if len(fields := line.split(":")) >= 6]
    uid, gid, home, login = _user(name or "0", entries)
    groups = [fields for line in group.splitlines() if len(fields := line.split(":")) >= 4]
    further: list[int] = []
    if group_name:
        gid = _group(group_name, groups)
    elif login:
        further = [
            int(fields[2]) for fields in groups if login in fields[3].split(",") and fields[2].isdecimal()
        ]
    further += [_group(one, groups) for one in add]
    return User(uid, gid, tuple(dict.fromkeys((gid, *further))), home)


def _user(name: str, entries: list[list[str]]) -> tuple[int, int, str, str]:
    for login, _password, uid, gid, _comment, home, *_shell in entries:
        if name in (login, uid) and uid.isdecimal() and gid.isdecimal():
            return int(uid), int(gid), home or "/", login
    if name.isdecimal() and int(name) <= LARGEST_ID:
        return int(name), 0, "/", ""
    raise _unknown(name, f"unable to find user {name}: no matching entries in passwd file")


def _group(name: str, groups: list[list[str]]) -> int:
    for group, _password, gid, *_members in groups:
        if name in (group, gid) and gid.isdecimal():
            return int(gid)
    if name.isdecimal() and int(name) <= LARGEST_ID:
        return int(name)
    raise _unknown(name, f"unable to find group {name}: no matching entries in group file")


def _unknown(name: str, otherwise: str) -> InvalidArgument:
    """A number that is no id, or a name that no one has."""
    is_number = name.removeprefix("-").isdecimal()
    return InvalidArgument(f"uids and gids must be in range 0-{LARGEST_ID}" if is_number else otherwise)
