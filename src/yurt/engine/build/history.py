"""Past builds: what each was, how it ended, and its log. Bounded in number and in bytes; never a reason to fail.

A record is a document, written when a build begins and again when it ends; its log is a file of events, one JSON
document in each line. A thread writes what gathered in a moment, so that a build never waits for its history; whatever
ends the engine, all but the last moment is there, and a record that still says running is that of a build that was
cut short.
"""

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import structlog

from yurt.engine.build.model import (
    Announced,
    Begun,
    BuildEvent,
    BuildRequest,
    Built,
    Ended,
    Failed,
    Output,
    Warned,
)
from yurt.errors import Conflict, NotFound, YurtError
from yurt.ids import new_id
from yurt.storage.metadata import Documents

log = structlog.get_logger(__name__)

KIND = "build-record"
MAX_BUILDS = 100
MAX_LOG = 1 << 20  # bytes of one build's output
MAX_BYTES = 32 << 20  # of all logs
MOMENT = 0.05  # seconds in which lines gather before they are written: as much is lost at a kill
RUNNING, COMPLETED, FAILED, CANCELED, CUT_SHORT = "running", "completed", "error", "canceled", "cut short"
_CREDENTIALS = re.compile(r"""(?<=://)[^/@\s"'\\]+@""")
_KINDS = {kind.__name__: kind for kind in (Announced, Begun, Ended, Output, Warned, Failed, Built)}


@dataclass(frozen=True, slots=True)
class BuildRecord:
    """One build. Times are nanoseconds since 1970, *ended_ns* 0 while it runs; *steps* are those that take time.

    *image* is the id of what came out, *error* why nothing did.
    """

    id: str
    name: str
    status: str = RUNNING
    started_ns: int = 0
    ended_ns: int = 0
    dockerfile: str = ""
    target: str = ""
    platform: str = ""
    error: str = ""
    image: str = ""
    steps: int = 0
    cached: int = 0
    warnings: int = 0
    log_size: int = 0


@dataclass(frozen=True, slots=True)
class _Entry:
    """A line of a log."""

    at: int
    kind: str
    event: msgspec.Raw


_encode = msgspec.json.Encoder(enc_hook=str.__str__).encode  # digests are texts of a kind of their own


class Recording:
    """One build that is being recorded. `take` every event, then `end` it; both never raise."""

    def __init__(
        self,
        record: BuildRecord,
        file: BinaryIO | None,
        save: Callable[[BuildRecord], None],
        writer: Executor | None = None,
    ) -> None:
        self.record = record
        self._file = file
        self._save = save
        self._writer = writer
        self._lines: deque[bytes] = deque()  # not written yet
        self._is_due = False  # the writer will come for them
        self._writing = threading.Lock()
        self._size = 0
        self._steps: set[str] = set()

    def __repr__(self) -> str:
        return f"<Recording {self.record.id}>"

    def take(self, event: BuildEvent) -> None:
        record = self.record
        match event:
            case Announced(activities=activities):
                self._steps |= {each.key for each in activities if each.key.startswith("step ")}
                self.record = replace(record, steps=len(self._steps))
            case Ended(activity=key, cached=True) if key in self._steps:
                self.record = replace(record, cached=record.cached + 1)
            case Warned():
                self.record = replace(record, warnings=record.warnings + 1)
            case Failed(message=message):
                self.record = replace(record, status=FAILED, error=_redacted(message))
            case Built(image_id=image):
                self.record = replace(record, status=COMPLETED, image=str.__str__(image))
            case Output(activity=key) if not key or self._size > MAX_LOG:
                return
        self._write(event)

    def end(self) -> None:
        """Write down how it ended; a build that neither failed nor made anything was given up by its client."""
        record = self.record
        status = CANCELED if record.status == RUNNING else record.status
        self.record = replace(record, status=status, ended_ns=time.time_ns(), log_size=self._size)
        self.flush()
        if self._file is not None:
            self._file.close()
        self._save(self.record)

    def flush(self) -> None:
        """Afterwards everything that was taken is in the file. From any thread."""
        with self._writing:
            self._is_due = False
            lines = b"".join(self._lines.popleft() for _ in range(len(self._lines)))
            if self._file is None or not lines:
                return
            try:
                self._file.write(lines)
            except OSError as full:  # the build matters, its history does not
                log.warning("build.history.lost", build=self.record.id, error=str(full))
                self._file.close()
                self._file = None

    def _flush_soon(self) -> None:
        time.sleep(MOMENT)
        self.flush()

    def _write(self, event: BuildEvent) -> None:
        kind = type(event).__name__
        if self._file is None or kind not in _KINDS:
            return
        line = (
            _redacted(_encode({"at": time.time_ns(), "kind": kind, "event": event}).decode()).encode() + b"\n"
        )
        self._size += len(line)
        self._lines.append(line)
        if self._writer is not None and not self._is_due:
            self._is_due = True
            self._writer.submit(self._flush_soon)


