"""The forwarder: sends a container's lines on to where its log driver says, from the log, at its own pace.

A process of its own, forked by the shim of a container whose driver is remote. It reads the log as any reader
does, so a slow or absent receiver never holds the container up; what is not sent yet waits in the log, whose
bound is the bound of what may wait. The place up to which all was sent is kept in ``output.log.sent``: after a
restart, or the death of a forwarder, its successor goes on there (a line may be sent twice, none is skipped).
"""

import fcntl
import os
import select
import signal
import struct
import sys
import time
import traceback
from collections.abc import Iterator
from typing import Any

from yurt.shim.log import STDERR, STDOUT
from yurt.shim.reader import Assembler, Block, Reader, torn_of
from yurt.shim.receivers import RECEIVERS, Message, Receiver

BATCH = 256  # messages handed over at once
LONGEST = 1 << 14  # bytes of a message; a longer line is cut, as Docker does
LAST_CHANCE = 5.0  # seconds that a receiver gets once the container has ended
_PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # seconds between attempts
_PLACE = struct.Struct("<QQ")  # segment, record


def fork(plan: dict[str, Any], log: str, *, delay: float = 0.0) -> tuple[int, int]:
    """Fork a forwarder; return its process number, and the pipe to nudge it with. The pipe's end tells it to end."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(writer, False)
    pid = os.fork()
    if pid:
        os.close(reader)
        return pid, writer
    status = 1
    try:
        _leave_the_shim(reader)
        time.sleep(delay)
        Forwarder(plan, log, reader).run()
        status = 0
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        os._exit(status)  # never back into the shim's loop


def _leave_the_shim(keep: int) -> None:
    """Hold nothing that others would wait for: no pipe, socket, folder or signal of the shim."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    os.closerange(3, keep)
    os.closerange(keep + 1, os.sysconf("SC_OPEN_MAX"))
    os.chdir("/")


class Forwarder:
    """Reads *log* from where the last forwarder stopped, and sends until the pipe *nudges* ends and all is sent."""

    def __init__(self, plan: dict[str, Any], log: str, nudges: int) -> None:
        self._log = log
        self._nudges = nudges
        self._receiver: Receiver = RECEIVERS[plan["driver"]](plan)
        self._assembler = Assembler(frozenset((STDOUT, STDERR)))
        self._unended: dict[int, tuple[int, int]] = {}  # stream → the record in which its open line began
        self._deadline = 0.0  # when to give up; 0: the container still runs
        self._note = os.open(log + ".sent", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)

    def run(self) -> None:
        fcntl.flock(self._note, fcntl.LOCK_EX)  # the one before may still be sending its last
        raw = os.pread(self._note, _PLACE.size, 0)
        number, record = _PLACE.unpack(raw) if len(raw) == _PLACE.size else (0, 0)
        reader = self._opened()
        if reader is None:
            return
        while reader.segments[0].number < number and len(reader.segments) > 1:
            reader.drop_first()
        if reader.segments[0].number != number:
            record = 0
        while True:
            ended = bool(self._deadline)
            segment = reader.segments[0]
            is_closed = len(reader.segments) > 1 or reader.open_next()
            end = segment.count()
            while record < end:
                messages, record = self._gathered(reader, record, end)
                if not self._deliver(messages):
                    return
                place = min(self._unended.values(), default=(segment.number, record))
                os.pwrite(self._note, _PLACE.pack(*place), 0)
            if is_closed:
                before = segment.number
                reader.drop_first()
                record = 0
                if lost := reader.segments[0].number - before - 1:
                    print(f"forwarder: {lost} segments of {self._log} were removed unsent", file=sys.stderr)
                continue
            if ended:
                rest = [*torn_of(segment, self._assembler), *self._assembler.flush()]
                if self._deliver(list(_messages(rest))):
                    os.pwrite(self._note, _PLACE.pack(segment.number, end), 0)
                return
            self._hear(None)

    def _opened(self) -> Reader | None:
        while True:
            try:
                return Reader(self._log)
            except FileNotFoundError:
                if self._deadline:
                    return None
                self._hear(None)

    def _gathered(self, reader: Reader, record: int, end: int) -> tuple[list[Message], int]:
        """Return messages of records from *record* on, a batch or a little more, and the record to go on with."""
        segment = reader.segments[0]
        found: list[Message] = []
        while record < end and len(found) < BATCH:
            for offset, time_ns, length, stream, flags in segment.records(record, min(end, record + 64)):
                chunk = segment.bytes_of(offset, length)
                found += _messages(self._assembler.feed(stream, time_ns, chunk, flags))
                if not self._assembler.is_inside_line(stream):
                    self._unended.pop(stream, None)
                elif b"\n" in chunk or stream not in self._unended:
                    self._unended[stream] = (segment.number, record)
                record += 1
                if len(found) >= BATCH:
                    break
        return found, record

    def _deliver(self, messages: list[Message]) -> bool:
        """Send *messages*, however often it takes; False when the container has ended and time is up."""
        for start in range(0, len(messages), BATCH):
            attempt = 0
            while True:
                try:
                    self._receiver.send(messages[start : start + BATCH])
                    break
                except OSError as error:
                    pause = _PAUSES[min(attempt, len(_PAUSES) - 1)]
                    if attempt == 0:
                        print(f"forwarder: {self._receiver.plan['driver']}: {error}", file=sys.stderr)
                attempt += 1
                if self._deadline and time.monotonic() + pause > self._deadline:
                    return False
                self._pause(pause)
        return True

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self._deadline:
                time.sleep(left)
            elif self._hear(left):
                until = min(until, time.monotonic() + _PAUSES[0])  # the container ended: hurry

    def _hear(self, timeout: float | None) -> bool:
        """Wait until the log grew; True when the container has ended."""
        if not select.select([self._nudges], [], [], timeout)[0]:
            return False
        if os.read(self._nudges, 65536):
            return False
        self._deadline = time.monotonic() + LAST_CHANCE
        return True


def _messages(blocks: list[Block]) -> Iterator[Message]:
    for stream, time_ns, data in blocks:
        for line in data.removesuffix(b"\n").split(b"\n"):
            if len(line) <= LONGEST:
                yield stream, time_ns, line
            else:
                for start in range(0, len(line), LONGEST):
                    yield stream, time_ns, line[start : start + LONGEST]
