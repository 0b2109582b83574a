"""The engine as a whole: what it is, what it runs on, what its things take on disk."""

import asyncio
import os
import platform
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import yurt
from yurt.engine.containers import cdi
from yurt.engine.containers.model import Container, Status
from yurt.engine.images.model import Image, Layer
from yurt.engine.volumes.model import Volume
from yurt.errors import YurtError
from yurt.ids import new_id
from yurt.isolation import Level
from yurt.linux import apparmor, cgroup, host, isolation, process
from yurt.linux.rootless.client import KeeperClient
from yurt.linux.runc import Runtime
from yurt.oci.digest import Digest
from yurt.settings import EngineSettings


@dataclass(frozen=True, slots=True)
class Version:
    """The engine's own version, and those of what it stands on."""

    engine: str
    kernel: str
    machine: str  # x86_64, aarch64, …
    runtime_name: str
    runtime_version: str


@dataclass(frozen=True, slots=True)
class Info:
    """The engine at this moment, and its host."""

    id: str
    version: Version
    running: int
    paused: int
    stopped: int
    images: int
    hostname: str
    operating_system: str
    os_version: str
    cpus: int
    memory: int  # bytes
    root: str
    filesystem: str
    cgroup_version: int
    swap_limit: bool
    ip_forward: bool
    debug: bool
    open_files: int
    tasks: int
    listeners: int
    runtime_path: str
    init_path: str
    proxies: Mapping[str, str] = field(default_factory=dict)
    registry_mirrors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()  # of CDI, by full name
    has_apparmor: bool = False
    isolation: Level = Level.ROOT
    controllers: frozenset[str] = frozenset()  # of cgroups, that limits can use


@dataclass(frozen=True, slots=True)
class MeasuredContainer:
    """*written* is what the container itself wrote, *total* that and its image; bytes."""

    container: Container
    written: int
    total: int


@dataclass(frozen=True, slots=True)
class MeasuredVolume:
    volume: Volume
    size: int
    holders: int


@dataclass(frozen=True, slots=True)
class DiskUsage:
    """*layers* counts each layer once, however many images share it.

    By image id, *shared*: bytes that other images have, too; *users*: how many containers.
    """

    layers: int = 0
    images: tuple[Image, ...] = ()
    shared: Mapping[str, int] = field(default_factory=dict)
    users: Mapping[str, int] = field(default_factory=dict)
    containers: tuple[MeasuredContainer, ...] = ()
    volumes: tuple[MeasuredVolume, ...] = ()


class Containers(Protocol):
    """What `System` needs of the containers."""

    def list(self) -> Iterable[Container]: ...
    async def size(self, ref: str) -> tuple[int, int]: ...


class Images(Protocol):
    """What `System` needs of the images."""

    def list(self) -> tuple[Image, ...]: ...
    def layer_size(self, layer: Layer) -> int: ...
    def shared_sizes(self) -> Mapping[str, int]: ...


class Volumes(Protocol):
    """What `System` needs of the volumes."""

    def list(self) -> Iterable[Volume]: ...
    def holders(self, name: str) -> frozenset[str]: ...
    async def usage(self, name: str) -> int: ...


