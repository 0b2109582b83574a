"""A build context behind an address: a repository, an archive, or a Dockerfile alone."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

from yurt.distribution.auth import Auth
from yurt.dockerfile.ignore import IgnoreRules
from yurt.dockerfile.remote import FileSource, parse_remote
from yurt.engine.build.context import receive
from yurt.engine.build.copying import is_archive
from yurt.engine.build.files import ContextTree
from yurt.engine.build.kept import KeptContents
from yurt.engine.build.origin import MAX_DOCKERFILE, Origin, own_rules, own_rules_applied
from yurt.engine.build.remote import RemoteSources
from yurt.engine.images.blobs import LayoutStore
from yurt.engine.images.threads import in_thread
from yurt.errors import InvalidArgument

_PIECE = 1 << 20


class RemoteContext:
    """The origin of a build of *address*. Secrets and credentials are still the client's: *client* has them.

    Facts: https://docs.docker.com/build/concepts/context/#remote-context.
    """

    def __init__(self, address: str, subdir: str, remotes: RemoteSources, client: Origin) -> None:
        try:
            source = parse_remote(address)
        except ValueError as bad:
            raise InvalidArgument(f"cannot build {address}: {bad}") from bad
        if subdir and not isinstance(source, FileSource):
            source = replace(source, subdir=subdir)
        self._source = source
        self._remotes = remotes
        self._client = client
        self._tree = ContextTree("", {})

    async def dockerfile(self, name: str, folder: Path) -> bytes | None:
        """Fetch everything; a single file that is no archive is the Dockerfile, whatever its name."""
        if not isinstance(self._source, FileSource):
            self._tree = (await self._remotes.fetch(self._source, folder)).tree
            return self._tree.read(name, limit=MAX_DOCKERFILE)
        place = folder.with_name("fetched")
        place.mkdir()
        tree = (await self._remotes.fetch(self._source, place)).tree
        file = place / self._source.name
        if await in_thread(is_archive, str(file)):
            self._tree = await receive(_pieces(file), str(folder))
            return self._tree.read(name, limit=MAX_DOCKERFILE)
        return tree.read(self._source.name, limit=MAX_DOCKERFILE)

    async def files(
        self,
        name: str,
        folder: Path,  # noqa: ARG002
        wanted: tuple[str, ...] | None,  # noqa: ARG002
        kept: KeptContents,  # noqa: ARG002
    ) -> ContextTree:
        return own_rules_applied(self._tree, name)

    async def ignored(self, name: str) -> IgnoreRules:
        return own_rules(self._tree, name)

    async def folder(self, name: str, folder: Path, kept: KeptContents) -> ContextTree:
        return await self._client.folder(name, folder, kept)

    async def store(self, name: str) -> LayoutStore:
        return await self._client.store(name)

    async def secret(self, name: str) -> bytes | None:
        return await self._client.secret(name)

    async def has_agent(self, name: str) -> bool:
        return await self._client.has_agent(name)

    async def agent(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._client.agent(name, reader, writer)

    async def credentials(self, registry: str) -> Auth | None:
        return await self._client.credentials(registry)


async def _pieces(file: Path) -> AsyncIterator[bytes]:
    with file.open("rb") as reading:
        while piece := await in_thread(reading.read, _PIECE):
            yield piece