class BuildHistory:
    """The builds of one engine, the newest first. *folder* is its own."""

    def __init__(self, folder: Path, documents: Documents) -> None:
        self._folder = folder
        self._documents = documents
        self._running: set[str] = set()
        self._writer = ThreadPoolExecutor(1, "build-history")  # its thread begins with the first build

    def __repr__(self) -> str:
        return f"<BuildHistory, {len(self._running)} running>"

    def restore(self) -> None:
        """Afterwards what ran when an engine ended is known as cut short, and no log is without its record."""
        records = self.records()
        for record in records:
            if record.status == RUNNING:
                known = Recording(record, None, self._save)
                for _, event in self.events(record):
                    known.take(event)
                size = _size(self._log(record.id))
                status = CUT_SHORT if known.record.status == RUNNING else known.record.status
                self._save(replace(known.record, status=status, log_size=size))
        ids = {record.id for record in records}
        for path in self._folder.glob("*.jsonl") if self._folder.exists() else ():
            if path.stem not in ids:
                path.unlink(missing_ok=True)

    def begin(self, request: BuildRequest) -> Recording:
        """Return what records a build from now on."""
        known = request.ref if request.ref.isalnum() else ""
        taken = known and self._documents.get(KIND, known) is not None
        record = BuildRecord(
            id=known if known and not taken else new_id()[:25],
            name=_redacted(request.title or ", ".join(request.tags) or request.remote or request.dockerfile),
            started_ns=time.time_ns(),
            dockerfile=request.dockerfile,
            target=request.target,
            platform=request.platform,
        )
        self._running.add(record.id)
        file: BinaryIO | None = None
        try:
            self._make_room()
            self._folder.mkdir(parents=True, exist_ok=True)
            file = self._log(record.id).open("wb", buffering=0)
        except (OSError, YurtError) as failed:
            log.warning("build.history.lost", build=record.id, error=str(failed))
        self._save(record)
        return Recording(record, file, self._ended, self._writer)

    def records(self) -> list[BuildRecord]:
        """Return every build that is remembered."""
        found = [msgspec.json.decode(body, type=BuildRecord) for _, body in self._documents.all(KIND)]
        return sorted(found, key=lambda record: record.started_ns, reverse=True)

    def get(self, ref: str) -> BuildRecord:
        """Return the build whose id begins with *ref*; empty: the latest. NotFound, or Conflict when several do."""
        records = self.records()
        if not ref and records:
            return records[0]
        found = [record for record in records if ref and record.id.startswith(ref)]
        exact = [record for record in found if record.id == ref]
        if len(exact or found) > 1:
            raise Conflict(f"several builds have an id that begins with {ref}", hint="write more of it")
        if not found:
            raise NotFound(
                f"no such build: {ref or 'there was none yet'}", hint="`yurt build history ls` lists them"
            )
        return (exact or found)[0]

    def events(self, record: BuildRecord) -> Iterator[tuple[int, BuildEvent]]:
        """Yield when (nanoseconds since 1970) what happened in the build; a line that was cut short is left out."""
        try:
            file = self._log(record.id).open("rb")
        except FileNotFoundError:
            return
        with file:
            for line in file:
                try:
                    entry = msgspec.json.decode(line, type=_Entry)
                    event: Any = msgspec.json.decode(entry.event, type=_KINDS[entry.kind])
                except (msgspec.MsgspecError, KeyError):
                    continue
                yield entry.at, event

    def remove(self, ref: str) -> BuildRecord:
        """Forget a build; one that runs is a Conflict."""
        record = self.get(ref)
        if record.id in self._running:
            raise Conflict(f"the build {record.id} is running", hint="end it first")
        self._forget(record.id)
        return record

    def clear(self) -> int:
        """Forget every build that does not run; return how many."""
        going = [record for record in self.records() if record.id not in self._running]
        for record in going:
            self._forget(record.id)
        return len(going)

    def _make_room(self) -> None:
        """Forget the oldest builds beyond what is kept."""
        size = 0
        for number, record in enumerate(self.records(), 1):
            size += record.log_size
            if (number >= MAX_BUILDS or size > MAX_BYTES) and record.id not in self._running:
                self._forget(record.id)

    def _forget(self, id: str) -> None:  # noqa: A002 - what it is called everywhere
        self._documents.delete(KIND, id)
        self._log(id).unlink(missing_ok=True)

    def _ended(self, record: BuildRecord) -> None:
        self._running.discard(record.id)
        self._save(record)

    def _save(self, record: BuildRecord) -> None:
        try:
            self._documents.put(KIND, record.id, _encode(record))
        except YurtError as failed:
            log.warning("build.history.lost", build=record.id, error=failed.message)

    def _log(self, id: str) -> Path:  # noqa: A002
        return self._folder / f"{id}.jsonl"


def _redacted(text: str) -> str:
    """Return *text* without the names and passwords that addresses in it have."""
    return _CREDENTIALS.sub("", text)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