class System:
    """Answers about the engine as a whole. Nothing here is asked on the way of a `run`."""

    def __init__(
        self,
        *,
        settings: EngineSettings,
        runtime: Runtime,
        containers: Containers,
        images: Images,
        volumes: Volumes,
    ) -> None:
        self._settings = settings
        self._runtime = runtime
        self._containers = containers
        self._images = images
        self._volumes = volumes
        self._version: Version | None = None

    async def version(self) -> Version:
        if self._version is None:
            kernel = os.uname()
            said = await process.run([self._runtime.program, "--version"], check=False)
            self._version = Version(
                engine=yurt.__version__,
                kernel=kernel.release,
                machine=kernel.machine,
                runtime_name=self._runtime.name,
                runtime_version=_version_in(said.stdout.decode(errors="replace")),
            )
        return self._version

    async def info(self) -> Info:
        statuses = [container.state.status for container in self._containers.list()]
        running = sum(status in {Status.RUNNING, Status.RESTARTING} for status in statuses)
        paused = statuses.count(Status.PAUSED)
        release = _os_release()
        mode = cgroup.mode()
        is_forwarding = _read("/proc/sys/net/ipv4/ip_forward") == "1"
        return Info(
            id=_identity(self._settings.root),
            version=await self.version(),
            running=running,
            paused=paused,
            stopped=len(statuses) - running - paused,
            images=len(self._images.list()),
            hostname=os.uname().nodename,
            operating_system=release.get("PRETTY_NAME", "Linux"),
            os_version=release.get("VERSION_ID", ""),
            cpus=len(os.sched_getaffinity(0)),
            memory=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
            root=str(self._settings.root),
            filesystem=_filesystem(self._settings.root),
            cgroup_version=2 if mode is cgroup.Mode.V2 else 1,
            swap_limit=host.limits_swap() if isolation.is_rootless() else _has_swap_limit(mode),
            ip_forward=is_forwarding,
            debug=self._settings.debug,
            open_files=len(os.listdir("/proc/self/fd")),
            tasks=len(asyncio.all_tasks()),
            listeners=0,
            runtime_path=self._runtime.program,
            init_path=shutil.which("tini") or "",
            proxies=self._settings.proxies,
            registry_mirrors=self._settings.registry_mirrors,
            devices=tuple(cdi.devices()),
            has_apparmor=apparmor.is_enabled(),
            isolation=isolation.level(),
            controllers=host.controllers(),
            warnings=tuple(self._warnings(is_forwarding=is_forwarding)),
        )

    def _warnings(self, *, is_forwarding: bool) -> Iterator[str]:
        """Yield what does not work as somebody may think, and why."""
        if not is_forwarding:
            yield "WARNING: IPv4 forwarding is disabled"
        if not isolation.is_rootless():
            return
        if not cgroup.is_usable():
            yield "WARNING: containers have no limits and cannot be paused: a rootless engine has no cgroups"
        if isolation.level() is Level.ONE_UID:
            yield "WARNING: every user of every container is the engine's own: this engine has one uid"
        if self._settings.keeper is not None:
            try:
                look = KeeperClient(self._settings.keeper).look()
            except YurtError as error:
                yield f"WARNING: {error.message}; {error.hint}"
                return
            if look.lacking:
                yield f"WARNING: {look.lacking}"
            if look.problem:
                yield f"WARNING: {look.problem}"

    async def disk_usage(self, kinds: frozenset[str]) -> DiskUsage:
        """Measure the asked *kinds* (container, image, volume, build-cache)."""
        return DiskUsage(
            layers=self._layers_size() if "image" in kinds else 0,
            images=self._images.list() if "image" in kinds else (),
            shared=self._images.shared_sizes() if "image" in kinds else {},
            users=self._users(),
            containers=await self._measured_containers() if "container" in kinds else (),
            volumes=await self._measured_volumes() if "volume" in kinds else (),
        )

    def _layers_size(self) -> int:
        layers: dict[Digest, Layer] = {
            layer.chain_id: layer for image in self._images.list() for layer in image.layers
        }
        return sum(self._images.layer_size(layer) for layer in layers.values())

    def _users(self) -> dict[str, int]:
        users: dict[str, int] = {}
        for container in self._containers.list():
            users[container.image_id] = users.get(container.image_id, 0) + 1
        return users

    async def _measured_containers(self) -> tuple[MeasuredContainer, ...]:
        found = []
        for container in tuple(self._containers.list()):
            try:
                written, total = await self._containers.size(container.id)
            except YurtError:  # removed while we looked
                continue
            found.append(MeasuredContainer(container, written, total))
        return tuple(found)

    async def _measured_volumes(self) -> tuple[MeasuredVolume, ...]:
        found = []
        for volume in tuple(self._volumes.list()):
            try:
                size = await self._volumes.usage(volume.name)
            except YurtError:  # removed while we looked
                continue
            found.append(MeasuredVolume(volume, size, len(self._volumes.holders(volume.name))))
        return tuple(found)


def _version_in(text: str) -> str:
    """Return the version in ``runc version 1.1.5+ds1``."""
    first = text.partition("\n")[0].split()
    return first[-1] if first else ""


def _identity(root: Path) -> str:
    """Return this engine's own id, made when first asked."""
    path = root / "engine-id"
    if not path.exists():
        path.write_text(new_id() + "\n")
    return path.read_text().strip()


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _os_release() -> dict[str, str]:
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}


def _has_swap_limit(mode: cgroup.Mode) -> bool:
    if mode is cgroup.Mode.V2:
        return True
    return Path("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes").exists()


def _filesystem(path: Path) -> str:
    """Return the type of the file system that holds *path*."""
    device = path.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in _read("/proc/self/mountinfo").splitlines():
        fields = line.split(" ")
        if fields[2] == wanted:
            return fields[fields.index("-") + 1]
    return "unknown"
