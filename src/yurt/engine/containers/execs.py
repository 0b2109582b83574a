"""Execs: further processes in a running container, each with a shim of its own."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import structlog

from yurt.engine.containers import rootfs, spec, users
from yurt.engine.containers.attach import AttachStream, frame, pair
from yurt.engine.containers.model import Container, Exec, ExecRequest, Status
from yurt.engine.containers.registry import Entry, Places
from yurt.engine.containers.runner import StartFailed, start_error
from yurt.engine.containers.tasks import Background
from yurt.errors import Conflict, Internal, InvalidArgument, NotFound, YurtError, reason_of
from yurt.ids import new_id, short
from yurt.linux import members
from yurt.linux.runc import Runtime
from yurt.linux.shims import Failed, ShimConnection, Shims
from yurt.shim.monitor import Request

log = structlog.get_logger()

KEPT = 300.0  # seconds that an exec which ended can still be inspected, as in Docker
TIDIES_AFTER = 0.05  # seconds after the end, so that whoever waits for it comes first
UNKNOWN_EXIT = 137
FAILED = (
    128  # the exit code of an exec that did not start, for neither of the reasons that have one of their own
)

Publish = Callable[..., None]


@dataclass(slots=True)
class _Running:
    """An exec, and what of it lives only now."""

    exec: Exec
    entry: Entry
    shim: ShimConnection | None = None
    size: tuple[int, int] = (0, 0)
    started: bool = False
    ended_at: float = 0.0


class Execs:
    """The execs of all containers, in memory only: none outlives the engine's interest in it."""

    def __init__(
        self, *, places: Places, runtime: Runtime, shims: Shims, background: Background, publish: Publish
    ) -> None:
        self._places = places
        self._runtime = runtime
        self._shims = shims
        self._background = background
        self._publish = publish
        self._execs: dict[str, _Running] = {}

    def create(self, entry: Entry, request: ExecRequest) -> Exec:
        """Note what to run; nothing runs yet."""
        _must_run(entry.container)
        if not request.cmd:
            raise InvalidArgument("No exec command specified")
        self._user(entry.container, request)
        self._forget_old()
        created = Exec(new_id(), entry.container.id, request)
        self._execs[created.id] = _Running(created, entry)
        self._publish(entry, f"exec_create: {_told(request.cmd)}", execID=created.id)
        return created

    def _user(self, container: Container, request: ExecRequest) -> users.User:
        """Return who the exec runs as; InvalidArgument when the container knows no such user or group."""
        root = self._places.rootfs(container.id)
        return rootfs.resolve_user(root, request.user or container.config.user, add=container.host.group_add)

    def get(self, exec_id: str) -> Exec:
        return self._find(exec_id).exec

    def of(self, container_id: str) -> tuple[str, ...]:
        """Return the ids of the execs of a container that run."""
        return tuple(
            key
            for key, one in self._execs.items()
            if one.exec.container_id == container_id and one.exec.running
        )

    def forget(self, container_id: str) -> None:
        """Drop the execs of a container that is removed."""
        for key in [key for key, one in self._execs.items() if one.exec.container_id == container_id]:
            del self._execs[key]

    def _find(self, exec_id: str) -> _Running:
        if (found := self._execs.get(exec_id)) is not None:
            return found
        matches = [one for key, one in self._execs.items() if key.startswith(exec_id)]
        if len(matches) == 1 and exec_id:
            return matches[0]
        raise NotFound(f"No such exec instance: {exec_id}")

    def _forget_old(self) -> None:
        horizon = time.monotonic() - KEPT
        for key in [key for key, one in self._execs.items() if 0 < one.ended_at < horizon]:
            del self._execs[key]

    async def start(self, exec_id: str, *, detach: bool) -> AttachStream | None:
        """Run it. Attached: return its stream at once; an error to start it comes on that stream, as in Docker.

        Detached: return when it runs, raise when it cannot be started.
        """
        running = self._find(exec_id)
        if running.started:
            raise Conflict(f"Error: Exec command {exec_id} has already run")
        _must_run(running.entry.container)
        running.started = True
        request = running.exec.request
        # A client that has its stream may ask at once; only what runs, or has an exit code, was started.
        running.exec = replace(running.exec, running=True)
        self._publish(running.entry, f"exec_start: {_told(request.cmd)}", execID=running.exec.id)
        if detach:
            await self._launch(running, None, request)
            return None
        ours, theirs = pair()
        failing = theirs.dup()
        stream = AttachStream(
            ours,
            tty=request.tty,
            detach_keys=request.detach_bytes if request.attach_stdin else b"",
            on_detach=lambda: self._publish(running.entry, "exec_detach", execID=running.exec.id),
        )
        self._background.start(
            self._launch_attached(running, theirs, failing), name=f"exec {short(running.exec.id)}"
        )
        return stream

    async def _launch_attached(self, running: _Running, sock: socket.socket, failing: socket.socket) -> None:
        with failing:
            try:
                await self._launch(running, sock, running.exec.request)
            except YurtError as error:
                text = f"{error.message}\r\n".encode()
                failing.setblocking(False)
                with contextlib.suppress(OSError):
                    failing.send(text if running.exec.request.tty else frame(1, text))

    async def _launch(self, running: _Running, sock: socket.socket | None, request: ExecRequest) -> None:
        """Start the shim of an exec, and wait until the process runs."""
        try:
            shim = await self._started(running.entry.container, running.exec.id, request, sock, running.size)
        except YurtError as error:
            code = error.exit_code if isinstance(error, StartFailed) else FAILED
            running.exec = replace(running.exec, running=False, exit_code=code)
            running.ended_at = time.monotonic()
            raise
        running.shim = shim
        started = shim.started.result()
        assert not isinstance(started, Failed)
        running.exec = replace(running.exec, pid=started.pid)
        if any(running.size):
            shim.resize(height=running.size[0], width=running.size[1])
        self._background.start(self._hear(running, shim), name=f"exec {short(running.exec.id)} exit")

    async def _hear(self, running: _Running, shim: ShimConnection) -> None:
        exited = await shim.exited
        shim.close()
        running.shim = None
        if exited is None:
            _kill(running.exec, running.entry.container)
        code = UNKNOWN_EXIT if exited is None else exited.code
        running.exec = replace(running.exec, running=False, exit_code=code, pid=0)
        running.ended_at = time.monotonic()
        self._publish(running.entry, "exec_die", execID=running.exec.id, exitCode=str(code))
        try:
            await asyncio.sleep(TIDIES_AFTER)
        finally:
            shutil.rmtree(self._directory(running.exec.container_id, running.exec.id), ignore_errors=True)

    def _directory(self, container_id: str, exec_id: str) -> Path:
        return self._places.bundle(container_id) / "execs" / short(exec_id)

    async def _started(
        self,
        container: Container,
        exec_id: str,
        request: ExecRequest,
        sock: socket.socket | None,
        size: tuple[int, int],
    ) -> ShimConnection:
        """Return the connection to a shim whose process runs; *sock* is closed or passed on, whatever comes."""
        directory = self._directory(container.id, exec_id)
        try:
            root = self._places.rootfs(container.id)
            rootfs.check_working_dir(root, request.working_dir or container.config.working_dir)
            user = self._user(container, request)
            directory.mkdir(mode=0o700, parents=True)
            document = spec.exec_process(container, request, user, size=size).to_document()
            (directory / "process.json").write_bytes(msgspec.json.encode(document))
            wish = {
                "stdin": request.attach_stdin,
                "stdout": request.attach_stdout,
                "stderr": request.attach_stderr,
            }
            shim_request = Request(
                directory=str(directory),
                argv=self._runtime.exec_argv(container.id, "process.json", tty=request.tty),
                tty=request.tty,
                open_stdin=request.attach_stdin and sock is not None,
                stdin_once=True,
                attach=[] if sock is None else [wish],
                height=size[0],
                width=size[1],
            )
        except BaseException as error:
            if sock is not None:
                sock.close()
            shutil.rmtree(directory, ignore_errors=True)
            if isinstance(error, OSError):
                raise Internal(f"cannot start an exec in {container.name}: {reason_of(error)}") from error
            raise
        shim = self._shims.spawn(shim_request, [] if sock is None else [sock])
        outcome = await shim.started
        if isinstance(outcome, Failed):
            shim.close()
            shutil.rmtree(directory, ignore_errors=True)
            raise start_error(self._runtime.complaint(outcome.error), "exec")
        return shim

    def resize(self, exec_id: str, *, height: int, width: int) -> None:
        """Set the terminal's size; before the process runs, remember it."""
        running = self._find(exec_id)
        running.size = (height, width)
        if running.shim is not None:
            running.shim.resize(height=height, width=width)

    async def probe(
        self, container: Container, command: tuple[str, ...], *, timeout: float
    ) -> tuple[int, str]:
        """Run a health check; return exit code and the beginning of its output. -1: it took longer than *timeout*."""
        request = ExecRequest(cmd=command, attach_stdout=True, attach_stderr=True)
        ours, theirs = pair()
        output = bytearray()
        ours.setblocking(False)
        exec_id = new_id()
        shim: ShimConnection | None = None
        try:
            async with asyncio.timeout(timeout):
                shim = await self._started(container, exec_id, request, theirs, (0, 0))
                stream = AttachStream(ours, tty=False)
                while data := await stream.read():
                    output += data[: max(0, MAX_OUTPUT * 2 - len(output))]
                exited = await shim.exited
            return (UNKNOWN_EXIT if exited is None else exited.code), unframed(bytes(output))
        except TimeoutError:
            if shim is not None:
                shim.kill(9)
            return -1, f"Health check exceeded timeout ({timeout:g}s)"
        except YurtError as error:
            return -1, error.message
        finally:
            ours.close()
            if shim is not None:
                shim.close()
            shutil.rmtree(self._directory(container.id, exec_id), ignore_errors=True)


