"""An OCI image layout in somebody's folder: blobs are read from it and written to it, as with a registry.

Nothing in it is believed: what is read is verified by whoever reads it. What is written belongs to whom the folder,
or the one that it is made in, belongs to.
"""

import os
import stat
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from yurt.distribution.repository import Resolved, Sink, read_whole
from yurt.engine.images.threads import BATCH, in_thread
from yurt.errors import InvalidArgument, NotFound, YurtError
from yurt.ids import new_id
from yurt.oci.descriptor import Descriptor, MediaType
from yurt.oci.digest import Digest
from yurt.oci.manifest import LAYOUT, MAX_BYTES, REF_NAME, Index, IndexEntry
from yurt.storage.content import disk_error


class LayoutFolder:
    """The layout at *root*, which need not be there yet."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def __repr__(self) -> str:
        return f"<LayoutFolder {self._root}>"

    # Reading

    async def resolve(self, tag: str, digest: str = "") -> Resolved:
        """Return the manifest that *tag* names, or that with *digest*; NotFound when there is none."""
        return await in_thread(self._resolve, tag, digest)

    def _resolve(self, tag: str, digest: str) -> Resolved:
        if not digest:
            found = [entry for entry in self._index().entries if _tag(entry) == tag]
            if not found:
                raise NotFound(f"the layout in {self._root} has no {tag}")
            digest = found[-1].descriptor.digest
        wanted = Digest.parse(digest)
        with _opened(self._path(wanted)) as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise InvalidArgument(
                f"the manifest {wanted.short} in {self._root} is larger than {MAX_BYTES} bytes"
            )
        if Digest.of(data) != wanted:
            raise InvalidArgument(
                f"the manifest {wanted.short} in {self._root} has other content than its name says"
            )
        return Resolved(wanted, "", data)

    def _index(self) -> Index:
        with _opened(self._root / "index.json") as file:
            return Index.from_bytes(file.read(MAX_BYTES + 1))

    async def read_blob(self, blob: Descriptor, *, limit: int) -> bytes:
        """Return a small blob, verified."""
        return await read_whole(self.fetch, blob, limit=limit)

    async def fetch(
        self,
        blob: Descriptor,
        sink: Sink,
        *,
        progress: Callable[[int], None] = lambda _done: None,
        retrying: Callable[[int], None] = lambda _seconds: None,  # noqa: ARG002 - a folder is there or not
    ) -> None:
        """Write a blob to *sink*; afterwards the sink holds it whole and its digest is right."""
        with await in_thread(_opened, self._path(blob.digest)) as file:
            while sink.written <= blob.size and (piece := await in_thread(file.read, BATCH)):
                await sink.write(piece)
                progress(sink.written)
        if sink.written != blob.size or sink.digest != blob.digest:
            raise InvalidArgument(
                f"blob {blob.digest.short} in {self._root} has other content than its name says, or is cut short"
            )

    # Writing

    async def has_blob(self, digest: Digest) -> bool:
        return await in_thread(self._path(digest).is_file)

    async def mount(self, digest: Digest, source: str) -> bool:  # noqa: ARG002 - there is one folder only
        return False

    async def upload(
        self,
        blob: Descriptor,
        chunks: Callable[[], AsyncIterator[bytes]],
        *,
        retrying: Callable[[int], None] = lambda _seconds: None,  # noqa: ARG002
    ) -> None:
        """Afterwards the folder has the blob."""
        file, aside = await in_thread(self._begun, self._path(blob.digest))
        try:
            with file:
                async for chunk in chunks():
                    await in_thread(_written, file, chunk)
            await in_thread(aside.replace, self._path(blob.digest))
        finally:
            aside.unlink(missing_ok=True)

    async def put_manifest(self, tag: str, media_type: str, data: bytes) -> Digest:
        """Afterwards *tag* names the manifest *data*; what it named before stays, without a name."""
        digest = Digest.of(data)
        await in_thread(self._put_manifest, tag, Descriptor(media_type, digest, len(data)), data)
        return digest

    def _put_manifest(self, tag: str, blob: Descriptor, data: bytes) -> None:
        try:
            entries = self._index().entries
        except YurtError:
            entries = ()  # none yet, or none that anybody could read
        named = IndexEntry(replace(blob, annotations={REF_NAME: tag}))
        index = Index(MediaType.OCI_INDEX, (*(each for each in entries if _tag(each) != tag), named))
        for path, content in (
            (self._path(blob.digest), data),
            (self._root / "oci-layout", LAYOUT),
            (self._root / "index.json", index.to_bytes()),
        ):
            file, aside = self._begun(path)
            try:
                with file:
                    _written(file, content)
                aside.replace(path)
            finally:
                aside.unlink(missing_ok=True)

    def _begun(self, path: Path) -> tuple[BinaryIO, Path]:
        """Open a new file beside *path*, its folders made; all belongs to the owner of what was there before."""
        try:
            missing = [folder for folder in path.parents if not folder.exists()]
            owner = path.parents[len(missing)].stat()
            for folder in reversed(missing):
                folder.mkdir(exist_ok=True)
                os.chown(folder, owner.st_uid, owner.st_gid)
            aside = path.with_name(f".{path.name}-{new_id()[:12]}")
            file = aside.open("xb")
            os.chown(aside, owner.st_uid, owner.st_gid)
        except OSError as error:
            raise disk_error(error, str(self._root)) from error
        return file, aside

    def _path(self, digest: Digest) -> Path:
        return self._root / "blobs" / digest.algorithm / digest.hex


def _opened(path: Path) -> BinaryIO:
    """Open a file to be read; anything but a plain file is refused, and never waited for."""
    try:
        file = os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb")
    except OSError as error:
        raise NotFound(f"cannot read {path}: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise InvalidArgument(f"{path} is no file")
    return file


def _written(file: BinaryIO, data: bytes) -> None:
    try:
        file.write(data)
    except OSError as error:
        raise disk_error(error, file.name) from error


def _tag(entry: IndexEntry) -> str:
    return entry.descriptor.annotations.get(REF_NAME, "")
