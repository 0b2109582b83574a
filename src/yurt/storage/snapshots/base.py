"""Snapshotter: file systems in layers. This docstring is the contract; each implementation passes one test suite.

A *key* names an active snapshot: a file system that can be written, of a container or a build step. A *name*
names a committed one, which never changes again; Yurt's names are chain ids. A *parent* is the name of a
committed snapshot whose content shows through; active snapshots can never be a parent.

The life of one: ``prepare(key, parent)`` makes an empty layer over *parent*; whoever needs it mounts
`mount_spec` and writes, or writes into `upper` directly while nothing is mounted; then either ``commit(name, key)``
freezes what was written under *name*, or ``remove(key)`` drops it.

Keys and names share one space. What a call left is there after ``kill -9`` at any later instant, and a call
that is cut off leaves the state before it. After a power cut a committed snapshot is there with all its content or
not at all, the youngest of them not at all: whoever has a layer's archive unpacks it again. All methods are
synchronous and may be called from any thread.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from yurt.linux.overlay import OverlayMount


class Snapshotter(Protocol):
    """See the module's docstring for the words used."""

    def prepare(self, key: str, parent: str | None) -> None:
        """Make an active snapshot; Conflict when *key* exists, NotFound when *parent* is not committed."""
        ...

    def mount_spec(self, key: str, *, volatile: bool = False) -> OverlayMount:
        """Return how to mount it: an active one writable, a committed one read-only.

        *volatile* asks for a mount that is never synchronised to the disk.
        """
        ...

    def upper(self, key: str) -> Path:
        """Return the folder that holds what this snapshot adds to its parent, in overlay's form."""
        ...

    def lowers(self, key: str) -> Sequence[Path]:
        """Return the folders of its parents, nearest first."""
        ...

    def commit(self, name: str, key: str, *, size: int | None = None) -> None:
        """Freeze an active snapshot; afterwards *name* exists and *key* does not.

        When *name* exists already, the two are the same content by the meaning of the name, and *key* is dropped.
        *size* is the bytes it adds, when the caller counted them; otherwise they are counted now.
        """
        ...

    def remove(self, key: str) -> None:
        """Afterwards there is no such snapshot, whether there was one or not.

        Conflict when it is the parent of another. The files go in the background.
        """
        ...

    def exists(self, key: str) -> bool:
        """Tell whether there is an active or committed snapshot of that name."""
        ...

    def parent(self, key: str) -> str | None:
        """Return the name of its parent; NotFound when there is no such snapshot."""
        ...

    def usage(self, key: str) -> int:
        """Return the bytes it adds to its parent; counted at the call for an active one."""
        ...

    def keys(self) -> tuple[str, ...]:
        """Return the active snapshots."""
        ...

    def names(self) -> tuple[str, ...]:
        """Return the committed snapshots."""
        ...

    def sweep(self) -> None:
        """Remove what interrupted calls left, and make whole what a power cut left of active snapshots.

        Only while no other call is at work: at start, when every parent is there again.
        """
        ...
