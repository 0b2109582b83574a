"""Volumes: named folders that outlive containers, ``<root>/volumes/<name>/_data``.

The document says that a volume exists; the folder follows it. Whatever instant the engine is killed at, `restore`
finds either the volume whole or nothing of it. A folder without a document is never thrown away: it becomes a
volume again, for it may be all that is left of someone's data.
"""

import asyncio
import errno
import os
import re
import shutil
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from weakref import WeakValueDictionary

import msgspec
import structlog

from yurt.engine.events import Events
from yurt.engine.repairs import Repairs, repairs
from yurt.engine.volumes import options as mount_options
from yurt.engine.volumes.model import Volume
from yurt.engine.volumes.ports import Documents
from yurt.errors import Conflict, Internal, InvalidArgument, NotFound, Unavailable, is_full, translated
from yurt.ids import new_id, short
from yurt.linux.disk import sync_folder
from yurt.linux.mount import DeviceMount, mounted_below, unmount
from yurt.settings import EngineSettings

log = structlog.get_logger()

KIND = "volume"
ANONYMOUS = "com.docker.volume.anonymous"
REMOVED = ".removed-"  # a folder being deleted; no volume's name begins with a dot
RETRY = 0.5  # seconds until what a full disk did not take is tried again
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class Pruned:
    """What `VolumeService.prune` removed, and the bytes that it freed."""

    volumes: tuple[Volume, ...]
    reclaimed: int


