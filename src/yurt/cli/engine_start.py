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
from contextlib import contextmanager

from yurt import places
from yurt.errors import Unavailable

TYPE_CHECKING = False  # as everywhere on the way of a command
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

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
    with _alone(root):
        if _answers(socket):
            return
        tell("starting the engine …")
        _start([*program, "--root", root, "--host", f"unix://{socket}"], f"{root}/yurtd.log", socket)


def start_again(
    command: Sequence[str],
    *,
    root: str,
    socket: str,
    environ: Mapping[str, str] | None = None,
    cwd: str = "/",
) -> None:
    """Afterwards an engine answers on *socket*, started as one was that has just ended; raises Unavailable."""
    with _alone(root):
        if not _answers(socket):  # else somebody's command needed one meanwhile and started it
            _start(command, f"{root}/yurtd.log", socket, environ, cwd)


def await_answer(socket: str) -> None:
    """Return when an engine answers on *socket*; raises Unavailable when it takes too long."""
    give_up = time.monotonic() + PATIENCE
    while not _answers(socket):
        if time.monotonic() > give_up:
            raise Unavailable(f"no engine answers on {socket} within {PATIENCE:g} seconds")
        time.sleep(PAUSE)


@contextmanager
def _alone(root: str) -> Iterator[None]:
    """Hold the lock under which engines of *root* are started."""
    try:
        os.makedirs(root, mode=0o711, exist_ok=True)
        lock = os.open(f"{root}/start.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as failed:
        raise Unavailable(
            f"cannot start the engine: {root} cannot be written: {failed.strerror}",
            hint="set YURT_ROOT to a folder of yours, or set YURT_HOST to an engine that runs already",
        ) from failed
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _start(
    command: Sequence[str],
    log: str,
    socket: str,
    environ: Mapping[str, str] | None = None,
    cwd: str = "/",
) -> None:
    before = _size(log)
    with open(log, "ab") as output:
        engine = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env=environ,
            cwd=cwd,
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
