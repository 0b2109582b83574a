"""A container service with the real services around it, in a throw-away root, and a busybox image in it."""

import asyncio
import io
import tarfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yurt.engine.containers.attach import AttachStream, RecordedStream
from yurt.engine.containers.model import (
    Container,
    ContainerConfig,
    CreateRequest,
    HostConfig,
    LogQuery,
    Status,
)
from yurt.engine.containers.service import ContainerService
from yurt.engine.events import Events
from yurt.engine.images.service import ImageService
from yurt.engine.networks.service import NetworkService
from yurt.engine.volumes.service import VolumeService
from yurt.linux.runc import Runtime
from yurt.oci.config import ImageConfig
from yurt.settings import EngineSettings
from yurt.storage.content import ContentStore
from yurt.storage.metadata import Documents
from yurt.storage.snapshots.overlay import OverlaySnapshotter

IMAGE = "busybox:test"
APPLETS = (  # noqa: SIM905
    "sh true false echo cat sleep ls id stty tty pwd env head yes hostname touch kill mount seq dd stat mkdir "
    "wc ulimit nproc readlink chmod grep ps ip"
).split()
FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n",
    "etc/group": "root:x:0:\nalice:x:1000:\nwheel:x:10:alice\n",
    "data/seed": "seed\n",
    "notes.txt": "not a program\n",
}


def busybox_tar(busybox: Path) -> bytes:
    """Return a root file system: a static busybox, its applets, and a few files to test with."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in ("bin", "etc", "tmp", "data"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = (
                tarfile.DIRTYPE,
                0o1777 if name == "tmp" else 0o750 if name == "data" else 0o755,
            )
            folder.uid = folder.gid = 1000 if name == "data" else 0
            tar.addfile(folder)
        tar.add(busybox, "bin/busybox")
        for applet in APPLETS:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        for name, text in FILES.items():
            file = tarfile.TarInfo(name)
            file.size = len(text)
            tar.addfile(file, io.BytesIO(text.encode()))
    return buffer.getvalue()


@dataclass
class Host:
    """An engine without its server."""

    settings: EngineSettings
    documents: Documents
    events: Events
    images: ImageService
    volumes: VolumeService
    networks: NetworkService
    snapshots: OverlaySnapshotter
    containers: ContainerService

    async def create(
        self, *cmd: str, name: str | None = None, host: HostConfig | None = None, **config: Any
    ) -> Container:
        """Make a container of the test image; without a network, unless *host* says otherwise."""
        container, _warnings = await self.containers.create(
            CreateRequest(
                name,
                ContainerConfig(IMAGE, cmd=cmd, **config),
                host or HostConfig(network_mode="none"),
            )
        )
        return container

    async def run(self, *cmd: str, host: HostConfig | None = None, **config: Any) -> tuple[int, str]:
        """Run a command to its end; return exit code and output."""
        container = await self.create(*cmd, host=host, **config)
        stream = await self.containers.attach(container.id, stdin=False, stdout=True, stderr=True)
        waiter = self.containers.waiter(container.id, "next-exit")
        await self.containers.start(container.id)
        output = await everything(stream)
        result = await waiter
        await self.containers.remove(container.id)
        return result.exit_code, output

    async def logs(self, ref: str, **query: Any) -> list[bytes]:
        return [line.data async for line in self.containers.logs(ref, LogQuery(**query))]

    async def said(self, ref: str, *lines: bytes) -> None:
        """Return once a container's log begins with *lines*; fail after twenty seconds."""
        async with asyncio.timeout(20):
            while (await self.logs(ref))[: len(lines)] != list(lines):  # noqa: ASYNC110 - as in `until`
                await asyncio.sleep(0.01)

    async def wait_for(self, ref: str, status: Status) -> Container:
        """Return the container once it has *status*."""
        await until(lambda: self.containers.get(ref).state.status is status)
        return self.containers.get(ref)


async def until(holds: Callable[[], bool]) -> None:
    """Return once *holds*; fail after twenty seconds."""
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


async def everything(stream: AttachStream | RecordedStream) -> str:
    """Return all that comes on a stream, without frames, and close it."""
    data = b""
    async with asyncio.timeout(30):
        while piece := await stream.read():
            data += piece
    await stream.close()
    if stream.tty:
        return data.decode()
    text = b""
    while data:
        length = int.from_bytes(data[4:8], "big")
        text, data = text + data[8 : 8 + length], data[8 + length :]
    return text.decode()


@asynccontextmanager
async def running(root: Path, *, busybox: Path | None = None, last: bool = True) -> AsyncIterator[Host]:
    """Start the services in *root*, and stop them at the end; containers that run, stay.

    *last*: no other engine follows in this root, so take its bridges away.
    """
    settings = EngineSettings(root=root / "state", run=root / "run")
    for folder in (settings.root, settings.run):
        folder.mkdir(parents=True, exist_ok=True)
    documents = Documents(settings.root / "yurt.db")
    events = Events()
    snapshots = OverlaySnapshotter(settings.root / "snapshots", documents)
    images = ImageService(
        content=ContentStore(settings.root / "content"),
        snapshots=snapshots,
        documents=documents,
        events=events,
    )
    volumes = VolumeService(documents, events, settings)
    networks = NetworkService(documents, events, settings)
    containers = ContainerService(
        images=images,
        networks=networks,
        volumes=volumes,
        events=events,
        runtime=Runtime.probe(settings.run / "runtime"),
        documents=documents,
        snapshots=snapshots,
        settings=settings,
    )
    await images.restore()
    await volumes.restore()
    await networks.restore()
    await containers.restore()
    await networks.sweep()
    containers.resume()
    if busybox is not None:

        async def chunks() -> AsyncIterator[bytes]:
            yield busybox_tar(busybox)

        await images.import_tar(
            chunks(), reference=IMAGE, changes=ImageConfig(cmd=("sh",), env=("PATH=/bin", "FROM_IMAGE=yes"))
        )
    try:
        yield Host(settings, documents, events, images, volumes, networks, snapshots, containers)
    finally:
        await containers.shutdown()
        if last:
            await networks.dismantle()
        await networks.close()
        snapshots.close()
        documents.close()
