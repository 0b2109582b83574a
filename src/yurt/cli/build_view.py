"""How a build goes, at a terminal: what runs with its time, what was cached, the end of what the running steps say.

Told by the engine's trace (`POST /build?trace=1`), whose parts have BuildKit's names. `BuildView` keeps what is known
and lays it out as lines, purely; `LiveView` draws them in place, ten times a second, until it is closed.
"""

from __future__ import annotations

import base64
import io
import os
import re
import threading
import time
import unicodedata
from dataclasses import dataclass, field

from yurt.cli import output
from yurt.cli.progress import Progress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import Any, Self, TextIO

TRACE = "yurt.build.trace"
PERIOD = 0.1  # seconds between two drawings
LOG_LINES = 6  # of the output of a running step
STATUS_LINES = 4  # of a running pull or export
TOLD = ("naming to ",)  # what remains to be seen of an export
KEPT = 8192  # characters of a step's output
UP, CLEAR_LINE, CLEAR_BELOW = "\x1b[{}A", "\x1b[K", "\x1b[J"
BLUE, RED, PLAIN = "\x1b[34m", "\x1b[31m", "\x1b[0m"
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)")


@dataclass
class _Work:
    """A piece of work. *began* and *ended* are seconds on the clock of the engine; 0: not yet."""

    name: str = ""
    began: float = 0.0
    ended: float = 0.0
    cached: bool = False
    error: str = ""
    tail: str = ""
    statuses: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def is_running(self) -> bool:
        return self.began > 0 and not self.ended


class BuildView:
    """What is known of a build, and how it looks on *width* columns. *now* gives seconds since the epoch."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._work: dict[str, _Work] = {}  # by digest, in the order in which they were told
        self._begun = now()
        self._ahead = 0.0  # of the engine's clock to ours, in seconds
        self.warnings: list[str] = []

    def __repr__(self) -> str:
        return f"<BuildView of {len(self._work)} pieces of work>"

    def take(self, news: dict[str, Any]) -> None:
        """Take in one part of the engine's trace."""
        for each in news.get("vertexes", ()):
            work = self._work.setdefault(each["digest"], _Work())
            work.name = _clean(each.get("name", ""))
            began = _seconds(each.get("started"))
            if began and not work.began and not self._ahead and not each.get("completed"):
                self._ahead = began - self._now()
            work.began, work.ended = began, _seconds(each.get("completed"))
            work.cached, work.error = bool(each.get("cached")), each.get("error", "")
        for each in news.get("logs", ()):
            work = self._work.setdefault(each["vertex"], _Work())
            text = base64.b64decode(each["data"]).decode(errors="replace")
            work.tail = (work.tail + text)[-KEPT:]
        for each in news.get("statuses", ()):
            work = self._work.setdefault(each["vertex"], _Work())
            work.statuses[each["id"]] = each
        for each in news.get("warnings", ()):
            self.warnings.append(_clean(base64.b64decode(each["short"]).decode(errors="replace")))

    def lines(self, width: int, height: int = 0, *, state: str = "") -> list[str]:
        """Return the view in lines of less than *width* columns, at most *height* of them; 0: as many as it takes.

        *state* is a word for the head; a view of limited height leaves out what ended first, then output.
        """
        shown = [work for work in self._work.values() if work.began or work.ended]
        done = sum(work.ended > 0 for work in shown)
        took = f"{self._now() - self._begun:.1f}s"
        head = f"[+] Building {took} ({done}/{len(self._work)}){' ' if state else ''}{state}"
        blocks = [self._block(work, width, live=height > 0) for work in shown]
        if height > 0:
            blocks = _fitted(shown, blocks, height - 1)
        return [_cut(head, width), *(line for block in blocks for line in block)]

    def _block(self, work: _Work, width: int, *, live: bool) -> list[str]:
        seconds = (work.ended or self._now() + self._ahead) - work.began if work.began else 0.0
        took = f"{max(0.0, seconds):.1f}s"
        mark = "CACHED " if work.cached else "ERROR " if work.error else ""
        room = width - len(took) - 6
        text = _padded(_cut(f"{mark}{work.name}", room), room)
        block = [f" => {text} {took}"]
        if not live:
            return block + [
                _cut(f" => => {_clean(name)}", width) for name in work.statuses if name.startswith(TOLD)
            ]
        if not work.is_running:
            return block
        going = [each for each in work.statuses.values() if not each.get("completed")][-STATUS_LINES:]
        block += [_cut(f" => => {_clean(each['id'])} {_amount(each)}".rstrip(), width) for each in going]
        lines = [line for line in map(_last_written, work.tail.split("\n")) if line.strip()]
        return block + [_cut(f" => => # {line}", width) for line in lines[-LOG_LINES:]]


