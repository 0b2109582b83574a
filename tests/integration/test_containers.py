"""Containers on a real kernel with a real runtime."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.integration.container_host import IMAGE, Host, everything, running, until

from yurt.engine.containers.model import (
    ContainerConfig,
    CreateRequest,
    ExecRequest,
    Healthcheck,
    HostConfig,
    MountRequest,
    Resources,
    RestartPolicy,
    Status,
)
from yurt.errors import Conflict, InvalidArgument, NotFound, NotModified, YurtError
from yurt.linux.mount import mounted_below

pytestmark = pytest.mark.root

NO_NETWORK = HostConfig(network_mode="none")


@pytest.fixture
async def host(needs: Any) -> AsyncIterator[Host]:
    needs.root()
    needs.program("runc")
    busybox = needs.file("/bin/busybox")
    with tempfile.TemporaryDirectory(prefix="yurt-run-", ignore_cleanup_errors=True) as folder:
        async with running(Path(folder), busybox=busybox) as started:
            yield started
            for container in started.containers.list():
                await started.containers.remove(container.id, force=True, volumes=True)
            for network in started.networks.list():
                if not network.predefined:
                    await started.networks.remove(network.id)
            assert mounted_below(started.settings.run / "containers") == ()
            assert os.listdir(started.settings.run / "containers") == []
            assert os.listdir(started.settings.run / "runtime") == []


async def test_output_and_exit_code(host: Host) -> None:
    """A container's output comes on the stream attached before its start, and its exit code to who waits."""
    code, output = await host.run("sh", "-c", "echo out; echo err >&2; exit 3")
    assert code == 3
    assert sorted(output.split()) == ["err", "out"]


async def test_image_defaults(host: Host) -> None:
    """What the request leaves open comes from the image, and standard variables are there."""
    _code, output = await host.run("env", env=("MINE=1",), hostname="box")
    assert {"FROM_IMAGE=yes", "PATH=/bin", "MINE=1", "HOSTNAME=box", "HOME=/root"} <= set(output.split())


async def test_auto_remove(host: Host) -> None:
    """A --rm container is gone when it has ended, and who waits for that gets its exit code."""
    container = await host.create("sh", "-c", "exit 7", host=replace(NO_NETWORK, auto_remove=True))
    waiter = host.containers.waiter(container.id, "removed")
    await host.containers.start(container.id)
    assert (await waiter).exit_code == 7
    with pytest.raises(NotFound, match="No such container"):
        host.containers.get(container.id)
    assert not host.snapshots.exists(container.id)


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        (("nosuch",), 127, "executable file not found in $PATH"),
        (("/no/such",), 127, "no such file or directory"),
        (("/notes.txt",), 126, "permission denied"),
    ],
)
async def test_failed_start(host: Host, command: tuple[str, ...], code: int, words: str) -> None:
    """A command that cannot be run fails the start in Docker's words, leaves `created`, its code, and nothing else."""
    container = await host.create(*command)
    stream = await host.containers.attach(container.id, stdin=False, stdout=True, stderr=True)
    with pytest.raises(YurtError, match=r"OCI runtime create failed: (runc|crun) create failed") as failure:
        await host.containers.start(container.id)
    assert words in failure.value.message
    assert await everything(stream) == ""
    after = host.containers.get(container.id).state
    assert (after.status, after.exit_code) == (Status.CREATED, code)
    assert words in after.error
    assert not (host.settings.run / "containers" / container.id).exists()


async def test_failed_start_of_throw_away(host: Host) -> None:
    """A --rm container that cannot be started is removed."""
    container = await host.create("nosuch", host=replace(NO_NETWORK, auto_remove=True))
    waiter = host.containers.waiter(container.id, "removed")
    with pytest.raises(YurtError):
        await host.containers.start(container.id)
    assert (await waiter).exit_code == 127
    with pytest.raises(NotFound):
        host.containers.get(container.id)


async def test_stdin(host: Host) -> None:
    """Stdin sent before the start arrives, and its half-close ends it for a container with stdin_once."""
    container = await host.create("cat", open_stdin=True, stdin_once=True)
    stream = await host.containers.attach(container.id, stdin=True, stdout=True, stderr=True)
    await stream.write(b"hello\n")
    await stream.close_stdin()
    await host.containers.start(container.id)
    assert await everything(stream) == "hello\n"


