"""A relay in a process of its own, which outlives those who are connected to it while it has ports."""

import asyncio
import contextlib
import os
import signal
import socket
import socketserver
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from yurt.linux.relay.client import LOG, RelayClient
from yurt.linux.relay.ports import ANYBODY, Lead, Taken

PATIENCE = 20.0


@pytest.fixture
async def run(tmp_path: Path) -> AsyncIterator[Path]:
    yield tmp_path
    client = RelayClient(tmp_path)
    client.keep(())
    client.settle()
    client.close()
    said = tmp_path / LOG
    assert not said.exists() or said.read_text() == ""


class Shouting(socketserver.BaseRequestHandler):
    """Answers with what was said, in capitals."""

    def handle(self) -> None:
        while data := self.request.recv(100):
            self.request.sendall(data.upper())


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


@pytest.fixture
def service() -> Iterator[int]:
    """A port of 127.0.0.1 at which what was said comes back in capitals."""
    with Server(("127.0.0.1", 0), Shouting) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.02,))
        serving.start()
        yield server.server_address[1]
        server.shutdown()
        serving.join()


def a_port(to: int) -> tuple[Lead, socket.socket]:
    held = socket.create_server(("::1", 0), family=socket.AF_INET6)
    return Lead("tcp", "::1", held.getsockname()[1], 0, "127.0.0.1", to), held


async def ask(port: int) -> bytes:
    reader, writer = await asyncio.wait_for(asyncio.open_connection("::1", port), PATIENCE)
    writer.write(b"word")
    answer = b""
    with contextlib.suppress(ConnectionResetError):
        answer = await asyncio.wait_for(reader.read(4), PATIENCE)
    with contextlib.suppress(ConnectionResetError):
        writer.close()
        await writer.wait_closed()
    return answer


def is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET6) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("::1", port))
        except OSError:
            return False
    return True


async def test_it_outlives_an_engine_and_the_next_one_goes_on(run: Path, service: int) -> None:
    """A connection goes on, too; whoever is not kept has no ports afterwards."""
    first = RelayClient(run)
    lead, held = a_port(service)
    other, held_too = a_port(service)
    first.add("web", [(lead, held)])
    first.add("gone", [(other, held_too)])
    reader, writer = await asyncio.open_connection("::1", lead.port)
    writer.write(b"one")
    assert await asyncio.wait_for(reader.read(3), PATIENCE) == b"ONE"
    first.close()
    second = RelayClient(run)
    second.take("web", [lead], of=ANYBODY)
    second.keep(["web"])
    second.settle()
    assert is_free(other.port)
    writer.write(b"two")
    assert await asyncio.wait_for(reader.read(3), PATIENCE) == b"TWO"
    writer.close()
    await writer.wait_closed()
    assert await ask(lead.port) == b"WORD"
    second.drop("web")
    second.settle()
    assert is_free(lead.port)
    second.close()


async def test_a_port_is_moved_and_others_are_not(run: Path, service: int) -> None:
    """From the one who is named alone; one that a third has is refused, and all is as it was."""
    client = RelayClient(run)
    lead, held = a_port(1)
    other, held_too = a_port(service)
    client.add("old", [(lead, held)])
    client.add("third", [(other, held_too)])
    anew = Lead("tcp", "::1", lead.port, 0, "127.0.0.1", service)
    with pytest.raises(Taken):
        client.take("new", [anew, other], of="old")
    assert await ask(lead.port) == b""
    client.take("new", [anew], of="old")
    assert await ask(lead.port) == b"WORD"
    client.drop("old")
    client.settle()
    assert await ask(lead.port) == b"WORD"
    assert await ask(other.port) == b"WORD"
    client.close()


async def test_one_that_is_lost_has_a_successor(run: Path, service: int) -> None:
    """Which has the ports at once."""
    client = RelayClient(run)
    lead, held = a_port(service)
    client.add("web", [(lead, held)])
    assert await ask(lead.port) == b"WORD"
    (lost,) = client._started
    os.kill(lost, signal.SIGKILL)
    async with asyncio.timeout(PATIENCE):
        while lost in client._started:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.01)
    client.settle()
    assert await ask(lead.port) == b"WORD"
    client.close()


async def test_one_that_nobody_needs_ends(run: Path) -> None:
    """With the engine, when no port is left."""
    client = RelayClient(run)
    client.add("web", [a_port(1)])
    client.drop("web")
    client.settle()
    (pid,) = client._started
    client.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