class VolumeService:
    """All volumes of this engine."""

    def __init__(self, documents: Documents, events: Events, settings: EngineSettings) -> None:
        self._documents = documents
        self._events = events
        self._folder = settings.root / "volumes"
        self._volumes: dict[str, Volume] = {}
        self._holders: dict[str, set[str]] = {}
        self._mounting: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._deleting: set[asyncio.Task[None]] = set()
        self._is_closing = False

    async def restore(self) -> Repairs:
        """Afterwards every stored volume has its folder; removals that were cut short are finished."""
        made = adopted = 0
        with translated({OSError: Unavailable}, f"cannot use {self._folder}"):
            self._folder.mkdir(mode=0o701, parents=True, exist_ok=True)
            found = {entry.name for entry in os.scandir(self._folder) if entry.is_dir(follow_symlinks=False)}
        removed = {name for name in found if name.startswith(REMOVED)}
        removed |= self._bury_provisional(found)
        for name, body in self._documents.all(KIND):
            if f"{REMOVED}{name}" in removed and name not in found:
                self._documents.delete(KIND, name)
                continue
            volume = msgspec.json.decode(body, type=Volume, dec_hook=_path)
            if name not in found:
                log.warning("volume.folder_missing", volume=name)
                made += 1
            self._volumes[name] = self._here(volume)
            self._make_folder(name)
        for name in sorted(found - removed - self._volumes.keys()):
            if _NAME.fullmatch(name) and (self._folder / name / "_data").is_dir():
                log.warning("volume.adopted", volume=name)
                adopted += 1
                self._store(self._here(Volume(name, Path(), time.time_ns())))
        for name in removed:
            self._delete_in_background(self._folder / name)
        return (
            *repairs("made", {"volume": made}, " again whose folder was missing"),
            *repairs("adopted", {"volume": adopted}, " that only its folder told of"),
            *repairs("finished the removal of", {"volume": len(removed)}),
        )

    async def create(
        self,
        name: str | None,
        *,
        driver: str = "local",
        labels: Mapping[str, str] | None = None,
        options: Mapping[str, str] | None = None,
        provisional: bool = False,
    ) -> Volume:
        """Return the volume *name*, made if it did not exist; without a name, a new anonymous one.

        A *provisional* one does not outlive this engine unless `settle` is called for it.
        A volume that exists is returned as it is, whatever *labels* and *options* say, as Docker does.
        """
        if driver not in {"local", ""}:
            raise NotFound(
                f'create {name or new_id()}: error looking up volume plugin {driver}: plugin "{driver}" not found',
                hint="volumes have the driver local here",
            )
        if name and name in self._volumes:
            if not provisional:
                self.settle(name)
            return self._volumes[name]
        identifier = _checked_name(name) if name else new_id()
        mount_options.check(identifier, options or {})
        volume = self._here(
            Volume(
                identifier,
                Path(),
                time.time_ns(),
                labels={**(labels or {}), **({} if name else {ANONYMOUS: ""})},
                options=dict(options or {}),
                anonymous=not name,
                provisional=provisional,
            )
        )
        self._store(volume)
        try:
            with translated({OSError: Unavailable}, f"cannot create volume {identifier}"):
                self._make_folder(identifier)
        except BaseException:
            self._forget(volume)
            shutil.rmtree(self._folder / identifier, ignore_errors=True)
            raise
        if not provisional:  # else it lasts with its container
            await asyncio.to_thread(self._documents.sync)
        self._tell("create", volume)
        return volume

    def settle(self, name: str) -> None:
        """Afterwards the volume is not provisional. Idempotent."""
        volume = self.get(name)
        if volume.provisional:
            self._store(replace(volume, provisional=False))

    def recall(self, name: str) -> None:
        """Afterwards the volume is as it is stored: `settle` was called in a transaction that failed. Idempotent."""
        body = self._documents.get(KIND, name)
        if body is not None:
            self._volumes[name] = self._here(msgspec.json.decode(body, type=Volume, dec_hook=_path))

    def get(self, name: str) -> Volume:
        """Return the volume *name*."""
        try:
            return self._volumes[name]
        except KeyError:
            raise NotFound(
                f"get {name}: no such volume", hint="yurt volume ls shows those that exist"
            ) from None

    def list(self) -> tuple[Volume, ...]:
        """Return all volumes by name."""
        return tuple(self._volumes[name] for name in sorted(self._volumes))

    async def remove(self, name: str, *, force: bool = False) -> None:
        """Afterwards the volume does not exist; its content is deleted in the background, also after a crash.

        One that a container uses is refused, even with *force*; *force* only forgives one that does not exist.
        """
        if force and name not in self._volumes:
            return
        volume = self.get(name)
        if users := self.holders(name):
            raise Conflict(
                f"remove {name}: volume is in use - [{', '.join(sorted(users))}]",
                hint="remove these containers first",
            )
        with translated({OSError: Internal}, f"cannot remove volume {name}"):
            _unmount_all(volume.mountpoint)
            grave = self._bury(name)
        if grave is None:
            # A full disk has no room for another name: the content goes where it is, while the caller waits.
            self._forget(volume)
            await asyncio.to_thread(_delete, self._folder / name)
        else:
            # From here on a restart finishes the removal.
            self._volumes.pop(name, None)
            is_forgotten = await self._forgotten(name)
            self._delete_in_background(grave, record="" if is_forgotten else name)
        self._tell("destroy", volume)

    def _bury(self, name: str) -> Path | None:
        """Rename the folder of a volume to what marks it as removed; return that, None when the disk has no room."""
        grave = self._folder / f"{REMOVED}{name}"
        try:
            if (self._folder / name).exists():  # else a removal was cut short
                self._make_way(grave)
                os.rename(self._folder / name, grave)
        except OSError as error:
            if not is_full(error):
                raise
            return None
        return grave

    async def prune(
        self,
        *,
        all: bool = False,  # noqa: A002 - Docker's word
        where: Callable[[Volume], bool] = lambda _volume: True,
    ) -> Pruned:
        """Remove the volumes that no container uses and that *where* holds for: anonymous ones, or *all*."""
        unused = [v for v in self.list() if not self.holders(v.name) and (all or v.anonymous) and where(v)]
        reclaimed = 0
        gone = []
        for volume in unused:
            size = await self.usage(volume.name)
            if self.holders(volume.name):  # taken while we counted
                continue
            await self.remove(volume.name, force=True)
            reclaimed += size
            gone.append(volume)
        self._events.pruned("volume", reclaimed)
        return Pruned(tuple(gone), reclaimed)

    async def usage(self, name: str) -> int:
        """Return the bytes of a volume's content."""
        return await asyncio.to_thread(_bytes_below, self.get(name).mountpoint)

    # -- in use ----------------------------------------------------------------------------------------------

    def hold(self, name: str, holder: str) -> None:
        """Afterwards *holder* (a container's id) uses the volume, which cannot be removed meanwhile."""
        self.get(name)
        self._holders.setdefault(name, set()).add(holder)

    async def ready(self, name: str) -> None:
        """Afterwards a volume with mount options is mounted. For one that is held; its last holder has it unmounted.

        InvalidArgument when the kernel cannot: a share's server or a folder may come and go.
        """
        volume = self.get(name)
        wanted = mount_options.source(volume.options)
        if wanted is None:
            return
        async with self._mounting.setdefault(name, asyncio.Lock()):
            await asyncio.to_thread(_mount, volume, wanted)

    def release(self, name: str, holder: str) -> None:
        """Afterwards *holder* does not use the volume. Idempotent, also for a volume that is gone.

        A volume with mount options is unmounted after its last holder.
        """
        holders = self._holders.get(name)
        if holders is None or holder not in holders:
            return
        holders.discard(holder)
        if holders:
            return
        del self._holders[name]
        volume = self._volumes.get(name)
        if volume is not None and volume.options:
            with translated({OSError: Internal}, f"cannot unmount volume {name}"):
                unmount(volume.mountpoint, lazy=True)

    def holders(self, name: str) -> frozenset[str]:
        """Return the ids of the containers that use the volume."""
        return frozenset(self._holders.get(name, ()))

    async def close(self) -> None:
        """Wait until what was removed is deleted."""
        self._is_closing = True
        if self._deleting:
            await asyncio.wait(self._deleting)

    # -- steps -----------------------------------------------------------------------------------------------

    def _bury_provisional(self, found: set[str]) -> set[str]:
        """Give up the volumes whose container was never stored; return what their folders are called now."""
        graves = set()
        for name, body in self._documents.all(KIND):
            if not msgspec.json.decode(body, type=Volume, dec_hook=_path).provisional:
                continue
            if name in found:
                _unmount_all(self._folder / name)
                grave = f"{REMOVED}{name}-{short(new_id())}"
                os.rename(self._folder / name, self._folder / grave)
                found.discard(name)
                graves.add(grave)
            self._documents.delete(KIND, name)
        return graves

    def _here(self, volume: Volume) -> Volume:
        """Return *volume* with its place below this root, which may have been moved."""
        return replace(volume, mountpoint=self._folder / volume.name / "_data")

    def _store(self, volume: Volume) -> None:
        self._documents.put(KIND, volume.name, msgspec.json.encode(volume, enc_hook=str))
        self._volumes[volume.name] = volume

    def _forget(self, volume: Volume) -> None:
        self._documents.delete(KIND, volume.name)
        self._volumes.pop(volume.name, None)

    def _sync_removal(self) -> None:
        with translated({OSError: Unavailable}, f"cannot bring {self._folder} to the disk"):
            sync_folder(self._folder)  # a folder without document would be adopted again
        self._documents.sync()

    def _make_folder(self, name: str) -> None:
        (self._folder / name).mkdir(mode=0o701, exist_ok=True)
        data = self._folder / name / "_data"
        if not data.exists():
            data.mkdir()
            data.chmod(0o755)  # whatever the umask

    def _make_way(self, grave: Path) -> None:
        """An earlier volume of this name may still be being deleted: that goes on under another name."""
        elsewhere = grave.with_name(f"{grave.name}-{short(new_id())}")
        try:
            os.rename(grave, elsewhere)
        except FileNotFoundError:
            return  # there was none, or this moment it is gone
        self._delete_in_background(elsewhere)

    async def _forgotten(self, name: str) -> bool:
        """Forget a volume that is not here any more, for good; False when the disk does not even take that."""
        try:
            self._documents.delete(KIND, name)
            await asyncio.to_thread(self._sync_removal)  # before its files go
        except Unavailable as error:
            log.warning("volume.record_left", volume=name, error=str(error))
            return False
        return True

    def _delete_in_background(self, grave: Path, *, record: str = "") -> None:
        """Delete a removed volume; before that its *record*, if the disk did not take that at once."""

        async def delete() -> None:
            while record and record not in self._volumes and not await self._forgotten(record):
                if self._is_closing:
                    return  # while the grave is there, the next start goes on with this
                await asyncio.sleep(RETRY)
            await asyncio.to_thread(_delete, grave)

        task = asyncio.create_task(delete(), name=f"delete {grave.name}")
        self._deleting.add(task)
        task.add_done_callback(self._deleting.discard)

    def _tell(self, action: str, volume: Volume) -> None:
        self._events.publish("volume", action, volume.name, {"driver": volume.driver})