async def test_large_stdin_and_output(host: Host) -> None:
    """Megabytes go through both ways, whole, though nobody reads for a while."""
    container = await host.create("cat", open_stdin=True, stdin_once=True)
    stream = await host.containers.attach(container.id, stdin=True, stdout=True, stderr=True)
    await host.containers.start(container.id)
    sent = bytes(range(256)) * 20_000

    async def feed() -> None:
        await stream.write(sent)
        await stream.close_stdin()

    feeder = asyncio.create_task(feed())
    await asyncio.sleep(0.3)
    data = b""
    while piece := await stream.read():
        data += piece
    await feeder
    got = bytearray()
    while data:
        length = int.from_bytes(data[4:8], "big")
        got += data[8 : 8 + length]
        data = data[8 + length :]
    assert bytes(got) == sent
    await stream.close()


async def test_slow_client_does_not_hold_the_container(host: Host) -> None:
    """A client that reads late still gets all of the output, and the container has long ended."""
    container = await host.create("sh", "-c", "seq 1 200000")
    stream = await host.containers.attach(container.id, stdin=False, stdout=True, stderr=True)
    waiter = host.containers.waiter(container.id, "next-exit")
    await host.containers.start(container.id)
    assert (await waiter).exit_code == 0
    output = await everything(stream)
    assert output == "".join(f"{number}\n" for number in range(1, 200001))


async def test_terminal(host: Host) -> None:
    """A container with a terminal has one of the size asked for, and raw output."""
    container = await host.create("sh", "-c", "tty; read line; stty size", tty=True, open_stdin=True)
    stream = await host.containers.attach(container.id, stdin=True, stdout=True, stderr=True)
    await host.containers.start(container.id)
    await host.containers.resize(container.id, height=33, width=99)
    await stream.write(b"go\n")
    output = await everything(stream)
    assert "/dev/pts/0" in output
    assert "33 99" in output


async def test_detach_keys(host: Host) -> None:
    """The detach keys end the stream; the container goes on."""
    container = await host.create("cat", tty=True, open_stdin=True)
    stream = await host.containers.attach(
        container.id, stdin=True, stdout=True, stderr=True, detach_keys=b"\x10\x11"
    )
    await host.containers.start(container.id)
    await stream.write(b"\x10")
    await stream.write(b"\x11")
    await everything(stream)
    assert host.containers.get(container.id).state.status is Status.RUNNING


async def test_stop(host: Host) -> None:
    """Stop sends the stop signal; a container that ignores it is killed after the timeout."""
    polite = await host.create("sh", "-c", "trap 'exit 5' TERM; echo ready; while :; do sleep 0.1; done")
    deaf = await host.create("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done")
    for container in (polite, deaf):
        await host.containers.start(container.id)
        await host.said(container.id, b"ready\n")
    await host.containers.stop(polite.id)
    assert host.containers.get(polite.id).state.exit_code == 5
    await host.containers.stop(deaf.id, timeout=0.3)
    assert host.containers.get(deaf.id).state.exit_code == 137
    with pytest.raises(NotModified):
        await host.containers.stop(deaf.id)


async def test_stop_signal(host: Host) -> None:
    """The container's own stop signal is the one that stop sends."""
    container = await host.create(
        "sh", "-c", "trap 'exit 4' USR1; echo ready; while :; do sleep 0.1; done", stop_signal="SIGUSR1"
    )
    await host.containers.start(container.id)
    await host.said(container.id, b"ready\n")
    await host.containers.stop(container.id)
    assert host.containers.get(container.id).state.exit_code == 4


async def test_kill(host: Host) -> None:
    """Kill needs a running container, and returns when SIGKILL has ended it."""
    container = await host.create("sleep", "100")
    with pytest.raises(Conflict, match="is not running"):
        await host.containers.kill(container.id)
    await host.containers.start(container.id)
    with pytest.raises(InvalidArgument, match="invalid signal: NOPE"):
        await host.containers.kill(container.id, "NOPE")
    await host.containers.kill(container.id)
    state = host.containers.get(container.id).state
    assert (state.status, state.exit_code) == (Status.EXITED, 137)


