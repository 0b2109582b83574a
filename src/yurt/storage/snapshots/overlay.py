"""OverlaySnapshotter: one folder a snapshot, stacked by overlayfs."""

import contextlib
import logging
import os
import threading
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from yurt.errors import Conflict, NotFound, Unavailable
from yurt.linux import host
from yurt.linux.overlay import OverlayMount
from yurt.storage.content import disk_error
from yurt.storage.metadata import Documents
from yurt.storage.reclaim import Reclaimer
from yurt.storage.settling import Settler

log = logging.getLogger(__name__)

KIND = "snapshot"


@dataclass(frozen=True, slots=True)
class Record:
    """A snapshot as it is stored.

    *folder* is its folder's name below the snapshotter's root. *boot* is the boot of the machine in which it was
    committed, as long as its files may not have come to the disk; then "".
    """

    folder: str
    parent: str | None = None
    committed: bool = False
    size: int = -1  # bytes, of a committed one
    boot: str = ""


class OverlaySnapshotter:
    """Snapshots below *root*: ``<n>/fs`` holds what one adds, ``<n>/work`` is the kernel's.

    The documents are the truth: a folder that none names is a leftover. Numbers keep the paths short,
    because mount(2) takes one page of options for all lower layers together.
    """

    def __init__(self, root: Path, documents: Documents) -> None:
        self._root = root
        self._documents = documents
        self._lock = threading.Lock()
        self._reclaimer = Reclaimer(root / "trash")
        self._empty = root / "empty"  # the lower layer of a snapshot without parents: overlay needs one
        self._empty.mkdir(exist_ok=True)
        self._records = {
            key: msgspec.json.decode(body, type=Record) for key, body in self._documents.all(KIND)
        }
        self._settler = Settler(root, self._settled)
        for key, record in list(self._records.items()):
            if record.boot and record.boot != host.boot_id():
                log.warning("snapshot.not_settled", extra={"snapshot": key})
                self._forget(key)
            elif record.committed and not (root / record.folder).is_dir():
                self._forget(key)
            elif record.boot:
                self._settler.add(key)
        numbers = [int(name) for name in os.listdir(root) if name.isdecimal()]
        self._next = max(numbers, default=0) + 1

    def prepare(self, key: str, parent: str | None) -> None:
        with self._lock:
            if key in self._records:
                raise Conflict(f"snapshot {key} exists already")
            if parent is not None and not self._record(parent).committed:
                raise Conflict(f"snapshot {parent} cannot be a parent: it is not committed")
            record = Record(str(self._next), None if parent is None else str(parent))
            self._next += 1
            folder = self._root / record.folder
            try:
                self._make_folder(record)
                self._store(key, record)
            except OSError as error:
                self._reclaimer.discard(folder)
                raise disk_error(error, str(self._root)) from error
            except BaseException:
                self._reclaimer.discard(folder)
                raise

    def mount_spec(self, key: str, *, volatile: bool = False) -> OverlayMount:
        record = self._record(key)
        lower = tuple(self.lowers(key))
        folder = self._root / record.folder
        if record.committed:
            return OverlayMount((folder / "fs", *lower))
        return OverlayMount(lower or (self._empty,), folder / "fs", folder / "work", volatile)

    def upper(self, key: str) -> Path:
        self._record(key)
        return self._fs(key)

    def lowers(self, key: str) -> tuple[Path, ...]:
        found = []
        parent = self._record(key).parent
        while parent is not None:
            found.append(self._fs(parent))
            parent = self._record(parent).parent
        return tuple(found)

    def commit(self, name: str, key: str, *, size: int | None = None) -> None:
        record = self._record(key)
        if record.committed:
            raise Conflict(f"snapshot {key} is committed already")
        if self.exists(name):
            self.remove(key)
            return
        if size is None:
            size = disk_usage(self._fs(key))
        committed = replace(record, committed=True, size=size, boot=host.boot_id())
        with self._lock:
            with self._documents.transaction():
                self._documents.put(KIND, name, msgspec.json.encode(committed))
                self._documents.delete(KIND, key)
            self._records[name] = committed
            self._records.pop(key, None)
        self._settler.add(name)
        work = self._root / record.folder / "work"
        self._reclaimer.discard(work)

    def remove(self, key: str) -> None:
        with self._lock:
            record = self._records.get(key)
            if record is None:
                return
            if record.committed and (child := self._child(key)):
                raise Conflict(f"snapshot {key} is the parent of {child}")
            self._records.pop(key, None)
            try:
                self._documents.delete(KIND, key)
            except Unavailable as error:
                # Its folder goes all the same, which makes room; nobody wants its record at the next start.
                log.warning("snapshot.record_left", extra={"snapshot": key, "error": str(error)})
        self._reclaimer.discard(self._root / record.folder)

    def exists(self, key: str) -> bool:
        return key in self._records

    def parent(self, key: str) -> str | None:
        return self._record(key).parent

    def usage(self, key: str) -> int:
        record = self._record(key)
        return record.size if record.committed else disk_usage(self._fs(key))

    def keys(self) -> tuple[str, ...]:
        return tuple(key for key, record in list(self._records.items()) if not record.committed)

    def names(self) -> tuple[str, ...]:
        return tuple(key for key, record in list(self._records.items()) if record.committed)

    def sweep(self) -> None:
        for key, record in self._records.items():
            if not record.committed:
                try:
                    self._make_folder(record)
                except (
                    NotFound
                ) as error:  # its image is lost: whoever uses this one is told, the others go on
                    log.warning("snapshot.parent_lost", extra={"snapshot": key, "error": str(error)})
        known = {record.folder for record in self._records.values()}
        for name in os.listdir(self._root):
            if name.isdecimal() and name not in known:
                self._reclaimer.discard(self._root / name)
        self._reclaimer.sweep()

    def close(self) -> None:
        """Wait until the files of removed snapshots are gone."""
        self._settler.close()
        self._reclaimer.close()

    def _settled(self, names: frozenset[str]) -> None:
        """The files of *names* are on the disk."""
        with self._lock, self._documents.transaction():
            for name in names:
                record = self._records.get(name)
                if record is not None:
                    self._store(name, replace(record, boot=""))

    def _make_folder(self, record: Record) -> None:
        """Make the folders of an active snapshot, as far as they are missing.

        One that was promised and whose folder a power cut took had nothing in it that was synced: it is empty again.
        """
        folder = self._root / record.folder
        if (folder / "work").is_dir():
            return
        # The root that processes see is `fs`, whatever the layers below say of theirs, as on Docker: an image made of a
        # private temporary folder (0700) would let no user but root in.
        for path, mode in ((folder, 0o711), (folder / "fs", 0o755), (folder / "work", 0o700)):
            with contextlib.suppress(FileExistsError):
                os.mkdir(path, mode)
            os.chmod(path, mode)  # whatever the umask is

    def _child(self, name: str) -> str | None:
        return next((key for key, record in self._records.items() if record.parent == name), None)

    def _fs(self, key: str) -> Path:
        return self._root / self._record(key).folder / "fs"

    def _record(self, key: str) -> Record:
        try:
            return self._records[key]
        except KeyError:
            raise NotFound(f"no such snapshot: {key}") from None

    def _store(self, key: str, record: Record) -> None:
        self._documents.put(KIND, key, msgspec.json.encode(record))
        self._records[key] = record

    def _forget(self, key: str) -> None:
        self._documents.delete(KIND, key)
        self._records.pop(key, None)


def disk_usage(folder: Path) -> int:
    """Return the bytes of the files below *folder*, each inode once; files that vanish meanwhile are passed over."""
    total = 0
    seen: set[int] = set()
    waiting = [str(folder)]
    while waiting:
        with contextlib.suppress(FileNotFoundError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                    continue
                with contextlib.suppress(FileNotFoundError):
                    status = entry.stat(follow_symlinks=False)
                    if status.st_nlink > 1:
                        if status.st_ino in seen:
                            continue
                        seen.add(status.st_ino)
                    total += status.st_size
    return total
