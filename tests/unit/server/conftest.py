"""A server of a few routes on a socket, and a client that sees every byte."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from yurt.server import listening
from yurt.server.app import ApiServer
from yurt.server.listening import Listener
from yurt.server.router import Route
from yurt.settings import EngineSettings, ListenAddress, TlsFiles


@dataclass
class Answer:
    status: int
    reason: str
    headers: dict[str, str]
    body: bytes


class Wire:
    """A connection to the server; writes what it is told, reads answers or bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def ask(self, method: str, path: str, body: bytes = b"", headers: str = "") -> Answer:
        await self.send(
            f"{method} {path} HTTP/1.1\r\nHost: d\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode()
            + body
        )
        return await self.answer(method)

    async def head(self) -> Answer:
        text = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        first, *rest = text.strip().split("\r\n")
        _, status, reason = (first + " ").split(" ", 2)
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in rest)}
        return Answer(int(status), reason.strip(), headers, b"")

    async def answer(self, method: str = "GET") -> Answer:
        found = await self.head()
        if method == "HEAD" or found.status in {204, 304}:
            return found
        if found.headers.get("transfer-encoding") == "chunked":
            while size := int(await self.reader.readline(), 16):
                found.body += await self.reader.readexactly(size)
                await self.reader.readline()
            await self.reader.readline()
        else:
            found.body = await self.reader.readexactly(int(found.headers.get("content-length", "0")))
        return found

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


Serve = Callable[[Iterable[Route]], Awaitable[Callable[[], Awaitable[Wire]]]]


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Serve]:
    """Return a function: routes in, a function that opens connections out."""
    servers: list[ApiServer] = []
    wires: list[Wire] = []

    async def start(routes: Iterable[Route]) -> Callable[[], Awaitable[Wire]]:
        server = ApiServer(routes)
        path = tmp_path / "s" / "yurt.sock"
        await server.start(undo.enter_context(opened_at(f"unix://{path}", tmp_path)))
        servers.append(server)

        async def connect() -> Wire:
            wire = Wire(*await asyncio.open_unix_connection(str(tmp_path / "s" / "yurt.sock")))
            wires.append(wire)
            return wire

        return connect

    with contextlib.ExitStack() as undo:
        yield start
        for wire in wires:
            await wire.close()
        for server in servers:
            await server.stop()


def opened_at(
    address: str, folder: Path, *, tls: TlsFiles | None = None, inherited: int = 0
) -> contextlib.AbstractContextManager[tuple[Listener, ...]]:
    """Return what is listened on for an engine in *folder* that shall listen at *address*."""
    settings = EngineSettings(
        root=folder,
        run=folder,
        listen=(ListenAddress.parse(address),),
        inherited_sockets=inherited,
        tls=tls,
    )
    return listening.opened(settings)
