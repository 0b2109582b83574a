"""One repository of a registry: manifests and blobs read and written, whatever happens to the connection meanwhile.

The distribution specification's endpoints. Refusals become our kinds here, in Docker's words where it has some.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar
from urllib.parse import quote, urlencode, urljoin, urlsplit

import msgspec

from yurt.distribution.auth import repository_scope
from yurt.distribution.errors import Refusal, RegistryUnavailable
from yurt.distribution.transport import BrokenTransferError, RefusalError, Transport
from yurt.errors import Forbidden, InvalidArgument, NotFound, Unauthorized, YurtError
from yurt.oci.descriptor import Descriptor
from yurt.oci.digest import Digest
from yurt.oci.manifest import ACCEPTED, MAX_BYTES
from yurt.oci.reference import Reference

T = TypeVar("T")

ATTEMPTS = 5
FOR_EVER = frozenset({"UNAUTHORIZED", "DENIED", "UNSUPPORTED", "NAME_UNKNOWN", "BLOB_UNKNOWN"})


@dataclass(frozen=True, slots=True)
class Resolved:
    """A manifest or index as a registry has it: *digest* is of *data*, checked."""

    digest: Digest
    media_type: str
    data: bytes


class _TagList(msgspec.Struct):
    """``/tags/list`` of the distribution specification."""

    tags: list[str] | None = None


class Sink(Protocol):
    """Where a blob's bytes go. `rewind` starts again from nothing."""

    async def write(self, data: bytes) -> None: ...

    async def rewind(self) -> None: ...

    @property
    def written(self) -> int: ...

    @property
    def digest(self) -> Digest: ...


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how slowly a broken transfer is tried again: attempt *n* waits *n* × *unit* seconds."""

    attempts: int = ATTEMPTS
    unit: float = 5.0


class Repository:
    """A repository, spoken to through one endpoint."""

    def __init__(self, transport: Transport, reference: Reference, patience: Patience) -> None:
        self._transport = transport
        self._reference = reference
        self._patience = patience
        self._base = f"/v2/{reference.repository}"
        self._pull = (repository_scope(reference.repository, "pull"),)
        self._push = (repository_scope(reference.repository, "pull", "push"),)

    # Reading

    async def resolve(self, reference: Reference) -> Resolved:
        """Return what *reference* (a tag, or a digest, which outranks it) names; NotFound in Docker's words."""
        wanted = reference.digest or reference.tag
        headers = {"Accept": ", ".join(ACCEPTED)}
        try:
            async with self._transport.request(
                "GET", f"{self._base}/manifests/{wanted}", scopes=self._pull, headers=headers
            ) as response:
                data = await self._transport.read(response, limit=MAX_BYTES)
                media_type = response.content_type
                claimed = response.headers.get("Docker-Content-Digest", "")
        except RefusalError as error:
            raise _pull_error(error.refusal, reference) from error
        except BrokenTransferError as error:
            raise RegistryUnavailable(f"cannot pull {reference}: the connection broke: {error}") from error
        digest = Digest.of(data)
        expected = reference.digest or (Digest.parse(claimed) if claimed.startswith("sha256:") else digest)
        if digest != expected:
            raise InvalidArgument(
                f"manifest verification failed for {reference}: expected {expected}, got {digest}"
            )
        return Resolved(digest, media_type, data)

    async def tags(self) -> tuple[str, ...]:
        """Return every tag of the repository, in the registry's order; NotFound when it has no such repository."""
        found: dict[str, None] = {}
        asked: set[str] = set()
        page = f"{self._base}/tags/list"
        while page and page not in asked:
            asked.add(page)
            try:
                async with self._transport.request("GET", page, scopes=self._pull) as response:
                    found |= dict.fromkeys(_tags(await self._transport.read(response), self._reference))
                    page = self._next_page(str(response.url), response.headers.get("Link", ""))
            except RefusalError as error:
                raise _pull_error(error.refusal, self._reference) from error
            except BrokenTransferError as error:
                raise RegistryUnavailable(
                    f"cannot list the tags of {self._reference.familiar_name}: the connection broke: {error}"
                ) from error
        return tuple(found)

    def _next_page(self, url: str, link: str) -> str:
        """Return the path that a Link header names as the next page; empty: none. Never another host's."""
        target, _, rest = link.strip().removeprefix("<").partition(">")
        if not target or 'rel="next"' not in rest:
            return ""
        own = f"{self._transport.endpoint.url}/"
        absolute = urljoin(url, target)
        return absolute.removeprefix(own[:-1]) if absolute.startswith(own) else ""

    async def read_blob(self, blob: Descriptor, *, limit: int) -> bytes:
        """Return a small blob, verified."""
        return await read_whole(self.fetch, blob, limit=limit)

    async def fetch(
        self,
        blob: Descriptor,
        sink: Sink,
        *,
        progress: Callable[[int], None] = lambda _done: None,
        retrying: Callable[[int], None] = lambda _seconds: None,
    ) -> None:
        """Write a blob to *sink*; afterwards the sink holds it whole and its digest is right.

        A broken transfer goes on where it broke, a few times. *progress* hears of the bytes so far, *retrying*
        of the seconds until the next attempt.
        """
        for attempt in range(1, self._patience.attempts + 1):
            resumed = sink.written > 0
            try:
                await self._fetch_once(blob, sink, progress)
            except RefusalError as error:
                lasting = error.refusal.code in FOR_EVER or not error.refusal.is_passing
                if lasting or attempt == self._patience.attempts:
                    raise _pull_error(error.refusal, self._reference) from error
            except BrokenTransferError as error:
                if attempt == self._patience.attempts:
                    raise RegistryUnavailable(
                        f"cannot pull {self._reference}: the transfer of {blob.digest.short} broke"
                        f" {attempt} times: {error}"
                    ) from error
            else:
                if sink.digest == blob.digest and sink.written == blob.size:
                    return
                found = sink.digest
                await sink.rewind()
                if not resumed:
                    raise InvalidArgument(
                        f"filesystem layer verification failed for digest {blob.digest}: got {found}"
                    )
                continue
            await self._wait(attempt, retrying)
        raise InvalidArgument(f"filesystem layer verification failed for digest {blob.digest}")

    async def _fetch_once(self, blob: Descriptor, sink: Sink, progress: Callable[[int], None]) -> None:
        start = sink.written
        headers = {"Range": f"bytes={start}-"} if start else {}
        async with self._transport.request(
            "GET", f"{self._base}/blobs/{blob.digest}", scopes=self._pull, headers=headers, accept=(200, 206)
        ) as response:
            if start and not (
                response.status == 206
                and response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
            ):
                await sink.rewind()  # it does not continue: what comes is the beginning again
            if response.status == 206 and not start:
                raise InvalidArgument(
                    f"registry {self._transport.endpoint.url} sends a part of a blob unasked"
                )
            async for piece in response.content.iter_any():
                if sink.written + len(piece) > blob.size:
                    raise InvalidArgument(
                        f"blob {blob.digest.short} of {self._reference} is longer than its {blob.size} bytes"
                    )
                await sink.write(piece)
                progress(sink.written)
            if sink.written < blob.size:
                raise BrokenTransferError("it ended early")

    async def _wait(self, attempt: int, retrying: Callable[[int], None]) -> None:
        delay = attempt * self._patience.unit
        while delay > 0:
            retrying(max(1, round(delay)))
            await asyncio.sleep(min(1.0, delay))
            delay -= 1.0

    # Writing

    async def has_blob(self, digest: Digest) -> bool:
        """Tell whether the repository has the blob."""

        async def ask() -> bool:
            try:
                async with self._transport.request("HEAD", f"{self._base}/blobs/{digest}", scopes=self._push):
                    return True
            except RefusalError as error:
                if error.refusal.status == 404:
                    return False
                raise

        return await self._pushing(ask)

    async def mount(self, digest: Digest, source: str) -> bool:
        """Take the blob over from the repository *source* of the same registry; tell whether that went."""

        async def ask() -> bool:
            query = urlencode({"mount": str(digest), "from": source})
            scopes = (*self._push, repository_scope(source, "pull"))
            async with self._transport.request(
                "POST", f"{self._base}/blobs/uploads/?{query}", scopes=scopes, accept=(201, 202)
            ) as response:
                if response.status == 201:
                    return True
                location = self._location(response.headers.get("Location", ""))
            # The registry began an upload instead; nothing will be sent there.
            try:
                async with self._transport.request(
                    "DELETE", location, scopes=self._push, accept=(200, 202, 204)
                ):
                    pass
            except RefusalError:
                pass  # it times out there by itself
            return False

        return await self._pushing(ask)

    async def upload(
        self,
        blob: Descriptor,
        chunks: Callable[[], AsyncIterator[bytes]],
        *,
        retrying: Callable[[int], None] = lambda _seconds: None,
    ) -> None:
        """Send a blob; *chunks* gives its bytes from the beginning, once an attempt. Afterwards the repository has it."""

        async def send() -> None:
            async with self._transport.request(
                "POST", f"{self._base}/blobs/uploads/", scopes=self._push, accept=(202,)
            ) as response:
                location = self._location(response.headers.get("Location", ""))
            async with self._transport.request(
                "PATCH",
                location,
                scopes=self._push,
                headers={"Content-Type": "application/octet-stream"},
                data=chunks,
                accept=(202,),
            ) as response:
                location = self._location(response.headers.get("Location", "") or location)
            separator = "&" if urlsplit(location).query else "?"
            async with self._transport.request(
                "PUT",
                f"{location}{separator}digest={quote(str(blob.digest), safe=':')}",
                scopes=self._push,
                accept=(201,),
            ):
                pass

        await self._pushing(send, retrying=retrying)

    async def put_manifest(self, tag: str, media_type: str, data: bytes) -> Digest:
        """Afterwards *tag* names the manifest *data*; return its digest."""

        async def put() -> None:
            async with self._transport.request(
                "PUT",
                f"{self._base}/manifests/{tag}",
                scopes=self._push,
                headers={"Content-Type": media_type},
                data=data,
                accept=(200, 201, 202),
            ):
                pass

        await self._pushing(put)
        return Digest.of(data)

    async def _pushing(
        self, do: Callable[[], Awaitable[T]], *, retrying: Callable[[int], None] = lambda _seconds: None
    ) -> T:
        """Do a request of a push, again where that may help."""
        attempt = 1
        while True:
            try:
                return await do()
            except RefusalError as error:
                lasting = error.refusal.code in FOR_EVER or not error.refusal.is_passing
                if lasting or attempt >= self._patience.attempts:
                    raise _push_error(error.refusal, self._reference) from error
            except BrokenTransferError as error:
                if attempt >= self._patience.attempts:
                    raise RegistryUnavailable(
                        f"cannot push {self._reference}: the connection broke: {error}"
                    ) from error
            await self._wait(attempt, retrying)
            attempt += 1

    def _location(self, location: str) -> str:
        """Return the address in a Location header, which may be relative or of another host."""
        if not location:
            raise RegistryUnavailable(
                f"registry {self._transport.endpoint.url} opens an upload without saying where"
            )
        return urljoin(f"{self._transport.endpoint.url}/", location)