def _fitted(shown: Sequence[_Work], blocks: list[list[str]], room: int) -> list[list[str]]:
    """Return what of *blocks* goes into *room* lines: of running work before what ended, the latest before the first."""
    order = sorted(range(len(blocks)), key=lambda at: (shown[at].is_running, at), reverse=True)
    heads = set(order[: max(1, room)])
    left = room - len(heads)
    fitted: dict[int, list[str]] = {}
    for at in order:
        if at in heads:
            more = min(left, len(blocks[at]) - 1)
            fitted[at] = [blocks[at][0], *(blocks[at][-more:] if more > 0 else ())]
            left -= max(0, more)
    return [fitted[at] for at in sorted(fitted)]


class BuildProgress(Progress):
    """The lines of the classic builder, without anything that moves; with *keep* they are for the case of a failure."""

    is_traced = False  # whether the engine is asked for its trace

    def __init__(self, stream: TextIO, *, keep: bool = False, moving: bool = False) -> None:
        super().__init__(stream, moving=moving)
        self.kept = stream if keep and isinstance(stream, io.StringIO) else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is left to undo."""


class LiveView(BuildProgress):
    """Draws a build on the terminal *stream* while it is entered; what is no trace is left to `Progress`.

    Afterwards the whole list stands there. The terminal's modes are never touched. *size* returns (columns, lines).
    """

    is_traced = True

    def __init__(
        self, stream: TextIO, *, size: Callable[[], tuple[int, int]] | None = None, colours: bool = True
    ) -> None:
        super().__init__(stream, moving=True)
        self._view = BuildView()
        self._size = size or self._of_terminal
        self._colours = colours
        self._drawn: list[str] = []  # the lines that stand on the terminal now
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._has_trace = False
        self._state = ""
        self._late: list[str] = []
        self._ticking = threading.Thread(target=self._tick, name="build-view", daemon=True)

    def __enter__(self) -> Self:
        self._ticking.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._ticking.join()
        if self._has_trace:
            self._state = "FINISHED" if kind is None else "CANCELED" if kind is KeyboardInterrupt else "ERROR"
            self._draw(whole=True)
            for text in self._view.warnings:
                self._stream.write(f"[Warning] {text}\n")
        self._stream.write("".join(self._late))
        self._stream.flush()

    def take(self, message: dict[str, Any]) -> None:
        if message.get("id") == TRACE and "aux" in message:
            self.has_begun = True
            with self._lock:
                self._has_trace = True
                self._view.take(message["aux"])
            return
        if self._has_trace and "stream" in message:
            self._late.append(message["stream"])  # what a failed build has to say stands below the view
            return
        super().take(message)

    def _of_terminal(self) -> tuple[int, int]:
        try:
            found = os.get_terminal_size(self._stream.fileno())
        except (OSError, ValueError):  # no terminal after all
            return 80, 24
        return max(20, found.columns or 80), max(3, found.lines or 24)

    def _tick(self) -> None:
        while not self._over.wait(PERIOD):
            with self._lock:
                if self._has_trace:
                    self._draw(whole=False)

    def _draw(self, *, whole: bool) -> None:
        width, height = self._size()
        lines = self._view.lines(width, 0 if whole else max(2, height - 1), state=self._state)
        # A terminal that became narrower wrapped what stands there: one line may be several now.
        stands = sum(max(1, -(-_columns(line) // width)) for line in self._drawn)
        text = "".join(f"{self._coloured(line)}{CLEAR_LINE}\n" for line in lines)
        up = f"\r{UP.format(stands)}" if stands else ""
        self._stream.write(f"{up}{text}{CLEAR_BELOW}")  # the cursor stays to be seen: nothing to restore
        self._stream.flush()
        self._drawn = lines

    def _coloured(self, line: str) -> str:
        if not self._colours:
            return line
        if line.startswith(" => ERROR "):
            return f"{RED}{line}{PLAIN}"
        return f"{BLUE}{line}{PLAIN}" if line.startswith(" => CACHED ") else line


class RawTrace(BuildProgress):
    """Writes the engine's trace as it comes, a JSON document in each line."""

    is_traced = True

    def take(self, message: dict[str, Any]) -> None:
        if message.get("id") == TRACE and "aux" in message:
            self.has_begun = True
            self._stream.write(output.json_text(message["aux"]) + "\n")
            self._stream.flush()
            return
        if "stream" not in message:
            super().take(message)


