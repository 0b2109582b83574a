"""The logs of several containers as one: read at once, put in order of time, each line with its container's name."""

from __future__ import annotations

import heapq
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from yurt.api.stream import FrameDecoder
from yurt.client.sync import Client
from yurt.compose.levels import LevelFilter
from yurt.compose.watch import Event, Watch
from yurt.errors import InvalidArgument, YurtError

COLOURS = (36, 33, 32, 35, 34, "36;1", "33;1", "32;1", "35;1", "34;1")
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


class Follower:
    """Lines of containers that run, and of those that start later; give it `Watch` events to notice them."""

    def __init__(self, client: Client, options: LogOptions) -> None:
        self._client = client
        self._options = options
        self._queue: SimpleQueue[Line | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._open: set[str] = set()

    def add(self, source: Source, *, since: str | None = None) -> None:
        """Follow *source* until it stops; does nothing if it is being followed."""
        with self._lock:
            if source.reference in self._open:
                return
            self._open.add(source.reference)
        threading.Thread(target=self._follow, args=(source, since), name=source.name, daemon=True).start()

    def _follow(self, source: Source, since: str | None) -> None:
        options = self._options
        if since is not None:
            options = LogOptions(since=since, level=options.level, timestamps=options.timestamps)
        try:
            for line in read(self._client, source, options, follow=True):
                self._queue.put(line)
        except (YurtError, OSError) as error:
            self._queue.put(Line(source, b"", f"[the log can't be read: {error}]".encode()))
        finally:
            with self._lock:
                self._open.discard(source.reference)

    def watch(self, watch: Watch, accept: Callable[[str], Source | None]) -> None:
        """Follow, from its start, each container that starts; *accept* makes its source from the name."""

        def take(action: str, identifier: str, event: Event) -> None:
            name = ((event.get("Actor") or {}).get("Attributes") or {}).get("name", "")
            if action == "start" and (source := accept(name)) is not None:
                moment = int(event.get("timeNano") or 0)
                since = f"{moment // 10**9}.{moment % 10**9:09d}" if moment else None
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

    def lines(self) -> Iterator[Line]:
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
            yield from sorted((line for line in batch if line is not None), key=lambda line: line.time)
            if batch[-1] is None:
                return


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
