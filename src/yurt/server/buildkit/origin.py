"""A session as the origin of a build: its client is asked for the Dockerfile, files, secrets and credentials."""

import asyncio
import posixpath
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

from yurt.distribution.auth import Auth
from yurt.dockerfile.ignore import IgnoreRules
from yurt.engine.build.files import ContextTree
from yurt.engine.build.kept import KeptContents
from yurt.engine.build.model import Activity
from yurt.engine.build.origin import IGNORE_FILE, MAX_DOCKERFILE, Archive
from yurt.errors import Unavailable, YurtError
from yurt.oci.reference import HUB
from yurt.server.buildkit.attributes import Asked
from yurt.server.buildkit.content import SessionStore
from yurt.server.buildkit.filesync import SmallFiles, Wish, receive, receive_tree
from yurt.server.buildkit.grpc import NOT_FOUND, Call, GrpcError
from yurt.server.buildkit.messages import (
    BytesMessage,
    CheckAgentRequest,
    CredentialsRequest,
    CredentialsResponse,
    Empty,
    GetSecretRequest,
    GetSecretResponse,
)
from yurt.server.buildkit.progress import Narrator
from yurt.server.buildkit.sessions import Session, Sessions

CREDENTIALS = "/moby.filesync.v1.Auth/Credentials"
GET_SECRET = "/moby.buildkit.secrets.v1.Secrets/GetSecret"  # noqa: S105 - a method
CHECK_AGENT, FORWARD_AGENT = (f"/moby.sshforward.v1.SSH/{name}" for name in ("CheckAgent", "ForwardAgent"))
AGENT_ID = "buildkit.ssh.id"
PULL = "/moby.upload.v1.Upload/Pull"
LOAD_DEFINITION = "load build definition"  # the activity that checks belong to
HUB_HOST = "registry-1.docker.io"  # what BuildKit's clients know Docker Hub as


