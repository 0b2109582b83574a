"""A build as pieces of work with their times: ``POST /build?trace=1``, which Yurt's own client asks for.

Each line is ``{"id": "yurt.build.trace", "aux": …}``; what is in *aux* has the form that BuildKit's clients print
with ``--progress rawjson``: vertexes, statuses, logs, warnings.
"""

import base64
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from yurt.api.types.stream import StreamLine
from yurt.engine.build.model import Activity, BuildEvent, Built, Failed, Warned
from yurt.oci.reference import Reference
from yurt.server.buildkit.messages import (
    SourceInfo,
    StatusResponse,
    Timestamp,
    Vertex,
    VertexLog,
    VertexStatus,
    VertexWarning,
)
from yurt.server.buildkit.progress import ImageExport, Narrator
from yurt.server.wire.build import failure

TRACE = "yurt.build.trace"
CONTEXT = "context"


class Traced:
    """The lines of one build. *tags* are the names that its image gets, *clock* gives nanoseconds since 1970."""

    def __init__(self, file: str, tags: tuple[str, ...], *, clock: Callable[[], int] = time.time_ns) -> None:
        self._told: list[StatusResponse] = []
        self._narrator = Narrator("build", self._told.append, clock=clock)
        self._file = file
        self._tags = tags
        self._waits_for_context = True

    def begin(self) -> list[StreamLine]:
        """Return what is told before the engine has anything to say: the context is on its way."""
        self._narrator.announce(Activity(CONTEXT, "[internal] load build context"))
        self._narrator.begin(CONTEXT)
        return self._taken()

    def of(self, event: BuildEvent) -> list[StreamLine]:
        if self._waits_for_context:
            self._waits_for_context = False
            self._narrator.end(CONTEXT)
        self._narrator.take(event)
        match event:
            case Warned(finding=finding):
                self._narrator.warn(CONTEXT, finding, source=SourceInfo(self._file, b"", "Dockerfile"))
            case Failed():
                self._narrator.fail(event.message)
                return [*self._taken(), StreamLine(stream=failure(event))]
            case Built(image_id=image):
                self._exported(image)
                return [*self._taken(), StreamLine(aux={"ID": image})]
        return self._taken()

    def _exported(self, image: str) -> None:
        export = ImageExport(self._narrator, image)
        for tag in self._tags:
            export.named(Reference.parse(tag).tagged())
        export.end()

    def _taken(self) -> list[StreamLine]:
        told = [StreamLine(id=TRACE, aux=to_json(each)) for each in self._told]
        self._told.clear()
        return told


def to_json(news: StatusResponse) -> dict[str, Any]:
    """Return *news* as BuildKit's clients write it."""
    parts = {
        "vertexes": [_vertex(each) for each in news.vertexes],
        "statuses": [_status(each) for each in news.statuses],
        "logs": [_log(each) for each in news.logs],
        "warnings": [_warning(each) for each in news.warnings],
    }
    return {name: part for name, part in parts.items() if part}


def _vertex(each: Vertex) -> dict[str, Any]:
    return _without_empty(
        digest=each.digest,
        inputs=list(each.inputs),
        name=each.name,
        started=_moment(each.started),
        completed=_moment(each.completed),
        cached=each.cached,
        error=each.error,
    )


def _status(each: VertexStatus) -> dict[str, Any]:
    return {"current": each.current} | _without_empty(
        id=each.id,
        vertex=each.vertex,
        name=each.name,
        total=each.total,
        timestamp=_moment(each.timestamp),
        started=_moment(each.started),
        completed=_moment(each.completed),
    )


def _log(each: VertexLog) -> dict[str, Any]:
    data = base64.b64encode(each.msg).decode()
    return {
        "vertex": each.vertex, "stream": each.stream, "data": data, "timestamp": _moment(each.timestamp),
    }  # fmt: skip


def _warning(each: VertexWarning) -> dict[str, Any]:
    return _without_empty(
        vertex=each.vertex,
        level=each.level,
        short=base64.b64encode(each.short).decode(),
        detail=[base64.b64encode(line).decode() for line in each.detail],
        url=each.url,
        range=[
            {"start": {"line": at.start.line}, "end": {"line": at.start.line}}
            for at in each.ranges
            if at.start
        ],
    )


def _moment(when: Timestamp | None) -> str | None:
    if when is None:
        return None
    text = datetime.fromtimestamp(when.seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{when.nanos:09d}Z"


def _without_empty(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value not in ("", None, False, 0, [])}
