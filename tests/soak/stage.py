"""The engine that is soaked, on a bounded disk of its own, with a registry beside it."""

import http.client
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import docker
from tests.e2e.cli_host import CommandLine
from tests.integration.small_disk import SmallDisk
from tests.soak.rules import CommandFailed

from yurt.cli import engine_stop
from yurt.client.sync import Client

DISK = 768  # MiB
KEPT = "kept"  # a network that is always there
PATIENCE = 60.0  # seconds in which every request must be answered


class Stage:
    """A root, its yurtd, and clients of it. Made by `open`, ended by `close`."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="yurt-soak-", ignore_cleanup_errors=True)
        self.folder = Path(self._folder.name)
        self.small = SmallDisk(self.folder, size=DISK)
        self.host = self.small.host
        self.registry = f"127.0.0.1:{_free_port()}"
        self._registry: subprocess.Popen[bytes] | None = None
        self._restarted = 0  # pid of an engine that `yurt system restart` has started
        self._command = CommandLine(self.host.host)
        self.client = Client(self.host.host, timeout=PATIENCE)

    @property
    def pid(self) -> int:
        return self._restarted or self.host.pid

    def open(self) -> None:
        self.host.start()
        self.host.load_busybox()
        # What stays is no leak: a lock and the engine's id from the first restart, and the rules for IPv6, which
        # an engine has for as long as it has a network that needs them. So there is always one.
        self.restart()
        self.yurt("network", "create", "--ipv6", KEPT)
        config = self.folder / "registry.yml"
        config.write_text(
            f"version: 0.1\nlog: {{level: error}}\nhttp: {{addr: {self.registry}}}\n"
            f"storage: {{filesystem: {{rootdirectory: {self.folder}/registry}}, delete: {{enabled: true}}}}\n"
        )
        with (self.folder / "registry.log").open("wb") as log:
            self._registry = subprocess.Popen(
                ["docker-registry", "serve", config], stdout=log, stderr=log, process_group=0
            )

    def close(self, *, keep: bool) -> None:
        """End the registry, and the engine with all of its containers; *keep* it instead for a look."""
        self.client.close()
        if self._registry is not None:
            self._registry.terminate()
            self._registry.wait()
        if keep:
            self._folder._finalizer.detach()  # type: ignore[attr-defined]
            return
        self.small.free()
        self._end(signal.SIGTERM)
        self.host.dismantle()
        left = self.host.leftovers()
        self.small.destroy()
        self._folder.cleanup()
        assert left == [], left

    # ---------------------------------------------------------------- ending and starting the engine

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def terminate(self) -> None:
        self._end(signal.SIGTERM)

    def start(self) -> float:
        """Start the next engine; return the seconds until it answered."""
        return self.host.start()

    def restart(self) -> None:
        """`yurt system restart`."""
        before = self.host.pid
        self.yurt("system", "restart")
        self._restarted = engine_stop.listener(str(self.host.socket))
        if before:
            self.host.end(signal.SIGCONT)  # it has ended: only its status is to be taken

    def log(self) -> list[str]:
        """Return what all engines so far said, in its order: those of `yurt system restart` have a log of their own."""
        lines: list[str] = []
        for path in (self.host.log, self.host.root / "yurtd.log"):
            if path.exists():
                lines += path.read_text(errors="replace").splitlines()
        return [line for _when, line in _by_time(lines)]

    def _end(self, number: signal.Signals) -> None:
        if not self._restarted:
            self.host.end(number)
            return
        watched = os.pidfd_open(self._restarted)
        try:
            os.kill(self._restarted, number)
            deadline = time.monotonic() + PATIENCE
            while Path(f"/proc/{self._restarted}/exe").exists() and time.monotonic() < deadline:
                time.sleep(0.01)
        finally:
            os.close(watched)
        self._restarted = 0

    # ---------------------------------------------------------------- ways to ask

    def docker_py(self) -> docker.DockerClient:
        return docker.DockerClient(base_url=self.host.host, timeout=int(PATIENCE))

    def yurt(self, *words: str) -> str:
        return self._checked(words, self._command(*words, timeout=PATIENCE))

    def docker(self, *words: str) -> str:
        return self._checked(("docker", *words), self._command(*words, program="docker", timeout=PATIENCE))

    def _checked(self, words: tuple[str, ...], done: object) -> str:
        code, out, err = done.code, done.out, done.err  # type: ignore[attr-defined]
        if code:
            raise CommandFailed(words, code, err + out)
        return str(out)


def fetched(port: int) -> str:
    """Return what the container behind a published *port* serves; raises OSError."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/index.html")
        return connection.getresponse().read().decode().strip()
    except http.client.HTTPException as cut:
        raise ConnectionError(str(cut)) from cut
    finally:
        connection.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Gate:
    """Lets workers through until it is closed; `closed` waits until all are outside."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._inside = 0
        self._open = True

    def enter(self) -> bool:
        """Wait until it is open and go in."""
        with self._condition:
            self._condition.wait_for(lambda: self._open)
            self._inside += 1
        return True

    def leave(self) -> None:
        with self._condition:
            self._inside -= 1
            self._condition.notify_all()

    def close(self, patience: float) -> bool:
        """Let nobody in; return whether all came out within *patience* seconds."""
        with self._condition:
            self._open = False
            return self._condition.wait_for(lambda: self._inside == 0, patience)

    def open(self) -> None:
        with self._condition:
            self._open = True
            self._condition.notify_all()


def _by_time(lines: list[str]) -> list[tuple[str, str]]:
    """Sort lines by the times with which they begin; what has none, such as a traceback, stays below its line."""
    found: list[tuple[str, str]] = []
    for line in lines:
        when = line.split(" ", 1)[0]
        found.append((when if when[:2] == "20" else found[-1][0] if found else "", line))
    return sorted(found, key=lambda pair: pair[0])
