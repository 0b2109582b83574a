"""Where a build comes from: whoever asks for it gives its Dockerfile, files, secrets and credentials when asked."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Protocol

from yurt.distribution.auth import Auth
from yurt.dockerfile.ignore import IgnoreRules
from yurt.engine.build.agents import through
from yurt.engine.build.context import receive
from yurt.engine.build.files import ContextTree
from yurt.engine.build.kept import KeptContents
from yurt.engine.images.blobs import LayoutStore
from yurt.errors import InvalidArgument
from yurt.oci.reference import HUB

MAX_DOCKERFILE = 4 << 20  # bytes
IGNORE_FILE = ".dockerignore"
HUB_LOGIN = "https://index.docker.io/v1/"


class Origin(Protocol):
    """Asked in this order, each thing once, and only for what the build needs."""

    async def dockerfile(self, name: str, folder: Path) -> bytes | None:
        """Return the Dockerfile; None when there is none of that name. *folder*, empty, is the context's."""
        ...

    async def files(
        self, name: str, folder: Path, wanted: tuple[str, ...] | None, kept: KeptContents
    ) -> ContextTree:
        """Return what COPY may see, its files below *folder*; *name* is the Dockerfile's.

        Paths outside of *wanted* need not be there; None: all are wanted. What .dockerignore names is left out.
        *kept* may hold contents that were brought for an earlier build.
        """
        ...

    async def ignored(self, name: str) -> IgnoreRules:
        """Return the rules of the context's .dockerignore, or of that of the Dockerfile *name*."""
        ...

    async def folder(self, name: str, folder: Path, kept: KeptContents) -> ContextTree:
        """Return the files of the request's folder *name*, below *folder*, which is empty."""
        ...

    async def store(self, name: str) -> LayoutStore:
        """Return the client's store of blobs *name*."""
        ...

    async def secret(self, name: str) -> bytes | None:
        """Return a secret for ``RUN --mount=type=secret``; None when it was not given."""
        ...

    async def has_agent(self, name: str) -> bool:
        """Say whether there is an SSH agent *name* for ``RUN --mount=type=ssh``."""
        ...

    async def agent(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Lead one connection to the agent *name*, until either side ends it."""
        ...

    async def credentials(self, registry: str) -> Auth | None:
        """Return who to be at *registry*; None: nobody."""
        ...


def own_rules_applied(tree: ContextTree, dockerfile: str) -> ContextTree:
    """Return *tree* without what its own .dockerignore, or that of *dockerfile*, names."""
    rules = own_rules(tree, dockerfile)
    return tree.without(rules.ignores) if rules else tree


def own_rules(tree: ContextTree, dockerfile: str) -> IgnoreRules:
    """Return the rules of the .dockerignore in *tree* that counts for *dockerfile*."""
    for file in (f"{dockerfile}{IGNORE_FILE}", IGNORE_FILE):
        if (data := tree.read(file, limit=MAX_DOCKERFILE)) is not None:
            return IgnoreRules.parse(data.decode(errors="replace"), file=file)
    return IgnoreRules()


class Archive:
    """The whole context in one archive, as the classic builder's clients send it; *auths* by registry.

    *secrets* and *agents* (paths of sockets on this machine) are by their ids; *contexts* are folders of the archive, below
    one that has nothing else, by the names of the further contexts that they are. Only Yurt's own client brings some.
    """

    def __init__(
        self,
        chunks: AsyncIterator[bytes],
        *,
        auths: Mapping[str, Auth] | None = None,
        secrets: Mapping[str, bytes] | None = None,
        agents: Mapping[str, str] | None = None,
        contexts: Mapping[str, str] | None = None,
    ) -> None:
        self._chunks = chunks
        self._contexts = contexts or {}
        self._further: ContextTree | None = None
        self._auths = auths or {}
        self._secrets = secrets or {}
        self._agents = agents or {}
        self._tree = ContextTree("", {})

    async def dockerfile(self, name: str, folder: Path) -> bytes | None:
        self._further = await receive(self._chunks, str(folder))
        apart = tuple(f"{path.partition('/')[0]}/" for path in self._contexts.values())
        self._tree = (
            self._further.without(lambda path: f"{path}/".startswith(apart)) if apart else self._further
        )
        return self._tree.read(name, limit=MAX_DOCKERFILE)

    async def files(
        self,
        name: str,
        folder: Path,  # noqa: ARG002
        wanted: tuple[str, ...] | None,  # noqa: ARG002
        kept: KeptContents,  # noqa: ARG002
    ) -> ContextTree:
        """The client applied .dockerignore already; clients of the API may not have."""
        return own_rules_applied(self._tree, name)

    async def ignored(self, name: str) -> IgnoreRules:
        return own_rules(self._tree, name)

    async def folder(self, name: str, folder: Path, kept: KeptContents) -> ContextTree:  # noqa: ARG002
        """The client left out what .dockerignore names. Where the context lies elsewhere, the archive has only these."""
        if name not in self._contexts:
            raise InvalidArgument(f"there is no build context {name}")
        if self._further is None:
            self._further = await receive(self._chunks, str(folder))
        return self._further.below(self._contexts[name])

    async def store(self, name: str) -> LayoutStore:
        """An archive has no stores, either."""
        raise InvalidArgument(f"there is no store {name}")

    async def secret(self, name: str) -> bytes | None:
        return self._secrets.get(name)

    async def has_agent(self, name: str) -> bool:
        return name in self._agents

    async def agent(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await through(reader, writer, self._agents[name])

    async def credentials(self, registry: str) -> Auth | None:
        """Clients name Docker Hub by an old address."""
        names = (registry, f"https://{registry}", *((HUB_LOGIN,) if registry == HUB else ()))
        return next((self._auths[name] for name in names if name in self._auths), None)
