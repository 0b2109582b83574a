"""HTTP/2 on a pipe that is open already, as either side of it. What the streams carry is somebody else's business.

`h2` keeps the protocol's state; this moves bytes between it and a `Pipe`, and holds back whoever writes faster
than the peer reads. What a stream received and nobody has read counts against the window that the peer was
given, so a flood is stopped at its source.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    RequestReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes

STREAM_WINDOW = 1 << 20  # bytes that a peer may send ahead on one stream
CONNECTION_WINDOW = 4 << 20  # and on all together
logging.getLogger("hpack").setLevel(logging.INFO)  # it tells every header at level debug

FIRST_WINDOW = 65535  # what a connection begins with (RFC 9113, 6.9.2)

Headers = tuple[tuple[str, str], ...]


class Pipe(Protocol):
    """Bytes both ways."""

    async def read(self) -> bytes:
        """Return what has come; empty at the end."""
        ...

    def write(self, data: bytes, /) -> None: ...
    async def drain(self) -> None:
        """Wait until what was written is not too much."""
        ...


class StreamLost(ConnectionError):
    """The peer ended a stream, or the whole connection, before its time."""


class Stream:
    """One exchange. *headers* and *trailers* are what the peer sent."""

    def __init__(self, connection: "Http2", number: int, headers: Headers = ()) -> None:
        self._connection = connection
        self.number = number
        self.headers = headers
        self.trailers: Headers = ()
        self.on_lost: Callable[[], object] | None = None
        self._pieces: deque[tuple[bytes, int]] = deque()
        self._is_ended = False
        self._lost = ""
        self._changed = asyncio.Event()

    def __repr__(self) -> str:
        state = self._lost or ("ended" if self._is_ended else "open")
        return f"<Stream {self.number} {state}>"

    async def read(self) -> bytes:
        """Return the next data; empty at the end. Raises StreamLost when the end will not come."""
        while not self._pieces:
            if self._lost:
                raise StreamLost(self._lost)
            if self._is_ended:
                return b""
            self._changed.clear()
            await self._changed.wait()
        data, size = self._pieces.popleft()
        self._connection.consumed(self.number, size)
        return data

    async def send_headers(self, headers: Headers, *, end: bool = False) -> None:
        """Send headers, or trailers when data was sent already."""
        self._check()
        await self._connection.send_headers(self.number, headers, end=end)

    async def write(self, data: bytes, *, end: bool = False) -> None:
        """Send *data*; wait as long as the peer's window is closed."""
        sent = 0
        while sent < len(data):
            self._check()
            sent += await self._connection.send_some(self.number, data, sent)
        if end:
            self._check()
            await self._connection.end(self.number)

    def reset(self) -> None:
        """Tell the peer that nothing more is wanted; nothing happens when the stream is over."""
        if not self._lost:
            self._connection.reset(self.number)
            self.lose("this side ended the stream")

    def _check(self) -> None:
        if self._lost:
            raise StreamLost(self._lost)

    # What the connection calls.

    def feed(self, data: bytes, size: int) -> None:
        self._pieces.append((data, size))
        self._changed.set()

    def feed_headers(self, headers: Headers) -> None:
        self.headers = headers
        self._changed.set()

    def feed_trailers(self, headers: Headers) -> None:
        self.trailers = headers

    def end(self) -> None:
        self._is_ended = True
        self._changed.set()

    def lose(self, why: str) -> None:
        if not self._lost:
            self._lost = why
            self._changed.set()
            if self.on_lost is not None:
                self.on_lost()