async def test_pause(host: Host) -> None:
    """A paused container makes no progress, can be stopped, and goes on when unpaused."""
    container = await host.create("sh", "-c", "while :; do echo x; sleep 0.05; done")
    await host.containers.start(container.id)
    await host.said(container.id, b"x\n")
    await host.containers.pause(container.id)
    before = len(await host.logs(container.id))
    await asyncio.sleep(0.3)
    assert len(await host.logs(container.id)) == before
    with pytest.raises(Conflict, match="paused"):
        await host.containers.exec_create(container.id, ExecRequest(("true",)))
    await host.containers.unpause(container.id)
    await host.said(container.id, *[b"x\n"] * (before + 1))
    await host.containers.pause(container.id)
    await host.containers.stop(container.id, timeout=0.2)
    assert host.containers.get(container.id).state.status is Status.EXITED


async def test_logs(host: Host) -> None:
    """Logs give both streams in order, a tail, one stream, and lines without an end."""
    container = await host.create("sh", "-c", "for n in 1 2 3; do echo o$n; done; echo e >&2; printf rest")
    waiter = host.containers.waiter(container.id, "next-exit")
    await host.containers.start(container.id)
    await waiter
    everything_logged = await host.logs(container.id)
    assert sorted(everything_logged) == [b"e\n", b"o1\n", b"o2\n", b"o3\n", b"rest"]
    assert await host.logs(container.id, stderr=False) == [b"o1\n", b"o2\n", b"o3\n", b"rest"]
    assert await host.logs(container.id, stderr=False, tail=2) == [b"o3\n", b"rest"]


async def test_follow_logs(host: Host) -> None:
    """Following gives lines as they come, and ends with the container."""
    container = await host.create("sh", "-c", "echo one; sleep 0.3; echo two")
    await host.containers.start(container.id)
    assert await host.logs(container.id, follow=True) == [b"one\n", b"two\n"]


async def test_exec(host: Host) -> None:
    """An exec has its own output, exit code, user, environment and working folder."""
    container = await host.create("sleep", "100", env=("A=1",))
    await host.containers.start(container.id)
    created = await host.containers.exec_create(
        container.id,
        ExecRequest(
            ("sh", "-c", "id -u; id -G; pwd; echo $A$B; exit 6"),
            env=("B=2",),
            user="alice",
            working_dir="/tmp",
            attach_stdout=True,
            attach_stderr=True,
        ),
    )
    stream = await host.containers.exec_start(created.id, detach=False)
    assert stream is not None
    assert (await everything(stream)).split() == ["1000", "1000", "10", "/tmp", "12"]
    assert await exit_code(host, created.id) == 6


async def exit_code(host: Host, exec_id: str) -> int:
    await until(lambda: host.containers.exec_get(exec_id).exit_code is not None)
    return host.containers.exec_get(exec_id).exit_code or 0


async def test_exec_stdin_and_terminal(host: Host) -> None:
    """An exec takes stdin to its end, or has a terminal of its own."""
    container = await host.create("sleep", "100")
    await host.containers.start(container.id)
    for tty in (False, True):
        command = ("sh", "-c", "tty; stty size") if tty else ("cat",)
        created = await host.containers.exec_create(
            container.id,
            ExecRequest(command, tty=tty, attach_stdin=True, attach_stdout=True, attach_stderr=True),
        )
        await host.containers.exec_resize(created.id, height=20, width=70)
        stream = await host.containers.exec_start(created.id, detach=False)
        assert stream is not None
        if not tty:
            await stream.write(b"typed")
            await stream.close_stdin()
        output = await everything(stream)
        assert output == "typed" if not tty else "20 70" in output


async def test_failing_exec(host: Host) -> None:
    """An exec of a missing command says so on its stream and has exit code 127; detached, it is refused."""
    container = await host.create("sleep", "100")
    await host.containers.start(container.id)
    created = await host.containers.exec_create(container.id, ExecRequest(("nosuch",), attach_stdout=True))
    stream = await host.containers.exec_start(created.id, detach=False)
    assert stream is not None
    assert "OCI runtime exec failed" in await everything(stream)
    assert await exit_code(host, created.id) == 127
    created = await host.containers.exec_create(container.id, ExecRequest(("nosuch",)))
    with pytest.raises(YurtError, match="executable file not found"):
        await host.containers.exec_start(created.id, detach=True)
    assert (host.settings.run / "containers" / container.id / "rootfs").exists()


