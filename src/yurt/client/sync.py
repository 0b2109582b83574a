"""The blocking client of the Engine API: one connection per request in flight, idle ones kept and reused.

On the start-up path of every command: imports nothing heavy.
"""

from __future__ import annotations

from _socket import SHUT_WR

from yurt.api import errors as wire_errors
from yurt.api.version import LATEST, OLDEST, ApiVersion, negotiated
from yurt.client import jsontext, requests
from yurt.client.connection import PIECE, Address, Connection
from yurt.client.requests import ResponseParser
from yurt.errors import InvalidArgument, Unavailable, YurtError

TYPE_CHECKING = False  # `typing` alone would cost a fifth of the start-up
if TYPE_CHECKING:
    from _socket import socket as Socket  # noqa: N812
    from collections.abc import Iterable, Iterator, Mapping
    from types import TracebackType
    from typing import Any, Self

    from yurt.client.requests import Query
    from yurt.client.tls import Trust

    Body = bytes | Iterable[bytes] | None

UNVERSIONED = ("/_ping", "/yurt/")  # paths that carry no API version


class Request:
    """What is asked, ready to be sent and sent again."""

    __slots__ = ("body", "headers", "method", "path", "query")

    def __init__(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        json: Any = None,
        body: Body = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = dict(headers or {})
        if json is not None:
            body = jsontext.dumps(json).encode()
            self.headers["Content-Type"] = "application/json"
        self.body = body
        if body is None and method in ("POST", "PUT"):
            self.headers["Content-Length"] = "0"
        elif isinstance(body, bytes):
            self.headers["Content-Length"] = str(len(body))
        elif body is not None:
            self.headers["Transfer-Encoding"] = "chunked"

    @property
    def is_repeatable(self) -> bool:
        """False when the body comes in pieces, which are gone once sent."""
        return self.body is None or isinstance(self.body, bytes)

    def head(self, version: ApiVersion, headers: Mapping[str, str]) -> bytes:
        """Return the request's head for an engine that is spoken to in *version*."""
        path = self.path if self.path.startswith(UNVERSIONED) else f"/v{version}{self.path}"
        return requests.build_head(
            self.method, requests.target(path, self.query), dict(headers) | self.headers
        )


class Response:
    """An answer whose head has come; its body is read on demand, and the connection then given back.

    Use it as a context manager, or read it to the end, or `close` it.
    """

    def __init__(self, client: Client, connection: Connection, parser: ResponseParser) -> None:
        self._client = client
        self._connection: Connection | None = connection
        self._parser = parser
        self.status = parser.status
        self.reason = parser.reason
        self.headers: Mapping[str, str] = parser.headers  # names in lower case
        if parser.done:
            self._give_back()

    def __repr__(self) -> str:
        return f"<Response {self.status}{' open' if self._connection else ''}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def chunks(self) -> Iterator[bytes]:
        """Yield the body as it arrives."""
        try:
            while True:
                if data := self._parser.take():
                    yield data
                if self._parser.done or self._connection is None:
                    break
                self._connection.fill(self._parser)
            if data := self._parser.take():
                yield data
        finally:
            self._give_back()

    def lines(self) -> Iterator[bytes]:
        """Yield the body's lines without their ends; a last line without an end is one too."""
        pending = b""
        for data in self.chunks():
            *whole, pending = (pending + data).split(b"\n")
            for line in whole:
                yield line.removesuffix(b"\r")
        if pending:
            yield pending

    def read(self) -> bytes:
        """Return the whole body."""
        return b"".join(self.chunks())

    def json(self) -> Any:
        """Return the decoded body; None when there is none."""
        body = self.read()
        if not body:
            return None
        return jsontext.loads(body)

    def close(self) -> None:
        """Give the connection back, or end it if the body has not been read."""
        self._give_back()

    def _give_back(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._parser.done and self._parser.keep_alive and not self._parser.rest:
            self._client._keep(connection)
        else:
            connection.close()


class Hijacked:
    """A connection that stopped being HTTP: *socket* carries the raw stream, *initial* is what already came."""

    def __init__(self, socket: Socket, initial: bytes, headers: Mapping[str, str]) -> None:
        self.socket = socket
        self.initial = initial
        self.headers = headers

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def recv(self) -> bytes:
        """Return the next bytes, b"" at the end."""
        if self.initial:
            data, self.initial = self.initial, b""
            return data
        try:
            return self.socket.recv(PIECE)
        except ConnectionError:
            return b""  # the engine went away: for the reader, an end

    def close_stdin(self) -> None:
        """Tell the other side that nothing more is written; its output still comes."""
        try:
            self.socket.shutdown(SHUT_WR)
        except OSError:
            return  # the stream has ended already: there is nobody left to tell

    def close(self) -> None:
        """End the stream in both directions."""
        self.socket.close()


class Client:
    """Speaks to the engine at *host*: ``unix:///path``, ``tcp://name:port`` or ``http://name:port``.

    With *trust*, what goes over the network is encrypted, and both sides must know each other's certificates.

    No connection is made before the first request. The newest API version known here is spoken at once; only an
    engine that refuses it is asked which one it wants. May be shared by threads.
    """

    def __init__(
        self,
        host: str,
        *,
        version: ApiVersion | None = None,
        user_agent: str = "yurt",
        timeout: float | None = None,
        trust: Trust | None = None,
    ) -> None:
        self.host = host
        self._address = Address.parse(host, trust)
        self._version = version or LATEST
        self._negotiable = version is None
        self._timeout = timeout
        self._headers = {
            "Host": self._address.where if self._address.kind == "tcp" else "yurt",
            "User-Agent": user_agent,
        }
        self._idle: list[Connection] = []

    def __repr__(self) -> str:
        return f"<Client of {self.host}, API {self._version}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close idle connections; those in use are closed by their responses."""
        while self._idle:
            self._idle.pop().close()

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        json: Any = None,
        body: Body = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Send a request and return the answer once its head has come.

        Raises the YurtError kind of an error status (304 is NotModified), Unavailable when no engine answers.
        """
        return self._ask(Request(method, path, query=query, json=json, body=body, headers=headers))

    def json(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        json: Any = None,
        body: Body = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Send a request and return the decoded body of the answer, None when it has none."""
        return self.request(method, path, query=query, json=json, body=body, headers=headers).json()

    def lines(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        json: Any = None,
        body: Body = None,
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[bytes]:
        """Send a request at once and iterate over the lines of the answer as they come."""
        return self.request(method, path, query=query, json=json, body=body, headers=headers).lines()

    def hijack(self, method: str, path: str, *, query: Query | None = None, json: Any = None) -> Hijacked:
        """Send a request that turns its connection into a raw stream (attach, exec start)."""
        upgrade = {"Connection": "Upgrade", "Upgrade": "tcp"}
        request = Request(method, path, query=query, json=json, headers=upgrade)
        try:
            connection, parser = self._exchange(request)
        except InvalidArgument as refused:
            self._renegotiate(refused)
            connection, parser = self._exchange(request)
        return Hijacked(connection.socket, parser.take() + parser.rest, parser.headers)

    def negotiate(self) -> ApiVersion:
        """Ask the engine for its newest version, and speak from now on the newest that both know."""
        connection, parser = self._exchange(Request("GET", "/_ping"))
        with Response(self, connection, parser) as answer:
            answer.read()
            theirs = answer.headers.get("api-version")
        self._version = negotiated(ApiVersion.parse(theirs)) if theirs else OLDEST
        self._negotiable = False
        return self._version

    # ---------------------------------------------------------------- one exchange

    def _ask(self, request: Request) -> Response:
        if self._negotiable and not request.is_repeatable:
            self.negotiate()
        try:
            connection, parser = self._exchange(request)
        except InvalidArgument as refused:
            self._renegotiate(refused)
            connection, parser = self._exchange(request)
        return Response(self, connection, parser)

    def _renegotiate(self, refused: InvalidArgument) -> None:
        """Agree on another version if *refused* is about the version; raise *refused* otherwise."""
        if not (self._negotiable and "version" in refused.message and str(self._version) in refused.message):
            raise refused
        self.negotiate()

    def _exchange(self, request: Request) -> tuple[Connection, ResponseParser]:
        """Send *request* and return once the answer's head has come; an error status is raised."""
        asked = f"{request.method} {request.path}"
        head = request.head(self._version, self._headers)
        while True:
            connection = self._take()
            parser = ResponseParser(request.method)
            try:
                connection.exchange(head, request.body, parser)
            except TimeoutError as late:
                connection.close()
                raise Unavailable(
                    f"the engine at {self.host} did not answer {asked} within {self._timeout} seconds"
                ) from late
            except OSError as lost:
                connection.close()
                if connection.used and request.is_repeatable:
                    continue  # it was idle, and the engine had closed it meanwhile
                complaint = f" ({connection.complaint})" if connection.complaint else ""
                raise Unavailable(
                    f"the engine at {self.host} closed the connection without an answer to {asked}{complaint}",
                    hint="the engine's log says why",
                ) from lost
            except BaseException:
                connection.close()
                raise
            connection.used = True
            if parser.status == 304 or parser.status >= 400:
                raise self._error(Response(self, connection, parser))
            return connection, parser

    def _error(self, response: Response) -> YurtError:
        body: Any = response.read().decode("utf-8", "replace")
        if "json" in response.headers.get("content-type", "") and body:
            try:
                body = jsontext.loads(body)
            except ValueError:
                return wire_errors.from_wire(response.status, body, response.reason)
        return wire_errors.from_wire(response.status, body, response.reason)

    def _take(self) -> Connection:
        try:
            return self._idle.pop()
        except IndexError:
            return self._address.connect(self._timeout)

    def _keep(self, connection: Connection) -> None:
        self._idle.append(connection)
