"""What ``RUN --mount`` shows to one command: requests for mounts, and what has to be there behind them.

Secrets lie in a file system in memory that goes with the command: nothing of them is written to a disk.
"""

import os
import stat
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from yurt.dockerfile.location import Location
from yurt.dockerfile.mounts import RunMount
from yurt.engine.build.agents import offer
from yurt.engine.build.cache_mounts import CacheMounts
from yurt.engine.build.copying import Copier, Dress, Target
from yurt.engine.build.files import RootTree
from yurt.engine.build.origin import Origin
from yurt.engine.build.rootfs import resolve
from yurt.engine.containers.model import MountRequest
from yurt.engine.images.threads import in_thread
from yurt.errors import InvalidArgument, NotFound
from yurt.linux import isolation
from yurt.linux.mount import TmpfsMount, unmount
from yurt.linux.overlay import OverlayMount

AGENT = "SSH_AUTH_SOCK"


@dataclass(frozen=True, slots=True)
class Shown:
    """The files that a mount starts from: *root* is where they are, *key* stands for what they are."""

    root: str
    key: str = ""


@dataclass(slots=True)
class Mounting:
    """The mounts of one RUN. *folder* is its own; *shown* has the files of those that start from some.

    *variables* gathers what the command gets in its environment, *secrets* what of that may be written nowhere. What is made here goes when *undo* unwinds.
    """

    where: Location
    folder: Path
    shown: Mapping[RunMount, Shown]
    origin: Origin
    caches: CacheMounts
    undo: AsyncExitStack
    renewed: set[Path] | None = None  # of caches, see `CacheMounts.use`
    variables: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    _memory: Path | None = None
    _number: int = 0
    _agents: int = 0

    async def request(self, mount: RunMount) -> MountRequest | None:
        """Return the mount to be made for *mount*; None when there is none: a secret or agent that was not given."""
        match mount.kind:
            case "tmpfs":
                return MountRequest(kind="tmpfs", target=mount.target, tmpfs_size=mount.size)
            case "cache":
                return await self._cache(mount)
            case "secret":
                return await self._secret(mount)
            case "ssh":
                return await self._agent(mount)
            case _:
                return await self._bind(mount)

    def _place(self, kind: str) -> Path:
        self._number += 1
        return self.folder / f"{kind}-{self._number}"

    def _source(self, mount: RunMount) -> Path:
        source = Path(resolve(self.shown[mount].root, mount.source))
        if not source.exists():
            raise NotFound(f"{self.where}: --mount: {mount.source!r} is not there")
        return source

    async def _bind(self, mount: RunMount) -> MountRequest:
        source = self._source(mount)
        if mount.read_only is False:
            source = await in_thread(self._writable, source)
        return MountRequest(
            kind="bind", source=str(source), target=mount.target, read_only=mount.read_only is not False
        )

    def _writable(self, source: Path) -> Path:
        """Return a place that shows *source* and takes what is written; that is lost afterwards."""
        place = self._place("writable")
        upper, work = place / "upper", place / "work"
        for folder in (place, upper, work):
            folder.mkdir()
        is_folder = source.is_dir()
        merged = place / "merged"
        merged.mkdir()
        status = source.parent.lstat() if not is_folder else source.lstat()
        os.chown(upper, status.st_uid, status.st_gid)
        upper.chmod(stat.S_IMODE(status.st_mode))
        OverlayMount((source if is_folder else source.parent,), upper, work).mount(merged)
        self.undo.callback(unmount, merged, lazy=True)
        return merged if is_folder else merged / source.name

    async def _cache(self, mount: RunMount) -> MountRequest:
        start = self.shown.get(mount)
        key = mount.id or mount.target
        if start is not None:
            key = f"{key} {start.key} {mount.source}"
        folder = await self.caches.use(key, mount.sharing, self.undo, renewed=self.renewed)
        await in_thread(self._fill, mount, folder)
        return MountRequest(
            kind="bind", source=str(folder), target=mount.target, read_only=bool(mount.read_only)
        )

    def _fill(self, mount: RunMount, folder: Path) -> None:
        """Make the folder of a cache, with what it starts from; the whole of it or nothing."""
        if folder.is_dir():
            return
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._place("cache")
        fresh.mkdir()
        if mount in self.shown:
            if not self._source(mount).is_dir():
                raise InvalidArgument(
                    f"{self.where}: --mount: {mount.source!r} is no folder, as a cache has to be"
                )
            tree = RootTree(self.shown[mount].root)
            Copier(Target(str(fresh), "/", is_folder=True), Dress()).copy(tree.select(mount.source or "/"))
            status = self._source(mount).stat()
            os.chown(fresh, status.st_uid, status.st_gid)
            fresh.chmod(stat.S_IMODE(status.st_mode))
        else:
            os.chown(fresh, *isolation.owner(mount.uid, mount.gid))
            fresh.chmod(0o755 if mount.mode is None else mount.mode)
        try:
            fresh.rename(folder)
        except OSError:
            if not folder.is_dir():  # else somebody else was faster
                raise

    async def _secret(self, mount: RunMount) -> MountRequest | None:
        name = mount.secret_name
        content = await self.origin.secret(name)
        if content is None:
            if mount.required:
                raise InvalidArgument(
                    f"{self.where}: the secret {name} was not given", hint=f"pass --secret id={name}"
                )
            return None
        if mount.env:
            if b"\0" in content:
                raise InvalidArgument(f"{self.where}: the secret {name} holds a NUL, which no variable can")
            self.secrets[mount.env] = content.decode(errors="surrogateescape")
            if not mount.target:
                return None
        path = self._in_memory() / f"secret-{len(os.listdir(self._in_memory()))}"
        path.write_bytes(content)
        os.chown(path, *isolation.owner(mount.uid, mount.gid))
        path.chmod(0o400 if mount.mode is None else mount.mode)
        return MountRequest(
            kind="bind", source=str(path), target=mount.target or f"/run/secrets/{name}", read_only=True
        )

    def _in_memory(self) -> Path:
        if self._memory is None:
            self._memory = self._place("memory")
            self._memory.mkdir()
            TmpfsMount(self._memory, mode=0o711).execute()
            self.undo.callback(unmount, self._memory, lazy=True)
        return self._memory

    async def _agent(self, mount: RunMount) -> MountRequest | None:
        name = mount.id or "default"
        target = mount.target or f"/run/buildkit/ssh_agent.{self._agents}"
        self._agents += 1
        self.variables.setdefault(AGENT, target)  # also when there is none, as with BuildKit
        if not await self.origin.has_agent(name):
            if mount.required:
                raise InvalidArgument(
                    f"{self.where}: the SSH agent {name} was not given", hint=f"pass --ssh {name}"
                )
            return None
        path = self._place("agent")
        mode = 0o600 if mount.mode is None else mount.mode
        await offer(
            self.origin, name, path, self.undo, owner=isolation.owner(mount.uid, mount.gid), mode=mode
        )
        return MountRequest(kind="bind", source=str(path), target=target)
