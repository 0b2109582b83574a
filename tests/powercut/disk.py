"""A file system on a recorded disk, and the disks that power cuts would have left of it.

What a drive may do is what it promises: all that was written before a flush is there after the flush; of what was
written since the last flush any part may be there, in any order. Blocks of 4 KiB are written whole or not at all.
"""

import contextlib
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tests.powercut.recorder import ENTRY, FLUSH, NAME, WRITE

from yurt.linux.mount import unmount

MIB = 1 << 20
BLOCK = 4096
PATIENCE = 20.0  # seconds for the kernel and the recorder


@dataclass(frozen=True, slots=True)
class Entry:
    """One write or flush. *end* is where its bytes end in the record: what was recorded by then had happened."""

    kind: bytes
    offset: int
    start: int
    end: int


class RecordedDisk:
    """An ext4 of *size* MiB, mounted at *mountpoint*, whose every block write is recorded."""

    def __init__(self, folder: Path, mountpoint: Path, *, size: int) -> None:
        self.size = size * MIB
        self.record = folder / "record"
        self.mountpoint = mountpoint
        self._fuse = folder / "fuse"
        self._fuse.mkdir()
        mountpoint.mkdir(exist_ok=True)
        command = [
            sys.executable,
            "-m",
            "tests.powercut.recorder",
            str(self._fuse),
            str(self.size),
            str(self.record),
        ]
        self._recorder = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)
        self._undo = contextlib.ExitStack()
        with contextlib.ExitStack() as undo:
            undo.callback(self._end_recorder)
            file = self._fuse / NAME
            _wait_until(file.exists)
            device = _attach(file, self.size)
            undo.callback(_run, "losetup", "--detach", device)
            _run("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,nodiscard", "-J", "size=8", device)
            _run("mount", device, str(mountpoint))
            undo.callback(unmount, mountpoint, lazy=True)
            os.sync()
            self._undo = undo.pop_all()

    def now(self) -> int:
        """Return the place in the record that the present has: all that the drive was told lies before it."""
        return self.record.stat().st_size

    def close(self) -> None:
        """Take it all away; the record stays."""
        self._undo.close()

    def _end_recorder(self) -> None:
        subprocess.run(["umount", "--lazy", self._fuse], check=False, capture_output=True)
        try:
            self._recorder.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._recorder.kill()
            self._recorder.wait()


def entries(record: Path) -> Sequence[Entry]:
    """Return what was recorded, in its order."""
    found = []
    position = 0
    with record.open("rb") as file:
        while head := file.read(ENTRY.size):
            kind, offset, length = ENTRY.unpack(head)
            start = position + ENTRY.size
            position = start + length
            file.seek(position)
            found.append(Entry(kind, offset, start, position))
    return found


class Replay:
    """Makes the disks of power cuts, later ones after earlier ones."""

    def __init__(self, record: Path, size: int, folder: Path) -> None:
        self._entries = entries(record)
        self._record = record
        self._flushed = folder / "flushed.img"  # what is there for certain
        self._next = 0  # the first entry that is not in it
        with self._flushed.open("wb") as file:
            file.truncate(size)

    def flushes(self) -> Sequence[int]:
        """Return the places in the record right after each flush that had something to bring to the disk."""
        written = False
        found = []
        for entry in self._entries:
            if entry.kind == FLUSH and written:
                found.append(entry.end)
            written = entry.kind == WRITE
        return found

    def cut(self, at: int, dice: random.Random | None, target: Path) -> None:
        """Write to *target* a disk whose power was cut at the place *at*.

        Of what was not flushed, *dice* chooses what is there; without dice all of it is.
        """
        past = [entry for entry in self._entries[self._next :] if entry.end <= at]
        last = max((number for number, entry in enumerate(past) if entry.kind == FLUSH), default=-1)
        with self._record.open("rb") as record:
            with self._flushed.open("r+b") as file:
                for entry in past[: last + 1]:
                    if entry.kind == WRITE:
                        file.seek(entry.offset)
                        file.write(_bytes_of(record, entry))
            self._next += last + 1
            _run("cp", "--sparse=always", str(self._flushed), str(target))
            with target.open("r+b") as file:
                for entry in past[last + 1 :]:
                    data = _bytes_of(record, entry)
                    for begin in range(0, len(data), BLOCK):
                        if dice is None or dice.random() < 0.5:
                            file.seek(entry.offset + begin)
                            file.write(data[begin : begin + BLOCK])


@contextlib.contextmanager
def mounted(image: Path, mountpoint: Path) -> Iterator[None]:
    """Mount what a power cut left, as a machine that starts does: its journal is replayed."""
    device = _attach(image, image.stat().st_size)
    try:
        _run("mount", device, str(mountpoint))
        try:
            yield
        finally:
            _wait_until(lambda: _unmounted(mountpoint))
    finally:
        _run("losetup", "--detach", device)


def _unmounted(mountpoint: Path) -> bool:
    return subprocess.run(["umount", mountpoint], check=False, capture_output=True).returncode == 0


def _attach(file: Path, size: int) -> str:
    done = _run(
        "losetup", "--find", "--show", "--sector-size", str(BLOCK), "--sizelimit", str(size), str(file)
    )
    return done.strip()


def _bytes_of(record: BinaryIO, entry: Entry) -> bytes:
    record.seek(entry.start)
    return record.read(entry.end - entry.start)


def _run(*command: str) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip()}"
    return done.stdout


def _wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)
