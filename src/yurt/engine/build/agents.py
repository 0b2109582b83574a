"""``RUN --mount=type=ssh``: a socket whose other end is the client's SSH agent. No key ever comes here."""

import asyncio
import contextlib
import os
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Protocol

import structlog

from yurt.errors import YurtError

log = structlog.get_logger(__name__)


class Agents(Protocol):
    """Who has SSH agents."""

    async def agent(
        self,
        name: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        """Lead one connection to the agent *name*, until either side ends it."""
        ...


async def offer(
    agents: Agents, name: str, path: Path, undo: AsyncExitStack, *, owner: tuple[int, int], mode: int
) -> None:
    """Listen at *path* until *undo* unwinds; who connects there talks to the agent *name*."""
    connections: set[asyncio.Task[None]] = set()

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await agents.agent(name, reader, writer)
        except (YurtError, OSError, EOFError) as error:
            log.info("build.agent_failed", agent=name, error=str(error))
        finally:
            writer.close()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(lead(reader, writer), name="build.agent")
        connections.add(task)
        task.add_done_callback(connections.discard)

    async def close() -> None:
        server.close()
        left = tuple(connections)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)

    server = await asyncio.start_unix_server(begin, path)
    undo.push_async_callback(close)
    os.chown(path, *owner)
    path.chmod(mode)


async def through(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, other: str) -> None:
    """Lead a connection to the agent that listens at the path *other* on this machine."""
    far_reader, far_writer = await asyncio.open_unix_connection(other)
    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(_copy(reader, far_writer), name="build.agent.ask")
            both.create_task(_copy(far_reader, writer), name="build.agent.answer")
    finally:
        far_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(1 << 16):
        writer.write(piece)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()
