"""The embedded DNS server: one per container, on sockets opened inside the container's network namespace."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Coroutine
from ipaddress import ip_address

import structlog

from yurt.engine.networks import dns_messages
from yurt.engine.networks.dns_messages import Addresses, NameOf, no_addresses

log = structlog.get_logger()

PORT = 53
SERVER_TIMEOUT = 1.8  # seconds a host resolver may take; two of them fit into a client's usual five
SERVERS_ASKED = 2
IDLE = 10.0  # seconds a TCP client may be silent
AT_ONCE = 256  # questions of one container under way; more are refused at once
LARGEST = 65535


async def forward(packet: bytes, servers: tuple[str, ...], *, tcp: bool = False) -> bytes | None:
    """Ask *servers* in turn, from the host; return the first answer, None when no one answers in time."""
    for server in servers[:SERVERS_ASKED]:
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            async with asyncio.timeout(SERVER_TIMEOUT):
                if tcp:
                    return await _ask_stream(packet, server)
                return await _ask_datagram(packet, server)
    return None


async def _ask_datagram(packet: bytes, server: str) -> bytes:
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ip_address(server.partition("%")[0]).version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as asking:
        # Connected: the kernel drops answers of anyone else, and a refusal is heard.
        await loop.sock_connect(asking, (server, PORT))
        await loop.sock_sendall(asking, packet)
        while True:
            reply = await loop.sock_recv(asking, LARGEST)
            if reply[:2] == packet[:2]:
                return reply


async def _ask_stream(packet: bytes, server: str) -> bytes:
    reader, writer = await asyncio.open_connection(server, PORT)
    try:
        writer.write(len(packet).to_bytes(2) + packet)
        return await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
    finally:
        writer.close()


class DnsServer:
    """Answers on *udp* and *tcp* (bound, listening, not blocking; taken over) until `close`.

    *addresses* and *name_of* know the containers that may be seen; any other question goes to *servers*, asked
    anew each time because the host's configuration changes. No servers: such questions fail.
    """

    def __init__(
        self,
        udp: socket.socket,
        tcp: socket.socket,
        *,
        addresses: Addresses,
        name_of: NameOf,
        addresses6: Addresses = no_addresses,
        servers: Callable[[], tuple[str, ...]],
    ) -> None:
        self._udp = udp
        self._tcp = tcp
        self._addresses = addresses
        self._addresses6 = addresses6
        self._name_of = name_of
        self._servers = servers
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop.add_reader(udp, self._on_datagrams)
        self._loop.add_reader(tcp, self._on_connections)

    def close(self) -> None:
        """Stop answering; afterwards both sockets are closed. Idempotent."""
        if self._udp.fileno() < 0:
            return
        for listening in (self._udp, self._tcp):
            self._loop.remove_reader(listening)
            listening.close()
        for task in tuple(self._tasks):
            task.cancel()

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        if len(self._tasks) >= AT_ONCE:
            work.close()
            return
        task = self._loop.create_task(work, name="dns")
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("dns.failed", error=repr(error))

    def _on_datagrams(self) -> None:
        for _ in range(32):  # leave the loop to others now and then
            try:
                packet, client = self._udp.recvfrom(LARGEST)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:  # an ICMP error of an earlier answer
                log.debug("dns.receive", error=str(error))
                return
            reply = dns_messages.answer(packet, self._addresses, self._name_of, addresses6=self._addresses6)
            if reply is not None:
                self._send(reply, client)
            elif len(self._tasks) >= AT_ONCE:
                self._send(dns_messages.failure(packet), client)
            else:
                self._spawn(self._forward_datagram(packet, client))

    async def _forward_datagram(self, packet: bytes, client: tuple[str, int]) -> None:
        reply = await forward(packet, self._servers())
        self._send(reply or dns_messages.failure(packet), client)

    def _send(self, reply: bytes | None, client: tuple[str, int]) -> None:
        if reply is not None and self._udp.fileno() >= 0:
            # A client that is gone, or cannot take more: it asks again, as it would after a lost datagram.
            with contextlib.suppress(OSError):
                self._udp.sendto(reply, client)

    def _on_connections(self) -> None:
        try:
            connection, _client = self._tcp.accept()
        except OSError as error:
            log.debug("dns.accept", error=str(error))
            return
        connection.setblocking(False)
        if len(self._tasks) >= AT_ONCE:
            connection.close()
            return
        self._spawn(self._serve_stream(connection))

    async def _serve_stream(self, connection: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=connection)
        try:
            with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                while True:
                    async with asyncio.timeout(IDLE):
                        length = int.from_bytes(await reader.readexactly(2))
                        packet = await reader.readexactly(length)
                    reply = dns_messages.answer(
                        packet, self._addresses, self._name_of, tcp=True, addresses6=self._addresses6
                    )
                    if reply is None:
                        reply = await forward(packet, self._servers(), tcp=True)
                    reply = reply or dns_messages.failure(packet)
                    if reply is None:
                        return
                    writer.write(len(reply).to_bytes(2) + reply)
                    await writer.drain()
        finally:
            writer.close()
