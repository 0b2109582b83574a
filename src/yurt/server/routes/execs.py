"""Execs: a second process in a running container."""

from typing import Protocol

from aiohttp.web_response import StreamResponse

from yurt.api.types import containers as wire
from yurt.api.types.base import IdAnswer
from yurt.engine.containers.model import Exec, ExecRequest
from yurt.errors import Internal
from yurt.server import answers, hijack
from yurt.server.call import Call
from yurt.server.router import Route
from yurt.server.routes.attach import detach_keys, size
from yurt.server.wire import containers as translate
from yurt.server.wire import create


class ExecBackend(Protocol):
    """What these routes need of the engine's containers."""

    async def exec_create(self, ref: str, request: ExecRequest) -> Exec: ...
    async def exec_start(self, exec_id: str, *, detach: bool, tty: bool) -> hijack.AttachStream | None: ...
    def exec_get(self, exec_id: str) -> Exec: ...
    async def exec_resize(self, exec_id: str, *, height: int, width: int) -> None: ...


class ExecRoutes:
    def __init__(self, containers: ExecBackend) -> None:
        self._containers = containers

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("POST", "/containers/{id}/exec", self.create),
            Route("POST", "/exec/{id}/start", self.start, ends_with_client=True),
            Route("POST", "/exec/{id}/resize", self.resize),
            Route("GET", "/exec/{id}/json", self.inspect),
        )

    async def create(self, call: Call) -> StreamResponse:
        body = await call.body(wire.CreateExec)
        request = create.exec_request(body, detach_keys(body.detach_keys or "", what="escape"))
        created = await self._containers.exec_create(call.places["id"], request)
        return answers.as_json(IdAnswer(id=created.id), status=201)

    async def start(self, call: Call) -> StreamResponse:
        """A detached exec is answered at once; any other is joined to the client until its output ends."""
        body = await call.body_or(wire.StartExec())
        exec_id, detach = call.places["id"], bool(body.detach)
        asked = self._containers.exec_get(exec_id).request
        stream = await self._containers.exec_start(exec_id, detach=detach, tty=asked.tty)
        if detach:
            return answers.nothing(200)
        if stream is None:
            raise Internal(f"exec {exec_id} gave no stream to attach to")
        if asked.tty and body.console_size and len(body.console_size) == 2:
            height, width = body.console_size
            await self._containers.exec_resize(exec_id, height=height, width=width)
        return await hijack.serve(call, stream, stdin=asked.attach_stdin)

    async def resize(self, call: Call) -> StreamResponse:
        height, width = size(call)
        await self._containers.exec_resize(call.places["id"], height=height, width=width)
        return answers.nothing(200)

    async def inspect(self, call: Call) -> StreamResponse:
        return answers.as_json(translate.exec_inspect(self._containers.exec_get(call.places["id"])))