def _path(kind: type, value: str) -> object:
    return kind(value)


def _checked_name(name: str) -> str:
    if len(name) < 2:
        raise InvalidArgument(
            f"create {name}: volume name is too short, names should be at least two alphanumeric characters"
        )
    if not _NAME.fullmatch(name) or len(name) > 255:
        raise InvalidArgument(
            f'create {name}: "{name}" includes invalid characters for a local volume name, '
            'only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. '
            "If you intended to pass a host directory, use absolute path"
        )
    return name


def _mount(volume: Volume, wanted: mount_options.Source) -> None:
    """Mount what a volume shows, unless it is mounted already. In a thread: a server may be slow to answer."""
    if os.path.ismount(volume.mountpoint):
        return
    told = f"error while mounting volume '{volume.mountpoint}'"
    if not wanted.device:
        raise InvalidArgument(f"{told}: missing device in volume options")
    mount = DeviceMount(
        wanted.device, volume.mountpoint, wanted.kind, wanted.flags, _with_address(wanted, told)
    )
    try:
        mount.execute()
    except OSError as error:
        words = f"mount {mount.source}:{mount.target}"
        words += f", flags: {mount.flags:#x}" if mount.flags else ""
        words += f", data: {mount.data}" if mount.data else ""
        reason = os.strerror(error.errno or 0)
        raise InvalidArgument(
            f"{told}: failed to mount local volume: {words}: {reason[:1].lower()}{reason[1:]}",
            hint=f"try it on the host: {mount.describe()}",
        ) from error


