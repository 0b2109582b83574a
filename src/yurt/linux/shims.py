"""Shims from the engine's side: start one through the zygote, find one again, talk to it."""

import asyncio
import contextlib
import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from yurt.errors import Internal, reason_of
from yurt.shim import monitor, zygote

log = logging.getLogger(__name__)

SOCKET = "shim.sock"
_CONTROL = b'{"op": "control"}\n'


@dataclass(frozen=True, slots=True)
class Started:
    """The process runs. *pid* is the host's number."""

    pid: int
    time_ns: int


@dataclass(frozen=True, slots=True)
class Failed:
    """The runtime could not start the process; *error* in its words."""

    error: str


@dataclass(frozen=True, slots=True)
class Exited:
    """The process ended; 128 and the signal's number when a signal ended it."""

    code: int
    oom_killed: bool
    time_ns: int


@contextlib.contextmanager
def _address(directory: Path) -> Iterator[str]:
    """Name the socket in *directory* in few bytes: a socket address holds 107, a path of ours may be longer."""
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET}"
    finally:
        os.close(descriptor)


def dial(directory: Path, greeting: bytes) -> socket.socket | None:
    """Connect to the shim that works in *directory* and say *greeting*. Never blocks.

    None when there is no shim any more, or it ends at this very moment: its socket may go between the connection
    and the greeting. What it was to tell is in its files then.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _address(directory) as address:
            sock.setblocking(False)
            sock.connect(address)
        sock.send(greeting)
    except (FileNotFoundError, ConnectionRefusedError, BrokenPipeError, ConnectionResetError):
        sock.close()
        return None
    except BaseException:
        sock.close()
        raise
    return sock


class ShimConnection:
    """A control connection, on a socket that said so already. `started` and `exited` are futures; both end when the shim is lost.

    `started` gives Started or Failed. `exited` gives Exited, or None when the shim went away without telling.
    """

    def __init__(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._sock = sock
        self._buffer = b""
        self.started: asyncio.Future[Started | Failed] = loop.create_future()
        self.exited: asyncio.Future[Exited | None] = loop.create_future()
        loop.add_reader(sock.fileno(), self._readable)

    def kill(self, signal_number: int) -> None:
        """Send a signal to the process, if it still runs."""
        self._order({"op": "kill", "signal": signal_number})

    def resize(self, *, height: int, width: int) -> None:
        """Set the size of the process's terminal; nothing happens when it has none."""
        self._order({"op": "resize", "height": height, "width": width})

    def close(self) -> None:
        """Hang up; the shim goes on. Idempotent."""
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock.fileno())
            self._sock.close()

    def _order(self, order: dict[str, object]) -> None:
        with contextlib.suppress(OSError):  # gone, or going: `exited` tells
            self._sock.send(json.dumps(order).encode() + b"\n")

    def _readable(self) -> None:
        try:
            data = self._sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            self._settle(Failed("its shim ended before the process was started"), None)
            return
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            self._hear(json.loads(line))

    def _hear(self, event: dict[str, object]) -> None:
        kind = event["event"]
        if kind == "started" and not self.started.done():
            self.started.set_result(Started(int(str(event["pid"])), int(str(event["time_ns"]))))
        elif kind == "failed":
            self._settle(Failed(str(event["error"])), None)
        elif kind == "exited":
            exited = exited_from(event)
            # A late listener hears of the exit only: the process had started.
            self._settle(Started(0, exited.time_ns), exited)

    def _settle(self, started: Started | Failed, exited: Exited | None) -> None:
        if not self.started.done():
            self.started.set_result(started)
        if not self.exited.done():
            self.exited.set_result(exited)


def exited_from(document: dict[str, object]) -> Exited:
    """Return the exit that ``exit.json`` or an event tells."""
    return Exited(int(str(document["code"])), bool(document["oom"]), int(str(document["time_ns"])))


class Shims:
    """The zygote, started when first needed, and again when it was lost. For the event loop's thread.

    *environ* is what the runtime finds in its environment beside this process's own.
    """

    def __init__(self, run: Path, environ: Mapping[str, str] | None = None) -> None:
        self._run = run
        self._environ = dict(environ or {})
        self._zygote: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def warm(self) -> None:
        """Start the zygote now; afterwards a shim costs a fork."""
        if self._control is not None:
            return
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        script = zygote.__file__
        # What outlives the engine must not hold the engine's own outputs open.
        with theirs, open(self._run / "shims.log", "ab") as output:
            try:
                self._zygote = subprocess.Popen(
                    [sys.executable, "-I", "-S", script, str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                    cwd="/",
                    env=os.environ | self._environ,
                )
            except OSError as error:
                ours.close()
                raise Internal(f"cannot start the shims' parent: {reason_of(error)}") from error
        self._control = ours
        asyncio.get_running_loop().add_reader(ours, self._lost)

    def spawn(self, request: monitor.Request, attach: Sequence[socket.socket] = ()) -> ShimConnection:
        """Start a shim that does *request*; *attach* are the sockets that ``request.attach`` describes.

        The sockets are closed here, whatever comes. The folder of the request exists.
        """
        directory = Path(request.directory)
        with contextlib.ExitStack() as stack:
            for sock in attach:
                stack.enter_context(sock)
            listener = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            with _address(directory) as address:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(address)
                listener.bind(address)
            listener.listen(128)
            # Before the shim is: a process may end sooner than we get to say it.
            control = dial(directory, _CONTROL)
            if control is None:
                raise Internal(f"cannot talk to the shim in {directory}: its socket disappeared")
            descriptors = [listener.fileno(), *(sock.fileno() for sock in attach)]
            try:
                self._send(request.encode(), descriptors)
            except BaseException:
                control.close()
                raise
        return ShimConnection(control)

    def _lost(self) -> None:
        """It never says anything: it has ended, and stays a zombie until it is waited for."""
        log.warning("the shims' parent was lost")
        self.close()

    def _send(self, packet: bytes, descriptors: list[int]) -> None:
        self.warm()
        assert self._control is not None
        try:
            socket.send_fds(self._control, [packet], descriptors)
        except (BrokenPipeError, ConnectionResetError):
            self._lost()
            self.warm()
            socket.send_fds(self._control, [packet], descriptors)

    @staticmethod
    def connect(directory: Path) -> ShimConnection | None:
        """Return a control connection to the shim that works in *directory*; None when there is none any more."""
        sock = dial(directory, _CONTROL)
        return None if sock is None else ShimConnection(sock)

    def close(self) -> None:
        """Let the zygote go; the shims stay. Idempotent."""
        if self._control is not None:
            asyncio.get_running_loop().remove_reader(self._control)
            self._control.close()
            self._control = None
        if self._zygote is not None:
            self._zygote.wait()
            self._zygote = None