async def test_users(host: Host) -> None:
    """A name is looked up in the container's own files, with its groups; an unknown one is refused."""
    assert (await host.run("sh", "-c", "id -u; id -G; echo $HOME", user="alice"))[1].split() == [
        "1000",
        "1000",
        "10",
        "/home/alice",
    ]
    assert (await host.run("id", "-G", user="1234:wheel"))[1].split() == ["10"]
    container = await host.create("id", user="nobody-knows")
    with pytest.raises(InvalidArgument, match="unable to find user nobody-knows"):
        await host.containers.start(container.id)


async def test_working_folder(host: Host) -> None:
    """A working folder that the image lacks is made."""
    assert (await host.run("pwd", working_dir="/made/for/me"))[1] == "/made/for/me\n"


async def test_new_volume_takes_the_images_content(host: Host) -> None:
    """A new, empty named volume gets what the image has at its place, owners too; its content stays."""
    mount = MountRequest("volume", "/data", source="keep")
    with_volume = replace(NO_NETWORK, mounts=(mount,))
    command = ("sh", "-c", "cat /data/seed; stat -c %u:%a /data; echo more >> /data/seed")
    assert (await host.run(*command, host=with_volume))[1].split() == ["seed", "1000:750"]
    assert (await host.run("cat", "/data/seed", host=with_volume))[1].split() == ["seed", "more"]
    await host.volumes.remove("keep")


async def test_anonymous_volumes(host: Host) -> None:
    """A volume that the image declares is made anonymously, and goes with the container when asked."""
    container = await host.create("true", volumes=("/data",))
    (mount,) = container.mounts
    assert (mount.kind, mount.target) == ("volume", "/data")
    assert host.volumes.get(mount.name).anonymous
    with pytest.raises(Conflict):
        await host.volumes.remove(mount.name)
    await host.containers.remove(container.id, volumes=True)
    with pytest.raises(NotFound):
        host.volumes.get(mount.name)


async def test_mounts(host: Host, tmp_path: Path) -> None:
    """Binds and tmpfs are there with their options; a missing source is refused or made."""
    (tmp_path / "file").write_text("from the host\n")
    mounts = (
        MountRequest("bind", "/host", source=str(tmp_path), read_only=True),
        MountRequest("tmpfs", "/scratch", tmpfs_size=1 << 20),
        MountRequest("bind", "/made", source=str(tmp_path / "new" / "folder"), create_source=True),
    )
    code, output = await host.run(
        "sh",
        "-c",
        "cat /host/file; touch /host/x 2>/dev/null || echo ro; grep /scratch /proc/mounts; touch /made/y",
        host=replace(NO_NETWORK, mounts=mounts),
    )
    assert code == 0
    assert "from the host\nro\n" in output
    assert "size=1024k" in output
    assert (tmp_path / "new" / "folder" / "y").exists()
    with pytest.raises(InvalidArgument, match="bind source path does not exist"):
        await host.create(
            "true", host=replace(NO_NETWORK, mounts=(MountRequest("bind", "/x", source="/no/such"),))
        )


async def test_failed_create_leaves_nothing(host: Host) -> None:
    """A create that fails half way has given back its volume, its name and its snapshot."""
    mounts = (MountRequest("volume", "/v", source="fresh"), MountRequest("bind", "/x", source="/no/such"))
    with pytest.raises(InvalidArgument):
        await host.create("true", name="half", host=replace(NO_NETWORK, mounts=mounts))
    with pytest.raises(NotFound):
        host.volumes.get("fresh")
    await host.create("true", name="half")


async def test_read_only(host: Host) -> None:
    """A read-only root refuses writes; /dev/shm takes them."""
    _code, output = await host.run(
        "sh",
        "-c",
        "touch /x 2>&1; touch /dev/shm/x && echo fine",
        host=replace(NO_NETWORK, read_only=True),
    )
    assert "Read-only file system" in output
    assert "fine" in output


async def test_isolation(host: Host) -> None:
    """A container has few capabilities, a system call filter and masked paths; a privileged one has not."""
    script = "grep -E 'CapEff|Seccomp:|NoNewPrivs' /proc/self/status; cat /proc/kcore 2>/dev/null | head -c 1 | wc -c"
    _code, output = await host.run("sh", "-c", script)
    assert "00000000a80425fb" in output
    assert "Seccomp:\t2" in output
    assert output.split()[-1] == "0"
    _code, output = await host.run("sh", "-c", script, host=replace(NO_NETWORK, privileged=True))
    assert "Seccomp:\t0" in output
    assert "00000000a80425fb" not in output
    _code, output = await host.run(
        "sh",
        "-c",
        script,
        host=replace(
            NO_NETWORK, cap_drop=("ALL",), cap_add=("NET_ADMIN",), security_opt=("no-new-privileges",)
        ),
    )
    assert "CapEff:\t0000000000001000" in output
    assert "NoNewPrivs:\t1" in output


