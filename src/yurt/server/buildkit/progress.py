"""From what the engine says of a build to what BuildKit's clients show: vertexes, their statuses and output."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import replace

from yurt.dockerfile.checks.findings import RULES, Finding
from yurt.engine.build.model import Activity, Announced, Begun, BuildEvent, Ended, Output, Pulling
from yurt.engine.progress import Progress
from yurt.oci.reference import Reference
from yurt.server.buildkit.messages import (
    Position,
    Range,
    SourceInfo,
    StatusResponse,
    Timestamp,
    Vertex,
    VertexLog,
    VertexStatus,
    VertexWarning,
)

Publish = Callable[[StatusResponse], None]


class Narrator:
    """Tells one job's progress. Digests of vertexes hold *salt*, so that no two jobs share one."""

    def __init__(self, salt: str, publish: Publish, *, clock: Callable[[], int] = time.time_ns) -> None:
        self._salt = salt
        self._publish = publish
        self._clock = clock
        self._vertexes: dict[str, Vertex] = {}  # by key of the activity
        self._statuses: dict[tuple[str, str], VertexStatus] = {}  # by key and id: those under way

    def __repr__(self) -> str:
        return f"<Narrator of {len(self._vertexes)} vertexes>"

    def take(self, event: BuildEvent) -> None:
        """Tell what *event* says; what only the classic builder's clients read is dropped."""
        match event:
            case Announced(activities=activities):
                self.announce(*activities)
            case Begun(activity=key):
                self.begin(key)
            case Ended(activity=key, cached=cached, error=error):
                self.end(key, cached=cached, error=error)
            case Output(text=text, activity=key, stream=stream) if key:
                self.say(key, text, stream=stream)
            case Pulling(progress=progress, activity=key) if key:
                self._pull(key, progress)
            case _:
                pass

    def digest(self, key: str) -> str:
        return "sha256:" + hashlib.sha256(f"{self._salt} {key}".encode()).hexdigest()

    def announce(self, *activities: Activity) -> None:
        for each in activities:
            self._vertexes[each.key] = Vertex(
                self.digest(each.key), tuple(self.digest(key) for key in each.inputs), each.name
            )
        self._tell(*(each.key for each in activities))

    def begin(self, key: str) -> None:
        self._vertexes[key] = replace(self._vertexes[key], started=self._now())
        self._tell(key)

    def end(self, key: str, *, cached: bool = False, error: str = "") -> None:
        """Tell the end of an activity, and of all that was under way in it."""
        now = self._now()
        for name, status in [item for item in self._statuses.items() if item[0][0] == key]:
            self._publish(StatusResponse(statuses=(replace(status, timestamp=now, completed=now),)))
            del self._statuses[name]
        vertex = self._vertexes[key]
        self._vertexes[key] = replace(
            vertex, started=vertex.started or now, completed=now, cached=cached, error=error
        )
        self._tell(key)

    def say(self, key: str, text: str, *, stream: int = 1) -> None:
        """Tell output of an activity."""
        data = text.encode("utf-8", "replace")
        self._publish(StatusResponse(logs=(VertexLog(self.digest(key), self._now(), stream, data),)))

    def warn(self, key: str, finding: Finding, *, source: SourceInfo) -> None:
        """Tell what a check found in *source*, as news of an activity."""
        where = finding.where
        ranges = tuple(Range(Position(line), Position(line)) for line in range(where.first, where.last + 1))
        detail = (RULES[finding.rule].encode(),)
        warning = VertexWarning(
            self.digest(key), 1, str(finding).encode(), detail, finding.url, source, ranges
        )
        self._publish(StatusResponse(warnings=(warning,)))

    def status(self, key: str, id: str, *, current: int = 0, total: int = 0, is_done: bool = False) -> None:  # noqa: A002
        """Tell how far something with a name of its own is, within an activity."""
        now = self._now()
        known = self._statuses.get((key, id))
        status = VertexStatus(
            id,
            self.digest(key),
            id,
            current,
            total,
            timestamp=now,
            started=known.started if known else now,
            completed=now if is_done else None,
        )
        if is_done:
            self._statuses.pop((key, id), None)
        else:
            self._statuses[key, id] = status
        self._publish(StatusResponse(statuses=(status,)))

    def fail(self, error: str) -> None:
        """Tell that all that is under way ended with *error*."""
        for key, vertex in tuple(self._vertexes.items()):
            if vertex.started is not None and vertex.completed is None:
                self.end(key, error=error)

    def _pull(self, key: str, progress: Progress) -> None:
        if progress.id and progress.current is not None:
            self.status(
                key,
                f"{progress.id} {progress.status.lower()}",
                current=progress.current,
                total=progress.total or 0,
            )
        elif not progress.id:
            self.say(key, f"{progress.status}\n")

    def _tell(self, *keys: str) -> None:
        self._publish(StatusResponse(tuple(self._vertexes[key] for key in keys)))

    def _now(self) -> Timestamp:
        return Timestamp.of(self._clock())


EXPORT = "export"


class ImageExport:
    """An image on its way to be one of the engine's, as it is told: first its id, then its names, then the end."""

    def __init__(self, narrator: Narrator, image: str) -> None:
        self._narrator = narrator
        narrator.announce(Activity(EXPORT, "exporting to image"))
        narrator.begin(EXPORT)
        narrator.status(EXPORT, f"writing image {image}", is_done=True)

    def named(self, reference: Reference) -> None:
        self._narrator.status(EXPORT, f"naming to {reference.canonical}", is_done=True)

    def end(self, *, error: str = "") -> None:
        self._narrator.end(EXPORT, error=error)