class SessionOrigin:
    """The origin of one build. *session* has secrets, credentials and every folder with no session of its own."""

    def __init__(self, asked: Asked, session: str, sessions: Sessions, narrator: Narrator) -> None:
        self._asked = asked
        self._session = session
        self._sessions = sessions
        self._narrator = narrator
        self.dockerfile_text = b""  # kept for showing where a mistake is
        self._ignored: tuple[str, ...] | None = None
        self._archive = Archive(self._uploaded())

    def __repr__(self) -> str:
        return f"<SessionOrigin {self._session}>"

    async def dockerfile(self, name: str, folder: Path) -> bytes | None:
        """Return the Dockerfile: from the client's folder of it, or from the archive that it uploads."""
        if not self._asked.upload:
            return await self._load_dockerfile(name)
        key = LOAD_DEFINITION
        with self._told(key, "[internal] load remote build context"):
            found = await self._archive.dockerfile(name, folder)
        self.dockerfile_text = found or b""
        return found

    async def _load_dockerfile(self, name: str) -> bytes | None:
        key = LOAD_DEFINITION
        files = SmallFiles(MAX_DOCKERFILE)
        names = (name, f"{name}{IGNORE_FILE}", *((name.lower(),) if name == "Dockerfile" else ()))
        with self._told(key, f"[internal] load build definition from {posixpath.basename(name)}"):
            size = await self._files(Wish(self._asked.dockerfile_folder, names), files)
            self._transferred(key, "dockerfile", size)
        found = files.get(name)
        if found is None and name == "Dockerfile":
            found = files.get("dockerfile")
        if (ignored := files.get(f"{name}{IGNORE_FILE}")) is not None:
            self._ignored = patterns(ignored.decode(errors="replace"))
        self.dockerfile_text = found or b""
        return found

    async def files(
        self,
        name: str,
        folder: Path,
        wanted: tuple[str, ...] | None,
        kept: KeptContents,
    ) -> ContextTree:
        """Nothing is asked for when nothing is wanted."""
        if self._asked.upload:
            return await self._archive.files(name, folder, wanted, kept)
        if wanted == ():
            return ContextTree(str(folder), {})
        where = self._asked.context_folder
        ignored = self._ignored if self._ignored is not None else await self._load_ignored(where, "internal")
        wish = Wish(where, wanted or (), ignored)
        return await self._tree(wish, "[internal] load build context", folder, kept)

    async def ignored(self, name: str) -> IgnoreRules:
        if self._asked.upload:
            return await self._archive.ignored(name)
        where = self._asked.context_folder
        lines = self._ignored if self._ignored is not None else await self._load_ignored(where, "internal")
        return IgnoreRules.parse("\n".join(lines))

    async def folder(self, name: str, folder: Path, kept: KeptContents) -> ContextTree:
        ignored = await self._load_ignored(name, f"context {name}")
        return await self._tree(Wish(name, (), ignored), f"[context {name}] load from client", folder, kept)

    async def _tree(self, wish: Wish, title: str, folder: Path, kept: KeptContents) -> ContextTree:
        key = f"load files of {wish.name}"
        with self._told(key, title):
            session = await self._of(wish.name)
            shared = f"{session.shared_key} {wish.name}" if session.shared_key else ""
            tree, size = await receive_tree(session.client, wish, str(folder), kept=kept, key=shared)
            self._transferred(key, wish.name, size)
        return tree

    async def store(self, name: str) -> SessionStore:
        return SessionStore(await self._sessions.find(self._session), name)

    async def secret(self, name: str) -> bytes | None:
        session = await self._sessions.find(self._session)
        if not session.offers(GET_SECRET):
            return None
        try:
            with _while_the_client_is_there():
                return (await session.client.ask(GET_SECRET, GetSecretRequest(name), GetSecretResponse)).data
        except GrpcError as refused:
            if refused.status.code == NOT_FOUND:
                return None
            raise

    async def has_agent(self, name: str) -> bool:
        session = await self._sessions.find(self._session)
        if not session.offers(CHECK_AGENT):
            return False
        try:
            with _while_the_client_is_there():
                await session.client.ask(CHECK_AGENT, CheckAgentRequest(name), Empty)
        except GrpcError:
            return False
        return True

    async def agent(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = await self._sessions.find(self._session)

        async def ask(call: Call) -> None:
            while piece := await reader.read(1 << 16):
                await call.send(BytesMessage(piece))
            await call.finish()

        with _while_the_client_is_there():
            async with session.client.call(FORWARD_AGENT, ((AGENT_ID, name),)) as call:
                asking = asyncio.create_task(ask(call), name="build.agent.ask")
                try:
                    while (message := await call.receive(BytesMessage)) is not None:
                        writer.write(message.data)
                        await writer.drain()
                finally:
                    asking.cancel()
                    await asyncio.wait([asking])

    async def credentials(self, registry: str) -> Auth | None:
        session = await self._sessions.find(self._session)
        if not session.offers(CREDENTIALS):
            return None
        host = HUB_HOST if registry == HUB else registry
        try:
            with _while_the_client_is_there():
                found = await session.client.ask(CREDENTIALS, CredentialsRequest(host), CredentialsResponse)
        except GrpcError:  # anonymous access is still worth a try
            return None
        if not found.username:
            return Auth(identity_token=found.secret) if found.secret else None
        return Auth(username=found.username, password=found.secret)

    async def _uploaded(self) -> AsyncIterator[bytes]:
        session = await self._sessions.find(self._session)
        async with session.client.call(PULL, (("urlpath", self._asked.upload),)) as call:
            while (piece := await call.receive(BytesMessage)) is not None:
                yield piece.data

    async def _load_ignored(self, folder: str, title: str) -> tuple[str, ...]:
        key = f"load .dockerignore of {folder}"
        files = SmallFiles(MAX_DOCKERFILE)
        with self._told(key, f"[{title}] load .dockerignore"):
            size = await self._files(Wish(folder, (IGNORE_FILE,)), files)
            self._transferred(key, folder, size)
        return patterns((files.get(IGNORE_FILE) or b"").decode(errors="replace"))

    async def _files(self, wish: Wish, files: SmallFiles) -> int:
        session = await self._of(wish.name)
        return await receive(session.client, wish, files)

    async def _of(self, folder: str) -> Session:
        return await self._sessions.find(self._asked.sessions.get(folder, self._session))

    def _transferred(self, key: str, what: str, size: int) -> None:
        self._narrator.status(key, f"transferring {what}:", current=size, is_done=True)

    @contextmanager
    def _told(self, key: str, name: str) -> Iterator[None]:
        self._narrator.announce(Activity(key, name))
        self._narrator.begin(key)
        try:
            with _while_the_client_is_there():
                yield
        except (YurtError, GrpcError) as error:
            self._narrator.end(key, error=str(error))
            raise
        self._narrator.end(key)


@contextmanager
def _while_the_client_is_there() -> Iterator[None]:
    try:
        yield
    except ConnectionError as gone:
        raise Unavailable(f"the client's session ended: {gone}") from gone


def patterns(text: str) -> tuple[str, ...]:
    """Return the lines of a .dockerignore in the form that the client's side matches with."""
    found = []
    for line in text.removeprefix("\ufeff").splitlines():
        if line.startswith("#") or not (pattern := line.strip()):
            continue
        sign = "!" if pattern.startswith("!") else ""
        pattern = pattern.removeprefix("!").strip()
        if pattern:
            cleaned = posixpath.normpath(pattern).lstrip("/")
            found.append(sign + (cleaned or "."))
    return tuple(found)
