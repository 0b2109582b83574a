import os
import signal
import socket
import threading

import pytest

from yurt.api.stream import encode
from yurt.cli.pump import Signals, pump
from yurt.cli.terminal import DetachKeys
from yurt.client.sync import Hijacked


@pytest.fixture
def container():
    """The container's end of an attached stream, and ours."""
    theirs, ours = socket.socketpair()
    with theirs, ours:
        yield theirs, Hijacked(ours, b"", {})


@pytest.fixture
def typed():
    """A pipe: what is written to the second end is our stdin."""
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)


def test_frames_are_split_into_stdout_and_stderr(container, capfd):
    """What the container wrote arrives on the right stream, what came with the head first."""
    theirs, ours = container
    ours.initial = encode(1, b"out ")
    theirs.sendall(encode(2, b"err ") + encode(1, b"more"))
    theirs.shutdown(socket.SHUT_WR)
    assert pump(ours, framed=True) is False
    assert capfd.readouterr() == ("out more", "err ")


def test_a_terminal_s_stream_is_passed_on_raw(container, capfd):
    """With a terminal there are no frames."""
    theirs, ours = container
    theirs.sendall(b"\x01\0raw")
    theirs.shutdown(socket.SHUT_WR)
    pump(ours, framed=False)
    assert capfd.readouterr().out == "\x01\0raw"


def test_the_end_of_stdin_is_told_and_output_still_comes(container, typed, capfd):
    """A half-closed stream: the container sees its stdin end, we see all that it answers."""
    theirs, ours = container
    reader, writer = typed
    os.write(writer, b"hello")
    os.close(writer)

    def cat() -> None:
        data = b""
        while piece := theirs.recv(100):
            data += piece
        theirs.sendall(data.upper())
        theirs.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=cat)
    thread.start()
    assert pump(ours, framed=False, stdin=reader) is False
    thread.join()
    assert capfd.readouterr().out == "HELLO"


def test_neither_side_waits_for_the_other(container, typed, capfd):
    """A container that writes before it reads gets megabytes in and out without a deadlock."""
    theirs, ours = container
    reader, writer = typed
    data = os.urandom(1 << 20)

    def feed() -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(writer, view) :]
        os.close(writer)

    def echo() -> None:
        while piece := theirs.recv(1 << 16):
            theirs.sendall(b"." * len(piece))
        theirs.shutdown(socket.SHUT_WR)

    threads = [threading.Thread(target=work) for work in (feed, echo)]
    for thread in threads:
        thread.start()
    pump(ours, framed=False, stdin=reader)
    for thread in threads:
        thread.join()
    assert capfd.readouterr().out == "." * len(data)


def test_the_keys_leave_it_running(container, typed):
    """What was typed before the keys has gone through."""
    theirs, ours = container
    reader, writer = typed
    os.write(writer, b"\x10\x11")
    assert pump(ours, framed=False, stdin=reader, detach=DetachKeys(b"\x10\x11")) is True
    os.close(writer)
    theirs.close()


def test_signals_are_told_and_restored(container):
    """While pumping a signal is passed on; afterwards it does what it did before."""
    theirs, ours = container
    came: list[int] = []

    def tell(number: int) -> None:
        came.append(number)
        theirs.shutdown(socket.SHUT_WR)

    before = signal.getsignal(signal.SIGUSR1)
    with Signals([signal.SIGUSR1], tell) as signals:
        os.kill(os.getpid(), signal.SIGUSR1)
        pump(ours, framed=False, signals=signals)
    assert came == [signal.SIGUSR1]
    assert signal.getsignal(signal.SIGUSR1) == before


def test_a_container_that_stops_reading_is_no_failure(container, typed, capfd):
    """Input for nobody is dropped; the output is shown to its end."""
    theirs, ours = container
    reader, writer = typed
    theirs.sendall(b"bye")
    theirs.close()
    os.write(writer, b"x")
    assert pump(ours, framed=False, stdin=reader) is False
    assert capfd.readouterr().out == "bye"
    os.close(writer)
