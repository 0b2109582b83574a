"""What a build needs of the rest of the engine."""

from collections.abc import AsyncIterator, Awaitable
from typing import Protocol

from yurt.distribution.auth import Auth
from yurt.engine.build.model import BuildEvent, BuildRequest
from yurt.engine.build.origin import Origin
from yurt.engine.containers.model import Container, CreateRequest
from yurt.engine.images.model import Image
from yurt.engine.progress import ProgressSink


class Builder(Protocol):
    """What executes a Dockerfile: the build service, as its own provider of images sees it."""

    def build(self, request: BuildRequest, origin: Origin) -> AsyncIterator[BuildEvent]: ...


class Stream(Protocol):
    """A container's output in Docker's frames."""

    async def read(self) -> bytes: ...
    async def close(self) -> None: ...


class Exited(Protocol):
    """How a container ended."""

    @property
    def exit_code(self) -> int: ...
    @property
    def error(self) -> str: ...


class Containers(Protocol):
    """Where RUN runs."""

    async def create(
        self, request: CreateRequest, *, image: Image | None = None
    ) -> tuple[Container, tuple[str, ...]]: ...
    async def start(self, ref: str) -> None: ...
    def waiter(self, ref: str, condition: str = "not-running") -> Awaitable[Exited]: ...
    async def attach(
        self, ref: str, *, stdin: bool, stdout: bool, stderr: bool, stream: bool = True, logs: bool = False
    ) -> Stream: ...
    async def discard(self, ref: str) -> None: ...


class BaseImages(Protocol):
    """Where base images come from when they are not here."""

    def use(self, builder: Builder) -> None: ...

    async def pull(
        self, reference: str, *, platform: str = "", auth: Auth | None = None, progress: ProgressSink = ...
    ) -> Image: ...
