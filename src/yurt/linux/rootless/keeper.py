"""The keeper: makes the namespaces of a user's engine, and keeps them, the way out and the published ports.

Run as ``python -m yurt.linux.rootless.keeper RUN FD``, where FD is one end of a socket pair to whom starts it. It is
in the user and the mount namespace, and stays in the host's network, where it listens; a child of it, the holder, is
in all three and does nothing. Engines come and go. When the keeper was killed, the next one finds the holder and goes
on in the same namespaces; when both are gone, new ones are made.

On its socket each line is a request, a JSON object with ``op``, and each answer one line:

    {"op": "look"}                                  {"namespaces": {kind: path}, "outgoing": …, "problem": …, "lacking": …}
    {"op": "take", "owner": …, "leads": [[…], …], "of": …}
                                                    {"leads": [[…], …]} or {"errno": …, "lead": […]}
    {"op": "drop", "owner": …}                      {}
    {"op": "keep", "owners": […]}                   {}
    {"op": "end"}                                   {}, and the keeper and the holder end
"""

import asyncio
import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from yurt.errors import Unavailable, reason_of
from yurt.linux import host, netlink, syscall
from yurt.linux.namespace import forget, keep, run_in_new_network
from yurt.linux.netlink import Rtnetlink
from yurt.linux.relay.ports import Inside, Relay
from yurt.linux.rootless import ids, mark, outgoing

SOCKET = "keeper.sock"
LOCK = "keeper.lock"  # held while a keeper lives
HOLDER = "holder"  # the holder's pid, and when it began
NETWORK = "net"  # in the mount namespace, the network namespace is mounted here
LOG = "keeper.log"
BOOT = "keeper.boot"  # which boot the folder is of, by the keeper; the engine has a mark of its own
KINDS = {"user": syscall.CLONE_NEWUSER, "mnt": syscall.CLONE_NEWNS, "net": syscall.CLONE_NEWNET}
READY = 2.0  # seconds that a start waits for the way out
_LOOPBACK = 1
_LARGEST = 1 << 24
_RESOLV_CONF = Path("/etc/resolv.conf")


def main() -> None:
    """Make or find the namespaces, tell who started us, and serve until told to end."""
    run, launcher = Path(sys.argv[1]), socket.socket(fileno=int(sys.argv[2]))
    os.umask(0o077)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    try:
        _take_place(run)
        mine = ids.mine(os.environ.get("PATH", ""))
        holder, lacking = mark.read(run / HOLDER), f"{mine.lacking} ({mine.remedy})" if mine.lacking else ""
        if holder:
            _join(holder)
        else:
            holder, lacking = _make(run, launcher, mine)
        asyncio.run(_serve(run, holder, lacking, launcher))
    except (OSError, Unavailable) as error:
        text = error.message if isinstance(error, Unavailable) else f"{error.strerror}: {error.filename}"
        hint = error.hint if isinstance(error, Unavailable) else None
        launcher.send(json.dumps({"error": text, "hint": hint}).encode())
        sys.exit(1)


