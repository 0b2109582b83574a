"""Shims and their zygote, with a shell script for a runtime: it starts the process in the background and leaves."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from yurt.linux.shims import Exited, Failed, ShimConnection, Shims, Started, dial
from yurt.shim.monitor import Request

RUNTIME = "exec 3<&0; {{ {command}; }} <&3 & echo $! > pid"


@pytest.fixture
async def shims(tmp_path: Path) -> AsyncIterator[Shims]:
    started = Shims(tmp_path)
    yield started
    started.close()


def request(folder: Path, command: str, *, script: str = RUNTIME, **fields: object) -> Request:
    folder.mkdir()
    return Request(
        directory=str(folder),
        argv=["sh", "-c", script.format(command=command)],
        log=str(folder / "log"),
        exit_file=str(folder / "exit.json"),
        **fields,  # type: ignore[arg-type]
    )


async def read_all(sock: socket.socket) -> bytes:
    loop = asyncio.get_running_loop()
    sock.setblocking(False)
    data = b""
    with sock:
        while piece := await loop.sock_recv(sock, 65536):
            data += piece
    return data


async def ended(shim: ShimConnection) -> Exited:
    exited = await asyncio.wait_for(shim.exited, 20)
    shim.close()
    assert exited is not None
    return exited


async def test_exit_and_output(shims: Shims, tmp_path: Path) -> None:
    """Exit code, log and the stream attached before the start tell the same."""
    ours, theirs = socket.socketpair()
    wish = {"stdin": False, "stdout": True, "stderr": True}
    shim = shims.spawn(request(tmp_path / "c", "sleep 0.2; echo out; exit 3", attach=[wish]), [theirs])
    started = await shim.started
    assert isinstance(started, Started)
    exited = await ended(shim)
    assert (exited.code, exited.oom_killed) == (3, False)
    assert await read_all(ours) == b"\x01\0\0\0\0\0\0\x04out\n"
    assert (tmp_path / "c" / "log").read_bytes() == b"out\n"
    assert json.loads((tmp_path / "c" / "exit.json").read_text())["code"] == 3


async def test_signal(shims: Shims, tmp_path: Path) -> None:
    """A process ended by a signal has 128 and its number."""
    shim = shims.spawn(request(tmp_path / "c", "exec sleep 100"))
    await shim.started
    shim.kill(15)
    assert (await ended(shim)).code == 143


async def test_failed_start(shims: Shims, tmp_path: Path) -> None:
    """A runtime that fails gives its error, no exit, and leaves no output in the log."""
    shim = shims.spawn(request(tmp_path / "c", "", script="echo noise; echo it broke >&2; exit 1"))
    assert await shim.started == Failed("it broke")
    assert await shim.exited is None
    assert (tmp_path / "c" / "log").read_bytes() == b""
    shim.close()


async def test_error_from_the_runtimes_log(shims: Shims, tmp_path: Path) -> None:
    """The last error in the runtime's log is the reason."""
    script = """echo '{{"level":"error","msg":"the reason"}}' > runtime.log; exit 1"""
    shim = shims.spawn(request(tmp_path / "c", "", script=script))
    assert await shim.started == Failed("the reason")
    shim.close()


async def test_missing_runtime(shims: Shims, tmp_path: Path) -> None:
    """A runtime that is not there fails the start."""
    (tmp_path / "c").mkdir()
    shim = shims.spawn(Request(directory=str(tmp_path / "c"), argv=["/no/such/runtime"]))
    outcome = await shim.started
    assert isinstance(outcome, Failed)
    assert "/no/such/runtime" in outcome.error
    shim.close()


async def test_late_listener(shims: Shims, tmp_path: Path) -> None:
    """Who connects later is told that it runs, and of the exit."""
    shim = shims.spawn(request(tmp_path / "c", "read line; exit 5", open_stdin=True, stdin_once=True))
    await shim.started
    shim.close()
    again = Shims.connect(tmp_path / "c")
    assert again is not None
    assert isinstance(await again.started, Started)
    again.kill(9)
    assert (await ended(again)).code == 137
    await asyncio.sleep(0.1)
    assert Shims.connect(tmp_path / "c") is None


async def test_shims_outlive_the_zygote(tmp_path: Path) -> None:
    """Closing ends the zygote only; a new one serves on."""
    first = Shims(tmp_path)
    shim = first.spawn(request(tmp_path / "c", "read line; echo $line", open_stdin=True, stdin_once=True))
    await shim.started
    shim.close()
    first.close()
    again = Shims.connect(tmp_path / "c")
    assert again is not None
    again.kill(9)
    assert (await ended(again)).code == 137


async def test_a_zygote_that_was_killed_is_waited_for(shims: Shims, tmp_path: Path) -> None:
    """It does not stay a zombie until the next start, which has another one."""
    shims.warm()
    zygote = int(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()[-1])
    os.kill(zygote, signal.SIGKILL)
    for _moment in range(2000):
        if not Path(f"/proc/{zygote}").exists():
            break
        await asyncio.sleep(0.01)
    assert not Path(f"/proc/{zygote}").exists()
    assert (await ended(shims.spawn(request(tmp_path / "c", "exit 3")))).code == 3


async def test_long_path(shims: Shims, tmp_path: Path) -> None:
    """A folder whose path is longer than a socket's address may be still works."""
    folder = tmp_path / ("x" * 120)
    shim = shims.spawn(request(folder, "sleep 0.2"))
    assert (await ended(shim)).code == 0


async def test_runtime_that_reaps(shims: Shims, tmp_path: Path) -> None:
    """When the exit status went with the runtime, the exit is told all the same, as unknown."""
    shim = shims.spawn(request(tmp_path / "c", "", script="true & echo $! > pid; wait"))
    assert (await ended(shim)).code == 255


async def test_many_clients(shims: Shims, tmp_path: Path) -> None:
    """Each attached client gets all of the output, whatever the others do."""
    pairs = [socket.socketpair() for _ in range(3)]
    wish = {"stdin": False, "stdout": True, "stderr": True}
    shim = shims.spawn(
        request(tmp_path / "c", "seq 1 50000; sleep 0.2", attach=[wish] * 3),
        [theirs for _ours, theirs in pairs],
    )
    assert (await ended(shim)).code == 0
    outputs = [await read_all(ours) for ours, _theirs in pairs]
    assert len(set(outputs)) == 1
    assert outputs[0].count(b"\n") >= 50000
    os.stat(tmp_path / "c" / "exit.json")


def test_dial_as_a_shim_ends(tmp_path: Path) -> None:
    """A shim whose socket goes at any moment of a greeting is no shim, never an error."""
    path = str(tmp_path / "shim.sock")
    over = threading.Event()

    def come_and_go() -> None:
        while not over.is_set():
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
                listener.bind(path)
                listener.listen()
            os.unlink(path)

    other = threading.Thread(target=come_and_go)
    other.start()
    try:
        met = attempts = 0
        deadline = time.monotonic() + 60  # on a busy machine it may take many until one is met
        while attempts < 5000 or (not met and time.monotonic() < deadline):
            attempts += 1
            # On a busy machine the other thread may rest while it listens, until its queue is full.
            with contextlib.suppress(BlockingIOError):
                if (sock := dial(tmp_path, b"hello")) is not None:
                    met += 1
                    sock.close()
    finally:
        over.set()
        other.join()
    assert met
