"""Garbage: blobs and snapshots that nothing needs. What is needed is told by the caller; leases guard work under way."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager

from yurt.errors import Conflict
from yurt.oci.digest import Digest
from yurt.storage.content import ContentStore
from yurt.storage.snapshots.base import Snapshotter


class Leases:
    """What running operations need before any image does: blobs by digest, snapshots by name. In memory only."""

    def __init__(self) -> None:
        self._held: Counter[str] = Counter()

    @contextmanager
    def lease(self) -> Iterator["Lease"]:
        """Keep whatever is added to the lease until the block ends."""
        lease = Lease(self._held)
        try:
            yield lease
        finally:
            lease.release()

    def __contains__(self, name: object) -> bool:
        return name in self._held


class Lease:
    """One operation's share of the leases."""

    def __init__(self, held: Counter[str]) -> None:
        self._held = held
        self.names: list[str] = []

    def add(self, *names: str) -> None:
        """Keep *names* from now on."""
        self.names += names
        self._held.update(names)

    def release(self) -> None:
        """Afterwards this operation keeps nothing."""
        for name in self.names:
            self._held[name] -= 1
            if not self._held[name]:
                del self._held[name]
        self.names = []


def collect(
    content: ContentStore,
    snapshots: Snapshotter,
    *,
    candidates: Iterable[str],
    needed: Collection[str],
) -> tuple[tuple[str, ...], int]:
    """Remove the blobs and committed snapshots among *candidates* that are not *needed*.

    Return the names of the snapshots that went, and the bytes that this frees. A snapshot that is a parent
    still stays, whoever needs its child.
    """
    freed = 0
    gone: list[str] = []
    waiting = []
    for name in dict.fromkeys(candidates):
        if name in needed:
            continue
        if snapshots.exists(name):
            waiting.append(name)
        digest = Digest(name)
        if content.exists(digest):
            freed += content.size(digest)
            content.remove(digest)
    # Children before their parents: each round takes those that have no child left.
    while waiting:
        left = []
        for name in waiting:
            size = snapshots.usage(name)
            try:
                snapshots.remove(name)
            except Conflict:
                left.append(name)
                continue
            gone.append(name)
            freed += size
        if len(left) == len(waiting):
            break
        waiting = left
    return tuple(gone), freed
