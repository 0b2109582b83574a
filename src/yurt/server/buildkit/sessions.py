"""Sessions: a client's connection on which *we* call. It has the files, secrets and credentials of a build."""

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import structlog

from yurt.errors import Conflict, InvalidArgument, NotFound
from yurt.server.buildkit.grpc import Client, Exchange
from yurt.server.buildkit.http2 import Http2, Pipe, StreamLost
from yurt.server.buildkit.messages import BytesMessage

log: structlog.stdlib.BoundLogger = structlog.get_logger("yurt.buildkit")

PATIENCE = 5.0  # seconds that a session may come after the build that names it
PIECE = 1 << 20  # bytes of a session in one message, when it is led through gRPC
ID, SHARED_KEY, METHOD = (f"x-docker-expose-session-{name}" for name in ("uuid", "sharedkey", "grpc-method"))


@dataclass(frozen=True, slots=True)
class Session:
    """One client that can be asked. *methods* are the paths that it answers, *shared_key* is its name for a folder."""

    id: str
    shared_key: str
    methods: frozenset[str]
    client: Client

    def offers(self, method: str) -> bool:
        return method in self.methods


class Sessions:
    """The sessions that are open now, by id."""

    def __init__(self) -> None:
        self._open: dict[str, Session] = {}
        self._changed = asyncio.Condition()

    def __repr__(self) -> str:
        return f"<Sessions {len(self._open)} open>"

    async def serve(self, id: str, shared_key: str, methods: frozenset[str], pipe: Pipe) -> None:  # noqa: A002
        """Keep the session open until *pipe* ends."""
        connection = Http2(pipe)
        with self._registered(Session(id, shared_key, methods, Client(connection))):
            async with self._changed:
                self._changed.notify_all()
            log.debug("session.opened", session=id)
            try:
                await connection.run()
            finally:
                connection.goodbye()
                log.debug("session.closed", session=id)

    def checked(self, id: str) -> str:  # noqa: A002
        """Return the id of a session that may be opened; raise InvalidArgument when there is none, Conflict when it is open."""
        if not id:
            raise InvalidArgument(f"a session needs an id, in the header {ID}")
        if id in self._open:
            raise Conflict(f"the session {id} is open already")
        return id

    async def serve_tunnel(self, exchange: Exchange) -> None:
        """Keep a session open that comes through a gRPC call, as several builds of one client share it."""
        id = self.checked(exchange.metadata.get(ID, ""))  # noqa: A001
        await exchange.begin()
        tunnel = _Tunnel(exchange)
        writer = asyncio.create_task(tunnel.pump(), name="session.tunnel")
        try:
            await self.serve(id, exchange.metadata.get(SHARED_KEY, ""), exchange.all(METHOD), tunnel)
        finally:
            writer.cancel()
            with contextlib.suppress(asyncio.CancelledError, StreamLost):
                await writer

    async def find(self, id: str) -> Session:  # noqa: A002
        """Return the session, waiting a little for it; raise NotFound when it does not come."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE), self._changed:
                await self._changed.wait_for(lambda: id in self._open)
        if id not in self._open:
            raise NotFound(
                f"no active session for {id or 'this build'}", hint="the client has to open /session"
            )
        return self._open[id]

    @contextlib.contextmanager
    def _registered(self, session: Session) -> Iterator[None]:
        self._open[session.id] = session
        try:
            yield
        finally:
            del self._open[session.id]


class _Tunnel:
    """A pipe through a gRPC call: both sides of it are BytesMessages."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._out = bytearray()
        self._filled = asyncio.Event()
        self._drained = asyncio.Event()

    async def read(self) -> bytes:
        while (message := await self._exchange.receive(BytesMessage)) is not None:
            if message.data:
                return message.data
        return b""

    def write(self, data: bytes, /) -> None:
        self._out += data
        self._filled.set()

    async def drain(self) -> None:
        while len(self._out) > PIECE:
            self._drained.clear()
            await self._drained.wait()

    async def pump(self) -> None:
        """Send what is written, until cancelled."""
        try:
            while True:
                await self._filled.wait()
                self._filled.clear()
                while self._out:
                    piece = bytes(self._out[:PIECE])
                    del self._out[:PIECE]
                    await self._exchange.send(BytesMessage(piece))
                self._drained.set()
        finally:
            self._out.clear()
            self._drained.set()
