import os
import pty
import termios
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from yurt.cli.terminal import DetachKeys, RawMode, size


def test_the_sequence_leaves():
    """Typed before it is passed on, the sequence itself is not; it may come in pieces."""
    keys = DetachKeys(b"\x10\x11")
    assert keys.feed(b"ls\x10") == (b"ls", False)
    assert keys.feed(b"\x11rest") == (b"", True)


def test_a_broken_sequence_is_passed_on():
    """Keys that only looked like the beginning arrive, also when the beginning is typed twice."""
    keys = DetachKeys(b"\x10\x11")
    assert keys.feed(b"\x10x") == (b"\x10x", False)
    assert keys.feed(b"\x10\x10") == (b"\x10", False)
    assert keys.feed(b"\x11") == (b"", True)


@given(st.lists(st.binary(max_size=5).map(lambda data: data.replace(b"\x11", b"q"))))
def test_nothing_typed_is_lost(pieces):
    """Without the last key of the sequence all bytes are passed on, except a beginning still held back."""
    keys = DetachKeys(b"\x10\x11")
    passed = b"".join(keys.feed(piece)[0] for piece in pieces)
    typed = b"".join(pieces)
    assert typed in (passed, passed + b"\x10")


def test_raw_mode_is_undone():
    """Afterwards the terminal is as it was, also after an error."""
    controller, terminal = pty.openpty()
    before = termios.tcgetattr(terminal)
    during = []
    with suppress(ValueError), RawMode(terminal):
        during = termios.tcgetattr(terminal)
        raise ValueError
    assert not during[3] & termios.ECHO
    assert termios.tcgetattr(terminal) == before
    os.close(controller)
    os.close(terminal)


def test_what_is_no_terminal_is_left_alone():
    """A pipe has neither modes nor a size."""
    reader, writer = os.pipe()
    with RawMode(reader):
        pass
    assert size(writer) is None
    os.close(reader)
    os.close(writer)
