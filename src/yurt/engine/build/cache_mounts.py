"""Folders of ``RUN --mount=type=cache``: they outlive builds, and *sharing* says who may be in one at a time."""

import asyncio
import hashlib
import shutil
import time
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from weakref import WeakValueDictionary

import msgspec

from yurt.engine.build.pruning import MOUNT, CacheEntry
from yurt.engine.images.threads import in_thread
from yurt.ids import new_id
from yurt.storage.metadata import Documents
from yurt.storage.snapshots.overlay import disk_usage

MOUNTS = "build-mount"
MAX_PRIVATE = 1000  # folders of one private cache, one for each RUN that wants it at the same time


@dataclass(frozen=True, slots=True)
class MountRecord:
    """When a cache was made and last used (nanoseconds since 1970), how often, and what the Dockerfile calls it."""

    created_ns: int = 0
    used_ns: int = 0
    uses: int = 0
    what: str = ""


class CacheMounts:
    """The caches below *folder*, by what tells them apart."""

    def __init__(self, folder: Path, documents: Documents) -> None:
        self._folder = folder
        self._documents = documents
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._users: Counter[Path] = Counter()

    def __repr__(self) -> str:
        return f"<CacheMounts {sum(self._users.values())} in use>"

    async def use(
        self, key: str, sharing: str, undo: AsyncExitStack, *, renewed: set[Path] | None = None
    ) -> Path:
        """Return the folder of the cache *key*, which need not exist yet, for as long as *undo* is not unwound.

        ``locked`` waits until nobody else has it, ``private`` gives everybody their own, ``shared`` the same one.
        *renewed* is of a build without cache: what is not in it, and nobody uses, begins anew, and is in it then.
        """
        name = hashlib.sha256(key.encode()).hexdigest()[:32]
        if sharing == "locked":
            if (lock := self._locks.get(name)) is None:
                lock = self._locks[name] = asyncio.Lock()
            await undo.enter_async_context(lock)
        place = self._folder / name
        if sharing == "private":
            places = [place, *(self._folder / f"{name}-{number}" for number in range(1, MAX_PRIVATE))]
            place = next((each for each in places if not self._users[each]), place)
        is_idle = not self._users[place]
        self._users[place] += 1  # before anything is waited for: nobody else may take it for free
        undo.callback(self._leave, place)
        if renewed is not None and place not in renewed:
            renewed.add(place)
            if is_idle and place.exists():
                grave = place.with_name(
                    f"{place.name}-{new_id()[:8]}"
                )  # one that is left is pruned like any other
                place.rename(grave)
                await in_thread(shutil.rmtree, grave, ignore_errors=True)
        self._note(place.name, what=key)
        return place

    def _note(self, name: str, *, what: str) -> None:
        body = self._documents.get(MOUNTS, name)
        now = time.time_ns()
        used = msgspec.json.decode(body, type=MountRecord) if body else MountRecord(now, what=what)
        used = replace(used, used_ns=now, uses=used.uses + 1)
        self._documents.put(MOUNTS, name, msgspec.json.encode(used))

    async def entries(self) -> tuple[CacheEntry, ...]:
        """Return what is kept, measured."""
        found = []
        for place, size in await in_thread(_sizes, self._folder):
            body = self._documents.get(MOUNTS, place.name)
            used = msgspec.json.decode(body, type=MountRecord) if body else MountRecord()
            found.append(
                CacheEntry(
                    place.name,
                    MOUNT,
                    size=size,
                    created_ns=used.created_ns,
                    used_ns=used.used_ns,
                    uses=used.uses,
                    description=f"cached mount {used.what}".rstrip(),
                    in_use=bool(self._users[place]),
                )
            )
        return tuple(found)

    def _leave(self, place: Path) -> None:
        self._users[place] -= 1
        if not self._users[place]:
            del self._users[place]

    async def forget(self, names: Collection[str]) -> None:
        """Afterwards these caches are gone, but for those that somebody uses now."""
        places = [self._folder / name for name in names]
        idle = [place for place in places if not self._users[place]]
        for place in idle:
            self._documents.delete(MOUNTS, place.name)
        await in_thread(_remove, idle)


def _sizes(folder: Path) -> list[tuple[Path, int]]:
    places = sorted(folder.iterdir()) if folder.is_dir() else []
    return [(place, disk_usage(place)) for place in places]


def _remove(places: Sequence[Path]) -> None:
    for place in places:
        shutil.rmtree(place, ignore_errors=True)
