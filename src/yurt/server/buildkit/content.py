"""A client's folder of blobs (an OCI image layout), read and written through its session: containerd's Content service.

The client keeps the folder's index itself: it says which manifest is meant, and is told which one was made.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

from yurt.distribution.repository import MemorySink, Resolved, Sink, read_whole
from yurt.errors import InvalidArgument, NotFound, Unavailable, Unimplemented
from yurt.ids import new_id
from yurt.oci.descriptor import Descriptor
from yurt.oci.digest import Digest
from yurt.oci.manifest import MAX_BYTES
from yurt.server.buildkit.grpc import NOT_FOUND, GrpcError
from yurt.server.buildkit.messages import (
    Empty,
    InfoOfContentRequest,
    ReadContentRequest,
    ReadContentResponse,
    WriteContentRequest,
    WriteContentResponse,
)
from yurt.server.buildkit.sessions import Session

INFO, READ, WRITE = (f"/containerd.services.content.v1.Content/{name}" for name in ("Info", "Read", "Write"))
STORE_ID = "buildkit-attachable-store-id"
_WRITE, _COMMIT = 1, 2
_ALREADY_EXISTS = 6
PIECE = 1 << 20  # bytes in one message


class SessionStore:
    """The store *name* of a session's client."""

    def __init__(self, session: Session, name: str) -> None:
        if not session.offers(READ):
            raise Unimplemented(f"the client offers no store of blobs ({name})")
        self._client = session.client
        self._name = name
        self._metadata = ((STORE_ID, name),)

    def __repr__(self) -> str:
        return f"<SessionStore {self._name}>"

    async def resolve(self, tag: str, digest: str = "") -> Resolved:
        """Return the manifest with *digest*; clients look the tag up themselves."""
        if not digest:
            raise NotFound(f"the client does not say which manifest {tag} of {self._name} is")
        wanted = Digest.parse(digest)
        sink = MemorySink()
        async for piece in self._pieces(wanted):
            await sink.write(piece)
            if sink.written > MAX_BYTES:
                raise InvalidArgument(f"the manifest {wanted.short} is larger than {MAX_BYTES} bytes")
        if sink.digest != wanted:
            raise InvalidArgument(f"the manifest {wanted.short} has other content than its name says")
        return Resolved(wanted, "", bytes(sink.data))

    async def read_blob(self, blob: Descriptor, *, limit: int) -> bytes:
        """Return a small blob, verified."""
        return await read_whole(self.fetch, blob, limit=limit)

    async def fetch(
        self,
        blob: Descriptor,
        sink: Sink,
        *,
        progress: Callable[[int], None] = lambda _done: None,
        retrying: Callable[[int], None] = lambda _seconds: None,  # noqa: ARG002 - a session is there or not
    ) -> None:
        """Write a blob to *sink*; afterwards the sink holds it whole and its digest is right."""
        async for piece in self._pieces(blob.digest):
            if sink.written + len(piece) > blob.size:
                break
            await sink.write(piece)
            progress(sink.written)
        if sink.written != blob.size or sink.digest != blob.digest:
            raise InvalidArgument(
                f"blob {blob.digest.short} has other content than its name says, or is cut short"
            )

    async def _pieces(self, digest: Digest) -> AsyncIterator[bytes]:
        with _told(f"the client cannot read {digest.short}"):
            async with self._client.call(READ, self._metadata) as call:
                await call.send(ReadContentRequest(digest))
                await call.finish()
                while (piece := await call.receive(ReadContentResponse)) is not None:
                    yield piece.data

    async def has_blob(self, digest: Digest) -> bool:
        try:
            with _told(f"the client cannot look for {digest.short}"):
                async with self._client.call(INFO, self._metadata) as call:
                    await call.send(InfoOfContentRequest(digest))
                    await call.finish()
                    return await call.receive(Empty) is not None
        except NotFound:
            return False

    async def mount(self, digest: Digest, source: str) -> bool:  # noqa: ARG002 - there is one store only
        return False

    async def upload(
        self,
        blob: Descriptor,
        chunks: Callable[[], AsyncIterator[bytes]],
        *,
        retrying: Callable[[int], None] = lambda _seconds: None,  # noqa: ARG002
    ) -> None:
        """Afterwards the client's folder has the blob."""
        try:
            with _told(f"the client cannot write {blob.digest.short}"):
                await self._upload(blob, chunks)
        except _AlreadyThereError:
            return

    async def _upload(self, blob: Descriptor, chunks: Callable[[], AsyncIterator[bytes]]) -> None:
        ref = f"yurt-{blob.digest.hex}-{new_id()[:12]}"
        offset = 0
        async with self._client.call(WRITE, self._metadata) as call:

            async def send(action: int, data: bytes = b"") -> None:
                await call.send(WriteContentRequest(action, ref, blob.size, blob.digest, offset, data))
                if await call.receive(WriteContentResponse) is None:
                    raise Unavailable(f"the client stopped taking {blob.digest.short}")

            async for chunk in chunks():
                for start in range(0, len(chunk), PIECE):
                    piece = chunk[start : start + PIECE]
                    await send(_WRITE, piece)
                    offset += len(piece)
            await send(_COMMIT)

    async def put_manifest(self, tag: str, media_type: str, data: bytes) -> Digest:  # noqa: ARG002 - the client's
        """Afterwards the client's folder has the manifest; the client names it when it is told of it."""
        digest = Digest.of(data)

        async def chunks() -> AsyncIterator[bytes]:
            yield data

        if not await self.has_blob(digest):
            await self.upload(Descriptor(media_type, digest, len(data)), chunks)
        return digest


class _AlreadyThereError(Exception):
    """The client has that blob."""


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Say what a client's refusal, or its end, means."""
    try:
        yield
    except GrpcError as error:
        if error.status.code == _ALREADY_EXISTS:
            raise _AlreadyThereError from error
        kind = NotFound if error.status.code == NOT_FOUND else Unavailable
        raise kind(f"{what}: {error.status.message}") from error
    except ConnectionError as gone:
        raise Unavailable(f"{what}: its session ended: {gone}") from gone
