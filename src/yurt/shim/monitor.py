"""The shim: starts one process through the OCI runtime, owns its stdio, logs its output, tells how it ended.

One shim serves a container's first process, or one exec. It is a child subreaper, so the process becomes its
child when the runtime leaves, and its exit status arrives here whether or not an engine is alive to hear it.

Its life: listening, starting (the runtime runs), running, exited. Two rules:

1. Output is read only after the runtime succeeded, so that a failed start leaves nothing in the log.
2. What is told on a control connection was first made durable (the log, ``exit.json``). What a full disk does not
   take is told all the same: the engine's own record may have room. The shim stays until it could be written.

On its socket a client sends one JSON line that says what it is:

    {"op": "control"}                                     then requests and events, one JSON line each
    {"op": "attach", "stdin": …, "stdout": …, "stderr": …, "logs": …}    then raw stdin; gets the output
    {"op": "notify"}                                      gets one byte after the log grew, and the end at the end
"""

import array
import contextlib
import ctypes
import errno
import fcntl
import json
import mmap
import os
import select
import signal
import socket
import struct
import termios
import time
from typing import Any

from yurt.shim import packed, view
from yurt.shim.cleanup import Cleanup
from yurt.shim.log import STDERR, STDOUT, LogFile

CHUNK = 1 << 18
PIPE_SIZE = 1 << 20
STDIN_BACKLOG = 1 << 16
UNKNOWN_EXIT = 255
EXIT_ROOM = 256  # bytes that an exit needs at most, and takes
RETRY = 0.5  # seconds until what a full disk did not take is tried again
OWED_PATIENCE = 10.0  # seconds after the exit in which the log may still be completed
FORWARDER_PAUSE = 1.0  # seconds before the successor of a forwarder that died begins
_PR_SET_CHILD_SUBREAPER = 36
_environ = dict(os.environb)  # of the zygote, for all runtimes: as text each shim would convert it twice
_prctl = ctypes.CDLL(None).prctl  # looked up once, in the zygote, for all its shims
_FRAME = struct.Struct(">BxxxI")  # Docker's header: stream, three zero bytes, length
_IGNORED = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)
_RESTORED = (*_IGNORED, signal.SIGCHLD, signal.SIGXFSZ)