async def test_limits(host: Host) -> None:
    """Limits are set where the host can set them; a process beyond its memory is killed, and the state says so."""
    limits = Resources(memory=16 << 20, pids_limit=20, nano_cpus=500_000_000, ulimits=(("nofile", 100, 200),))
    _code, output = await host.run(
        "sh", "-c", "ulimit -n; ulimit -Hn", host=replace(NO_NETWORK, resources=limits)
    )
    assert output.split() == ["100", "200"]
    container = await host.create(
        "sh",
        "-c",
        "head -c 200000000 /dev/zero > /dev/shm/big; exit 9",
        host=replace(NO_NETWORK, resources=limits, shm_size=1 << 30),
    )
    await host.containers.start(container.id)
    after = await host.wait_for(container.id, Status.EXITED)
    assert after.state.oom_killed


async def test_restart_policy(host: Host) -> None:
    """on-failure starts it again as often as allowed; stop ends that."""
    limited = await host.create("false", host=replace(NO_NETWORK, restart=RestartPolicy("on-failure", 2)))
    await host.containers.start(limited.id)
    await until(
        lambda: (
            host.containers.get(limited.id).state.restart_count == 2
            and host.containers.get(limited.id).state.status is Status.EXITED
        )
    )
    endless = await host.create("false", host=replace(NO_NETWORK, restart=RestartPolicy("always")))
    await host.containers.start(endless.id)
    await host.wait_for(endless.id, Status.RESTARTING)
    await host.containers.stop(endless.id)
    await asyncio.sleep(0.5)
    assert host.containers.get(endless.id).state.status is Status.EXITED


async def test_restart(host: Host) -> None:
    """Restart stops and starts it, a --rm one too."""
    container = await host.create("sleep", "100", host=replace(NO_NETWORK, auto_remove=True))
    await host.containers.start(container.id)
    first = host.containers.get(container.id).state
    await host.containers.restart(container.id, timeout=0.1)
    second = host.containers.get(container.id).state
    assert second.status is Status.RUNNING
    assert second.pid != first.pid


async def test_health(host: Host) -> None:
    """A health check makes a container healthy, and unhealthy when it fails often enough."""
    check = Healthcheck(("CMD-SHELL", "test -e /tmp/ok && echo fine"), interval=0.1, timeout=5, retries=2)
    container = await host.create("sleep", "100", healthcheck=check)
    await host.containers.start(container.id)
    assert health(host, container.id) == "starting"
    await wait_health(host, container.id, "unhealthy")
    created = await host.containers.exec_create(container.id, ExecRequest(("touch", "/tmp/ok")))
    await host.containers.exec_start(created.id, detach=True)
    await wait_health(host, container.id, "healthy")
    found = host.containers.get(container.id).state.health
    assert found is not None
    assert found.log[-1].output == "fine\n"
    actions = [event.action for event in host.events.history(since_ns=0)]
    assert "health_status: unhealthy" in actions
    assert "health_status: healthy" in actions


async def test_health_timeout(host: Host) -> None:
    """A health check that hangs fails after its timeout, and its process is killed."""
    check = Healthcheck(("CMD", "sleep", "77"), interval=0.1, timeout=0.5, retries=1)
    container = await host.create("sleep", "100", healthcheck=check)
    await host.containers.start(container.id)
    await wait_health(host, container.id, "unhealthy")
    found = host.containers.get(container.id).state.health
    assert found is not None
    assert found.log[-1].exit_code == -1
    assert "exceeded timeout" in found.log[-1].output


def health(host: Host, ref: str) -> str:
    found = host.containers.get(ref).state.health
    return "" if found is None else found.status


async def wait_health(host: Host, ref: str, status: str) -> None:
    await until(lambda: health(host, ref) == status)


