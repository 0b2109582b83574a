"""ContentStore: blobs by digest, as an OCI image layout on disk (image-layout.md).

A blob that is there is whole and has the bytes its name says: it is written aside, verified, brought to
the disk and only then given its name.
"""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from yurt.errors import InvalidArgument, NotFound, Unavailable, YurtError, is_full, no_space
from yurt.linux.disk import sync_folder
from yurt.oci.descriptor import Descriptor
from yurt.oci.digest import Digest
from yurt.oci.manifest import LAYOUT, REF_NAME, descriptor_to
from yurt.storage.reclaim import Reclaimer

CHUNK = 1 << 20


class ContentStore:
    """Blobs under *root*. Every method may be called from any thread."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._blobs = root / "blobs"
        self._ingest = root / "ingest"
        (self._blobs / "sha256").mkdir(parents=True, exist_ok=True)
        (self._blobs / "sha512").mkdir(exist_ok=True)
        self._ingest.mkdir(exist_ok=True)
        self._reclaimer = Reclaimer(root / "trash")
        layout = root / "oci-layout"
        if not layout.exists() or not layout.stat().st_size:  # a power cut may leave it empty
            layout.write_bytes(LAYOUT)
            self.write_index(())

    def exists(self, digest: Digest) -> bool:
        return self.path(digest).exists()

    def path(self, digest: Digest) -> Path:
        """Return where the blob is, or would be."""
        return self._blobs / digest.algorithm / digest.hex

    def read(self, digest: Digest) -> bytes:
        """Return the blob's bytes; raise NotFound when it is not here."""
        try:
            return self.path(digest).read_bytes()
        except FileNotFoundError as error:
            raise NotFound(f"no such blob: {digest}") from error

    def size(self, digest: Digest) -> int:
        """Return the blob's length in bytes; raise NotFound when it is not here."""
        try:
            return self.path(digest).stat().st_size
        except FileNotFoundError as error:
            raise NotFound(f"no such blob: {digest}") from error

    def chunks(self, digest: Digest) -> Generator[bytes, None, None]:
        """Yield the blob's bytes in pieces of a mebibyte. Close it when you stop early: an open blob takes space."""
        with self.path(digest).open("rb", buffering=0) as blob:
            while chunk := blob.read(CHUNK):
                yield chunk

    def remove(self, digest: Digest) -> None:
        """Afterwards the blob is not here, whether it was or not. Its space comes free in the background."""
        self._reclaimer.discard(self.path(digest))

    def digests(self) -> Iterator[Digest]:
        """Yield the digest of every blob, in no order."""
        for algorithm in ("sha256", "sha512"):
            for name in os.listdir(self._blobs / algorithm):
                yield Digest(f"{algorithm}:{name}")

    def add(self, data: bytes) -> Digest:
        """Store *data*; afterwards the blob is here, whoever put it there."""
        digest = Digest.of(data)
        if not self.exists(digest):
            with self.writer() as writer:
                writer.write(data)
                writer.commit(digest)
        return digest

    def writer(self, *, algorithm: str = "sha256") -> "BlobWriter":
        """Return a writer of a new blob, invisible until it is committed."""
        return BlobWriter(self, self._ingest, algorithm)

    def write_index(self, manifests: Iterable[tuple[Descriptor, str]]) -> None:
        """Write ``index.json``: each named manifest, so that other tools can read this folder as a layout.

        The engine itself never reads it: its truth is in the documents.
        """
        document = {
            "schemaVersion": 2,
            "manifests": [
                descriptor_to(descriptor) | {"annotations": {REF_NAME: name}}
                for descriptor, name in manifests
            ],
        }
        aside = self._root / "index.json.new"
        try:
            aside.write_text(json.dumps(document))
            aside.replace(self._root / "index.json")
        except OSError:
            aside.unlink(missing_ok=True)
            raise

    def sweep(self) -> None:
        """Remove what interrupted writers left. Only while none is at work: at start."""
        for leftover in self._ingest.iterdir():
            leftover.unlink(missing_ok=True)
        self._reclaimer.sweep()

    def close(self) -> None:
        """Wait until the space of removed blobs is free."""
        self._reclaimer.close()


class BlobWriter:
    """Bytes on their way to become a blob. As a context manager it aborts unless it was committed.

    A full disk raises Unavailable; what was written is gone after `abort`.
    """

    def __init__(self, store: ContentStore, folder: Path, algorithm: str) -> None:
        self._store = store
        self._algorithm = algorithm
        self._hash = hashlib.new(algorithm)
        self.written = 0
        with _disk(str(folder)):
            self._descriptor, name = tempfile.mkstemp(dir=folder)
        self._path = Path(name)
        self._open = True

    def write(self, data: bytes | memoryview) -> None:
        """Append *data*."""
        self._hash.update(data)
        self.written += len(data)
        with _disk(str(self._path.parent)):
            view = memoryview(data)
            while view:
                view = view[os.write(self._descriptor, view) :]

    @property
    def digest(self) -> Digest:
        """The digest of what was written so far."""
        return Digest(f"{self._algorithm}:{self._hash.hexdigest()}")

    def commit(self, expected: Digest | None = None) -> Digest:
        """Give the blob its name and return it; afterwards it is in the store, whoever put it there.

        Raise InvalidArgument when the bytes are not *expected*; nothing is kept then.
        """
        digest = self.digest
        try:
            if expected is not None and digest != expected:
                raise InvalidArgument(f"wrong content: expected {expected}, got {digest}")
            target = self._store.path(digest)
            if target.exists():
                self.abort()
                return digest
            with _disk(str(self._path.parent)):
                os.fchmod(self._descriptor, 0o644)
                os.fsync(self._descriptor)
                self._path.rename(target)
                sync_folder(target.parent)
        except BaseException:
            self.abort()
            raise
        self._close()
        return digest

    def abort(self) -> None:
        """Afterwards nothing of an uncommitted blob is left."""
        if self._open:
            self._close()
            self._path.unlink(missing_ok=True)

    def _close(self) -> None:
        self._open = False
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()


@contextlib.contextmanager
def _disk(where: str) -> Iterator[None]:
    """Say what a failing disk means to the caller."""
    try:
        yield
    except OSError as error:
        raise disk_error(error, where) from error


def disk_error(error: OSError, where: str) -> YurtError:
    """Return our error for a failed write below *where*."""
    if is_full(error):
        return no_space(where)
    return Unavailable(f"cannot write below {where}: {error.strerror}")
