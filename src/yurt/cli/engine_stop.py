"""Ending Yurt's own engine; its containers go on.

Who listens on the socket is asked of the kernel, not read from a file: no process is ended by mistake.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import socket as sockets
import struct
from dataclasses import dataclass

from yurt.errors import Conflict, Forbidden, Unavailable

UNIT = "yurt.service"  # what `yurt system service` installs
PATIENCE = 30.0  # seconds for an engine to end: it finishes what it is about to write


@dataclass(frozen=True, slots=True)
class Running:
    """An engine's process and how it was started. *supervised*: systemd did, and will again."""

    pid: int
    command: tuple[str, ...]
    environ: dict[str, str]
    cwd: str
    supervised: bool


def stop(socket: str) -> int:
    """End the engine that listens on the unix socket at the path *socket*; return what its pid was.

    Returns when the process is gone, 0 when none listened.
    """
    pid = listener(socket)
    if not pid:
        return 0
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return pid
    try:
        if listener(socket) != pid:  # it ended in between, and its pid may be somebody else's now
            return pid
        try:
            signal.pidfd_send_signal(handle, signal.SIGTERM)
        except ProcessLookupError:
            return pid
        except PermissionError as refused:
            raise Forbidden(f"the engine (pid {pid}) is another user's", hint="run it with sudo") from refused
        waiting = select.poll()
        waiting.register(handle, select.POLLIN)
        if not waiting.poll(PATIENCE * 1000):
            raise Conflict(
                f"the engine (pid {pid}) was told to end and still runs after {PATIENCE:g} seconds",
                hint=f"containers survive it when it is ended by force: kill -9 {pid}",
            )
    finally:
        os.close(handle)
    return pid


def running(socket: str) -> Running | None:
    """Return how the engine that listens on *socket* was started, None when none listens."""
    pid = listener(socket)
    if not pid:
        return None
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as words, open(f"/proc/{pid}/environ", "rb") as pairs:
            command = [os.fsdecode(word) for word in words.read().split(b"\0")[:-1]]
            environ = [os.fsdecode(pair).partition("=") for pair in pairs.read().split(b"\0") if b"=" in pair]
        with open(f"/proc/{pid}/cgroup", encoding="utf-8") as groups:
            supervised = any(line.rstrip().endswith(f"/{UNIT}") for line in groups)
        cwd = os.readlink(f"/proc/{pid}/cwd")
        owner = os.stat(f"/proc/{pid}").st_uid
    except PermissionError as refused:
        raise Forbidden(f"the engine (pid {pid}) is another user's", hint="run it with sudo") from refused
    except (FileNotFoundError, ProcessLookupError):  # it ended this moment
        return None
    if owner != os.geteuid():  # root may read all of it, and would start one of its own in the user's folders
        raise Forbidden(f"the engine (pid {pid}) is user {owner}'s", hint="run it as that user")
    return Running(pid, tuple(command), {name: value for name, _, value in environ}, cwd, supervised)


def listener(socket: str) -> int:
    """Return the pid of the process that listens on the socket at path *socket*, 0 when there is none."""
    with sockets.socket(sockets.AF_UNIX) as probe:
        try:
            probe.connect(socket)
        except OSError as refused:
            if refused.errno in (errno.ENOENT, errno.ECONNREFUSED):
                return 0
            raise Unavailable(
                f"the engine's socket {socket} cannot be used: {refused.strerror}", hint="run it with sudo"
            ) from refused
        pid, _uid, _gid = struct.unpack("iII", probe.getsockopt(sockets.SOL_SOCKET, sockets.SO_PEERCRED, 12))
    if not pid:
        raise Unavailable(f"the engine on {socket} is not a process of this machine or container")
    return int(pid)
