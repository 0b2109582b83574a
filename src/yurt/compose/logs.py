"""The logs of several containers as one: read at once, put in order of time, each line with its container's name."""

from __future__ import annotations

import heapq
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue

from yurt.api.stream import FrameDecoder
from yurt.client.sync import Client
from yurt.compose.levels import LevelFilter
from yurt.compose.watch import Event, Watch
from yurt.errors import InvalidArgument, YurtError

COLOURS = (36, 33, 32, 35, 34, "36;1", "33;1", "32;1", "35;1", "34;1")
RESTARTING = 0.5  # seconds that a container may take from its stop to its next start
SETTLING = 0.04  # seconds in which lines of several containers are put in order of time


@dataclass(frozen=True, slots=True)
class Source:
    """A container whose log is read."""

    reference: str
    name: str  # as shown: web-1
    service: str
    tty: bool | None = None  # None: found out from the stream


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a log; ``time`` is as the engine wrote it, and sorts as text."""

    source: Source
    time: bytes
    text: bytes


@dataclass(frozen=True, slots=True)
class LogOptions:
    """Which lines are wanted."""

    follow: bool = False
    tail: str = ""
    since: str = ""
    until: str = ""
    timestamps: bool = False
    level: int = 0


def read(client: Client, source: Source, options: LogOptions, *, follow: bool = False) -> Iterator[Line]:
    """Yield the lines of one container, as they come."""
    query = {
        "stdout": True,
        "stderr": True,
        "timestamps": True,
        "follow": follow,
        "tail": options.tail or None,
        "since": options.since or None,
        "until": options.until or None,
    }
    with client.request("GET", f"/containers/{source.reference}/logs", query=query) as response:
        framed = response.headers.get("content-type", "").endswith("multiplexed-stream")
        passes = LevelFilter(options.level).passes if options.level else None
        for raw in _lines(response.chunks(), framed=framed):
            moment, _, text = raw.partition(b" ")
            if passes is None or passes(text):
                yield Line(source, moment, text)


def _lines(chunks: Iterable[bytes], *, framed: bool) -> Iterator[bytes]:
    """Yield whole lines; stdout and stderr are cut apart, so that one's half line never joins the other's."""
    decoder = FrameDecoder() if framed else None
    rest: dict[int, bytes] = {}
    for chunk in chunks:
        try:
            pieces = decoder.feed(chunk) if decoder else [(1, chunk)]
        except InvalidArgument:
            decoder, pieces = None, [(1, chunk)]  # an engine that does not say it is a terminal's
        for stream, data in pieces:
            *whole, rest[stream] = (rest.get(stream, b"") + data).split(b"\n")
            for line in whole:
                yield line.removesuffix(b"\r")
    yield from (line for line in rest.values() if line)


def merged(client: Client, sources: Sequence[Source], options: LogOptions) -> Iterator[Line]:
    """Yield what the logs hold now, all in order of time."""
    streams = [read(client, source, options) for source in sources]
    return heapq.merge(*streams, key=lambda line: line.time)


def last_lines(client: Client, reference: str, count: int) -> list[str]:
    """Return the last lines of one container as text; none when they can't be had."""
    try:
        lines = read(client, Source(reference, "", ""), LogOptions(tail=str(count)))
        return [line.text.decode("utf-8", "replace") for line in lines]
    except YurtError:
        return []


@dataclass(frozen=True, slots=True)
class Note:
    """Something to be said between the lines: that a container has stopped."""

    text: str