class MemorySink:
    """A sink for small blobs."""

    def __init__(self) -> None:
        self.data = bytearray()

    async def write(self, data: bytes) -> None:
        self.data += data

    async def rewind(self) -> None:
        self.data.clear()

    @property
    def written(self) -> int:
        return len(self.data)

    @property
    def digest(self) -> Digest:
        return Digest.of(bytes(self.data))


async def read_whole(
    fetch: Callable[[Descriptor, Sink], Awaitable[None]], blob: Descriptor, *, limit: int
) -> bytes:
    """Return a small blob, as *fetch* brings and verifies it; InvalidArgument when it has more than *limit* bytes."""
    if blob.size > limit:
        raise InvalidArgument(f"blob {blob.digest.short} has {blob.size} bytes where {limit} are allowed")
    sink = MemorySink()
    await fetch(blob, sink)
    return bytes(sink.data)


def _tags(data: bytes, reference: Reference) -> Sequence[str]:
    try:
        return msgspec.json.decode(data, type=_TagList).tags or ()
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidArgument(
            f"the registry's list of the tags of {reference.familiar_name} is broken: {error}"
        ) from error


def _pull_error(refusal: Refusal, reference: Reference) -> YurtError:
    name = reference.familiar_name
    if refusal.code == "MANIFEST_UNKNOWN" or (refusal.status == 404 and not refusal.code):
        return NotFound(
            f"manifest for {reference} not found: manifest unknown: {refusal.message or 'manifest unknown'}"
        )
    if refusal.code == "NAME_UNKNOWN":
        return NotFound(f"repository {name} not found: {refusal}")
    if refusal.kind in {Unauthorized, Forbidden}:
        return NotFound(
            f"pull access denied for {name}, repository does not exist or may require 'docker login': {refusal}"
        )
    if refusal.is_passing:
        return RegistryUnavailable(f"cannot pull {reference}: the registry answers: {refusal}")
    return refusal.kind(f"cannot pull {reference}: {refusal}")


def _push_error(refusal: Refusal, reference: Reference) -> YurtError:
    if refusal.kind in {Unauthorized, Forbidden}:
        return refusal.kind(
            f"push access denied for {reference.familiar_name},"
            f" repository does not exist or may require authorization: {refusal}",
            hint="yurt login",
        )
    if refusal.is_passing:
        return RegistryUnavailable(f"cannot push {reference}: the registry answers: {refusal}")
    return refusal.kind(f"cannot push {reference}: {refusal}")
