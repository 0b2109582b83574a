"""The Engine API on a unix socket: from a connection to a handler's answer."""

import asyncio
import grp
import os
import socket
import stat
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import structlog
from aiohttp.web_request import BaseRequest
from aiohttp.web_response import StreamResponse
from aiohttp.web_server import Server

from yurt.api.version import LATEST, OLDEST, split_path
from yurt.errors import Conflict, Internal, InvalidArgument, Unavailable, YurtError, translated
from yurt.server import answers
from yurt.server.call import Call
from yurt.server.hijack import Connection, Hijacked
from yurt.server.router import Route, Router

log: structlog.stdlib.BoundLogger = structlog.get_logger("yurt.server")

MAX_BODY = 64 * 1024 * 1024  # of a JSON request; archives are streamed and have no limit
GROUP = "yurt"  # whose members may use the socket, beside root
GRACE = 5.0  # seconds that short requests have to end when the server stops


class _Server(Server):
    """Makes our kind of connection."""

    def __call__(self) -> Connection:
        return Connection(self, loop=self._loop, **self._kwargs)


class ApiServer:
    """Serves *routes*. `start` binds the socket; afterwards clients are answered until `stop`."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._router = Router(routes)
        self._ending_with_client: set[asyncio.Task[Any]] = set()
        self._server: _Server | None = None
        self._listener: asyncio.Server | None = None
        self._socket: Path | None = None
        self._socket_inode = 0

    @property
    def routes(self) -> tuple[Route, ...]:
        return self._router.routes

    async def start(self, path: Path) -> None:
        """Afterwards the API answers at *path* (mode 0660, group `GROUP`). Raises Conflict when another engine does already."""
        loop = asyncio.get_running_loop()
        listening = _bound(path)
        self._server = _Server(
            self._handle,
            request_factory=_request,
            access_log=None,
            tcp_keepalive=False,
            read_bufsize=2**18,
            max_line_size=2**16,
            max_field_size=2**16,
        )
        self._listener = await loop.create_unix_server(self._server, sock=listening, backlog=1024)
        self._socket, self._socket_inode = path, path.stat().st_ino
        log.info("server.listening", socket=str(path))

    async def stop(self) -> None:
        """Afterwards nobody is served and the socket's path is gone; what clients were told to wait for goes on."""
        if self._listener is not None:
            self._listener.close()
        for task in tuple(self._ending_with_client):
            task.cancel()
        if self._server is not None:
            self._server.pre_shutdown()
            await self._server.shutdown(GRACE)
        if self._socket is not None and _inode(self._socket) == self._socket_inode:
            self._socket.unlink(missing_ok=True)
        log.info("server.stopped")

    async def _handle(self, request: BaseRequest) -> StreamResponse:
        begun = time.perf_counter()
        connection = request.protocol
        assert isinstance(connection, Connection)
        response: StreamResponse
        try:
            response = await self._answer(request, connection)
        finally:
            connection.on_lost = None
        if not isinstance(response, Hijacked):
            connection.release()
        log.debug(
            "request",
            method=request.method,
            path=request.path_qs,
            status=response.status,
            ms=round((time.perf_counter() - begun) * 1000, 2),
        )
        return response

    async def _answer(self, request: BaseRequest, connection: Connection) -> StreamResponse:
        call: Call | None = None
        task = asyncio.current_task()
        assert task is not None
        try:
            version, path = split_path(request.path)
            if version is not None and version > LATEST:
                raise InvalidArgument(
                    f"client version {version} is too new. Maximum supported API version is {LATEST}"
                )
            if version is not None and version < OLDEST:
                raise InvalidArgument(
                    f"client version {version} is too old. Minimum supported API version is {OLDEST}, "
                    "please upgrade your client to a newer version"
                )
            route, places = self._router.find(request.method, path)
            call = Call(request, version or LATEST, places)
            if route.ends_with_client:
                connection.on_lost = task.cancel
                self._ending_with_client.add(task)
            return await route.handler(call)
        except YurtError as error:
            if not (call and call.is_started):
                return answers.failure(error)
            log.warning("request.broken_off", path=request.path, error=str(error))
        except ConnectionError:  # the client is gone, there is nobody to tell
            raise
        except Exception as error:
            log.exception("request.failed", method=request.method, path=request.path)
            if not (call and call.is_started):
                return answers.failure(_unexpected(error))
        finally:
            self._ending_with_client.discard(task)
        # The status is out already: only a cut connection tells the client that this was not all.
        if connection.transport is not None:
            connection.transport.abort()
        return Hijacked()


def _unexpected(error: Exception) -> Internal:
    return Internal(
        f"internal error: {type(error).__name__}: {error}", hint="the traceback is in the daemon's log"
    )


def _request(
    message: Any, payload: Any, protocol: Any, writer: Any, task: "asyncio.Task[None]"
) -> BaseRequest:
    return BaseRequest(
        message, payload, protocol, writer, task, asyncio.get_running_loop(), client_max_size=MAX_BODY
    )


def require_free(path: Path) -> None:
    """Raise Conflict when another engine answers at *path* or a file is in the way, Unavailable when it cannot be."""
    with translated({OSError: Unavailable}, f"cannot listen on {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not stat.S_ISSOCK(path.stat().st_mode):
        raise Conflict(f"cannot listen on {path}: a file that is no socket is in the way")
    if _is_alive(path):
        raise Conflict(
            f"cannot listen on {path}: another engine answers there",
            hint="stop it, or choose another address with --host unix:///path",
        )


def _bound(path: Path) -> socket.socket:
    """Return a socket bound to *path*; one that a dead engine left is replaced, a live one's is not."""
    require_free(path)
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    umask = os.umask(0o117)
    try:
        with translated({OSError: Unavailable}, f"cannot listen on {path}"):
            listening.bind(str(path))
            _admit_group(path)
    except BaseException:
        listening.close()
        raise
    finally:
        os.umask(umask)
    return listening


def _admit_group(path: Path) -> None:
    """Give the socket to the group `GROUP` if this host has one: its members use the engine as root does."""
    try:
        group = grp.getgrnam(GROUP).gr_gid
    except KeyError:
        return
    if os.geteuid() == 0:
        os.chown(path, -1, group)


def _is_alive(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0