class PlainTrace(BuildProgress):
    """Prints the engine's trace as BuildKit's clients print it without a terminal: a number before every line."""

    is_traced = True

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._numbers: dict[str, int] = {}  # by digest
        self._names: dict[str, str] = {}
        self._began: dict[str, float] = {}
        self._rest: dict[str, str] = {}  # of output: the line that has no end yet
        self._over: set[str] = set()
        self._speaking = ""

    def take(self, message: dict[str, Any]) -> None:
        if message.get("id") != TRACE or "aux" not in message:
            super().take(message)
            return
        self.has_begun = True
        news = message["aux"]
        for each in news.get("vertexes", ()):
            self._work(each)
        for each in news.get("statuses", ()):
            if each.get("completed"):
                self._say(each["vertex"], f"{_clean(each['id'])} {_amount(each)}".rstrip())
        for each in news.get("logs", ()):
            self._output(each)
        for each in news.get("warnings", ()):
            self._stream.write(
                f"[Warning] {_clean(base64.b64decode(each['short']).decode(errors='replace'))}\n"
            )

    def _work(self, each: dict[str, Any]) -> None:
        digest = each["digest"]
        self._names[digest] = _clean(each.get("name", ""))
        if digest in self._over or not (began := _seconds(each.get("started"))):
            return
        if digest not in self._began:
            self._began[digest] = began
            self._speak(digest)
        if not (ended := _seconds(each.get("completed"))):
            return
        self._over.add(digest)
        if rest := self._rest.pop(digest, ""):
            self._say(digest, _last_written(rest))
        error = each.get("error", "")
        done = (
            f"ERROR: {_clean(error)}"
            if error
            else "CACHED"
            if each.get("cached")
            else f"DONE {ended - began:.1f}s"
        )
        self._say(digest, done)

    def _output(self, each: dict[str, Any]) -> None:
        digest = each["vertex"]
        text = self._rest.get(digest, "") + base64.b64decode(each["data"]).decode(errors="replace")
        *lines, self._rest[digest] = text.split("\n")
        since = _seconds(each.get("timestamp")) - self._began.get(digest, 0.0)
        for line in lines:
            self._say(digest, f"{since:.3f} {_last_written(line)}")

    def _speak(self, digest: str) -> None:
        if self._speaking == digest:
            return
        number = self._numbers.setdefault(digest, len(self._numbers) + 1)
        self._stream.write(
            f"{'' if not self._speaking else chr(10)}#{number} {self._names.get(digest, '')}\n"
        )
        self._speaking = digest

    def _say(self, digest: str, text: str) -> None:
        self._speak(digest)
        self._stream.write(f"#{self._numbers[digest]} {text}\n")


def _amount(status: dict[str, Any]) -> str:
    current, total = status.get("current") or 0, status.get("total") or 0
    if total:
        return f"{output.size(current)} / {output.size(total)}"
    return output.size(current) if current else ""


def _last_written(line: str) -> str:
    """Return what a terminal would show of *line*: what follows the last carriage return that something follows."""
    return _clean(line.rstrip("\r").rpartition("\r")[2])


def _clean(text: str) -> str:
    """Return *text* without what would move the cursor, or do anything else but be seen."""
    text = _ESCAPES.sub("", text).expandtabs(4)
    return "".join(letter for letter in text if letter.isprintable())


def _columns(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum(_letter_columns(letter) for letter in text)


def _letter_columns(letter: str) -> int:
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def _cut(text: str, width: int) -> str:
    """Return *text* in less than *width* columns: a line that fills the last one would wrap on some terminals."""
    room = max(1, width - 1)
    if _columns(text) <= room:
        return text
    cut, used = "", 1
    for letter in text:
        used += _letter_columns(letter)
        if used > room:
            break
        cut += letter
    return cut + "…"


def _padded(text: str, width: int) -> str:
    return text + " " * max(0, width - _columns(text))


def _seconds(text: str | None) -> float:
    """Return an RFC 3339 time in seconds since the epoch; 0 for none."""
    if not text:
        return 0.0
    from datetime import datetime

    whole, _, rest = text.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{rest or 0}")
