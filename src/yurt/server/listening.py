"""The sockets on which the API is served: made, taken over from systemd, and given back.

A unix socket is root's and, where the host has it, the group `GROUP`'s. TCP is served with mutual TLS or not at all,
on the loopback addresses too: whoever may use the API is root on this machine, and so would be every program on it.
"""

import contextlib
import grp
import os
import socket
import ssl
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from yurt.errors import Conflict, InvalidArgument, Unavailable, translated
from yurt.linux import isolation
from yurt.server import tls
from yurt.settings import EngineSettings, ListenAddress

GROUP = "yurt"  # whose members may use the unix socket, beside root
BACKLOG = 1024
FIRST_INHERITED = 3  # SD_LISTEN_FDS_START


@dataclass(frozen=True, slots=True)
class Listener:
    """A bound socket; *tls* is what its clients are spoken to in, None on a unix socket."""

    name: str
    socket: socket.socket
    tls: ssl.SSLContext | None = None


@contextlib.contextmanager
def opened(settings: EngineSettings) -> Iterator[tuple[Listener, ...]]:
    """While entered, every address of *settings* is listened on; afterwards they are closed and unix paths are gone.

    Clients that come before somebody accepts them wait, so that an address is taken from the first moment on.
    Raises Conflict when another engine answers at an address, Unavailable when one cannot be had, InvalidArgument
    for TCP without TLS.
    """
    context = tls.server_context(settings.tls) if settings.tls else None
    with contextlib.ExitStack() as undo:
        listeners = []
        for address in settings.listen:
            for made in _sockets(address, settings, undo):
                if made.family != socket.AF_UNIX and context is None:
                    raise _no_tls(address)
                name = str(address) if address.scheme != "fd" else f"fd://{made.fileno()}"
                listeners.append(Listener(name, made, None if made.family == socket.AF_UNIX else context))
        yield tuple(listeners)


def made_outside(settings: EngineSettings) -> dict[str, tuple[int, ...]]:
    """Listen on the TCP addresses of *settings*; return their descriptors, which stay open when this process executes.

    For an engine that is about to go into a network of its own: its API is reached where it was started. It finds them
    in `EngineSettings.outside_sockets`. Raises what `opened` raises.
    """
    made: dict[str, tuple[int, ...]] = {}
    for address in settings.listen:
        if address.scheme == "tcp":
            if settings.tls is None:
                raise _no_tls(address)
            with contextlib.ExitStack() as undo:
                sockets = _tcp(address, undo)
                undo.pop_all()
            for each in sockets:
                each.set_inheritable(True)
            made[str(address)] = tuple(each.detach() for each in sockets)
    return made


def _no_tls(address: ListenAddress) -> InvalidArgument:
    return InvalidArgument(
        f"cannot listen on {address}: whoever reaches the API is root here, so TCP is served with mutual TLS only",
        hint="add --tlsverify --tlscacert FILE --tlscert FILE --tlskey FILE, or listen on unix:///PATH",
    )


def _sockets(
    address: ListenAddress, settings: EngineSettings, undo: contextlib.ExitStack
) -> list[socket.socket]:
    if address.scheme == "unix":
        return [_unix(address.path, undo)]
    if numbers := settings.outside_sockets.get(str(address)):
        for number in numbers:
            os.set_inheritable(number, False)
        return [undo.enter_context(socket.socket(fileno=number)) for number in numbers]
    if address.scheme == "tcp":
        return _tcp(address, undo)
    inherited = settings.inherited_sockets
    if not inherited:
        raise InvalidArgument(
            "cannot listen on fd://: systemd passed no socket to this process",
            hint="start the unit yurt.socket, or name an address: --host unix:///PATH",
        )
    return [
        undo.enter_context(socket.socket(fileno=number))
        for number in range(FIRST_INHERITED, FIRST_INHERITED + inherited)
    ]


def _tcp(address: ListenAddress, undo: contextlib.ExitStack) -> list[socket.socket]:
    """Return a socket for each address that the name has; without a name, one for all of the machine's."""
    with translated({OSError: Unavailable}, f"cannot listen on {address}"):
        if not address.name and socket.has_dualstack_ipv6():
            everywhere = socket.create_server(
                ("", address.port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=True
            )
            return [undo.enter_context(everywhere)]
        found = socket.getaddrinfo(
            address.name or None, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        return [
            undo.enter_context(
                socket.create_server((str(place[0]), address.port), family=family, backlog=BACKLOG)
            )
            for family, place in dict.fromkeys((family, place) for family, _, _, _, place in found)
        ]


def _unix(path: Path, undo: contextlib.ExitStack) -> socket.socket:
    """Return a socket bound to *path*; one that a dead engine left is replaced, a live one's is not."""
    _require_free(path)
    path.unlink(missing_ok=True)
    listening = undo.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
    umask = os.umask(0o117)
    try:
        with translated({OSError: Unavailable}, f"cannot listen on {path}"):
            listening.bind(str(path))
            listening.listen(BACKLOG)
            undo.callback(_remove, path, path.stat().st_ino)
            _admit_group(path)
    finally:
        os.umask(umask)
    return listening


def _require_free(path: Path) -> None:
    with translated({OSError: Unavailable}, f"cannot listen on {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not stat.S_ISSOCK(path.stat().st_mode):
        raise Conflict(f"cannot listen on {path}: a file that is no socket is in the way")
    if _is_alive(path):
        raise Conflict(
            f"cannot listen on {path}: another engine answers there",
            hint="stop it, or choose another address with --host unix:///path",
        )


def _admit_group(path: Path) -> None:
    """Give the socket to the group `GROUP` if this host has one: its members use the engine as root does."""
    try:
        group = grp.getgrnam(GROUP).gr_gid
    except KeyError:
        return
    if os.geteuid() == 0 and not isolation.is_rootless():
        os.chown(path, -1, group)


def _is_alive(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


def _remove(path: Path, inode: int) -> None:
    """Remove *path* unless another engine has put its own socket there meanwhile."""
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_ino == inode:
            path.unlink()
