"""Published ports: taken in the network of this process, led to containers inside the engine's.

Sockets stay in the network they are made in: those that listen are made by this process, those that connect by a
thread that lives inside, where that is another network. A port is taken before its container runs, by its owner; who
takes it again leads it anew.
"""

import asyncio
import contextlib
import errno
import socket
import struct
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, replace
from typing import Any, Protocol

from yurt.linux.syscall import CLONE_NEWNET, setns

BACKLOG = 1024
CHUNK = 1 << 16
PATIENCE = 10.0  # seconds for a container to accept a connection
IDLE = 90.0  # seconds after which a sender of datagrams is forgotten
MOST_SENDERS = 1024  # to one port; the one that was silent longest is forgotten first
_DATAGRAM = 1 << 16
ANYBODY = "*"  # instead of an owner
_TYPES = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
_IP_PKTINFO = 8  # ip(7); Python does not name it before 3.14
_PKTINFO4 = struct.Struct("=i4s4s")


@dataclass(frozen=True, slots=True)
class Lead:
    """A port to take, and where it leads. *last_port* above *port*: the first free one of that range; *port* 0: any."""

    protocol: str
    host_ip: str
    port: int
    last_port: int
    address: str
    container_port: int

    @property
    def key(self) -> tuple[str, str, int]:
        return self.protocol, self.host_ip, self.port


class Taken(OSError):
    """A port cannot be had. *lead* is the one that was asked for."""

    def __init__(self, lead: Lead, error: OSError) -> None:
        super().__init__(error.errno, error.strerror)
        self.lead = lead


class Sockets(Protocol):
    """Makes the sockets that connect to containers."""

    def socket(self, address: str, kind: int) -> socket.socket:
        """Return one for the family of *address*, of type *kind*, that does not block."""
        ...


class Here:
    """Makes sockets in this process's own network."""

    def socket(self, address: str, kind: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)


class Inside:
    """Makes sockets in the network of the namespace *descriptor*: in one thread, which lives there."""

    def __init__(self, descriptor: int) -> None:
        self._thread = ThreadPoolExecutor(
            1, thread_name_prefix="inside", initializer=setns, initargs=(descriptor, CLONE_NEWNET)
        )

    def socket(self, address: str, kind: int) -> socket.socket:
        return self._thread.submit(Here().socket, address, kind).result()

    def close(self) -> None:
        self._thread.shutdown(wait=False)


