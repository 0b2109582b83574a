"""Bringing up Yurt's own engine when it does not answer: `yurtd` in the background, with a log beside its state.

Two command lines at once start one engine: whoever holds the lock starts it, the other waits and finds it there.
The engine's module is started by name; nothing of it is imported.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time

from yurt import places
from yurt.errors import Unavailable

TYPE_CHECKING = False  # as everywhere on the way of a command
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

PATIENCE = 30.0  # seconds for an engine to answer; restoring many containers takes a few
PAUSE = 0.02
TAIL = 8192


def start(
    environ: Mapping[str, str],
    socket: str,
    *,
    tell: Callable[[str], None],
    program: Sequence[str] = (sys.executable, "-m", "yurt.daemon"),
) -> None:
    """Afterwards an engine answers on *socket*; raises Unavailable, with the reason, when it cannot be brought up.

    *program* is started with ``--root`` and ``--host``.
    """
    root = places.default_root(environ)
    try:
        os.makedirs(root, mode=0o711, exist_ok=True)
        lock = os.open(f"{root}/start.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as failed:
        advice = (
            "set YURT_ROOT to a folder of yours" if os.geteuid() == 0 else "the engine needs root: use sudo"
        )
        raise Unavailable(
            f"cannot start the engine: {root} cannot be written: {failed.strerror}",
            hint=f"{advice}, or set YURT_HOST to an engine that runs already",
        ) from failed
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _answers(socket):
            return
        tell("starting the engine …")
        _start(program, root, socket)
    finally:
        os.close(lock)


def _start(program: Sequence[str], root: str, socket: str) -> None:
    log = f"{root}/yurtd.log"
    command = [*program, "--root", root, "--host", f"unix://{socket}"]
    before = _size(log)
    with open(log, "ab") as output:
        engine = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, cwd="/"
        )
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        if _answers(socket):
            engine.returncode = 0  # it is on its own from here: nobody waits for it
            return
        if (code := engine.poll()) is not None:
            raise Unavailable(
                f"the engine did not start: {_last_line(log, before) or f'it ended with exit code {code}'}",
                hint=f"its log is {log}",
            )
        time.sleep(PAUSE)
    raise Unavailable(
        f"the engine started (pid {engine.pid}) but did not answer within {PATIENCE:g} seconds",
        hint=f"its log is {log}",
    )


def _answers(socket: str) -> bool:
    """Tell whether an engine answers a ping on *socket*."""
    from yurt.client.sync import Client

    if not os.path.exists(socket):
        return False
    try:
        with Client(f"unix://{socket}", timeout=5.0) as client:
            client.request("GET", "/_ping").read()
    except Unavailable:
        return False
    return True


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def _last_line(path: str, start: int) -> str:
    """Return the last line that was written to *path* after *start*."""
    with open(path, "rb") as log:
        log.seek(max(start, _size(path) - TAIL))
        lines = [line for line in log.read().decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""
