"""The terminal of the person: raw mode, size, and the keys that leave a container running."""

from __future__ import annotations

import os

TYPE_CHECKING = False  # `typing` alone would cost a fifth of the start-up
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any


class RawMode:
    """While entered, the terminal *fd* hands every key over unchanged; afterwards it is as it was.

    Entering does nothing when *fd* is no terminal.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._before: list[Any] | None = None

    def __enter__(self) -> None:
        if not os.isatty(self._fd):
            return
        import termios
        import tty

        self._before = termios.tcgetattr(self._fd)
        tty.setraw(self._fd, termios.TCSANOW)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            import termios

            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._before)


def size(fd: int = 1) -> tuple[int, int] | None:
    """Return (height, width) of the terminal, None when there is none or it does not know."""
    try:
        width, height = os.get_terminal_size(fd)
    except OSError:
        return None
    return (height, width) if height and width else None


class DetachKeys:
    """Watches typed bytes for a sequence of keys.

    `feed` returns what may be passed on, and whether the sequence was completed. Bytes that could begin the
    sequence are held back until it is clear that they do not.
    """

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._matched = 0

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        passed = bytearray()
        for byte in data:
            if byte == self._keys[self._matched]:
                self._matched += 1
                if self._matched == len(self._keys):
                    self._matched = 0
                    return bytes(passed), True
                continue
            passed += self._keys[: self._matched]
            self._matched = 0
            if byte == self._keys[0]:
                self._matched = 1
            else:
                passed.append(byte)
        return bytes(passed), False
