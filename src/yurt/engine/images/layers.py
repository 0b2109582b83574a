"""Layers: from blob to snapshot and back. A layer is unpacked once, whoever asks first; others wait for it."""

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, closing
from typing import Any
from weakref import WeakValueDictionary

from yurt.engine.images.model import Layer
from yurt.engine.images.threads import Feed, in_thread
from yurt.errors import InvalidArgument
from yurt.ids import new_id
from yurt.oci.descriptor import Descriptor, MediaType
from yurt.oci.digest import Digest
from yurt.oci.layer import chain_id
from yurt.storage.compression import decompress, gzip_compressor
from yurt.storage.content import ContentStore
from yurt.storage.gc import Lease
from yurt.storage.pack import is_empty, pack
from yurt.storage.snapshots.base import Snapshotter
from yurt.storage.unpack import Unpacked, unpack

UNPACKING = "unpacking-"  # begins the keys of snapshots that are being filled here


class Layers:
    """Turns blobs into committed snapshots, and active snapshots into blobs."""

    def __init__(self, content: ContentStore, snapshots: Snapshotter) -> None:
        self._content = content
        self._snapshots = snapshots
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def register(
        self,
        blob: Descriptor,
        diff_id: Digest,
        parent: Digest | None,
        lease: Lease,
        *,
        progress: Callable[[int], None] | None = None,
    ) -> Layer:
        """Unpack a blob that is in the store; afterwards its snapshot is committed, whoever unpacked it.

        *progress* hears, in a thread, of the bytes of the blob read so far. InvalidArgument when the blob is
        not the layer that *diff_id* says, or is broken or hostile: nothing is kept of it then.
        """
        name = chain_id(parent, diff_id)
        lease.add(name, blob.digest)
        async with self._lock(name):
            if not self._snapshots.exists(name):
                await in_thread(self._unpack_blob, blob, diff_id, parent, name, progress)
        return Layer(blob, diff_id, name)

    def _unpack_blob(
        self,
        blob: Descriptor,
        diff_id: Digest,
        parent: Digest | None,
        name: Digest,
        progress: Callable[[int], None] | None,
    ) -> None:
        hasher = hashlib.new(diff_id.algorithm)
        key = UNPACKING + new_id()
        self._snapshots.prepare(key, parent)
        try:
            with closing(self._content.chunks(blob.digest)) as chunks:
                counted = _counted(chunks, progress) if progress else chunks
                done = self._fill(key, _hashed(decompress(counted), hasher))
            found = f"{diff_id.algorithm}:{hasher.hexdigest()}"
            if found != diff_id:
                raise InvalidArgument(
                    f"wrong content of layer {blob.digest.short}: the configuration says {diff_id}, it is {found}"
                )
            self._snapshots.commit(name, key, size=done.size)
        except BaseException:
            self._snapshots.remove(key)
            raise

    def import_stream(self, feed: Feed | Iterable[bytes], lease: Lease) -> Layer:
        """Make a layer without parent of an archive, plain or compressed, in one pass. To be called in a thread.

        The blob is kept gzipped.
        """
        hasher = hashlib.sha256()
        compressor = gzip_compressor()
        key = UNPACKING + new_id()
        self._snapshots.prepare(key, None)
        try:
            with self._content.writer() as writer:

                def store(chunk: bytes) -> None:
                    writer.write(compressor.compress(chunk))

                done = self._fill(key, _teed(_hashed(decompress(feed), hasher), store))
                if not done.entries:
                    raise InvalidArgument("broken archive: it is empty")
                writer.write(compressor.flush())
                diff_id = Digest("sha256:" + hasher.hexdigest())
                size = writer.written
                lease.add(writer.digest, diff_id)
                blob = Descriptor(MediaType.OCI_LAYER_GZIP, writer.commit(), size)
            self._snapshots.commit(diff_id, key, size=done.size)
        except BaseException:
            self._snapshots.remove(key)
            raise
        return Layer(blob, diff_id, diff_id)

    def pack_snapshot(self, key: str, lease: Lease) -> Layer | None:
        """Commit an active snapshot as a layer; None, and it is removed, when it changes nothing. For a thread.

        When that fails the snapshot stays as it was.
        """
        if is_empty(self._snapshots.upper(key)):
            self._snapshots.remove(key)
            return None
        parent = self._snapshots.parent(key)
        blob, diff_id = self._pack(key, lease)
        name = chain_id(None if parent is None else Digest(parent), diff_id)
        lease.add(name)
        self._snapshots.commit(name, key)
        return Layer(blob, diff_id, name)

    async def copy_snapshot(self, key: str, lease: Lease) -> Layer | None:
        """Make a layer of what an active snapshot holds now; None when it changes nothing. The snapshot stays."""
        if is_empty(self._snapshots.upper(key)):
            return None
        parent = self._snapshots.parent(key)
        blob, diff_id = await in_thread(self._pack, key, lease)
        return await self.register(blob, diff_id, None if parent is None else Digest(parent), lease)

    def _pack(self, key: str, lease: Lease) -> tuple[Descriptor, Digest]:
        """Store the archive of a snapshot's changes; return the blob, and the digest of what is in it."""
        hasher = hashlib.sha256()
        compressor = gzip_compressor()
        with self._content.writer() as writer:
            for chunk in pack(self._snapshots.upper(key)):
                hasher.update(chunk)
                writer.write(compressor.compress(chunk))
            writer.write(compressor.flush())
            size = writer.written
            lease.add(writer.digest)
            blob = Descriptor(MediaType.OCI_LAYER_GZIP, writer.commit(), size)
        return blob, Digest("sha256:" + hasher.hexdigest())

    def _fill(self, key: str, chunks: Iterator[bytes]) -> Unpacked:
        return unpack(chunks, self._snapshots.upper(key), tuple(self._snapshots.lowers(key)))

    def _lock(self, name: str) -> AbstractAsyncContextManager[Any]:
        lock = self._locks.get(name)
        if lock is None:
            lock = self._locks[name] = asyncio.Lock()
        return lock


def _hashed(chunks: Iterator[bytes], hasher: Any) -> Iterator[bytes]:
    for chunk in chunks:
        hasher.update(chunk)
        yield chunk


def _teed(chunks: Iterator[bytes], also: Callable[[bytes], None]) -> Iterator[bytes]:
    for chunk in chunks:
        also(chunk)
        yield chunk


def _counted(chunks: Iterator[bytes], progress: Callable[[int], None]) -> Iterator[bytes]:
    done = 0
    for chunk in chunks:
        done += len(chunk)
        progress(done)
        yield chunk
