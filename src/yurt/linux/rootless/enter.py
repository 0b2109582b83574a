"""How a normal user's yurtd gets into its namespaces: as it starts, it joins them and is executed again, as root in there.

It keeps its pid, its descriptors (so systemd's sockets too) and its command line.
"""

import contextlib
import fcntl
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NoReturn

from yurt import places
from yurt.errors import Unavailable, translated
from yurt.isolation import Level
from yurt.linux import syscall
from yurt.linux.rootless import ids
from yurt.linux.rootless.client import KeeperClient
from yurt.linux.rootless.keeper import KINDS, LOG, SOCKET, become_root

SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin")
PATIENCE = 20.0  # seconds for a keeper to be ready


def enter(
    run: Path,
    environ: Mapping[str, str],
    *,
    required: Level | None = None,
    along: Mapping[str, str] | None = None,
) -> NoReturn:
    """Go into the namespaces kept in the folder *run*, which are made if need be, and begin anew there.

    What begins anew has the variables *along*, too.

    Raises Unavailable when this host does not let the user have any, or none of the *required* level.
    """
    environ = {**environ, "PATH": with_system_folders(environ.get("PATH", ""))}
    with translated({OSError: Unavailable}, f"cannot use {run}"):
        run.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(run):
        if not _is_kept(run):
            _start_keeper(run, environ, required)
        look = KeeperClient(run).look()
    folder = os.getcwd()
    uid = os.geteuid()
    opened = [
        (os.open(look.namespaces[kind], os.O_RDONLY | os.O_CLOEXEC), flag) for kind, flag in KINDS.items()
    ]
    for descriptor, flag in opened:
        syscall.setns(descriptor, flag)
    become_root()
    with contextlib.suppress(OSError):  # a folder that only the host has: paths are found from the root then
        os.chdir(folder)
    again = [sys.executable, *sys.orig_argv[1:]]
    os.execve(sys.executable, again, {**environ, **(along or {}), places.ENTERED: str(uid)})  # noqa: S606


def with_system_folders(search: str) -> str:
    """Return PATH with the folders of the system's programs behind, where Debian has runc and a user's PATH does not look."""
    folders = [folder for folder in search.split(":") if folder]
    return ":".join([*folders, *(folder for folder in SYSTEM_FOLDERS if folder not in folders)])


@contextlib.contextmanager
def _alone(run: Path) -> Iterator[None]:
    """Of two engines that start at once, one starts the keeper."""
    lock = os.open(run / "enter.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _is_kept(run: Path) -> bool:
    if not (run / SOCKET).exists():
        return False
    try:
        KeeperClient(run).look()
    except Unavailable:
        return False
    return True


def _start_keeper(run: Path, environ: Mapping[str, str], required: Level | None) -> None:
    mine = ids.mine(environ.get("PATH", ""))
    if required is not None and not mine.level.reaches(required):
        raise Unavailable(
            f"containers would be {mine.level.sentence}, and at least {required.sentence} is required: "
            f"{mine.lacking or 'the host has another root'}",
            hint=mine.remedy or "start the engine as root",
        )
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, open(run / LOG, "ab") as output:
        with theirs:
            subprocess.Popen(
                [sys.executable, "-m", "yurt.linux.rootless.keeper", str(run), str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                cwd="/",
                env=dict(environ),
            )
        ours.settimeout(PATIENCE)
        _accompany(ours, mine)


def _accompany(keeper: socket.socket, mine: ids.Ids) -> None:
    """Do what the keeper cannot do from inside, until it is ready."""
    deadline = time.monotonic() + PATIENCE
    lacking = f"{mine.lacking} ({mine.remedy})" if mine.lacking else ""
    while time.monotonic() < deadline:
        try:
            packet = keeper.recv(65536)
        except TimeoutError:
            break
        if not packet:
            raise Unavailable(
                "the keeper of the engine's namespaces ended", hint=f"its last words are in {LOG}"
            )
        said = json.loads(packet)
        if "error" in said:
            raise Unavailable(f"cannot make the engine's namespaces: {said['error']}", hint=said["hint"])
        if "map" in said:
            keeper.send(json.dumps({"lacking": lacking or _map(mine, said["map"])}).encode())
        if "ready" in said:
            return
    raise Unavailable(f"the engine's namespaces were not ready within {PATIENCE:g} seconds")


def _map(mine: ids.Ids, pid: int) -> str:
    """Give the namespace of *pid* the user's numbers; return why that cannot be, "" when it was."""
    for argv in mine.commands(pid):
        done = subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            return f"{argv[0]} refused: {done.stderr.strip() or done.returncode}"
    return ""