class Follower:
    """Lines of containers that run, and of those that start later; give it `Watch` events to notice them.

    With *ends_when_idle* it ends of itself when all that it followed have stopped.
    """

    def __init__(self, client: Client, options: LogOptions, *, ends_when_idle: bool = False) -> None:
        self._ends_when_idle = ends_when_idle
        self._client = client
        self._options = options
        self._queue: SimpleQueue[Line | Note | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._open: dict[str, list[Note]] = {}  # by reference: what is to be said at its end
        self._last: dict[str, bytes] = {}  # by reference: the time of the last line

    def add(self, source: Source, *, since: str | None = None) -> None:
        """Follow *source* until it stops; does nothing if it is being followed.

        One that was followed before goes on after its last line, another begins at *since*, if given.
        """
        with self._lock:
            if source.reference in self._open:
                return
            self._open[source.reference] = []
        last = self._last.get(source.reference)
        begin = after(last) if last else since
        threading.Thread(target=self._follow, args=(source, begin), name=source.name, daemon=True).start()

    def _follow(self, source: Source, since: str | None) -> None:
        options = self._options if since is None else replace(self._options, since=since, tail="")
        try:
            for line in read(self._client, source, options, follow=True):
                self._last[source.reference] = line.time
                self._queue.put(line)
        except (YurtError, OSError) as error:
            self._queue.put(Note(f"the log of {source.name} can't be read: {error}"))
        finally:
            with self._lock:
                notes = self._open.pop(source.reference, [])
            for note in notes:
                self._queue.put(note)
            if self._ends_when_idle and self.is_idle:
                threading.Timer(RESTARTING, self._end_if_idle).start()

    def _end_if_idle(self) -> None:
        if self.is_idle:
            self.end()

    def say(self, reference: str, text: str) -> None:
        """Say *text* after the last line of the container *reference*, which has stopped."""
        with self._lock:
            if reference in self._open:
                self._open[reference].append(Note(text))
                return
        self._queue.put(Note(text))

    def watch(
        self, watch: Watch, accept: Callable[[str], Source | None], *, since: str | None = None
    ) -> None:
        """Follow each container that starts; *accept* makes its source from the name, or leaves it out."""

        def take(action: str, identifier: str, event: Event) -> None:
            name = ((event.get("Actor") or {}).get("Attributes") or {}).get("name", "")
            if action == "start" and (source := accept(name)) is not None:
                self.add(Source(identifier, source.name, source.service), since=since)

        watch.on_event(take)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being followed."""
        with self._lock:
            return not self._open

    def end(self) -> None:
        """Let `lines` end once what has come is handed out."""
        self._queue.put(None)

    def lines(self) -> Iterator[Line | Note]:
        """Yield lines as they come, those that come together in order of time, until `end`."""
        settling_until = time.monotonic() + 10 * SETTLING
        while True:
            batch = [self._queue.get()]
            patience = time.monotonic() + (SETTLING if time.monotonic() < settling_until else 0)
            try:
                while batch[-1] is not None:
                    left = patience - time.monotonic()
                    batch.append(self._queue.get(timeout=left) if left > 0 else self._queue.get_nowait())
            except Empty:
                pass
            yield from sorted((each for each in batch if each is not None), key=_moment)
            if batch[-1] is None:
                return


def _moment(item: Line | Note) -> bytes:
    return item.time if isinstance(item, Line) else b"~"


def after(moment: bytes) -> str:
    """Return the ``since`` that begins just after *moment*, a time as the engine writes it."""
    from datetime import datetime

    text = moment.decode("ascii", "replace")
    whole, _, fraction = text.rstrip("Z").partition(".")
    try:
        seconds = int(datetime.fromisoformat(f"{whole}+00:00").timestamp())
        nanoseconds = int(fraction.ljust(9, "0")[:9] or 0) + 1
    except ValueError:
        return str(int(time.time()))
    return f"{seconds + nanoseconds // 10**9}.{nanoseconds % 10**9:09d}"


def palette(services: Iterable[str]) -> Mapping[str, str]:
    """Return a colour for each service: the same as long as the file lists them in the same order."""
    return {name: str(COLOURS[index % len(COLOURS)]) for index, name in enumerate(services)}


@dataclass(frozen=True, slots=True)
class Printer:
    """How lines look: ``web-1  | text``."""

    width: int
    colours: Mapping[str, str]
    prefix: bool = True
    colour: bool = True
    timestamps: bool = False

    def render(self, line: Line) -> bytes:
        text = line.time + b" " + line.text if self.timestamps else line.text
        if not self.prefix:
            return text + b"\n"
        label = f"{line.source.name.ljust(self.width)}  | "
        if self.colour:
            code = self.colours.get(line.source.service) or str(
                COLOURS[zlib.crc32(line.source.service.encode()) % len(COLOURS)]
            )
            label = f"\x1b[{code}m{label}\x1b[0m"
        return label.encode() + text + b"\n"
