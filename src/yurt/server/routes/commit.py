"""Commit: an image of a container."""

from collections.abc import Callable, Sequence
from typing import Protocol

from aiohttp.web_response import StreamResponse

from yurt.api.types import containers
from yurt.api.types import images as wire
from yurt.engine.containers.model import ContainerConfig
from yurt.engine.images.model import Image
from yurt.errors import InvalidArgument
from yurt.server import answers
from yurt.server.call import Call
from yurt.server.router import Route
from yurt.server.wire import create


class Committer(Protocol):
    """What this route needs of the engine."""

    async def commit(
        self,
        ref: str,
        *,
        reference: str | None,
        author: str = "",
        comment: str = "",
        config: ContainerConfig | None = None,
        changes: Sequence[str] = (),
        pause: bool = True,
    ) -> Image: ...


class CommitRoutes:
    def __init__(self, committer: Callable[[], Committer]) -> None:
        """*committer* imports what it needs when it is first called."""
        self._committer = committer

    def routes(self) -> tuple[Route, ...]:
        return (Route("POST", "/commit", self.commit),)

    async def commit(self, call: Call) -> StreamResponse:
        container, repository, tag = call.text("container"), call.text("repo"), call.text("tag")
        if not container:
            raise InvalidArgument("no container was named to commit", hint="set container")
        reference = f"{repository}:{tag}" if repository and tag else repository or None
        image = await self._committer().commit(
            container,
            reference=reference,
            author=call.text("author"),
            comment=call.text("comment"),
            config=create.config(await call.body_or(containers.ContainerConfig())),
            changes=split_changes(call.texts("changes")),
            pause=call.flag("pause", default=True),
        )
        return answers.as_json(wire.Committed(id=str(image.id)), status=201)


def split_changes(texts: Sequence[str]) -> list[str]:
    """Return the instructions of ``changes``: each parameter holds one, or several with newlines between."""
    return [line for text in texts for line in text.splitlines() if line.strip()]