async def test_names(host: Host) -> None:
    """A name is unique, can be changed, and is free again after the removal."""
    first = await host.create("true", name="one")
    with pytest.raises(Conflict, match='The container name "/one" is already in use by container'):
        await host.create("true", name="one")
    await host.containers.rename("one", "two")
    assert host.containers.get("two").id == first.id
    assert host.containers.get(first.id[:10]).name == "two"
    with pytest.raises(NotFound, match="No such container: one"):
        host.containers.get("one")
    with pytest.raises(InvalidArgument, match="Invalid container name"):
        await host.create("true", name="no spaces")


async def test_remove_needs_force(host: Host) -> None:
    """A running container is removed only by force."""
    container = await host.create("sleep", "100", name="busy")
    await host.containers.start(container.id)
    with pytest.raises(Conflict, match='cannot remove container "busy": container is running'):
        await host.containers.remove(container.id)
    await host.containers.remove(container.id, force=True)
    with pytest.raises(NotFound):
        host.containers.get(container.id)


async def test_looking_in(host: Host) -> None:
    """Top lists its processes, stats counts them, size tells what it wrote."""
    container = await host.create("sh", "-c", "head -c 100000 /dev/zero > /big; echo ready; sleep 100")
    await host.containers.start(container.id)
    await host.said(container.id, b"ready\n")
    titles, rows = await host.containers.top(container.id)
    assert "PID" in titles
    assert any("sleep 100" in row[-1] for row in rows)
    samples = [one async for one in host.containers.stats(container.id, stream=False, one_shot=True)]
    assert samples[0]["pids_stats"]["current"] >= 1
    assert samples[0]["memory_stats"]["usage"] > 0
    written, total = await host.containers.size(container.id)
    assert 100_000 <= written < 200_000
    assert total > 1_000_000


async def test_update(host: Host) -> None:
    """New limits hold at once for a running container."""
    container = await host.create("sleep", "100")
    await host.containers.start(container.id)
    await host.containers.update(
        container.id, resources=Resources(memory=64 << 20), restart=RestartPolicy("always")
    )
    samples = [one async for one in host.containers.stats(container.id, stream=False, one_shot=True)]
    assert samples[0]["memory_stats"]["limit"] == 64 << 20
    assert host.containers.get(container.id).host.restart.name == "always"


async def test_network(host: Host) -> None:
    """A container on the default bridge has an address, a hosts file and a resolver; one that joins it has the same."""
    container = await host.create("sleep", "100", name="first", host=HostConfig())
    await host.containers.start(container.id)
    (endpoint,) = host.containers.get(container.id).networks
    code, output = await host.run(
        "sh", "-c", "ip -4 addr show eth0; cat /etc/hosts", host=HostConfig(network_mode="container:first")
    )
    assert code == 0
    assert f"{endpoint.ipv4}/" in output
    code, output = await host.run("cat", "/etc/hosts", "/etc/hostname", hostname="me", host=HostConfig())
    assert "127.0.0.1\tlocalhost" in output
    assert output.splitlines()[-1] == "me"


async def test_events(host: Host) -> None:
    """The life of a container is told with Docker's words and attributes."""
    container = await host.create("sh", "-c", "exit 2", name="told", labels={"tier": "web"})
    waiter = host.containers.waiter(container.id, "next-exit")
    await host.containers.start(container.id)
    await waiter
    await host.containers.remove(container.id)
    events = [event for event in host.events.history(since_ns=0) if event.actor == container.id]
    assert [event.action for event in events] == ["create", "start", "die", "destroy"]
    assert events[2].attributes["exitCode"] == "2"
    assert events[2].attributes["name"] == "told"
    assert events[2].attributes["tier"] == "web"
    assert events[2].attributes["image"] == IMAGE


async def test_hidden(host: Host) -> None:
    """A hidden container runs like another, but is not listed and makes no events."""
    container, _warnings = await host.containers.create(
        CreateRequest(None, ContainerConfig(IMAGE, cmd=("true",)), NO_NETWORK, hidden=True)
    )
    waiter = host.containers.waiter(container.id, "next-exit")
    await host.containers.start(container.id)
    assert (await waiter).exit_code == 0
    assert host.containers.list() == ()
    assert [event for event in host.events.history(since_ns=0) if event.actor == container.id] == []
    await host.containers.remove(container.id)


async def test_many_at_once(host: Host) -> None:
    """Ten containers at the same time get each their own output."""
    results = await asyncio.gather(*(host.run("echo", str(number)) for number in range(10)))
    assert results == [(0, f"{number}\n") for number in range(10)]
