"""Waiting for containers by the engine's events: nothing polls.

One connection carries the events of the project's containers. Whoever waits looks at what the events and one
inspection have told so far, and sleeps until the next event.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from yurt.api import filters
from yurt.client.sync import Client, Response
from yurt.compose import labels
from yurt.errors import NotFound, Unavailable, YurtError
from yurt.values import Value, replace


class Seen(Value):
    """What is known of a container."""

    name: str
    state: str = ""  # "running", "exited", "created", "removed"…
    health: str = ""  # "" when it has no health check
    exit_code: int = 0
    service: str = ""

    @property
    def is_running(self) -> bool:
        return self.state in ("running", "paused")


Event = Mapping[str, Any]
Listener = Callable[[str, str, Event], None]  # action, container's ID, the event


class Watch:
    """Follows the containers of one project while it is entered."""

    def __init__(self, client: Client, project: str) -> None:
        self._client = client
        self._project = project
        self._changed = threading.Condition()
        self._seen: dict[str, Seen] = {}  # by ID
        self._ids: dict[str, str] = {}  # name → ID
        self._ended = False
        self._response: Response | None = None
        self._listeners: list[Listener] = []
        self.since = 0.0

    def __enter__(self) -> Self:
        return self

    def begin(self) -> None:
        """Listen from now on. Whoever waits or listens begins by that; an `up` with nothing to do never does."""
        if self._response is not None:
            return
        query = {
            "filters": filters.encode({"type": ["container"], "label": [f"{labels.PROJECT}={self._project}"]})
        }
        self._response = self._client.request("GET", "/events", query=query)
        self.since = time.time()
        threading.Thread(target=self._read, name="compose-events", daemon=True).start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended = True  # the reader is a daemon thread: it ends with its connection

    def on_event(self, listener: Listener) -> None:
        """Call *listener* with each event from now on, in the reader's thread."""
        self.begin()
        self._listeners.append(listener)

    def _read(self) -> None:
        assert self._response is not None
        try:
            for line in self._response.lines():
                if self._ended:
                    break
                if line.strip():
                    self._take(json.loads(line))
        except (YurtError, OSError, ValueError):
            pass  # the stream broke: those who wait are told below
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _take(self, event: Event) -> None:
        actor = event.get("Actor") or {}
        marks: Mapping[str, str] = actor.get("Attributes") or {}
        if event.get("Type") != "container" or marks.get(labels.PROJECT) != self._project:
            return
        action, identifier = str(event.get("Action", "")), str(actor.get("ID", ""))
        with self._changed:
            before = self._seen.get(identifier) or Seen(
                marks.get("name", ""), service=marks.get(labels.SERVICE, "")
            )
            after = _after(before, action, marks)
            if after is not None:
                self._seen[identifier] = after
                self._ids[after.name] = identifier
                self._changed.notify_all()
        for listener in self._listeners:
            listener(action, identifier, event)

    def inspect(self, reference: str) -> Seen:
        """Return what is known of a container, asking the engine; an event that came meanwhile counts more."""
        self.begin()
        with self._changed:
            before = dict(self._seen)
        try:
            found = self._client.json("GET", f"/containers/{reference}/json")
        except NotFound:
            return Seen(reference, "removed")
        state = found["State"]
        seen = Seen(
            found["Name"].removeprefix("/"),
            "running" if state.get("Running") and not state.get("Restarting") else state.get("Status", ""),
            (state.get("Health") or {}).get("Status", "").replace("none", ""),
            int(state.get("ExitCode") or 0),
            ((found.get("Config") or {}).get("Labels") or {}).get(labels.SERVICE, ""),
        )
        with self._changed:
            latest = self._seen.get(found["Id"])
            if latest is not None and latest is not before.get(found["Id"]):
                seen = replace(latest, name=seen.name, health=latest.health or seen.health)
            self._seen[found["Id"]] = seen
            self._ids[seen.name] = found["Id"]
            if reference != found["Id"]:
                self._ids[reference] = found["Id"]
        return seen

    def wait(self, reference: str, until: Callable[[Seen], bool], deadline: float | None = None) -> Seen:
        """Return what is known of a container as soon as *until* holds.

        Raises Unavailable at the *deadline* (of `time.monotonic`), or when the engine stops telling events.
        """
        seen = self.inspect(reference)
        while not until(seen):
            with self._changed:
                known = self._seen.get(self._ids.get(reference, ""), seen)
                if known is seen:
                    if self._ended:
                        raise Unavailable(f"the engine stopped telling events while waiting for {reference}")
                    left = None if deadline is None else deadline - time.monotonic()
                    if left is not None and left <= 0:
                        raise Unavailable(f"timed out while waiting for {seen.name}: it is {described(seen)}")
                    self._changed.wait(left)
                    continue
                seen = known
        return seen


def described(seen: Seen) -> str:
    """Return the state in words."""
    if seen.state == "exited":
        return f"exited ({seen.exit_code})"
    return f"{seen.state}, its health {seen.health}" if seen.health else seen.state


def _after(before: Seen, action: str, marks: Mapping[str, str]) -> Seen | None:
    """Return what is known after an event; None if it changes nothing here."""
    name = marks.get("name", before.name)
    if action.startswith("health_status"):
        return replace(before, name=name, health=action.partition(":")[2].strip())
    match action:
        case "start" | "unpause":
            return replace(before, name=name, state="running", health="starting" if before.health else "")
        case "pause":
            return replace(before, name=name, state="paused")
        case "die":
            code = marks.get("exitCode", "0")
            return replace(before, name=name, state="exited", exit_code=int(code) if code.isdigit() else 0)
        case "destroy":
            return replace(before, name=name, state="removed")
        case "create":
            return replace(before, name=name, state="created")
        case "rename":
            return replace(before, name=name)
    return None