def _kill(lost: Exec, container: Container) -> None:
    """End the process of an exec whose shim was lost: nobody would hear of its end."""
    log.warning("exec.lost", container=short(lost.container_id), exec=short(lost.id))
    left = members.of(container.id, container.state.pid, parent=container.host.cgroup_parent)
    if lost.pid in left:  # else the number may be another's by now
        with contextlib.suppress(ProcessLookupError):
            os.kill(lost.pid, signal.SIGKILL)


MAX_OUTPUT = 4096  # bytes of a health check's output that are kept


def unframed(data: bytes) -> str:
    """Return the text of framed output, cut to what is kept."""
    pieces = []
    while len(data) > 8:
        length = int.from_bytes(data[4:8], "big")
        pieces.append(data[8 : 8 + length])
        data = data[8 + length :]
    return b"".join(pieces)[:MAX_OUTPUT].decode(errors="replace")


def _told(cmd: Sequence[str]) -> str:
    """Return a command as events have it: a blank behind the first word, whatever follows, as from Docker."""
    return f"{cmd[0]} {' '.join(cmd[1:])}"


def _must_run(container: Container) -> None:
    status = container.state.status
    if status is Status.PAUSED:
        raise Conflict(f"Container {container.name} is paused, unpause the container before exec")
    if status is Status.RESTARTING:
        raise Conflict(f"Container {container.name} is restarting, wait until the container is running")
    if status is not Status.RUNNING:
        raise Conflict(f"container {container.id} is not running")
