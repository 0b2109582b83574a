"""Published ports: taken, led, given back; what comes through them."""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from yurt.linux.relay.ports import Inside, Lead, Relay, Taken


class SameNetwork(Inside):
    """Makes its sockets in this very network: no privilege is needed for that."""

    def __init__(self) -> None:
        """There is no thread to begin."""

    def socket(self, address: str, kind: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return socket.socket(family, kind | socket.SOCK_NONBLOCK)


@pytest.fixture
async def relay() -> AsyncIterator[Relay]:
    made = Relay(SameNetwork())
    yield made
    made.keep(())
    await asyncio.sleep(0)


def a_lead(to: int = 1, *, protocol: str = "tcp", port: int = 0, last: int = 0) -> Lead:
    return Lead(protocol, "127.0.0.1", port, last, "127.0.0.1", to)


async def shouting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer with what was said, in capitals, when the other side has said all."""
    writer.write((await reader.read()).upper())
    await writer.drain()
    writer.close()


async def ask(port: int, question: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(question)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_a_connection_is_carried_with_its_half_close(relay: Relay) -> None:
    """The answer comes after the question's end; a megabyte each way."""
    async with await asyncio.start_server(shouting, "127.0.0.1", 0) as server:
        (lead,) = relay.take("web", [a_lead(server.sockets[0].getsockname()[1])])
        assert lead.port > 0
        assert await ask(lead.port, b"x" * 1_000_000) == b"X" * 1_000_000


async def test_nobody_there_is_an_end(relay: Relay) -> None:
    """A container that does not listen yet: the connection closes."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        (lead,) = relay.take("web", [a_lead(unused.getsockname()[1])])
        assert await ask(lead.port, b"") == b""


async def test_ports_are_taken_all_or_none(relay: Relay) -> None:
    """One that another has is named; the others are free again."""
    (first,) = relay.take("first", [a_lead()])
    with socket.create_server(("127.0.0.1", 0)) as probe:
        free = probe.getsockname()[1]
    with pytest.raises(Taken) as refused:
        relay.take("second", [a_lead(port=free), a_lead(port=first.port)])
    assert (refused.value.errno, refused.value.lead.port) == (errno.EADDRINUSE, first.port)
    assert [lead.port for lead in relay.take("second", [a_lead(port=free)])] == [free]


async def test_the_first_free_port_of_a_range(relay: Relay) -> None:
    """Those that are taken are passed over, to the last."""
    (first,) = relay.take("first", [a_lead()])
    (second,) = relay.take("second", [a_lead(port=first.port, last=first.port + 50)])
    assert first.port < second.port <= first.port + 50


async def test_who_takes_again_has_what_it_had_and_leads_it_anew(relay: Relay) -> None:
    """As an engine does after its predecessor was killed; what is not asked for again is free."""
    async with await asyncio.start_server(shouting, "127.0.0.1", 0) as server:
        there = server.sockets[0].getsockname()[1]
        one, two = relay.take("web", [a_lead(), a_lead()])
        assert relay.take("web", [replace(one, container_port=there)])[0].port == one.port
        assert await ask(one.port, b"hi") == b"HI"
        relay.take("other", [two])


async def test_only_those_who_are_kept_have_ports(relay: Relay) -> None:
    """Afterwards the others' are free."""
    (kept,) = relay.take("kept", [a_lead()])
    (gone,) = relay.take("gone", [a_lead()])
    relay.keep(["kept"])
    relay.take("new", [gone])
    with pytest.raises(Taken):
        relay.take("new", [kept])


async def test_what_is_connected_ends_with_the_port(relay: Relay) -> None:
    """Also in the middle of a conversation."""
    async with await asyncio.start_server(shouting, "127.0.0.1", 0) as server:
        (lead,) = relay.take("web", [a_lead(server.sockets[0].getsockname()[1])])
        reader, writer = await asyncio.open_connection("127.0.0.1", lead.port)
        writer.write(b"half a question")
        await asyncio.sleep(0.05)
        relay.drop("web")
        assert await reader.read() == b""
        writer.close()


async def test_datagrams_and_their_answers(relay: Relay) -> None:
    """Two who ask get each their own answer, from the address that they asked."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.setblocking(False)
        server.bind(("127.0.0.1", 0))
        lead = Lead("udp", "0.0.0.0", 0, 0, "127.0.0.1", server.getsockname()[1])
        (lead,) = relay.take("dns", [lead])
        asking = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
        for number, one in enumerate(asking):
            one.setblocking(False)
            one.connect((f"127.0.0.{number + 2}", lead.port))
            await loop.sock_sendall(one, b"from %d" % number)
        for _ in asking:
            data, sender = await loop.sock_recvfrom(server, 100)
            await loop.sock_sendto(server, data.upper(), sender)
        for number, one in enumerate(asking):
            async with asyncio.timeout(5):
                assert await loop.sock_recv(one, 100) == b"FROM %d" % number
            one.close()