class Http2:
    """One connection. As a server it hands every new stream to *on_stream*; as a client it `open`s them."""

    def __init__(self, pipe: Pipe, *, on_stream: Callable[[Stream], None] | None = None) -> None:
        self._pipe = pipe
        self._on_stream = on_stream
        self._state = H2Connection(
            H2Configuration(
                client_side=on_stream is None, header_encoding="utf-8", validate_inbound_headers=False
            )
        )
        self._streams: dict[int, Stream] = {}
        self._window_changed = asyncio.Event()
        self._lost = ""
        self._is_flushing = False
        self._state.initiate_connection()
        self._state.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: STREAM_WINDOW})
        self._state.increment_flow_control_window(CONNECTION_WINDOW - FIRST_WINDOW)
        self._flush()

    def __repr__(self) -> str:
        return f"<Http2 {len(self._streams)} streams{', ' + self._lost if self._lost else ''}>"

    async def run(self) -> None:
        """Serve the connection until it ends; afterwards every stream that was open is lost."""
        try:
            while not self._lost and (data := await self._pipe.read()):
                for event in self._state.receive_data(data):
                    self._take(event)
                self._flush()
                await self._pipe.drain()
        except (ProtocolError, UnicodeDecodeError) as broken:
            self._lost = f"the peer broke the protocol: {broken}"
            self._write()  # says goodbye
        finally:
            self._end_all(self._lost or "the peer closed the connection")

    async def open(self, headers: Headers) -> Stream:
        """Begin a stream with *headers*."""
        if self._lost:
            raise StreamLost(self._lost)
        with _lost_when_broken():
            number = self._state.get_next_available_stream_id()
            self._state.send_headers(number, headers)
        stream = self._streams[number] = Stream(self, number)
        self._flush()
        return stream

    def goodbye(self) -> None:
        """Tell the peer that this is over."""
        with contextlib.suppress(ProtocolError):
            self._state.close_connection()
            self._write()
        self._end_all("this side closed the connection")

    # What streams call.

    async def send_headers(self, number: int, headers: Headers, *, end: bool) -> None:
        with _lost_when_broken():
            self._state.send_headers(number, headers, end_stream=end)
        self._flush()
        await self._pipe.drain()

    async def send_some(self, number: int, data: bytes, start: int) -> int:
        """Send what the windows allow of *data* from *start*; return how much that was, 0 after a wait."""
        with _lost_when_broken():
            room = min(
                self._state.local_flow_control_window(number),
                self._state.max_outbound_frame_size,
                len(data) - start,
            )
            if room > 0:
                self._state.send_data(number, data[start : start + room])
        if room <= 0:
            self._window_changed.clear()
            await self._window_changed.wait()
            return 0
        self._flush()
        await self._pipe.drain()
        return room

    async def end(self, number: int) -> None:
        with _lost_when_broken():
            self._state.end_stream(number)
        self._flush()

    def reset(self, number: int) -> None:
        with contextlib.suppress(ProtocolError):
            self._state.reset_stream(number, ErrorCodes.CANCEL)
        self._flush()

    def consumed(self, number: int, size: int) -> None:
        """Let the peer send as much again."""
        if self._lost or not size:
            return
        with contextlib.suppress(ProtocolError):  # the stream may be over
            self._state.acknowledge_received_data(size, number)
        self._flush()

    # What the peer says.

    def _take(self, event: Event) -> None:
        number: int = getattr(event, "stream_id", None) or 0
        if isinstance(event, RequestReceived) and self._on_stream is not None:
            stream = self._streams[number] = Stream(self, number, _pairs(event.headers))
            self._on_stream(stream)
        elif isinstance(event, WindowUpdated | RemoteSettingsChanged):
            self._window_changed.set()
        elif isinstance(event, ConnectionTerminated):
            self._lost = "the peer closed the connection"
        elif (known := self._streams.get(number)) is not None:
            self._take_for(known, event)
        elif isinstance(event, DataReceived):  # for a stream that this side is done with
            self.consumed(number, event.flow_controlled_length)

    def _take_for(self, stream: Stream, event: Event) -> None:
        match event:
            case ResponseReceived():
                stream.feed_headers(_pairs(event.headers))
            case TrailersReceived():
                stream.feed_trailers(_pairs(event.headers))
            case DataReceived():
                stream.feed(event.data, event.flow_controlled_length)
            case StreamEnded():
                stream.end()
            case StreamReset():
                del self._streams[stream.number]
                # NO_ERROR after a whole answer: the peer does not care for the rest of the request.
                if event.error_code == ErrorCodes.NO_ERROR:
                    stream.end()
                else:
                    stream.lose("the peer ended the stream")
                self._window_changed.set()
            case _:
                pass

    def forget(self, stream: Stream) -> None:
        """Let go of a stream that both sides are done with."""
        self._streams.pop(stream.number, None)

    def _end_all(self, why: str) -> None:
        self._lost = self._lost or why
        streams, self._streams = self._streams, {}
        for stream in streams.values():
            stream.lose(why)
        self._window_changed.set()

    def _flush(self) -> None:
        """Send what is to be sent, all that gathers in one turn of the loop in one write."""
        if not self._is_flushing:
            self._is_flushing = True
            asyncio.get_running_loop().call_soon(self._write)

    def _write(self) -> None:
        self._is_flushing = False
        if data := self._state.data_to_send():
            self._pipe.write(data)


def _pairs(headers: Iterable[tuple[object, object]]) -> Headers:
    return tuple((str(name), str(value)) for name, value in headers)


@contextlib.contextmanager
def _lost_when_broken() -> Iterator[None]:
    """What h2 refuses on a stream that is over is a lost stream to the caller."""
    try:
        yield
    except ProtocolError as refused:
        raise StreamLost(f"the stream is over: {refused}") from refused