def _is_child(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _parent_of(pid: int) -> int:
    """Return the parent's number, 0 when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            # What stands before the last parenthesis is the program's name, whatever that is (proc(5)).
            return int(file.read().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _reserve(path: str) -> None:
    """Make a file with room for an exit."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        os.posix_fallocate(descriptor, 0, EXIT_ROOM)
    except OSError as error:
        os.unlink(path)
        raise OSError(error.errno, error.strerror, path) from None
    finally:
        os.close(descriptor)


class Request:
    """What a shim is asked to do; made from, and turned into, one JSON object.

    Fields
    ------
      directory: where it works: sockets and the runtime's files; the bundle of a container.
      argv: the runtime's command line; ``--pid-file pid`` and the like are relative to *directory*.
      tty: whether the runtime sends the terminal to ``console.sock``.
      open_stdin, stdin_once: whether there is a stdin, and whether the first client that ends it ends it for good.
      log: path of the log; "": output goes to the clients only, which then hold the process back when slow.
      log_size, log_files: bytes of a segment of the log, and how many are kept; 0: one without bound.
      log_packed: whether segments that are written no more are compressed.
      forward: where a forwarder sends the log's lines (see `receivers`); None: nowhere.
      exit_file: where the exit is written down, atomically; "": nowhere.
      state_directory: the runtime's own files of this container, removed with its cgroups at the end; "": neither.
      attach: one object per attach stream that is passed as a descriptor.
      height, width: of the terminal at the start; 0: as it comes.
      hidden, seen: a folder, itself a mount, of which the runtime sees no mounts but *seen*; "": it sees all.
    """

    __slots__ = (
        "argv",
        "attach",
        "directory",
        "exit_file",
        "forward",
        "height",
        "hidden",
        "log",
        "log_files",
        "log_packed",
        "log_size",
        "open_stdin",
        "seen",
        "state_directory",
        "stdin_once",
        "tty",
        "width",
    )

    def __init__(
        self,
        *,
        directory: str,
        argv: list[str],
        tty: bool = False,
        open_stdin: bool = False,
        stdin_once: bool = False,
        log: str = "",
        log_size: int = 0,
        log_files: int = 1,
        log_packed: bool = False,
        forward: dict[str, Any] | None = None,
        exit_file: str = "",
        state_directory: str = "",
        attach: list[dict[str, bool]] | None = None,
        height: int = 0,
        width: int = 0,
        hidden: str = "",
        seen: list[str] | None = None,
    ) -> None:
        self.directory = directory
        self.argv = argv
        self.tty = tty
        self.open_stdin = open_stdin
        self.stdin_once = stdin_once
        self.log = log
        self.log_size = log_size
        self.log_files = log_files
        self.log_packed = log_packed
        self.forward = forward
        self.exit_file = exit_file
        self.state_directory = state_directory
        self.attach = attach or []
        self.height = height
        self.width = width
        self.hidden = hidden
        self.seen = seen or []

    def encode(self) -> bytes:
        return json.dumps({name: getattr(self, name) for name in self.__slots__}).encode()

    @classmethod
    def decode(cls, packet: bytes) -> "Request":
        return cls(**json.loads(packet))


class Client:
    """A connection. *kind* is new, control, attach or notify.

    *cursor* is the next log record an attach client has not been sent; it lags when that is not the log's end.
    """

    __slots__ = ("buffer", "cursor", "interest", "kind", "pending", "reads", "sock", "stdin", "streams")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.kind = "new"
        self.buffer = b""  # an unfinished line from the client
        self.pending = b""  # what the socket did not take
        self.cursor = 0
        self.streams: frozenset[int] = frozenset()
        self.stdin = False
        self.reads = True
        self.interest = 0

    def __repr__(self) -> str:
        return f"<Client {self.kind} cursor={self.cursor} pending={len(self.pending)}>"


def run(request: Request, descriptors: list[int], program: int = -1) -> None:
    """Be the shim of *request* until its process ended and everyone was told. The first descriptor listens.

    *program* is the runtime, opened, that is run in place of the file that ``argv`` names; -1: that file.
    """
    os.chdir(request.directory)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    Shim(request, descriptors, program).run()


class Shim:
    """The state of one shim, and its event loop."""

    def __init__(self, request: Request, descriptors: list[int], program: int) -> None:
        self.request = request
        self.program = program
        self.log: LogFile | None = None
        self.spill: LogFile | None = None  # the log, if a slow attach client can catch up from it
        self.forwarder = 0
        self.packer = 0  # the process that compresses segments of the log now
        self.nudge_pipe = -1
        self.obstacle = self._take_place()
        self.listener = socket.socket(fileno=descriptors[0])
        self.listener.setblocking(False)
        self.poll = select.epoll()
        self.clients: dict[int, Client] = {}
        self.outputs: dict[int, int] = {}  # descriptor → stream
        # Of a mapping only what was ever filled costs memory; a bytearray is filled with zeros at once.
        self.buffer = memoryview(mmap.mmap(-1, CHUNK, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
        self.output_paused = False
        self.stdin = -1  # where stdin goes: the pipe, or the terminal
        self.stdin_backlog = b""
        self.stdin_ending = False
        self.terminal = -1
        self.console: socket.socket | None = None
        self.runtime_pid = 0
        self.pid = 0
        self.statuses: dict[int, int] = {}  # of children that ended
        self.size = (request.height, request.width)
        self.outcome: dict[str, Any] | None = None  # the last event: started, failed or exited
        self.finished = False  # the process has ended, or was never there
        self.is_written = True  # the exit is, if there was one
        self.gives_up_at = 0.0  # when the log stays without what the disk did not take
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.wake = wake_read
        for number in _IGNORED:
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        self.poll.register(self.wake, select.EPOLLIN)
        self.poll.register(self.listener, select.EPOLLIN)
        for descriptor, wish in zip(descriptors[1:], request.attach, strict=True):
            client = self._adopt(socket.socket(fileno=descriptor))
            self._make_attach(client, wish)

    # ---- life

    def run(self) -> None:
        request = self.request
        self._accept()  # who asked for this shim is connected already
        if self.obstacle:
            self._fail(self.obstacle)
        else:
            try:
                self._forward()
                self._start()
            except OSError as error:
                self._fail(f"cannot start the runtime in {request.directory}: {error.strerror}")
        while not (self.finished and self._all_told() and self._all_written()):
            try:
                ready = self.poll.poll(RETRY if self._owes() else None)
            except InterruptedError:
                continue
            for descriptor, mask in ready:
                self._dispatch(descriptor, mask)
            if self._owes():
                self._settle()
            if self.log is not None and self.log.may_pack and not self.packer and self.pid:
                self._pack(self.log)

    def _pack(self, log: LogFile) -> None:
        """Have what is written no more compressed, beside everything else."""
        log.may_pack = False
        with contextlib.suppress(OSError):  # no room for another process now: after the next segment
            self.packer = packed.fork(log.closed)

    def _take_place(self) -> str:
        """Open the log and take room for the exit, so that a full disk cannot swallow it; return what hinders."""
        request = self.request
        try:
            if request.log:
                self.log = LogFile(
                    request.log, size=request.log_size, files=request.log_files, packs=request.log_packed
                )
                if not self.log.is_bounded or self.log.kept > 4 * CHUNK:
                    self.spill = self.log
            if request.exit_file:
                _reserve(request.exit_file + ".tmp")
        except OSError as error:
            return f"cannot write {error.filename or request.log}: {error.strerror}"
        return ""

    def _owes(self) -> bool:
        """Whether the disk did not take something yet."""
        return not self.is_written or (self.log is not None and self.log.owes)

    def _settle(self) -> None:
        """Write what is owed, if there is room again."""
        if self.log is not None and self.log.owes:
            before = self.log.count
            self.log.settle()
            if self.log.count > before:
                for client in self.clients.values():
                    if client.kind == "attach" and client.cursor == before:
                        client.cursor = self.log.count  # it got this when it was said
                self._tell_logged()
        if not self.is_written:
            self._write_exit()

    def _all_written(self) -> bool:
        """Whether nothing is left to write, or nowhere; then nobody needs to find this shim any more."""
        if not self.is_written:
            return False
        if self.log is not None and self.log.owes and time.monotonic() < self.gives_up_at:
            return False
        if self.listener.fileno() >= 0:
            self._leave()
            return not self.clients
        return True

    def _forward(self, *, delay: float = 0.0) -> None:
        """Fork the forwarder, if there is to be one; before the process is: a start must not wait for it."""
        request = self.request
        if request.forward is None or not request.log:
            return
        from yurt.shim import forwarder  # rare: shims without one need not hold it

        if self.nudge_pipe >= 0:
            os.close(self.nudge_pipe)
        self.forwarder, self.nudge_pipe = forwarder.fork(request.forward, request.log, delay=delay)

    def _start(self) -> None:
        """Start the runtime; output stays in its pipes until the runtime has succeeded."""
        request = self.request
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        given = [null, null, null]
        mine: list[tuple[int, int]] = []
        if request.tty:
            self.console = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            with contextlib.suppress(FileNotFoundError):
                os.unlink("console.sock")
            self.console.bind("console.sock")
            self.console.listen(1)
            self.console.setblocking(False)
            # The runtime's own complaints: its log has them too, so nobody needs to read this pipe.
            given[1] = given[2] = os.open("runtime.err", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC)
        else:
            for stream in (STDOUT, STDERR):
                reader, writer = os.pipe2(os.O_CLOEXEC)
                os.set_blocking(reader, False)
                with contextlib.suppress(
                    OSError
                ):  # over the user's limit of pipe memory: the default size does
                    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
                given[stream] = writer
                mine.append((reader, stream))
            if request.open_stdin:
                reader, self.stdin = os.pipe2(os.O_CLOEXEC)
                os.set_blocking(self.stdin, False)
                given[0] = reader
        try:
            self._spawn_in_view(given)
        except OSError as error:
            self._fail(f"cannot run {request.argv[0]}: {error.strerror}")
        finally:
            for descriptor in {null, *given}:
                os.close(descriptor)
            if self.program >= 0:
                os.close(self.program)
        self.outputs = dict(mine)

    def _spawn_in_view(self, given: list[int]) -> None:
        request = self.request
        if request.hidden:
            with contextlib.suppress(OSError), view.without(request.hidden, but=request.seen):
                self._spawn(given)
        if (
            not self.runtime_pid
        ):  # nothing is hidden, or cannot be: the runtime then has more to read, that is all
            self._spawn(given)

    def _spawn(self, given: list[int]) -> None:
        argv = self.request.argv
        self.runtime_pid = os.posix_spawnp(
            argv[0] if self.program < 0 else f"/proc/self/fd/{self.program}",
            argv,
            _environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, given[number], number) for number in range(3)],
            setsigdef=_RESTORED,
        )

    def _dispatch(self, descriptor: int, mask: int) -> None:
        if descriptor in self.outputs:
            self._pump(descriptor)
        elif descriptor == self.wake:
            with contextlib.suppress(BlockingIOError):
                os.read(self.wake, 4096)
            self._reap()
        elif descriptor in self.clients:
            self._serve(self.clients[descriptor], mask)
        elif descriptor == self.stdin and mask & (select.EPOLLOUT | select.EPOLLERR):
            self._flush_stdin()
        elif descriptor == self.listener.fileno():
            self._accept()

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            if pid == self.forwarder:
                self._forward(delay=FORWARDER_PAUSE)
            elif pid == self.packer:
                self.packer = 0
                if self.log is not None:
                    self.log.packed()
            elif pid == self.runtime_pid or not self.pid or pid == self.pid:
                self.statuses[pid] = status
        if self.runtime_pid in self.statuses:
            self._runtime_left(os.waitstatus_to_exitcode(self.statuses.pop(self.runtime_pid)))
        if self.pid in self.statuses:
            self._exited(os.waitstatus_to_exitcode(self.statuses.pop(self.pid)))
        elif self.pid and not self.finished and self._is_lost():
            # The runtime took the exit status with it; the output is whole all the same.
            self._exited(UNKNOWN_EXIT)

    def _is_lost(self) -> bool:
        """Return whether the process is another's child for good, so that its exit status will not come here."""
        # crun leaves before the helper that it started the process with. That is our child then, and ends in a
        # moment: the process becomes our child, and we hear of it once more.
        parent = _parent_of(self.pid)
        return parent != os.getpid() and not _is_child(parent)

    def _runtime_left(self, code: int) -> None:
        """The runtime ended: with the process running, or without."""
        self.runtime_pid = 0
        if code != 0:
            self._fail(self._complaint(code))
            return
        with open("pid", encoding="ascii") as file:
            self.pid = int(file.read())
        self.statuses = {pid: status for pid, status in self.statuses.items() if pid == self.pid}
        if self.console is not None:
            self._take_terminal(self.console)
        for descriptor in self.outputs:
            self.poll.register(descriptor, select.EPOLLIN)
        self._announce({"event": "started", "pid": self.pid, "time_ns": time.time_ns()})
        if self.stdin_backlog:
            self._flush_stdin()
        for client in list(self.clients.values()):
            if client.stdin:
                self._watch(client)

    def _complaint(self, code: int) -> str:
        """Return why the runtime failed: the last error of its log, else of its stderr."""
        lines: list[str] = []
        with contextlib.suppress(FileNotFoundError), open("runtime.log", errors="replace") as file:
            lines = file.read().splitlines()
        for line in reversed(lines):
            with contextlib.suppress(ValueError):
                entry = json.loads(line)
                if isinstance(entry, dict) and entry.get("level") in {"error", "fatal"}:
                    return str(entry.get("msg"))
        text = b""
        for descriptor, stream in self.outputs.items():
            if stream == STDERR:
                with contextlib.suppress(BlockingIOError):
                    text = os.read(descriptor, CHUNK)
        return text.decode(errors="replace").strip() or f"{self.request.argv[0]} failed with exit code {code}"

    def _take_terminal(self, console: socket.socket) -> None:
        """Receive the terminal that the runtime sent before it left."""
        connection, _address = console.accept()
        with connection:
            connection.setblocking(True)
            _message, ancillary, _flags, _from = connection.recvmsg(256, socket.CMSG_SPACE(4))
        self.terminal = array.array("i", ancillary[0][2][:4])[0]
        os.set_inheritable(self.terminal, False)
        os.set_blocking(self.terminal, False)
        console.close()
        self.console = None
        with contextlib.suppress(FileNotFoundError):
            os.unlink("console.sock")
        self.outputs = {self.terminal: STDOUT}
        if self.request.open_stdin:
            # A descriptor of its own: epoll keeps one set of wishes for each.
            self.stdin = os.dup(self.terminal)
            os.set_inheritable(self.stdin, False)
        if any(self.size):
            self._resize(*self.size)

    def _fail(self, error: str) -> None:
        for descriptor in self.outputs:
            os.close(descriptor)
        self.outputs = {}
        if self.request.exit_file:
            with contextlib.suppress(OSError):
                os.unlink(self.request.exit_file + ".tmp")
        self._announce({"event": "failed", "error": error})
        self._finish()

    def _exited(self, code: int) -> None:
        """The process ended: take what is left of its output, write the exit down, clean up, tell."""
        status = 128 - code if code < 0 else code
        self._drain()
        outcome = {"event": "exited", "code": status, "oom": False, "time_ns": time.time_ns()}
        if self.request.state_directory:
            cleanup = Cleanup(self.request.state_directory)
            outcome["oom"] = cleanup.out_of_memory()
            cleanup.run()
        self.outcome = outcome
        self.is_written = not self.request.exit_file
        if not self.is_written:
            self._write_exit()
        self.gives_up_at = time.monotonic() + OWED_PATIENCE
        self._announce(outcome)
        self._finish()

    def _write_exit(self) -> None:
        """Write the exit down. Its room was taken at the start, and it takes all of that: nothing needs to be cut."""
        temporary = self.request.exit_file + ".tmp"
        text = json.dumps(self.outcome).ljust(EXIT_ROOM).encode()
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                if os.pwrite(descriptor, text, 0) != len(text):
                    return
            finally:
                os.close(descriptor)
            os.replace(temporary, self.request.exit_file)
        except FileNotFoundError:
            pass  # the container was removed meanwhile: nobody asks any more
        except OSError:
            return
        self.is_written = True

    def _drain(self) -> None:
        """Read what the process wrote before it ended. Others may hold the pipes still: no one waits for them."""
        self.output_paused = False
        for descriptor in list(self.outputs):
            for _round in range(64):
                if descriptor not in self.outputs or not self._pump(descriptor):
                    break
        for descriptor in list(self.outputs):
            self._close_output(descriptor)

    def _finish(self) -> None:
        self.finished = True
        self._all_written()
        self._end_stdin(now=True)
        for client in list(self.clients.values()):
            self._push(client)

    def _leave(self) -> None:
        """Take in those who are at the door, and close it."""
        self._accept()
        self.poll.unregister(self.listener)
        self.listener.close()
        with contextlib.suppress(OSError):  # gone with its folder, maybe
            os.unlink("shim.sock")

    def _all_told(self) -> bool:
        """Close every client that has got everything; whether none is left."""
        for client in list(self.clients.values()):
            if not client.pending and (client.kind != "attach" or not self._lags(client)):
                self._drop(client)
        return not self.clients

    # ---- output

    def _pump(self, descriptor: int) -> bool:
        """Move one chunk from the process to the log and the clients; return whether there may be more."""
        try:
            chunk = self.buffer[: os.readv(descriptor, (self.buffer,))].tobytes()
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno != errno.EIO:  # a terminal whose other side is closed
                raise
            chunk = b""
        if not chunk:
            self._close_output(descriptor)
            return False
        stream = self.outputs[descriptor]
        before = self.log.count if self.log is not None else 0
        # A full disk must not stop the container: what is owed goes on to those who are level with the log.
        logged = self.log is not None and self.log.append(stream, chunk)
        frame = b""
        for client in list(self.clients.values()):
            if client.kind != "attach":
                continue
            is_level = self.spill is None or (not client.pending and client.cursor == before)
            if is_level and self.log is not None:
                client.cursor = self.log.count
            if is_level and stream in client.streams:
                frame = frame or self._framed(stream, chunk)
                client.pending += frame
            if client.pending:
                self._push(client)
        if self.log is not None and self.log.count > before:
            self._tell_logged()
        if not logged or self.spill is None or self.spill.is_bounded:
            self._hold_back()
        return True

    def _tell_logged(self) -> None:
        """Tell those who follow that the log grew."""
        if self.nudge_pipe >= 0:
            with contextlib.suppress(OSError):  # full: it knows; broken: its successor is on the way
                os.write(self.nudge_pipe, b"\n")
        for client in list(self.clients.values()):
            if client.kind == "notify":
                self._nudge(client)

    def _framed(self, stream: int, chunk: bytes) -> bytes:
        return chunk if self.request.tty else _FRAME.pack(stream, len(chunk)) + chunk

    def _hold_back(self) -> None:
        """Stop reading while a client lags by more than it can catch up on from the log, and go on when none does."""
        behind = any(self._holds_back(client) for client in self.clients.values())
        if behind != self.output_paused and not self.finished:
            self.output_paused = behind
            for descriptor in self.outputs:
                self.poll.modify(descriptor, 0 if behind else select.EPOLLIN)

    def _holds_back(self, client: Client) -> bool:
        if self.spill is None:
            return bool(client.pending) and client.kind == "attach"
        if client.kind != "attach" or len(client.pending) > 4 * CHUNK:
            return client.kind == "attach"
        if not self.spill.is_bounded or not self._lags(client):
            return False
        return self.spill.behind(client.cursor) > self.spill.kept - 2 * CHUNK

    def _close_output(self, descriptor: int) -> None:
        del self.outputs[descriptor]
        with contextlib.suppress(FileNotFoundError):
            self.poll.unregister(descriptor)
        os.close(descriptor)
        if descriptor == self.terminal:
            self.terminal = -1

    # ---- clients

    def _accept(self) -> None:
        """Take in everyone who has connected, and hear what they said already."""
        with contextlib.suppress(BlockingIOError):
            while True:
                sock, _address = self.listener.accept()
                self._receive(self._adopt(sock), gone=False)

    def _adopt(self, sock: socket.socket) -> Client:
        sock.setblocking(False)
        client = Client(sock)
        self.clients[sock.fileno()] = client
        client.interest = select.EPOLLIN
        self.poll.register(sock, client.interest)
        return client

    def _serve(self, client: Client, mask: int) -> None:
        if mask & select.EPOLLOUT:
            self._push(client)
        if client.reads and mask & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
            self._receive(client, gone=bool(mask & (select.EPOLLHUP | select.EPOLLERR)))
        elif mask & (select.EPOLLHUP | select.EPOLLERR) and client.sock.fileno() in self.clients:
            self._drop(client)

    def _receive(self, client: Client, *, gone: bool) -> None:
        # Who is gone is read to the end at once, however full the backlog: epoll would not stop reporting it.
        if client.stdin and not gone and len(self.stdin_backlog) >= STDIN_BACKLOG:
            return
        try:
            data = client.sock.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            self._drop(client)
            return
        if client.kind == "attach":
            if data:
                self._to_stdin(client, data)
            else:
                self._half_closed(client)
            return
        if not data:
            self._drop(client)
            return
        *lines, client.buffer = (client.buffer + data).split(b"\n")
        for number, line in enumerate(lines):
            self._obey(client, json.loads(line))
            if client.kind == "attach":
                rest = b"\n".join([*lines[number + 1 :], client.buffer])
                client.buffer = b""
                if rest:
                    self._to_stdin(client, rest)
                break

    def _obey(self, client: Client, order: dict[str, Any]) -> None:
        operation = order["op"]
        if operation == "control":
            client.kind = "control"
            if self.outcome is not None:
                self._tell(client, self.outcome)
        elif operation == "attach":
            self._make_attach(client, order)
            self._push(client)
        elif operation == "notify":
            client.kind = "notify"
            self._nudge(client)
        elif operation == "resize":
            self.size = (order["height"], order["width"])
            self._resize(*self.size)
        elif operation == "kill" and self.pid and not self.finished:
            # The process is a child that was not reaped yet: its number cannot belong to another.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, order["signal"])

    def _make_attach(self, client: Client, wish: dict[str, Any]) -> None:
        client.kind = "attach"
        client.stdin = bool(wish.get("stdin")) and self.request.open_stdin
        wanted = {STDOUT} if wish.get("stdout") else set()
        if wish.get("stderr"):
            wanted.add(STDERR)
        client.streams = frozenset(wanted)
        if self.log is not None:
            client.cursor = self.log.first if wish.get("logs") else self.log.count
            if self.spill is None:  # a small log: all of it at once, before it is overwritten
                for number in range(client.cursor, self.log.count):
                    stream, chunk = self.log.read(number)
                    if stream in client.streams:
                        client.pending += self._framed(stream, chunk)
        self._watch(client)

    def _watch(self, client: Client) -> None:
        """Ask epoll for what this client needs now."""
        number = client.sock.fileno()
        if number not in self.clients:
            return
        wants = 0
        takes_stdin = (
            client.kind != "attach"
            or not client.stdin
            or (self.pid != 0 and len(self.stdin_backlog) < STDIN_BACKLOG)
        )
        if client.reads and takes_stdin:
            wants |= select.EPOLLIN
        if client.pending or (client.kind == "attach" and self._lags(client)):
            wants |= select.EPOLLOUT
        if wants != client.interest:
            client.interest = wants
            self.poll.modify(number, wants)

    def _lags(self, client: Client) -> bool:
        return self.spill is not None and client.cursor < self.spill.count

    def _push(self, client: Client) -> None:
        """Send until the socket is full or the client is level with the log."""
        while True:
            if not client.pending:
                if client.kind != "attach" or self.spill is None or not self._lags(client):
                    break
                client.cursor = max(client.cursor, self.spill.first)
                stream, chunk = self.spill.read(client.cursor)
                client.cursor += 1
                if stream not in client.streams:
                    continue
                client.pending = self._framed(stream, chunk)
            try:
                sent = client.sock.send(client.pending)
            except BlockingIOError:
                break
            except OSError:
                self._drop(client)
                return
            client.pending = client.pending[sent:]
        self._watch(client)
        if self.output_paused:
            self._hold_back()

    def _tell(self, client: Client, event: dict[str, Any]) -> None:
        client.pending += json.dumps(event).encode() + b"\n"
        self._push(client)

    def _announce(self, event: dict[str, Any]) -> None:
        self.outcome = event
        for client in list(self.clients.values()):
            if client.kind == "control":
                self._tell(client, event)

    def _nudge(self, client: Client) -> None:
        """Say that the log grew. A full socket says it already."""
        try:
            client.sock.send(b"\n")
        except BlockingIOError:
            return
        except OSError:
            self._drop(client)

    def _drop(self, client: Client) -> None:
        number = client.sock.fileno()
        if self.clients.pop(number, None) is None:
            return
        self.poll.unregister(number)
        client.sock.close()
        if client.kind == "attach" and client.reads:
            client.reads = False
            self._stdin_client_left(client)
        self._hold_back()

    # ---- stdin

    def _to_stdin(self, client: Client, data: bytes) -> None:
        if not client.stdin or self.stdin_ending:
            return
        self.stdin_backlog += data
        if self.stdin >= 0:  # else the terminal is still to come
            self._flush_stdin()

    def _flush_stdin(self) -> None:
        """Give the process what clients sent; while it does not take it, read no more from them."""
        was_full = len(self.stdin_backlog) >= STDIN_BACKLOG
        try:
            while self.stdin_backlog:
                sent = os.write(self.stdin, self.stdin_backlog[:CHUNK])
                self.stdin_backlog = self.stdin_backlog[sent:]
        except BlockingIOError:
            with contextlib.suppress(FileExistsError):
                self.poll.register(self.stdin, select.EPOLLOUT)
        except OSError:
            self._end_stdin(now=True)  # the process closed its end
        else:
            if self.stdin >= 0:
                with contextlib.suppress(FileNotFoundError):
                    self.poll.unregister(self.stdin)
                if self.stdin_ending:
                    self._end_stdin(now=True)
        if was_full or len(self.stdin_backlog) >= STDIN_BACKLOG:
            for client in list(self.clients.values()):
                if client.stdin:
                    self._watch(client)

    def _half_closed(self, client: Client) -> None:
        client.reads = False
        self._stdin_client_left(client)
        self._watch(client)

    def _stdin_client_left(self, client: Client) -> None:
        # Whoever leaves a terminal leaves it to the next: as with Docker, its end is typed (ctrl-D), not hung up.
        if client.stdin and self.request.stdin_once and not self.request.tty:
            self._end_stdin(now=not self.stdin_backlog)

    def _end_stdin(self, *, now: bool) -> None:
        """Close the process's stdin: at once, or when it has taken what is waiting for it."""
        self.stdin_ending = True
        if not now or self.stdin < 0:
            return
        with contextlib.suppress(FileNotFoundError):
            self.poll.unregister(self.stdin)
        os.close(self.stdin)
        self.stdin = -1
        self.stdin_backlog = b""

    # ---- terminal

    def _resize(self, height: int, width: int) -> None:
        if self.terminal >= 0:
            fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