def _take_place(run: Path) -> None:
    """Be the folder's only keeper while this process lives; raise Unavailable when another is that does not answer."""
    lock = os.open(run / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as taken:
        raise Unavailable(
            f"the keeper of {run} lives, and does not answer",
            hint=f"end it: fuser {run / LOCK}; containers go on",
        ) from taken


def paths(holder: int) -> dict[str, str]:
    """Return the path of each of the namespaces of process *holder*."""
    return {kind: f"/proc/{holder}/ns/{kind}" for kind in KINDS}


def _make(run: Path, launcher: socket.socket, mine: ids.Ids) -> tuple[int, str]:
    """Make the namespaces; return the pid of their holder, and why there is one uid only, if so."""
    forget_earlier_boot(run)
    try:
        syscall.unshare(syscall.CLONE_NEWUSER)
    except OSError as error:
        raise Unavailable(
            f"this host gives user {mine.uid} no user namespace: {error.strerror}",
            hint="sysctl -w user.max_user_namespaces=15000 kernel.unprivileged_userns_clone=1",
        ) from error
    # Who started us is not in the new namespace, and so may give it more numbers than our own.
    launcher.send(json.dumps({"map": os.getpid()}).encode())
    lacking = json.loads(launcher.recv(4096))["lacking"]
    if lacking:
        _map_one(mine)
    else:
        os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    try:
        syscall.unshare(syscall.CLONE_NEWNS)
        # What the host mounts later comes in, what is mounted in here stays here.
        syscall.mount("none", "/", flags=syscall.MS_REC | syscall.MS_SLAVE)
    except OSError as error:
        raise Unavailable(
            f"this host lets user {mine.uid} make a user namespace, but do nothing in it: {error.strerror}",
            hint="sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        ) from error
    forget(run / NETWORK)
    network, _ = run_in_new_network(_set_up_loopback)
    keep(network, run / NETWORK)  # by a name that a carrier without privileges may open
    holder = _fork_holder(network)
    os.close(network)
    mark.write(run / HOLDER, holder)
    _show_resolver(run)
    return holder, lacking


def _map_one(mine: ids.Ids) -> None:
    users, groups = mine.one()
    Path("/proc/self/setgroups").write_text(
        "deny"
    )  # without it a user may not map groups (user_namespaces(7))
    Path("/proc/self/uid_map").write_text(users)
    Path("/proc/self/gid_map").write_text(groups)


def _join(holder: int) -> None:
    """Go into the namespaces that are there, but the network."""
    opened = [
        (os.open(path, os.O_RDONLY | os.O_CLOEXEC), KINDS[kind]) for kind, path in paths(holder).items()
    ]
    for descriptor, kind in opened:
        if kind != syscall.CLONE_NEWNET:
            syscall.setns(descriptor, kind)
        os.close(descriptor)
    become_root()


def become_root() -> None:
    """Be the root of the user namespace that this process is in."""
    if Path("/proc/self/setgroups").read_text().strip() == "allow":
        os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


def _set_up_loopback() -> None:
    with Rtnetlink() as routes:
        routes.apply([netlink.set_up(_LOOPBACK)])


def _fork_holder(network: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        syscall.setns(network, syscall.CLONE_NEWNET)
        os.chdir("/")
        os.execvp("sleep", ["sleep", "infinity"])  # noqa: S606 - the smallest process that does nothing
    finally:
        os._exit(1)


def _show_resolver(run: Path) -> None:
    """Have names asked of the host's resolver, also where that listens on the host's loopback, which is another here."""
    try:
        lines = _RESOLV_CONF.read_text(errors="replace").splitlines()
        kept = [line for line in lines if not line.lstrip().startswith("nameserver")]
        shown = run / "resolv.conf"
        shown.write_text("\n".join([f"nameserver {outgoing.NAMES}", *kept]) + "\n")
        shown.chmod(0o644)
        syscall.mount(shown, _RESOLV_CONF.resolve(), flags=syscall.MS_BIND)
    except OSError as error:
        print(f"keeper: names are asked as the host does: {reason_of(error)}", flush=True)


def forget_earlier_boot(run: Path) -> None:
    """Empty the folder of what another boot left: sockets of nobody, mounts that are gone, numbers of other processes."""
    now = host.boot_id()
    mark = run / BOOT
    if mark.exists() and mark.read_text() == now:
        return
    for path in run.iterdir():
        if path.name in {LOCK, LOG}:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    mark.write_text(now)


async def _serve(run: Path, holder: int, lacking: str, launcher: socket.socket) -> None:
    os.chdir(run)  # a socket's address holds 107 bytes: it is named by its last part
    way = outgoing.Outgoing(
        run / NETWORK,
        holder,
        mark_file=run / "outgoing",
        search=os.environ.get("PATH", ""),
        tell=lambda text: print(text, flush=True),
    )
    network = os.open(run / NETWORK, os.O_RDONLY | os.O_CLOEXEC)
    inside = Inside(network)
    keeper = Keeper(holder, lacking, way, Relay(inside))
    path = Path(SOCKET)
    path.unlink(missing_ok=True)
    server = await asyncio.start_unix_server(keeper.hear, path, limit=_LARGEST)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, keeper.ending.set)
    carrying = asyncio.create_task(way.serve(), name="outgoing")
    await way.wait_ready(READY)
    launcher.send(json.dumps({"ready": True}).encode())
    launcher.close()
    await keeper.ending.wait()
    path.unlink(missing_ok=True)
    server.close()
    carrying.cancel()
    await asyncio.wait({carrying})
    inside.close()
    if keeper.dismantled:
        (run / HOLDER).unlink(missing_ok=True)
        with contextlib.suppress(ProcessLookupError):
            os.kill(holder, signal.SIGKILL)


class Keeper:
    """Answers engines. *ending* is set when it is to end, *dismantled* when the namespaces are to end with it."""

    def __init__(self, holder: int, lacking: str, way: outgoing.Outgoing, relay: Relay) -> None:
        self._holder = holder
        self._lacking = lacking
        self._way = way
        self._relay = relay
        self.ending = asyncio.Event()
        self.dismantled = False

    async def hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection, until it closes."""
        try:
            while line := await reader.readline():
                writer.write(json.dumps(self.answer(json.loads(line))).encode() + b"\n")
                await writer.drain()
        except (OSError, ValueError) as error:
            print(f"keeper: {error}", flush=True)
        finally:
            writer.close()

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do what is asked, and return what to say; raise ValueError for what is no request."""
        match request.get("op"):
            case "look":
                return {
                    "namespaces": paths(self._holder),
                    "outgoing": self._way.name,
                    "problem": self._way.problem,
                    "lacking": self._lacking,
                }
            case "end":
                self.dismantled = True
                self.ending.set()
            case _:
                return self._relay.answer(request)
        return {}


if __name__ == "__main__":
    main()
