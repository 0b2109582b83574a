"""What the runtime sees of the host's mounts beside many containers: those of its own container."""

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.container_host import Host, running

from yurt.engine.containers import view
from yurt.engine.containers.model import Container, HostConfig, MountRequest

SLEEP = ("sleep", "1000")


@pytest.fixture
def busybox(needs: Any) -> Path:
    needs.root()
    needs.program("runc")
    found: Path = needs.file("/bin/busybox")
    return found


@pytest.fixture
async def host(
    tmp_path: Path, busybox: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Host, Path]]:
    """An engine for which one container is a crowd, and a file in which its runtime notes the mounts that it sees."""
    monkeypatch.setattr(view, "CROWD", 0)
    seen, folder = tmp_path / "seen", tmp_path / "bin"
    folder.mkdir()
    program = folder / "runc"
    program.write_text(
        f'#!/bin/sh\ncat /proc/self/mountinfo >{seen}\npwd >>{seen}\nexec {shutil.which("runc")} "$@"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    async with running(tmp_path, busybox=busybox) as started:
        try:
            yield started, seen
        finally:
            for container in tuple(started.containers.list()):
                await started.containers.remove(container.id, force=True)


async def idle(host: Host, name: str, config: HostConfig | None = None) -> Container:
    container = await host.create(*SLEEP, name=name, host=config)
    await host.containers.start(container.id)
    return container


def points(mountinfo: str, *, below: Path = Path("/")) -> set[str]:
    found = {line.split(" ")[4] for line in mountinfo.splitlines() if " " in line}
    return {point for point in found if point.startswith(str(below))}


async def test_runtime_sees_its_own_container_only(host: tuple[Host, Path]) -> None:
    """The mounts of others are hidden from the runtime, its own and the rest of the host's are there; nothing else changes."""
    engine, seen = host
    first = await idle(engine, "first")
    before = points(Path("/proc/self/mountinfo").read_text(), below=engine.settings.run)
    second = await idle(engine, "second", HostConfig(network_mode="bridge"))
    containers, names = engine.settings.run / "containers", engine.settings.run / "netns"
    shown = points(seen.read_text())
    assert {str(containers / second.id / "rootfs"), str(names / second.id)} <= shown
    assert not {point for point in shown if first.id in point}
    assert {"/", "/proc", "/sys"} <= shown
    assert seen.read_text().splitlines()[-1] == str(containers / second.id)
    await engine.containers.remove(second.id, force=True)
    assert points(Path("/proc/self/mountinfo").read_text(), below=engine.settings.run) == before


async def test_what_a_container_shares_is_seen(host: tuple[Host, Path]) -> None:
    """Namespaces and shared memory of another container, binds and folders of volumes are there beside a crowd, too."""
    engine, _seen = host
    first = await idle(engine, "first", HostConfig(network_mode="bridge", ipc_mode="shareable"))
    (engine.settings.root / "told").write_text("told\n")
    volume = await engine.volumes.create("kept")
    (volume.mountpoint / "below").mkdir()
    (volume.mountpoint / "below" / "kept").write_text("kept\n")
    config = HostConfig(
        network_mode=f"container:{first.id}",
        ipc_mode=f"container:{first.id}",
        mounts=(
            MountRequest("bind", "/told", str(engine.settings.root / "told")),
            MountRequest("volume", "/kept", "kept", subpath="below"),
        ),
    )
    code, output = await engine.run(
        "sh", "-c", "cat /told /kept/kept; readlink /proc/self/ns/net; echo hi >/dev/shm/x", host=config
    )
    pid = engine.containers.get(first.id).state.pid
    assert (code, output) == (0, f"told\nkept\n{os.readlink(f'/proc/{pid}/ns/net')}\n")
    assert Path(f"/proc/{pid}/root/dev/shm/x").read_text() == "hi\n"


async def test_the_whole_host_is_shown_whole(host: tuple[Host, Path]) -> None:
    """A container that is given the host's root sees the mounts of the others in it."""
    engine, _seen = host
    first = await idle(engine, "first")
    config = HostConfig(network_mode="none", mounts=(MountRequest("bind", "/host", "/", read_only=True),))
    code, output = await engine.run(
        "cat", f"/host{engine.settings.run}/containers/{first.id}/rootfs/notes.txt", host=config
    )
    assert (code, output) == (0, "not a program\n")


async def test_folder_of_its_own_ends_with_the_engine(tmp_path: Path, busybox: Path) -> None:
    """The mount that is hidden stays while a container runs, and goes when an engine stops without any."""

    def mounted() -> bool:
        return str(tmp_path / "run") in points(Path("/proc/self/mountinfo").read_text())

    async with running(tmp_path, busybox=busybox, last=False) as engine:
        assert mounted()
        container = await idle(engine, "first")
    assert mounted()
    async with running(tmp_path) as engine:
        await engine.containers.remove(container.id, force=True)
    assert not mounted()
