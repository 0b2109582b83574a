"""TLS in front of HTTP: clients with a certificate, their bytes carried to the HTTP server and back.

The HTTP server gets one end of a socket pair for each client, so that it need not know of TLS: its hijacked
connections close one direction and go on with the other as on a unix socket (see `yurt.api.tls`).
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable

import structlog

from yurt.api.tls import PIECE, TlsSession
from yurt.errors import InvalidArgument, YurtError, translated
from yurt.settings import TlsFiles

log: structlog.stdlib.BoundLogger = structlog.get_logger("yurt.server.tls")

PATIENCE = 10.0  # seconds that a client has to show its certificate
LINGER = 3.0  # seconds that a client has to close after it was served


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """Return what admits the clients that *files* vouch for, and no others; raises InvalidArgument for bad files."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    context.num_tickets = 0  # sessions are not resumed
    wrong: dict[type[BaseException], type[YurtError]] = {OSError: InvalidArgument}  # ssl.SSLError is one
    with translated(wrong, f"cannot use the certificate authority {files.ca}"):
        context.load_verify_locations(files.ca)
    with translated(wrong, f"cannot use the certificate {files.certificate} with the key {files.key}"):
        context.load_cert_chain(files.certificate, files.key, password=_no_password(files))
    return context


def _no_password(files: TlsFiles) -> Callable[[], str]:
    """Return what refuses to ask for a password: a daemon has no terminal to ask on."""

    def refuse() -> str:
        raise InvalidArgument(
            f"the key {files.key} is encrypted", hint=f"store it decrypted: openssl pkey -in {files.key}"
        )

    return refuse


class TlsFront:
    """Accepts TLS clients and hands each to *serve*, the HTTP server's protocol factory."""

    def __init__(self, context: ssl.SSLContext, serve: Callable[[], asyncio.Protocol]) -> None:
        self._context = context
        self._serve = serve
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"<TlsFront {len(self._clients)} clients>"

    async def start(self, listening: socket.socket, *, backlog: int) -> None:
        """Afterwards clients are accepted on *listening*."""
        self._server = await asyncio.start_server(self._admit, sock=listening, backlog=backlog)

    def close(self) -> None:
        """Accept nobody any more; those that are being served go on."""
        if self._server is not None:
            self._server.close()

    async def wait_closed(self) -> None:
        """Cut off those that are still connected."""
        for task in tuple(self._clients):
            task.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    async def _admit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        peer = writer.get_extra_info("peername")
        try:
            session = TlsSession(self._context, server_side=True)
            if await _shaken(session, reader, writer):
                await self._carry(session, reader, writer)
        except (ssl.SSLError, TimeoutError) as refused:
            log.warning("tls.refused", peer=peer, reason=str(refused) or "no handshake in time")
        except ConnectionError as lost:
            log.debug("tls.lost", peer=peer, reason=str(lost))
        finally:
            self._clients.discard(task)
            writer.transport.abort()

    async def _carry(
        self, session: TlsSession, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Carry bytes both ways until the HTTP server has closed, or the client is gone."""
        ours, theirs = socket.socketpair()
        loop = asyncio.get_running_loop()
        await loop.connect_accepted_socket(self._serve, theirs)
        plain_reader, plain_writer = await asyncio.open_unix_connection(sock=ours)
        try:
            inward = asyncio.create_task(_inward(session, reader, writer, plain_writer), name="tls.inward")
            try:
                await _outward(session, plain_reader, writer)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LINGER):
                        await inward
            finally:
                inward.cancel()
                await asyncio.gather(inward, return_exceptions=True)
        finally:
            plain_writer.transport.abort()


async def _shaken(session: TlsSession, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Shake hands; False: the client went away. A refused client is told why before the error is raised."""
    async with asyncio.timeout(PATIENCE):
        try:
            while not session.shake_hands():
                writer.write(session.outgoing())
                await writer.drain()
                if not (data := await reader.read(PIECE)):
                    return False
                session.feed(data)
        except ssl.SSLError:
            with contextlib.suppress(OSError):  # it may be gone already
                writer.write(session.outgoing())
                writer.write_eof()
                # What it has sent must be read: closing over unread bytes would cut off the reason, too.
                while await reader.read(PIECE):
                    pass
            raise
        writer.write(session.outgoing())
        await writer.drain()
    return True


async def _inward(
    session: TlsSession,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    plain: asyncio.StreamWriter,
) -> None:
    """Carry what the client says to the HTTP server; a client that hangs up without a word is cut off there."""
    try:
        while True:
            was_ended = session.is_ended
            if data := session.read():
                plain.write(data)
                await plain.drain()
            if answer := session.outgoing():  # a key update, for one
                writer.write(answer)
            if session.is_ended and not was_ended:
                plain.write_eof()
            if not (data := await reader.read(PIECE)):
                break
            session.feed(data)
    finally:
        plain.transport.abort()


async def _outward(session: TlsSession, plain: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry what the HTTP server says to the client, to its end."""
    while data := await plain.read(PIECE):
        session.write(data)
        writer.write(session.outgoing())
        await writer.drain()
    session.end()
    writer.write(session.outgoing())
    await writer.drain()
