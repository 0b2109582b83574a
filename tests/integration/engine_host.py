"""A yurtd in a throw-away root, as a process of its own; and a look at what it left behind."""

import contextlib
import io
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import docker

from yurt.daemon.config import runtime_folder
from yurt.engine.networks.firewall import tag_of
from yurt.linux.nftables import Nftables

BUSYBOX = Path("/bin/busybox")
IMAGE = "busybox:test"
READY = 60.0  # seconds in which a yurtd must answer


def busybox_image() -> bytes:
    """Return the file system of a busybox image as a tar archive."""
    buffer = io.BytesIO()
    applets = subprocess.run([BUSYBOX, "--list"], check=True, capture_output=True, text=True).stdout.split()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in ("bin", "etc", "tmp", "root", "proc", "sys", "dev"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            tar.addfile(folder)
        tar.add(BUSYBOX, "bin/busybox")
        for applet in applets:
            if applet != "busybox" and "/" not in applet:
                link = tarfile.TarInfo(f"bin/{applet}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(link)
        for path, text in {
            "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/tmp:/bin/sh\n",
            "etc/group": "root:x:0:\nalice:x:1000:\n",
        }.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


class EngineHost:
    """One root and the yurtd on it, which may be ended and started again."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.socket = folder / "yurt.sock"
        self.host = f"unix://{self.socket}"
        self.log = folder / "yurtd.log"
        self.run = runtime_folder(self.root, os.environ)
        self.within: list[str] = []  # a command that runs yurtd as another would be run
        self._process: subprocess.Popen[bytes] | None = None
        self._clients: list[docker.DockerClient] = []

    def __repr__(self) -> str:
        return f"<EngineHost {self.root} pid {self.pid}>"

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    @property
    def cpu_seconds(self) -> float:
        """The processor's time that yurtd has taken so far: says of a start what a busy machine's clock does not."""
        words = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def command(self, *more: str) -> list[str]:
        return [sys.executable, "-m", "yurt.daemon", "--root", str(self.root), "--host", self.host, *more]

    def start(self) -> float:
        """Start yurtd; return the seconds until it answered."""
        begun = time.perf_counter()
        self.launch()
        self._wait_ready()
        return time.perf_counter() - begun

    def _wait_ready(self) -> None:
        begun = time.perf_counter()
        assert self._process is not None
        while not self.answers():
            if self._process.poll() is not None:
                raise AssertionError(f"yurtd ended with {self._process.returncode}:\n{self.tail()}")
            if time.perf_counter() - begun > READY:
                raise AssertionError(f"yurtd does not answer:\n{self.tail()}")
            time.sleep(0.005)

    def launch(self) -> None:
        """Start yurtd, and do not wait until it answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self.within, *self.command("--debug")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,  # Ctrl-C is for the tests, which end it in order
            )

    def answers(self) -> bool:
        """Return whether yurtd answers a ping now."""
        with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
            probe.settimeout(READY)
            probe.connect(str(self.socket))
            probe.sendall(b"GET /_ping HTTP/1.1\r\nHost: yurt\r\nConnection: close\r\n\r\n")
            return probe.recv(15).startswith(b"HTTP/1.1 200")
        return False

    def end(self, number: signal.Signals) -> int:
        """Send a signal and wait; return the exit status. Containers go on."""
        assert self._process is not None
        self._process.send_signal(number)
        status = self._process.wait(timeout=READY)
        self._process = None
        return status

    def kill(self) -> None:
        """kill -9."""
        self.end(signal.SIGKILL)

    def reap(self) -> None:
        """Wait for a yurtd that was killed."""
        assert self._process is not None
        assert self._process.wait(timeout=READY) == -signal.SIGKILL, self.tail()
        self._process = None

    def stop(self) -> None:
        """Let it end in order."""
        assert self.end(signal.SIGTERM) == 0, self.tail()

    def client(self) -> docker.DockerClient:
        client = docker.DockerClient(base_url=self.host, timeout=60)
        self._clients.append(client)
        return client

    def load_busybox(self) -> None:
        self.client().api.import_image_from_data(busybox_image(), repository="busybox", tag="test")

    def tail(self) -> str:
        return "\n".join(self.log.read_text().splitlines()[-40:])

    def dismantle(self) -> None:
        """Remove all containers, end yurtd, and have it take its networks out of the kernel.

        Whatever it was doing: when a test is broken off its engine may have been killed, or be starting.
        """
        if self._process is None or self._process.poll() is not None:
            self.start()
        else:
            self._wait_ready()
        remove_containers(self.client())
        self.stop()
        for open_client in self._clients:
            open_client.close()
        subprocess.run(self.command("--dismantle"), check=True, capture_output=True, timeout=60)

    def leftovers(self) -> list[str]:
        """Return what the kernel still holds for this root; nothing after `dismantle`."""
        places = (str(self.root), str(self.run))
        tag = tag_of(self.root)
        found = [
            f"mount {line.split()[4]}"
            for line in Path("/proc/self/mountinfo").read_text().splitlines()
            if line.split()[4].startswith(places)
        ]
        found += [
            f"interface {name}"
            for name in os.listdir("/sys/class/net")
            if name.startswith((f"yu{tag[:5]}", f"yv{tag[:5]}"))
        ]
        nft = Nftables()
        tables = nft.listing("list tables")
        nft.close()
        found += [
            f"table {entry['table']['name']}"
            for entry in tables
            if "table" in entry and tag in entry["table"]["name"]
        ]
        found += [f"process {pid}: {line}" for pid, line in _processes(places)]
        return found + self._cgroups()

    def _cgroups(self) -> list[str]:
        """Return control groups of containers that this root ever had."""
        ids = {path.name for path in self._container_folders()}
        # os.walk passes over what other engines take away meanwhile; pathlib's glob fails at it.
        return [
            f"cgroup {folder}/{name}"
            for folder, names, _ in os.walk("/sys/fs/cgroup")
            if os.path.basename(folder) == "yurt"
            for name in names
            if name in ids
        ]

    def _container_folders(self) -> list[Path]:
        folder = self.root / "containers"
        return list(folder.iterdir()) if folder.exists() else []

    def destroy(self) -> None:
        """Remove the files."""
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.rmtree(self.run, ignore_errors=True)


def parent_of(pid: int) -> int:
    """Return the number of a process's parent: of a container's first process, its shim."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _processes(places: tuple[str, ...]) -> list[tuple[int, str]]:
    """Return processes whose command line or working folder is below *places*."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdecimal() or int(name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            line = Path(f"/proc/{name}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            folder = os.readlink(f"/proc/{name}/cwd")
            if any(place in line for place in places) or folder.startswith(places):
                found.append((int(name), line or folder))
    return found


def remove_containers(client: docker.DockerClient) -> None:
    """Remove all containers of an engine, running or not; those that go by themselves meanwhile are gone, too."""
    for container in client.containers.list(all=True):
        with contextlib.suppress(docker.errors.APIError):
            container.remove(force=True, v=True)


@contextlib.contextmanager
def having_busybox(name: str, hosts: Iterable[str]) -> Iterator[None]:
    """While entered, each engine of *hosts* has busybox under *name*, ``REPOSITORY:TAG``."""
    repository, _colon, tag = name.rpartition(":")
    for host in hosts:
        with contextlib.closing(docker.DockerClient(base_url=host)) as client:
            client.api.import_image_from_data(busybox_image(), repository=repository, tag=tag)
    yield
    for host in hosts:
        with contextlib.closing(docker.DockerClient(base_url=host)) as client:
            client.images.remove(name, force=True)