class Relay:
    """All published ports, by their owners."""

    def __init__(self, inside: Sockets) -> None:
        self._inside = inside
        self._ports: dict[str, list[TcpPort | UdpPort]] = {}

    def __repr__(self) -> str:
        return f"<Relay of {sum(map(len, self._ports.values()))} ports>"

    @property
    def is_idle(self) -> bool:
        """Whether there is no port."""
        return not any(self._ports.values())

    def add(self, owner: str, lead: Lead, held: socket.socket) -> None:
        """Afterwards *owner* has one more port, of which *held* is the socket, bound and listening already."""
        held.setblocking(False)
        self._ports.setdefault(owner, []).append(_port(held, lead, self._inside))

    def take(self, owner: str, leads: Iterable[Lead], *, of: str = "") -> list[Lead]:
        """Afterwards *owner* has just *leads*, all or none; return them with their ports. One that is not free raises Taken.

        What it had already stays open, with its connections; so does what the owner *of* had of them (ANYBODY: any),
        who has them no longer. They were open, and led somewhere, all the time.
        """
        kept = {port.lead.key: port for port in self._ports.get(owner, [])}
        others = {
            port.lead.key: (ports, port)
            for other, ports in self._ports.items()
            if other != owner and of in (other, ANYBODY)
            for port in ports
        }
        moved: list[tuple[list[TcpPort | UdpPort], TcpPort | UdpPort]] = []
        made: list[TcpPort | UdpPort] = []
        result: list[tuple[TcpPort | UdpPort, Lead]] = []
        try:
            for lead in leads:
                port = kept.pop(lead.key, None)
                if port is None and (other := others.pop(lead.key, None)):
                    moved.append(other)
                    port = other[1]
                if port is None:
                    port = self._open(lead)
                    made.append(port)
                result.append((port, replace(lead, port=port.lead.port, last_port=0)))
        except BaseException:
            for port in made:
                port.close()
            raise
        for port in kept.values():
            port.close()
        for ports, port in moved:
            ports.remove(port)
        for port, lead in result:
            port.lead_to(lead)
        self._ports[owner] = [port for port, _lead in result]
        return [lead for _port, lead in result]

    def drop(self, owner: str) -> None:
        """Afterwards the owner has no port, and no connection through one. Idempotent."""
        for port in self._ports.pop(owner, []):
            port.close()

    def keep(self, owners: Iterable[str]) -> None:
        """Afterwards nobody but *owners* has ports."""
        for owner in set(self._ports) - set(owners):
            self.drop(owner)

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do what an engine asks by a message, and return what to say; raise ValueError for what is no request."""
        match request.get("op"):
            case "take":
                try:
                    leads = [Lead(*lead) for lead in request["leads"]]
                    taken = self.take(request["owner"], leads, of=request.get("of", ""))
                except Taken as error:
                    return {"errno": error.errno, "lead": astuple(error.lead)}
                return {"leads": [astuple(lead) for lead in taken]}
            case "drop":
                self.drop(request["owner"])
            case "keep":
                self.keep(request["owners"])
            case other:
                raise ValueError(f"no such request: {other!r}")
        return {}

    def _open(self, lead: Lead) -> "TcpPort | UdpPort":
        for number in range(lead.port, max(lead.port, lead.last_port) + 1):
            try:
                held = _bound(lead, number)
            except OSError as error:
                if error.errno == errno.EADDRINUSE and number < lead.last_port:
                    continue
                raise Taken(replace(lead, port=number), error) from error
            there = replace(lead, port=held.getsockname()[1], last_port=0)
            return _port(held, there, self._inside)
        raise AssertionError(lead)


def _port(held: socket.socket, lead: Lead, inside: Sockets) -> "TcpPort | UdpPort":
    return (TcpPort if lead.protocol == "tcp" else UdpPort)(held, lead, inside)


def _bound(lead: Lead, number: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in lead.host_ip else socket.AF_INET
    held = socket.socket(family, _TYPES[lead.protocol] | socket.SOCK_NONBLOCK)
    try:
        if family == socket.AF_INET6:
            held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if lead.protocol == "tcp":
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((lead.host_ip, number))
        if lead.protocol == "tcp":
            held.listen(BACKLOG)
    except BaseException:
        held.close()
        raise
    return held


class TcpPort:
    """Accepts connections and carries each to the container, half-closes too."""

    def __init__(self, held: socket.socket, lead: Lead, inside: Sockets) -> None:
        self.lead = lead
        self._held = held
        self._inside = inside
        self._loop = asyncio.get_running_loop()
        self._connections: set[asyncio.Task[None]] = set()
        self._loop.add_reader(held, self._accept)

    def lead_to(self, lead: Lead) -> None:
        """From now on connections go there."""
        self.lead = lead

    def close(self) -> None:
        """Listen no more, and end what is connected. Idempotent."""
        if self._held.fileno() >= 0:
            self._loop.remove_reader(self._held)
            self._held.close()
        for task in self._connections:
            task.cancel()

    def _accept(self) -> None:
        try:
            client, _address = self._held.accept()
        except OSError:  # gone again, or too many files: it waits in the backlog
            return
        client.setblocking(False)
        task = self._loop.create_task(self._carry(client), name=f"relay {self.lead.port}")
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _carry(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError, TimeoutError):
            lead = self.lead
            with self._inside.socket(lead.address, socket.SOCK_STREAM) as server:
                async with asyncio.timeout(PATIENCE):
                    await self._loop.sock_connect(server, (lead.address, lead.container_port))
                for end in (client, server):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._pump(client, server), name="relay in")
                    both.create_task(self._pump(server, client), name="relay out")

    async def _pump(self, source: socket.socket, target: socket.socket) -> None:
        """Carry one direction to its end; a broken one breaks both."""
        buffer = memoryview(bytearray(CHUNK))
        try:
            while count := await self._loop.sock_recv_into(source, buffer):
                await self._loop.sock_sendall(target, buffer[:count])
            target.shutdown(socket.SHUT_WR)
        except OSError as error:
            if error.errno != errno.ENOTCONN:  # the other side left first, that is no failure
                for end in (source, target):
                    with contextlib.suppress(OSError):
                        end.shutdown(socket.SHUT_RDWR)


@dataclass(slots=True)
class _Sender:
    """Who sends datagrams: *back* is what an answer needs to come from the address that was asked."""

    server: socket.socket
    back: list[tuple[int, int, bytes]]
    seen: float


class UdpPort:
    """Carries datagrams, and answers to whoever sent the question."""

    def __init__(self, held: socket.socket, lead: Lead, inside: Sockets) -> None:
        self.lead = lead
        self._held = held
        self._inside = inside
        self._loop = asyncio.get_running_loop()
        self._senders: dict[tuple[object, ...], _Sender] = {}
        if held.family == socket.AF_INET:
            held.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        else:
            held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        self._loop.add_reader(held, self._receive)
        self._sweeping: asyncio.TimerHandle = self._loop.call_later(IDLE, self._sweep)

    def lead_to(self, lead: Lead) -> None:
        """From now on datagrams go there."""
        if (lead.address, lead.container_port) != (self.lead.address, self.lead.container_port):
            self._forget_all()
        self.lead = lead

    def close(self) -> None:
        """Take and give no more. Idempotent."""
        if self._held.fileno() < 0:
            return
        self._sweeping.cancel()
        self._forget_all()
        self._loop.remove_reader(self._held)
        self._held.close()

    def _receive(self) -> None:
        for _ in range(32):  # leave the loop to others now and then
            try:
                data, extra, _flags, client = self._held.recvmsg(_DATAGRAM, 256)
            except OSError:
                return
            with contextlib.suppress(
                OSError
            ):  # nobody listens there now: the datagram is lost, as datagrams are
                self._sender(client, extra).server.send(data)

    def _sender(self, client: tuple[object, ...], extra: list[tuple[int, int, bytes]]) -> _Sender:
        sender = self._senders.pop(client, None)
        if sender is None:
            if len(self._senders) >= MOST_SENDERS:
                self._forget(next(iter(self._senders)))
            server = self._inside.socket(self.lead.address, socket.SOCK_DGRAM)
            try:
                server.connect((self.lead.address, self.lead.container_port))
            except BaseException:
                server.close()
                raise
            sender = _Sender(server, [_answering(one) for one in extra], 0.0)
            self._loop.add_reader(server, self._answer, client, sender)
        sender.seen = self._loop.time()
        self._senders[client] = sender  # the one heard of last is last
        return sender

    def _answer(self, client: tuple[object, ...], sender: _Sender) -> None:
        try:
            data = sender.server.recv(_DATAGRAM)
        except OSError:
            return
        sender.seen = self._loop.time()
        with contextlib.suppress(OSError):
            self._held.sendmsg([data], sender.back, 0, client)

    def _forget_all(self) -> None:
        for client in tuple(self._senders):
            self._forget(client)

    def _forget(self, client: tuple[object, ...]) -> None:
        sender = self._senders.pop(client)
        self._loop.remove_reader(sender.server)
        sender.server.close()

    def _sweep(self) -> None:
        silent = self._loop.time() - IDLE
        for client in [client for client, sender in self._senders.items() if sender.seen < silent]:
            self._forget(client)
        self._sweeping = self._loop.call_later(IDLE, self._sweep)


def _answering(extra: tuple[int, int, bytes]) -> tuple[int, int, bytes]:
    """Turn the note of where a datagram was sent to into that of where its answer comes from."""
    level, kind, data = extra
    if (level, kind) == (socket.IPPROTO_IP, _IP_PKTINFO):
        _interface, local, _sent_to = _PKTINFO4.unpack(data)
        data = _PKTINFO4.pack(0, local, bytes(4))
    return level, kind, data