def _with_address(wanted: mount_options.Source, told: str) -> str:
    """Return the data of a mount with the server's name replaced by its address: the kernel resolves no names."""
    words = wanted.data.split(",")
    for at, word in enumerate(words):
        name, _equals, host = word.partition("=")
        if name == "addr" and host:
            try:
                found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            except OSError as error:
                raise InvalidArgument(
                    f"{told}: error resolving passed in network volume address: {host}: {error.strerror}"
                ) from error
            words[at] = f"addr={found[0][4][0]}"
    return ",".join(words)


def _bytes_below(folder: Path) -> int:
    """Return the bytes of all files below *folder*; what disappears meanwhile counts nothing."""
    total = 0
    for place, _folders, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_size
            except FileNotFoundError:
                continue
    return total


def _unmount_all(folder: Path) -> None:
    """Afterwards nothing is mounted at or below *folder*, so that deleting it touches nothing else."""
    for place in mounted_below(folder):
        unmount(place, lazy=True)
    if left := mounted_below(folder):
        raise OSError(errno.EBUSY, "still mounted", str(left[0]))


def _delete(grave: Path) -> None:
    try:
        _unmount_all(grave)
        shutil.rmtree(grave)
    except OSError as error:  # tried again when the engine starts next
        log.warning("volume.not_deleted", path=str(grave), error=str(error))
