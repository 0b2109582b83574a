"""What this machine offers, read from its files: no process is started, no privilege needed, nothing changed.

The folders can be given, so that a test shows what is told of another machine.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from glob import glob
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

PROGRAMS = (
    *("runc", "crun", "mmdebstrap", "tini", "git", "nft"),
    *("newuidmap", "newgidmap", "pasta", "slirp4netns"),  # of users' engines
)
SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")  # where PATH of normal users does not look
GROUP = "yurt"
USER_OVERLAY = (5, 11)  # the first kernel that mounts an overlay in a user namespace
CONTROLLERS = ("cpu", "memory", "pids")  # that limits of containers need


@dataclass(frozen=True, slots=True)
class Host:
    """A machine, as far as containers care. Empty or None: it is not there, or can't be told."""

    programs: dict[str, str]  # name → path
    packages: tuple[str, ...]  # of the engine's Python packages: those that are missing
    cgroups: str  # v1, v2, hybrid
    split_controllers: bool  # hybrid, and some controllers are left to the v2 tree
    missing_controllers: tuple[str, ...]
    overlay: bool
    nftables: str  # the library's path
    forwarding: bool | None
    namespaces: int  # how many user namespaces there may be
    unprivileged_namespaces: bool  # also for normal users
    seccomp: bool
    certificates: str
    keyring: str  # of Debian's archive
    root: str  # where the engine keeps what it has
    free: int  # bytes there
    is_root: bool
    has_group: bool  # whose members may use the engine's socket
    user: str = "root"
    has_subids: bool = False  # further numbers of users and groups belong to the user
    tun: bool | None = None  # whether the user may open /dev/net/tun; None: there is none
    user_overlay: bool = False  # the kernel mounts overlays for users, too
    lingers: bool | None = None  # what the user runs outlives the last session; None: no systemd ends it


def look(
    root: str,
    path: str,
    *,
    at: str = "/",
    engine_packages: Sequence[str] = ("aiohttp", "structlog", "isal", "zstandard", "dnslib"),
) -> Host:
    """Return what the machine whose files are below *at* offers to an engine in *root*; *path* is PATH."""
    base = at.rstrip("/")
    cgroups, missing = _cgroups(base)
    user, tun = _user(), f"{base}/dev/net/tun"
    return Host(
        programs={name: found for name in PROGRAMS if (found := _program(name, path, base))},
        packages=tuple(name for name in engine_packages if find_spec(name) is None),
        cgroups=cgroups,
        split_controllers=cgroups == "hybrid"
        and bool(_text(f"{base}/sys/fs/cgroup/unified/cgroup.controllers")),
        missing_controllers=missing,
        overlay=_has_overlay(base),
        nftables=_first(
            base, "/usr/lib/*/libnftables.so.1", "/usr/lib*/libnftables.so.1", "/lib/*/libnftables.so.1"
        ),
        forwarding={"1": True, "0": False}.get(_text(f"{base}/proc/sys/net/ipv4/ip_forward")),
        namespaces=_number(f"{base}/proc/sys/user/max_user_namespaces"),
        unprivileged_namespaces=_text(f"{base}/proc/sys/kernel/unprivileged_userns_clone") != "0"
        and _text(f"{base}/proc/sys/kernel/apparmor_restrict_unprivileged_userns") != "1",
        seccomp="\nSeccomp:" in _text(f"{base}/proc/self/status"),
        certificates=_first(base, "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"),
        keyring=_first(base, "/usr/share/keyrings/debian-archive-keyring.gpg"),
        root=root,
        free=_free(root),
        is_root=os.geteuid() == 0,
        user=user,
        has_subids=all(_is_in(f"{base}/etc/{file}", user) for file in ("subuid", "subgid")),
        tun=os.access(tun, os.R_OK | os.W_OK) if os.path.exists(tun) else None,
        user_overlay=_kernel(base) >= USER_OVERLAY,
        lingers=os.path.exists(f"{base}/var/lib/systemd/linger/{user}")
        if os.path.isdir(f"{base}/run/systemd/system")
        else None,
        has_group=any(line.startswith(f"{GROUP}:") for line in _text(f"{base}/etc/group").splitlines()),
    )


def _program(name: str, path: str, base: str) -> str:
    for folder in (*path.split(":"), *SYSTEM_FOLDERS):
        if folder and os.access(f"{base}{folder}/{name}", os.X_OK):
            return f"{folder}/{name}"
    return ""


def _cgroups(base: str) -> tuple[str, tuple[str, ...]]:
    mount = f"{base}/sys/fs/cgroup"
    if os.path.exists(f"{mount}/cgroup.controllers"):
        offered = set(_text(f"{mount}/cgroup.controllers").split())
        return "v2", tuple(name for name in CONTROLLERS if name not in offered)
    missing = tuple(
        name for name in CONTROLLERS if not (os.path.isdir(f"{mount}/{name}") or glob(f"{mount}/*{name}*"))
    )
    if len(missing) == len(CONTROLLERS):
        return "", missing
    return ("hybrid" if os.path.exists(f"{mount}/unified/cgroup.controllers") else "v1"), missing


def _has_overlay(base: str) -> bool:
    """Tell whether the kernel has overlay or a module for it."""
    if "overlay" in _text(f"{base}/proc/filesystems").split():
        return True
    release = os.uname().release
    return bool(glob(f"{base}/lib/modules/{release}/kernel/fs/overlayfs/overlay.ko*"))


def _free(root: str) -> int:
    folder = os.path.abspath(root)
    while not os.path.exists(folder):
        folder = os.path.dirname(folder)
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def _user() -> str:
    from pwd import getpwuid

    try:
        return getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _is_in(file: str, user: str) -> bool:
    """Tell whether a line of *file* begins with the user, by name or by number."""
    names = {user, str(os.geteuid())}
    return any(line.split(":")[0] in names for line in _text(file).splitlines())


def _kernel(base: str) -> tuple[int, ...]:
    release = _text(f"{base}/proc/sys/kernel/osrelease").partition("-")[0]
    return tuple(int(part) for part in release.split(".")[:2] if part.isdecimal())


def _first(base: str, *patterns: str) -> str:
    found = next((path for pattern in patterns for path in sorted(glob(base + pattern))), "")
    return found.removeprefix(base)


def _number(path: str) -> int:
    text = _text(path)
    return int(text) if text.isdecimal() else 0


def _text(path: str) -> str:
    """Return what the file says, "" when it is not there or not for us."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""
