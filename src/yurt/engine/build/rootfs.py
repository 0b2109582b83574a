"""Paths, users and files inside a file system that is not ours: a mounted snapshot or an unpacked context.

A symbolic link in it means what it would mean with the folder as the root. Resolving by hand is safe here, because
nobody else writes to the folder meanwhile: a build step owns its snapshot.
"""

import os
import posixpath
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

from yurt.errors import InvalidArgument
from yurt.linux import isolation

MAX_LINKS = 40  # symbolic links followed on one path, as in the kernel


def resolve(root: str, path: str, *, follow_last: bool = True) -> str:
    """Return where *path* leads inside *root*: a path on the host, never outside; its end need not exist.

    Raises InvalidArgument when links go in circles.
    """
    todo = [part for part in reversed(path.split("/")) if part not in {"", "."}]
    here = root
    links = 0
    while todo:
        part = todo.pop()
        if part == "..":
            here = root if here == root else here.rpartition("/")[0]
            continue
        candidate = f"{here}/{part}"
        if todo or follow_last:
            try:
                target = os.readlink(candidate)
            except OSError:
                here = candidate
                continue
            links += 1
            if links > MAX_LINKS:
                raise InvalidArgument(f"cannot follow {path}: its symbolic links go in circles")
            if target.startswith("/"):
                here = root
            todo += [piece for piece in reversed(target.split("/")) if piece not in {"", "."}]
        else:
            here = candidate
    return here


def make_folders(root: str, path: str, *, owner: tuple[int, int] = (0, 0), mode: int = 0o755) -> str:
    """Afterwards *path* is a folder inside *root*; return where. Those that had to be made have *owner* and *mode*."""
    here = root
    parts = [part for part in path.split("/") if part not in {"", "."}]
    for depth in range(1, len(parts) + 1):
        here = resolve(root, "/".join(parts[:depth]))
        try:
            status = os.lstat(here)
        except FileNotFoundError:
            # A dangling link's target has parents too.
            parent = here.rpartition("/")[0]
            if not os.path.isdir(parent):
                make_folders(root, parent[len(root) :], owner=owner, mode=mode)
            os.mkdir(here)
            os.chown(here, *isolation.owner(*owner))
            os.chmod(here, mode)
            continue
        if not stat.S_ISDIR(status.st_mode):
            raise InvalidArgument(f"cannot make the folder /{'/'.join(parts[:depth])}: a file is there")
    return here


def remove_stubs(upper: Path, lowers: Sequence[Path], targets: Iterable[str]) -> None:
    """Remove from *upper* the empty files and folders that only were there to mount something on *targets*.

    *upper* lies on *lowers*; what those have stays. Nothing outside is touched, wherever links in it lead.
    """
    for target in targets:
        parts = [part for part in posixpath.normpath(target).split("/") if part]
        while parts:
            above = ["/".join((str(upper), *parts[:depth])) for depth in range(1, len(parts))]
            if any(os.path.islink(folder) for folder in above):
                break
            place = f"{upper}/{'/'.join(parts)}"
            if os.path.lexists(place):
                if any(os.path.lexists(lower.joinpath(*parts)) for lower in lowers):
                    break
                status = os.lstat(place)
                try:
                    if stat.S_ISDIR(status.st_mode):
                        os.rmdir(place)
                    elif stat.S_ISREG(status.st_mode) and not status.st_size:
                        os.unlink(place)
                    else:
                        break
                except OSError:  # not empty: the command put something there
                    break
            parts.pop()


def find_owner(root: str, text: str) -> tuple[int, int]:
    """Return (uid, gid) of ``user[:group]``, names looked up in the image's own /etc/passwd and /etc/group.

    Without a group it is the user's own, the same number when the user is given as a number.
    """
    user, colon, group = text.partition(":")
    uid, own_gid = _find_user(root, user) if user else (0, 0)
    return uid, _find_group(root, group) if colon and group else own_gid


def _find_user(root: str, name: str) -> tuple[int, int]:
    if name.isdecimal():
        return int(name), int(name)
    for fields in _records(root, "/etc/passwd"):
        if fields[0] == name and len(fields) > 3 and fields[2].isdecimal() and fields[3].isdecimal():
            return int(fields[2]), int(fields[3])
    raise InvalidArgument(f"no user {name} in the image's /etc/passwd", hint="make it in a RUN before")


def _find_group(root: str, name: str) -> int:
    if name.isdecimal():
        return int(name)
    for fields in _records(root, "/etc/group"):
        if fields[0] == name and len(fields) > 2 and fields[2].isdecimal():
            return int(fields[2])
    raise InvalidArgument(f"no group {name} in the image's /etc/group", hint="make it in a RUN before")


def _records(root: str, path: str) -> list[list[str]]:
    place = resolve(root, path)
    try:
        if not stat.S_ISREG(os.lstat(place).st_mode):
            return []
        with open(place, encoding="utf-8", errors="replace") as file:
            return [line.rstrip("\n").split(":") for line in file]
    except FileNotFoundError:
        return []
