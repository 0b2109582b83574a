"""Contents of build contexts that clients sent before, kept so that they need not send them again.

A file is known by what its client says of it: path, size, permissions and time of change. Two folders of the same
name share a key at some clients, so a time without a fraction of a second, as archives have it, tells too little
and such files are not kept. What is kept are further links to files of contexts; it dies with the engine.
"""

import asyncio
import itertools
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from yurt.engine.build.files import FILE, ContextTree, FileEntry
from yurt.engine.images.threads import in_thread

LIMIT = 2 << 30  # bytes of contents, all contexts together
SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Kept:
    """One content: the file *place* holds it."""

    place: str
    size: int
    mode: int
    mtime_ns: int
    digest: str

    def is_of(self, entry: FileEntry) -> bool:
        return (self.size, self.mode, self.mtime_ns) == (entry.size, entry.mode, entry.mtime_ns)


@dataclass(slots=True)
class _Context:
    folder: Path
    files: dict[str, Kept] = field(default_factory=dict)
    size: int = 0


class KeptContents:
    """Contents below *folder*, by the key that a client has for its folder and by path."""

    def __init__(self, folder: Path, *, limit: int = LIMIT) -> None:
        self._folder = folder
        self._limit = limit
        self._contexts: dict[str, _Context] = {}  # the least recently used first
        self._numbers = itertools.count()
        self._keeping = asyncio.Lock()

    def __repr__(self) -> str:
        return f"<KeptContents of {len(self._contexts)} contexts>"

    def find(self, key: str, entry: FileEntry) -> Kept | None:
        """Return the content of *entry*, as its client told it; None when it has to be sent.

        The file is there until the event loop gets to do something else.
        """
        context = self._contexts.get(key)
        found = context.files.get(entry.path) if context else None
        return found if found is not None and found.is_of(entry) else None

    async def keep(self, key: str, tree: ContextTree) -> None:
        """Afterwards what *tree* holds can be found, as far as there is room; *tree* may go then."""
        if not key:
            return
        async with self._keeping:
            context = self._contexts.pop(key, None) or _Context(self._folder / str(next(self._numbers)))
            self._contexts[key] = context  # the most recently used now
            new = [each for each in _worth_keeping(tree) if not self._has(context, each)]
            linked = await in_thread(self._link, context.folder, tree, new)
            stale = [context.files[path].place for path in linked if path in context.files]
            context.files.update(linked)
            context.size = sum(kept.size for kept in context.files.values())
            await in_thread(_remove_files, stale)
            await self._make_room()

    async def clear(self) -> None:
        """Afterwards nothing is kept."""
        async with self._keeping:
            self._contexts.clear()
            await in_thread(shutil.rmtree, self._folder, ignore_errors=True)

    @staticmethod
    def _has(context: _Context, entry: FileEntry) -> bool:
        kept = context.files.get(entry.path)
        return kept is not None and kept.is_of(entry)

    def _link(self, folder: Path, tree: ContextTree, entries: Iterable[FileEntry]) -> Mapping[str, Kept]:
        folder.mkdir(parents=True, exist_ok=True)
        linked: dict[str, Kept] = {}
        for entry in entries:
            place = f"{folder}/{next(self._numbers)}"
            try:
                os.link(tree.place(entry), place)
            except OSError:  # no more room, or no more links: the client sends it again
                break
            linked[entry.path] = Kept(place, entry.size, entry.mode, entry.mtime_ns, entry.digest)
        return linked

    async def _make_room(self) -> None:
        while self._contexts and sum(context.size for context in self._contexts.values()) > self._limit:
            oldest = self._contexts.pop(next(iter(self._contexts)))
            await in_thread(shutil.rmtree, oldest.folder, ignore_errors=True)


def _worth_keeping(tree: ContextTree) -> Iterable[FileEntry]:
    return (each for each in tree.entries() if each.kind == FILE and each.size and each.mtime_ns % SECOND)


def _remove_files(places: Iterable[str]) -> None:
    for place in places:
        os.unlink(place)
