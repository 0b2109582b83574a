"""Files of a container: `docker cp`, `docker diff`, `docker export`."""

import base64
import contextlib
import os
import stat
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator
from typing import Protocol

from aiohttp.web_response import StreamResponse

from yurt.api.types import containers as wire
from yurt.engine.containers.files import Change, PathStat
from yurt.errors import InvalidArgument, NotFound
from yurt.server import answers
from yurt.server.call import Call
from yurt.server.router import Route
from yurt.server.wire import times

TAR = "application/x-tar"
STAT_HEADER = "X-Docker-Container-Path-Stat"

# The kinds of a file in Go's FileMode, by st_mode's.
GO_KINDS = {
    stat.S_IFDIR: 1 << 31,
    stat.S_IFLNK: 1 << 27,
    stat.S_IFBLK: 1 << 26,
    stat.S_IFIFO: 1 << 25,
    stat.S_IFSOCK: 1 << 24,
    stat.S_IFCHR: 1 << 26 | 1 << 21,
}
EPOCH = "1970-01-01T00:00:00Z"  # a file may well be of this moment
GO_BITS = {stat.S_ISUID: 1 << 23, stat.S_ISGID: 1 << 22, stat.S_ISVTX: 1 << 20}


class FileBackend(Protocol):
    """What these routes need of the engine's containers."""

    async def path_stat(self, ref: str, path: str) -> PathStat: ...
    def archive(self, ref: str, path: str) -> AsyncGenerator[bytes, None]: ...
    def export(self, ref: str) -> AsyncGenerator[bytes, None]: ...
    async def extract(
        self,
        ref: str,
        path: str,
        chunks: AsyncIterator[bytes],
        *,
        keep_kinds: bool = False,
        as_user: bool = False,
    ) -> None: ...
    async def changes(self, ref: str) -> Iterable[Change]: ...


class ArchiveRoutes:
    def __init__(self, containers: FileBackend) -> None:
        self._containers = containers

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("HEAD", "/containers/{id}/archive", self.stat),
            Route("GET", "/containers/{id}/archive", self.get, ends_with_client=True),
            Route("PUT", "/containers/{id}/archive", self.put, ends_with_client=True),
            Route("GET", "/containers/{id}/export", self.export, ends_with_client=True),
            Route("GET", "/containers/{id}/changes", self.changes),
        )

    async def stat(self, call: Call) -> StreamResponse:
        with _named(call.places["id"]):
            found = await self._containers.path_stat(call.places["id"], _path(call))
        return answers.nothing(200, headers=_stat_header(found, _path(call)))

    async def get(self, call: Call) -> StreamResponse:
        path = _path(call)
        with _named(call.places["id"]):
            found = await self._containers.path_stat(call.places["id"], path)
        return await answers.body(
            call,
            await answers.begun(self._containers.archive(call.places["id"], path)),
            content_type=TAR,
            headers=_stat_header(found, path),
        )

    async def put(self, call: Call) -> StreamResponse:
        with _named(call.places["id"]):
            await self._containers.extract(
                call.places["id"],
                _path(call),
                call.chunks(),
                keep_kinds=call.flag("noOverwriteDirNonDir"),
                as_user=call.flag("copyUIDGID"),
            )
        return answers.nothing(200)

    async def export(self, call: Call) -> StreamResponse:
        source = await answers.begun(self._containers.export(call.places["id"]))
        return await answers.body(call, source, content_type="application/octet-stream")

    async def changes(self, call: Call) -> StreamResponse:
        found = await self._containers.changes(call.places["id"])
        return answers.as_json([wire.Change(path=one.path, kind=one.kind) for one in found])


@contextlib.contextmanager
def _named(ref: str) -> Iterator[None]:
    """Have the container named, as the client named it, when a file of it is missing."""
    try:
        yield
    except NotFound as missing:
        missing.message = missing.message.replace("in the container", f"in container {ref}")
        raise


def _path(call: Call) -> str:
    path = call.text("path")
    if not path:
        raise InvalidArgument("path cannot be empty", hint="set path")
    return path if path.startswith("/") else f"/{path}"


def go_mode(mode: int) -> int:
    """Return st_mode as Go's FileMode has it."""
    answer = stat.S_IMODE(mode) & 0o777 | GO_KINDS.get(stat.S_IFMT(mode), 0)
    for bit, theirs in GO_BITS.items():
        if mode & bit:
            answer |= theirs
    return answer


def _stat_header(found: PathStat, path: str) -> dict[str, str]:
    """A link's target is told as a path from the container's root, whatever the link says."""
    target = os.path.normpath(os.path.join(os.path.dirname(path), found.link)) if found.link else ""
    document = {
        "name": found.name,
        "size": found.size,
        "mode": go_mode(found.mode),
        "mtime": times.rfc3339(found.mtime_ns) if found.mtime_ns else EPOCH,
        "linkTarget": target,
    }
    return {STAT_HEADER: base64.b64encode(answers.encode(document)).decode()}
