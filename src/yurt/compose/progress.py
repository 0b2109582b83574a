"""Telling a person how far a plan is: a live table on a terminal, one line a finished step elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any, Protocol, TextIO

from yurt.compose.model import Condition
from yurt.compose.plan import Action, Verb

_NOUNS: Mapping[Verb, str] = {
    Verb.PULL: "Image",
    Verb.BUILD: "Image",
    Verb.CREATE_NETWORK: "Network",
    Verb.REMOVE_NETWORK: "Network",
    Verb.CREATE_VOLUME: "Volume",
    Verb.REMOVE_VOLUME: "Volume",
    Verb.REMOVE_IMAGE: "Image",
}
_WORDS: Mapping[Verb, tuple[str, str]] = {
    Verb.PULL: ("Pulling", "Pulled"),
    Verb.BUILD: ("Building", "Built"),
    Verb.CREATE_NETWORK: ("Creating", "Created"),
    Verb.CREATE_VOLUME: ("Creating", "Created"),
    Verb.CREATE: ("Creating", "Created"),
    Verb.START: ("Starting", "Started"),
    Verb.RESTART: ("Restarting", "Restarted"),
    Verb.STOP: ("Stopping", "Stopped"),
    Verb.KILL: ("Killing", "Killed"),
    Verb.PROVE: ("Proving", "Proved"),
    Verb.SUCCEED: ("Taking over", "Took over"),
    Verb.SWAP: ("Swapping", "Swapped"),
    Verb.DRAIN: ("Draining", "Drained"),
    Verb.PAUSE: ("Pausing", "Paused"),
    Verb.UNPAUSE: ("Unpausing", "Unpaused"),
    Verb.REMOVE: ("Removing", "Removed"),
    Verb.RENAME: ("Recreating", "Recreated"),
    Verb.REMOVE_NETWORK: ("Removing", "Removed"),
    Verb.REMOVE_VOLUME: ("Removing", "Removed"),
    Verb.REMOVE_IMAGE: ("Removing", "Removed"),
}
_REACHED = {Condition.STARTED: "Running", Condition.HEALTHY: "Healthy", Condition.COMPLETED: "Exited"}


def words(action: Action) -> tuple[str, str]:
    """Return the words for an action under way and done: ("Creating", "Created")."""
    return ("Waiting", _REACHED[action.condition]) if action.verb is Verb.WAIT else _WORDS[action.verb]


def subjects(action: Action) -> tuple[str, ...]:
    """Return what an action is about: ("Container shop-web-1",)."""
    if action.verb is Verb.WAIT:
        return tuple(f"Container {name}" for name in action.containers)
    return (f"{_NOUNS.get(action.verb, 'Container')} {action.name}",)


class Progress(Protocol):
    """Who is told. May be called from several threads."""

    shows_output: bool  # whether a person has seen what `detail` told of a build, when it fails

    def begin(self, action: Action) -> None: ...

    def detail(self, action: Action, text: str) -> None: ...

    def end(self, action: Action, failure: str = "") -> None: ...

    def close(self) -> None: ...


class Silent:
    """Tells nobody."""

    shows_output = False

    def begin(self, action: Action) -> None: ...

    def detail(self, action: Action, text: str) -> None: ...

    def end(self, action: Action, failure: str = "") -> None: ...

    def close(self) -> None: ...


class Lines:
    """One line when a step ends: `` ✔ Container shop-web-1  Started``; of builds, every line they print."""

    shows_output = True

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def _write(self, text: str) -> None:
        with self._lock:
            self._stream.write(text + "\n")
            self._stream.flush()

    def begin(self, action: Action) -> None:
        if action.verb in (Verb.BUILD, Verb.PULL):
            self._write(f"   {subjects(action)[0]}  {words(action)[0]}")

    def detail(self, action: Action, text: str) -> None:
        if action.verb is Verb.BUILD:
            self._write(f"   {action.service} | {text}")

    def end(self, action: Action, failure: str = "") -> None:
        if action.verb is Verb.CREATE and action.replaces and not failure:
            return  # its name is not yet its own: it is told of when it takes the other's place
        for subject in subjects(action):
            self._write(f" ✘ {subject}  Error" if failure else f" ✔ {subject}  {words(action)[1]}")

    def close(self) -> None: ...


class Live:
    """A table of the project's things that redraws itself; rich is imported when it is first drawn."""

    shows_output = False

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.live import Live as RichLive

        self._rows: dict[str, tuple[str, str, float, float | None, str]] = {}
        self._lock = threading.Lock()
        self._console = Console(file=stream, highlight=False)
        self._live = RichLive(
            console=self._console, refresh_per_second=8, get_renderable=self._table, transient=False
        )
        self._live.start()

    def _table(self) -> Any:
        from rich.table import Table

        table = Table.grid(padding=(0, 2))
        now = time.monotonic()
        with self._lock:
            rows = dict(self._rows)
        spinner = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"[int(now * 8) % 10]
        for subject, (state, word, since, until, detail) in rows.items():
            mark = {"busy": f"[cyan]{spinner}[/]", "done": "[green]✔[/]", "failed": "[red]✘[/]"}[state]
            colour = {"busy": "cyan", "done": "green", "failed": "red"}[state]
            spent = (until or now) - since
            table.add_row(
                f" {mark} {subject}", f"[{colour}]{word}[/]", f"[blue]{spent:.1f}s[/]", f"[dim]{detail}[/]"
            )
        return table

    def _set(self, action: Action, state: str, word: str, detail: str = "") -> None:
        now = time.monotonic()
        with self._lock:
            for subject in subjects(action):
                since = self._rows[subject][2] if subject in self._rows else now
                self._rows[subject] = (state, word, since, None if state == "busy" else now, detail)

    def begin(self, action: Action) -> None:
        self._set(action, "busy", words(action)[0])

    def detail(self, action: Action, text: str) -> None:
        from rich.markup import escape

        self._set(action, "busy", words(action)[0], escape(text[:80]))

    def end(self, action: Action, failure: str = "") -> None:
        if action.verb is Verb.CREATE and action.replaces:
            with self._lock:  # the row of the temporary name goes: its final name will be shown
                self._rows.pop(subjects(action)[0], None)
            return
        self._set(action, "failed" if failure else "done", "Error" if failure else words(action)[1])

    def close(self) -> None:
        self._live.stop()


def chosen(stream: TextIO, *, plain: bool = False) -> Progress:
    """Return the way of telling that fits *stream*."""
    return Lines(stream) if plain or not stream.isatty() else Live(stream)
