"""What an engine finds of its containers after it was killed: another one starts on the same root."""

import asyncio
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.integration.container_host import IMAGE, Host, everything, running, until

from yurt.engine.containers.model import ContainerConfig, CreateRequest, HostConfig, RestartPolicy, Status
from yurt.errors import NotFound
from yurt.linux.mount import mounted_below

pytestmark = pytest.mark.root

NO_NETWORK = HostConfig(network_mode="none")


@pytest.fixture
def root(needs: Any) -> Iterator[Path]:
    needs.root()
    needs.program("runc")
    needs.file("/bin/busybox")
    with tempfile.TemporaryDirectory(prefix="yurt-run-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)
        assert mounted_below(Path(folder)) == ()


def first(root: Path) -> AbstractAsyncContextManager[Host]:
    return running(root, busybox=Path("/bin/busybox"), last=False)


async def reaped(*pids: int) -> None:
    """Return once the containers whose processes these were have ended, and their shims know it."""
    await until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


async def clear(host: Host) -> None:
    for container in host.containers.list():
        await host.containers.remove(container.id, force=True, volumes=True)
    assert os.listdir(host.settings.run / "containers") == []
    assert os.listdir(host.settings.run / "runtime") == []


async def test_running_containers_stay(root: Path) -> None:
    """A container runs on without an engine; the next one has its log whole, attaches, and hears its exit."""
    async with first(root) as host:
        container = await host.create(
            "sh",
            "-c",
            "for n in 1 2 3; do echo $n; sleep 0.2; done; read line; echo got $line; exit 4",
            open_stdin=True,
        )
        await host.containers.start(container.id)
        pid = host.containers.get(container.id).state.pid
    async with running(root) as host:
        state = host.containers.get(container.id).state
        assert (state.status, state.pid) == (Status.RUNNING, pid)
        await host.said(container.id, b"1\n", b"2\n", b"3\n")
        assert await host.logs(container.id) == [b"1\n", b"2\n", b"3\n"]
        stream = await host.containers.attach(container.id, stdin=True, stdout=True, stderr=True)
        waiter = host.containers.waiter(container.id)
        await stream.write(b"this\n")
        assert await everything(stream) == "got this\n"
        assert (await waiter).exit_code == 4
        await clear(host)


async def test_exit_without_an_engine(root: Path) -> None:
    """The exit code of a container that ended while no engine ran is found, and its --rm done."""
    async with first(root) as host:
        kept = await host.create("sh", "-c", "sleep 0.4; echo last words; exit 9")
        thrown = await host.create("sleep", "0.4", host=replace(NO_NETWORK, auto_remove=True))
        for container in (kept, thrown):
            await host.containers.start(container.id)
        pids = [host.containers.get(container.id).state.pid for container in (kept, thrown)]
    await reaped(*pids)
    async with running(root) as host:
        await host.wait_for(kept.id, Status.EXITED)
        state = host.containers.get(kept.id).state
        assert (state.status, state.exit_code, state.error) == (Status.EXITED, 9, "")
        assert await host.logs(kept.id) == [b"last words\n"]
        await until(lambda: thrown.id not in [each.id for each in host.containers.list()])
        await clear(host)


async def test_lost_shim(root: Path) -> None:
    """A container whose shim was killed too is killed and marked 137, with a sentence that says why."""
    async with first(root) as host:
        container = await host.create("sleep", "100")
        await host.containers.start(container.id)
        pid = host.containers.get(container.id).state.pid
    shim = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(shim, signal.SIGKILL)
    await asyncio.sleep(0.2)
    async with running(root) as host:
        state = host.containers.get(container.id).state
        assert (state.status, state.exit_code) == (Status.EXITED, 137)
        assert "shim" in state.error
        assert not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text()
        await clear(host)


async def test_lost_shim_of_a_live_engine(root: Path) -> None:
    """The same, noticed at once by an engine that runs; the container can be started again."""
    async with running(root, busybox=Path("/bin/busybox")) as host:
        container = await host.create("sleep", "100")
        await host.containers.start(container.id)
        pid = host.containers.get(container.id).state.pid
        shim = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(shim, signal.SIGKILL)
        after = await host.wait_for(container.id, Status.EXITED)
        assert after.state.exit_code == 137
        await host.containers.start(container.id)
        assert host.containers.get(container.id).state.status is Status.RUNNING
        await clear(host)


async def test_policies_with_the_engine(root: Path) -> None:
    """`always` and `unless-stopped` containers that died without an engine are started by the next one."""
    async with first(root) as host:
        ids = {}
        for policy in ("always", "unless-stopped", "no"):
            container = await host.create(
                "sleep", "0.3", host=replace(NO_NETWORK, restart=RestartPolicy(policy))
            )
            await host.containers.start(container.id)
            ids[policy] = container.id
        pids = [host.containers.get(ref).state.pid for ref in ids.values()]
    await reaped(*pids)
    async with running(root) as host:
        for policy in ("always", "unless-stopped"):
            await host.wait_for(ids[policy], Status.RUNNING)
        await host.wait_for(ids["no"], Status.EXITED)
        await clear(host)


async def test_stopped_by_hand_stays_stopped(root: Path) -> None:
    """`unless-stopped` is not started again after a stop; `always` is."""
    async with first(root) as host:
        ids = {}
        for policy in ("always", "unless-stopped"):
            container = await host.create(
                "sleep", "100", host=replace(NO_NETWORK, restart=RestartPolicy(policy))
            )
            await host.containers.start(container.id)
            await host.containers.stop(container.id, timeout=0.1)
            ids[policy] = container.id
    async with running(root) as host:
        await host.wait_for(ids["always"], Status.RUNNING)
        assert host.containers.get(ids["unless-stopped"]).state.status is Status.EXITED
        await clear(host)


async def test_paused_and_networked(root: Path) -> None:
    """A paused container is still paused, and one on a network has its address, after the engine came back."""
    async with first(root) as host:
        paused = await host.create("sleep", "100")
        networked = await host.create("sleep", "100", host=HostConfig())
        for container in (paused, networked):
            await host.containers.start(container.id)
        await host.containers.pause(paused.id)
        address = host.containers.get(networked.id).networks[0].ipv4
    async with running(root) as host:
        assert host.containers.get(paused.id).state.status is Status.PAUSED
        await host.containers.unpause(paused.id)
        assert host.containers.get(networked.id).networks[0].ipv4 == address
        await clear(host)


async def test_a_link_to_what_is_gone_takes_no_network(root: Path) -> None:
    """The new engine knows the network of a container also when what it has a link to has stopped meanwhile."""
    async with first(root) as host:
        other = await host.create("sleep", "100", host=HostConfig())
        await host.containers.start(other.id)
        linked = await host.create("sleep", "100", host=HostConfig(links=(f"{other.name}:db",)))
        await host.containers.start(linked.id)
        await host.containers.stop(other.id, timeout=0)
    async with running(root) as host:
        assert host.networks.sandbox(linked.id).endpoints == host.containers.get(linked.id).networks
        await clear(host)


async def test_hidden_containers_go(root: Path) -> None:
    """A build step that an engine did not live to finish is removed by the next one."""
    async with first(root) as host:
        container, _warnings = await host.containers.create(
            CreateRequest(None, ContainerConfig(IMAGE, cmd=("sleep", "100")), NO_NETWORK, hidden=True)
        )
        await host.containers.start(container.id)
        pid = host.containers.get(container.id).state.pid
    async with running(root) as host:
        with pytest.raises(NotFound):
            host.containers.get(container.id)
        await until(lambda: not Path(f"/proc/{pid}").exists())
        assert not host.snapshots.exists(container.id)
        await clear(host)


async def test_leftovers_of_an_interrupted_create(root: Path) -> None:
    """What belongs to no container is swept."""
    async with first(root) as host:
        host.snapshots.prepare("f" * 64, None)
        (host.settings.root / "containers" / ("f" * 64)).mkdir(parents=True)
        (host.settings.run / "containers" / ("f" * 64)).mkdir(parents=True)
    async with running(root) as host:
        assert not host.snapshots.exists("f" * 64)
        assert os.listdir(host.settings.root / "containers") == []
        await clear(host)


async def test_interrupted_restart(root: Path) -> None:
    """A container that waited for its next start when the engine was killed is started again."""
    async with first(root) as host:
        container = await host.create(
            "sh", "-c", "sleep 0.2; exit 1", host=replace(NO_NETWORK, restart=RestartPolicy("always"))
        )
        await host.containers.start(container.id)
        await host.wait_for(container.id, Status.RESTARTING)
    async with running(root) as host:
        await host.wait_for(container.id, Status.RUNNING)
        await clear(host)
