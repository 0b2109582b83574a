"""A connection to an engine: finding it, sending a request, taking in its answer.

On the start-up path of every command: `_socket` instead of `socket` saves building the enums of its constants.
"""

from __future__ import annotations

import select
from _socket import AF_UNIX, SOCK_STREAM
from _socket import socket as Socket  # noqa: N812

from yurt.client import requests
from yurt.client.requests import ResponseParser
from yurt.errors import InvalidArgument, Unavailable, Unimplemented

TYPE_CHECKING = False  # `typing` alone would cost a fifth of the start-up
if TYPE_CHECKING:
    from collections.abc import Iterable

    from yurt.client.tls import Trust

PIECE = 1 << 18
DEFAULT_PORT = 2375
DEFAULT_TLS_PORT = 2376


class Address:
    """Where an engine listens: *kind* is unix or tcp, *where* a path or ``name:port``; *trust* asks for TLS on tcp."""

    __slots__ = ("kind", "trust", "where")

    def __init__(self, kind: str, where: str, trust: Trust | None = None) -> None:
        self.kind = kind
        self.where = where
        self.trust = trust

    @classmethod
    def parse(cls, host: str, trust: Trust | None = None) -> Address:
        """Read ``unix:///path``, ``tcp://name[:port]``, ``http://name[:port]`` or a bare path; else InvalidArgument.

        ``https://`` is tcp, too, and needs *trust*; a unix socket does without.
        """
        scheme, mark, rest = host.partition("://")
        if not mark:
            scheme, rest = ("unix", host) if host.startswith("/") else ("tcp", host)
        rest = rest if scheme == "unix" else rest.partition("/")[0]
        if scheme == "unix" and rest.startswith("/"):
            return cls("unix", rest)
        if scheme == "https" and trust is None:
            raise InvalidArgument(
                f"cannot speak to an engine at {host!r} without certificates",
                hint="set DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH to the folder with ca.pem, cert.pem and key.pem",
            )
        if scheme in ("tcp", "http", "https") and rest:
            if not rest.rpartition(":")[2].isdecimal() or rest.endswith("]"):
                rest = f"{rest.removesuffix(':')}:{DEFAULT_TLS_PORT if trust else DEFAULT_PORT}"
            return cls("tcp", rest, trust)
        if scheme in ("ssh", "npipe", "fd"):
            raise Unimplemented(
                f"cannot speak to an engine at {host!r}: {scheme}:// is not supported",
                hint="forward its socket: ssh -L /tmp/engine.sock:/var/run/docker.sock HOST, "
                "then use unix:///tmp/engine.sock",
            )
        raise InvalidArgument(
            f"invalid engine address {host!r}",
            hint="use unix:///run/yurt/yurt.sock or tcp://127.0.0.1:2375",
        )

    def __str__(self) -> str:
        return f"{self.kind}://{self.where}"

    def __repr__(self) -> str:
        return f"<Address {self}>"

    def connect(self, timeout: float | None = None) -> Connection:
        """Return a new connection; raises Unavailable, with what to do about it, when nobody answers."""
        try:
            if self.kind == "tcp":
                return self._by_network(timeout)
            return Connection(self._by_path(timeout))
        except OSError as failed:
            raise Unavailable(
                f"cannot reach the engine at {self}: {failed.strerror or failed}", hint=_hint(failed)
            ) from failed

    def _by_path(self, timeout: float | None) -> Socket:
        socket = Socket(AF_UNIX, SOCK_STREAM)
        try:
            socket.settimeout(timeout)
            socket.connect(self.where)
        except BaseException:
            socket.close()
            raise
        return socket

    def _by_network(self, timeout: float | None) -> Connection:
        import socket as sockets

        name, _, port = self.where.rpartition(":")
        name = name.strip("[]")
        connected = sockets.create_connection((name, int(port)), timeout=timeout)
        connected.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY, 1)
        if self.trust is None:
            return Connection(connected)
        from yurt.client.tls import secured

        return secured(connected, self.trust, name=name, timeout=timeout)


def _hint(failed: OSError) -> str:
    if isinstance(failed, PermissionError):
        return "this user may not use that socket: run the command as root or as its owner"
    return "is it running? Start it with `yurtd`, or unset YURT_HOST and DOCKER_HOST and yurt starts its own"


class Connection:
    """A socket, and whether it has served a request before."""

    def __init__(self, socket: Socket) -> None:
        self.socket = socket
        self.used = False

    @property
    def complaint(self) -> str:
        """Why the other side ended it, as far as it said so."""
        return ""

    def __repr__(self) -> str:
        return f"<Connection {self.socket.fileno()}{' reused' if self.used else ''}>"

    def fill(self, parser: ResponseParser) -> None:
        """Feed *parser* with the next bytes."""
        data = self.socket.recv(PIECE)
        parser.feed(data) if data else parser.feed_eof()

    def exchange(self, head: bytes, body: bytes | Iterable[bytes] | None, parser: ResponseParser) -> None:
        """Send a request and feed *parser* until it has the answer's head; OSError when there is none."""
        try:
            self._send(head, body, parser)
        except (BrokenPipeError, ConnectionResetError):
            if self.used and (body is None or isinstance(body, bytes)):
                raise
            # The engine may have answered (an error, usually) before it stopped to listen: read that.
        while not parser.head_done:
            data = self.socket.recv(PIECE)
            if not data:
                raise ConnectionResetError
            parser.feed(data)

    def _send(self, head: bytes, body: bytes | Iterable[bytes] | None, parser: ResponseParser) -> None:
        """Send a request; a body that comes in pieces stops when the answer is complete before its end."""
        if body is None or isinstance(body, bytes):
            self.socket.sendall(head + (body or b""))
            return
        self.socket.sendall(head)
        for piece in body:
            if piece and not self._send_watching(requests.chunk(piece), parser):
                return
        self._send_watching(requests.chunk(b""), parser)

    def _send_watching(self, data: bytes, parser: ResponseParser) -> bool:
        """Send *data* while taking in what the engine already answers, so that neither side waits for the other."""
        poll = select.poll()
        poll.register(self.socket, select.POLLIN | select.POLLOUT)
        view = memoryview(data)
        while view:
            ((_, event),) = poll.poll()
            if event & select.POLLIN:
                received = self.socket.recv(PIECE)
                if not received:
                    return False
                parser.feed(received)
                if parser.done:
                    return False
            if event & select.POLLOUT:
                view = view[self.socket.send(view[:PIECE]) :]
            elif event & (select.POLLERR | select.POLLHUP) and not event & select.POLLIN:
                return False
        return True

    def close(self) -> None:
        self.socket.close()
