"""The test's end of `instants.c`: watch a yurtd and its shims, kill one before its N-th call, or let that call fail.

No code of the engine knows of this. What counts as a call is in `instants.c`: whatever changes files, mounts,
networks or processes, and what is sent to others.
"""

import errno
import mmap
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum, IntFlag
from pathlib import Path

from tests.integration.engine_host import EngineHost

_SOURCES = Path(__file__).parent
_HEAD = struct.Struct("@8I")  # action, roles, at, error, count, fired, spared, victim
_LABEL = 96
_LABELS = 4096


class Action(IntEnum):
    """What happens at the instant."""

    OFF = 0
    COUNT = 1
    KILL = 2
    FAIL = 3  # as on a full disk, which has room again for the next call
    COUNT_FAILING = 4  # the calls that may fail so


class Role(IntFlag):
    """Whose calls count."""

    ENGINE = 1
    SHIM = 4
    RUNTIME = 8  # runc and what it makes, until it has left


class Instants:
    """Calls of one engine's processes, counted while a block of `during` runs."""

    def __init__(self, folder: Path) -> None:
        self._library = folder / "instants.so"
        self._path = folder / "instants.page"
        self._programs = folder / "bin"
        self.spared = 0  # the process whose calls never count
        self._programs.mkdir()
        programs: list[list[str | Path]] = [
            ["-shared", "-fPIC", "-o", self._library, _SOURCES / "instants.c", "-ldl"],
            ["-o", self._programs / "runc", _SOURCES / "runtime.c"],
        ]
        for words in programs:
            subprocess.run(["cc", "-O1", *words], check=True, timeout=60)
        with self._path.open("w+b") as file:
            file.truncate(_HEAD.size + _LABEL * _LABELS)
            self._page = mmap.mmap(file.fileno(), 0)

    def watch(self, host: EngineHost) -> None:
        """From its next start on *host* is counted."""
        host.within = [
            "env",
            f"LD_PRELOAD={self._library}",
            f"YURT_INSTANTS={self._path}",
            f"YURT_RUNTIME={shutil.which('runc')}",
            f"PATH={self._programs}:{os.environ['PATH']}",
        ]

    @contextmanager
    def during(
        self, action: Action, roles: Role, at: int = 0, *, error: int = errno.ENOSPC, victim: int = 0
    ) -> Iterator[None]:
        """While the block runs do *action* at the call with this number, the first being 1; nothing to `spared`.

        With a *victim* that process is killed at the call, not the one whose call it is.
        """
        self._page[_HEAD.size :] = bytes(_LABEL * _LABELS)
        self._page[: _HEAD.size] = _HEAD.pack(action, roles, at, error, 0, 0, self.spared, victim)
        try:
            yield
        finally:
            self._page[:4] = struct.pack("@I", Action.OFF)

    @property
    def count(self) -> int:
        """How many calls there were in the last block."""
        return int(_HEAD.unpack(self._page[: _HEAD.size])[4])

    @property
    def fired(self) -> bool:
        """Whether the last block came to its instant."""
        return bool(_HEAD.unpack(self._page[: _HEAD.size])[5])

    def label(self, number: int) -> str:
        """Name the call of the last block with this number."""
        start = _HEAD.size + (number - 1) * _LABEL
        return self._page[start : start + _LABEL].rstrip(b"\0").split(b"\0")[0].decode(errors="replace")

    def close(self) -> None:
        self._page.close()
