"""Between the person and a container: keys and pipes in, output out, signals passed on. One thread, one poll."""

from __future__ import annotations

# `signal` would build enums of its constants first: a tenth of the start-up.
import _signal as signal  # type: ignore[import-not-found]
import os
import select
from _socket import MSG_DONTWAIT

from yurt.api.stream import STDERR, FrameDecoder

TYPE_CHECKING = False  # `typing` alone would cost a fifth of the start-up
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType
    from typing import Any, Self

    from yurt.cli.terminal import DetachKeys
    from yurt.client.sync import Hijacked

PIECE = 1 << 18


class Signals:
    """While entered, the signals *numbers* no longer end this process but are handed to *tell*, from the pump.

    *fd* becomes readable when one came; `deliver` then calls *tell* for each.
    """

    def __init__(self, numbers: Iterable[int], tell: Callable[[int], None]) -> None:
        self._numbers = tuple(numbers)
        self._tell = tell
        self._before: list[tuple[int, Any]] = []
        self._wakeup = -1
        self.fd = -1
        self._write_end = -1

    def __enter__(self) -> Self:
        self.fd, self._write_end = os.pipe()
        os.set_blocking(self.fd, False)
        os.set_blocking(self._write_end, False)
        self._wakeup = signal.set_wakeup_fd(self._write_end, warn_on_full_buffer=False)
        for number in self._numbers:
            self._before.append((number, signal.signal(number, _ignore)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before:
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        os.close(self.fd)
        os.close(self._write_end)

    def deliver(self) -> None:
        """Tell of every signal that came."""
        try:
            came = os.read(self.fd, 512)
        except BlockingIOError:
            return
        for number in came:
            if number in self._numbers:
                self._tell(number)


def _ignore(_number: int, _frame: object) -> None:
    """Be there: the byte in the wake-up pipe says the rest."""


def write_all(fd: int, data: bytes) -> None:
    """Write everything; raises BrokenPipeError when the reader went away."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            select.select([], [fd], [])


def pump(
    stream: Hijacked,
    *,
    framed: bool,
    stdin: int | None = None,
    detach: DetachKeys | None = None,
    signals: Signals | None = None,
) -> bool:
    """Carry bytes both ways until the container's output ends; returns True if the person left by the keys.

    *framed* output is split into this process's stdout and stderr. *stdin* is read only while everything read
    before has been taken, so that a container which does not read slows the writer, and its own output still flows.
    """
    decoder = FrameDecoder() if framed else None
    socket = stream.socket
    poll = select.poll()
    poll.register(socket, select.POLLIN)
    if signals:
        poll.register(signals.fd, select.POLLIN)
    pending = b""
    stdin_open = stdin is not None
    if stdin is not None:
        poll.register(stdin, select.POLLIN)
    _show(stream.initial, decoder)
    stream.initial = b""
    while True:
        for fd, event in poll.poll():
            if signals and fd == signals.fd:
                signals.deliver()
            elif fd == stdin:
                data, left = _read_stdin(stdin, detach)
                if data:
                    pending = data
                    poll.unregister(stdin)
                    poll.modify(socket, select.POLLIN | select.POLLOUT)
                elif data is None:
                    stdin_open = False
                    poll.unregister(stdin)
                    stream.close_stdin()
                if left:
                    return True
            else:
                if event & (select.POLLIN | select.POLLHUP | select.POLLERR):
                    try:
                        data = socket.recv(PIECE)
                    except ConnectionError:
                        data = b""
                    if not data:
                        return False
                    _show(data, decoder)
                if event & select.POLLOUT and pending:
                    try:
                        pending = pending[socket.send(pending, MSG_DONTWAIT) :]
                    except BlockingIOError:
                        continue
                    except (BrokenPipeError, ConnectionResetError):
                        pending, stdin_open = (
                            b"",
                            False,
                        )  # nobody reads any more; what was written still comes
                    if not pending:
                        poll.modify(socket, select.POLLIN)
                        if stdin is not None and stdin_open:
                            poll.register(stdin, select.POLLIN)


def _read_stdin(fd: int, detach: DetachKeys | None) -> tuple[bytes | None, bool]:
    """Return (bytes to send, whether the person leaves); None for the bytes at the end of input."""
    try:
        data = os.read(fd, PIECE)
    except OSError:
        data = b""
    if not data:
        return None, False
    return detach.feed(data) if detach else (data, False)


def _show(data: bytes, decoder: FrameDecoder | None) -> None:
    if decoder is None:
        write_all(1, data)
        return
    for stream, payload in decoder.feed(data):
        write_all(2 if stream >= STDERR else 1, payload)
