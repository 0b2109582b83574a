"""The Engine API: from a connection to a handler's answer."""

import asyncio
import time
from collections.abc import Iterable
from typing import Any

import structlog
from aiohttp.web_request import BaseRequest
from aiohttp.web_response import StreamResponse
from aiohttp.web_server import Server

from yurt.api.version import LATEST, OLDEST, split_path
from yurt.errors import InvalidArgument, YurtError
from yurt.server import answers
from yurt.server.call import Call
from yurt.server.hijack import Connection, Hijacked
from yurt.server.listening import BACKLOG, Listener
from yurt.server.router import Route, Router
from yurt.server.tls import TlsFront

log: structlog.stdlib.BoundLogger = structlog.get_logger("yurt.server")

MAX_BODY = 64 * 1024 * 1024  # of a JSON request; archives are streamed and have no limit
GRACE = 5.0  # seconds that short requests have to end when the server stops


class _Server(Server):
    """Makes our kind of connection."""

    def __call__(self) -> Connection:
        return Connection(self, loop=self._loop, **self._kwargs)


class ApiServer:
    """Serves *routes*. After `start` clients are answered until `stop`."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._router = Router(routes)
        self._ending_with_client: set[asyncio.Task[Any]] = set()
        self._server: _Server | None = None
        self._accepting: list[asyncio.Server | TlsFront] = []

    @property
    def routes(self) -> tuple[Route, ...]:
        return self._router.routes

    async def start(self, listeners: Iterable[Listener]) -> None:
        """Afterwards the API answers on *listeners*, which stay their owner's."""
        loop = asyncio.get_running_loop()
        self._server = _Server(
            self._handle,
            request_factory=_request,
            access_log=None,
            tcp_keepalive=False,
            read_bufsize=2**18,
            max_line_size=2**16,
            max_field_size=2**16,
        )
        for listener in listeners:
            if listener.tls is not None:
                front = TlsFront(listener.tls, self._server)
                await front.start(listener.socket, backlog=BACKLOG)
                self._accepting.append(front)
            else:
                self._accepting.append(
                    await loop.create_unix_server(self._server, sock=listener.socket, backlog=BACKLOG)
                )
            log.info("server.listening", address=listener.name)

    async def stop(self) -> None:
        """Afterwards nobody is served; what clients were told to wait for goes on."""
        for accepting in self._accepting:
            accepting.close()
        for task in tuple(self._ending_with_client):
            task.cancel()
        if self._server is not None:
            self._server.pre_shutdown()
            await self._server.shutdown(GRACE)
        for accepting in self._accepting:
            if isinstance(accepting, TlsFront):
                await accepting.wait_closed()
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
                return answers.failure(answers.unexpected(error))
        finally:
            self._ending_with_client.discard(task)
        # The status is out already: only a cut connection tells the client that this was not all.
        if connection.transport is not None:
            connection.transport.abort()
        return Hijacked()


def _request(
    message: Any, payload: Any, protocol: Any, writer: Any, task: "asyncio.Task[None]"
) -> BaseRequest:
    return BaseRequest(
        message, payload, protocol, writer, task, asyncio.get_running_loop(), client_max_size=MAX_BODY
    )
