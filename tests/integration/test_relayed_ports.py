"""Ports that are published on the host's IPv6 addresses, ::1 among them, for containers with IPv4 alone."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import APIError
from tests.conftest import Needs
from tests.integration.engine_host import IMAGE, EngineHost
from tests.integration.throwaway import SLEEP, until

from yurt.client.sync import Client

pytestmark = [
    pytest.mark.root,
    # docker-py leaves the connection of an engine that was killed to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]
SERVE = ["nc", "-ll", "-p", "80", "-e", "echo", "well"]
ECHO = """
import socket
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("0.0.0.0", 5353))
while True:
    data, peer = sock.recvfrom(100)
    sock.sendto(data, peer)
"""
BIG = 3 << 20


@pytest.fixture(autouse=True)
def _needs_ipv6(needs: Needs) -> None:
    needs.file("/proc/net/if_inet6")


def fetched(address: str, port: int) -> bytes:
    """Return what is said at a port; b"" when nothing is."""
    with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=5) as sock:
        return b"".join(iter(lambda: sock.recv(1 << 16), b""))
    return b""


def ports_of(container: Any, port: str) -> list[tuple[str, int]]:
    container.reload()
    return [(one["HostIp"], int(one["HostPort"])) for one in container.ports.get(port) or ()]


def is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET6) as probe, contextlib.suppress(OSError):
        probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # past connections that linger
        probe.bind(("::", port))
        probe.listen()
        return True
    return False


def test_a_port_answers_in_both_families(client: docker.DockerClient) -> None:
    """One without an address on both, as Docker lists it; one on [::1] just there; one on 0.0.0.0 not on ::1."""
    web = client.containers.run(
        IMAGE, SERVE, ports={"80/tcp": [None, ("::1", None), ("0.0.0.0", None)]}, detach=True
    )
    (any4, port), (any6, same), (one6, six), (only4, four) = ports_of(web, "80/tcp")
    assert (any4, any6, one6, only4) == ("0.0.0.0", "::", "::1", "0.0.0.0")
    assert port == same
    until(lambda: fetched("127.0.0.1", port) == b"well\n")
    assert fetched("::1", port) == b"well\n"
    assert fetched("::1", six) == b"well\n"
    assert fetched("127.0.0.1", six) == b""
    assert fetched("127.0.0.1", four) == b"well\n"
    assert fetched("::1", four) == b""
    listed = next(one for one in client.api.containers() if one["Id"] == web.id)["Ports"]
    assert {"IP": "::", "PrivatePort": 80, "PublicPort": port, "Type": "tcp"} in listed


def test_much_goes_both_ways(client: docker.DockerClient) -> None:
    """Byte by byte, and an end that is told while the other side still has something to say."""
    count = ["nc", "-l", "-p", "80", "-e", "sh", "-c", f"wc -c; head -c {BIG} /dev/zero"]
    web = client.containers.run(IMAGE, count, ports={"80/tcp": ("::1", None)}, detach=True)
    ((_address, port),) = ports_of(web, "80/tcp")
    until(lambda: b":0050" in Path(f"/proc/{web.attrs['State']['Pid']}/net/tcp6").read_bytes() + Path(f"/proc/{web.attrs['State']['Pid']}/net/tcp").read_bytes())  # fmt: skip
    with socket.create_connection(("::1", port), timeout=20) as sock:
        sock.sendall(bytes(BIG))
        sock.shutdown(socket.SHUT_WR)
        got = b"".join(iter(lambda: sock.recv(1 << 16), b""))
    assert got == f"{BIG}\n".encode() + bytes(BIG)


def test_datagrams_find_their_way(client: docker.DockerClient) -> None:
    """UDP too."""
    dns = client.containers.run(IMAGE, SLEEP, ports={"5353/udp": ("::1", None)}, detach=True)
    ((_address, port),) = ports_of(dns, "5353/udp")
    within = ["nsenter", "--net", "--target", str(dns.attrs["State"]["Pid"]), sys.executable, "-c", ECHO]
    with (
        subprocess.Popen(within) as server,
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as asking,
    ):
        asking.settimeout(0.2)
        asking.connect(("::1", port))

        def answered() -> bool:
            with contextlib.suppress(OSError):
                asking.send(b"ping")
                return asking.recv(10) == b"ping"
            return False

        try:
            until(answered)
        finally:
            server.terminate()


def test_a_taken_port_is_refused_in_dockers_words(client: docker.DockerClient) -> None:
    """Whoever has it: another container, or a program of the host."""
    first = client.containers.run(IMAGE, SLEEP, ports={"80/tcp": ("::1", None)}, detach=True)
    ((_address, port),) = ports_of(first, "80/tcp")
    with pytest.raises(APIError, match=rf"Bind for \[::1\]:{port} failed: port is already allocated"):
        client.containers.run(IMAGE, SLEEP, ports={"80/tcp": ("::1", port)}, detach=True)
    with pytest.raises(APIError, match=rf"Bind for \[::\]:{port} failed: port is already allocated"):
        client.containers.run(IMAGE, SLEEP, ports={"80/tcp": port}, detach=True)
    first.remove(force=True)
    assert is_free(port)


def test_a_restart_has_the_same_ports(client: docker.DockerClient) -> None:
    """At once, though a connection was open: they are free before anyone hears of the end."""
    web = client.containers.run(IMAGE, SERVE, ports={"80/tcp": None}, detach=True)
    port = ports_of(web, "80/tcp")[1][1]
    web.stop(timeout=0)
    web = client.containers.run(IMAGE, SERVE, ports={"80/tcp": port}, detach=True)
    until(lambda: fetched("::1", port) == b"well\n")
    with socket.create_connection(("::1", port), timeout=20):
        web.restart(timeout=0)
    until(lambda: fetched("::1", port) == b"well\n")
    web.kill()
    web.wait()
    assert is_free(port)


class Talk:
    """An engine with a container that echoes, on a port of both families."""

    def __init__(self, host: EngineHost) -> None:
        self.host = host
        self.web = self.run("web", ports={"80/tcp": None})
        self.ports = ports_of(self.web, "80/tcp")
        self.port = self.ports[0][1]

    def run(self, name: str, **more: Any) -> Any:
        talk = ["nc", "-ll", "-p", "80", "-e", "cat"]
        return self.host.client().containers.run(IMAGE, talk, name=name, detach=True, **more)

    def relay(self) -> int:
        """Return the process number of the engine's relay."""
        for folder in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                if (folder / "fd" / "2").readlink() == self.host.run / "relay.log":
                    return int(folder.name)
        return 0

    def talks(self) -> bool:
        with contextlib.suppress(OSError), self.connected() as sock:
            return echo(sock) == b"word"
        return False

    def connected(self) -> socket.socket:
        return socket.create_connection(("::1", self.port), timeout=20)


def echo(sock: socket.socket) -> bytes:
    sock.sendall(b"word")
    return sock.recv(4)


@pytest.fixture
def talk(new_engine: Callable[[], EngineHost]) -> Talk:
    made = Talk(new_engine())
    until(made.talks)
    return made


def test_it_outlives_the_engine(talk: Talk) -> None:
    """kill -9 of the engine interrupts no connection; an engine after it has the ports again; of a container that has
    ended meanwhile they are free; a lost relay is replaced; the last one ends with the engine."""
    host = talk.host
    with talk.connected() as sock:
        host.kill()
        assert echo(sock) == b"word"
        assert talk.talks()
        host.start()
        assert echo(sock) == b"word"
    again = host.client().containers.get("web")
    assert ports_of(again, "80/tcp") == talk.ports
    lost = talk.relay()
    os.kill(lost, signal.SIGKILL)
    until(talk.talks)
    assert talk.relay() not in (0, lost)
    host.kill()
    os.kill(again.attrs["State"]["Pid"], signal.SIGKILL)
    until(lambda: is_gone(again.attrs["State"]["Pid"]))
    host.start()
    assert host.client().containers.get("web").status == "exited"
    until(lambda: is_free(talk.port))
    assert talk.relay()
    host.stop()
    until(lambda: not talk.relay())
    host.start()


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def test_a_takeover_refuses_nobody(talk: Talk) -> None:
    """Who connects meanwhile is answered by one or the other; what was connected stays; kill -9 changes nothing."""
    host = talk.host
    new = talk.run("new")
    refused: list[str] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            for family in ("::1", "127.0.0.1"):
                try:
                    with socket.create_connection((family, talk.port), timeout=20) as sock:
                        if echo(sock) != b"word":
                            refused.append(f"{family}: hung up")
                except OSError as error:
                    refused.append(f"{family}: {error}")

    with talk.connected() as before:
        assert echo(before) == b"word"
        asking = threading.Thread(target=ask)
        asking.start()
        try:
            body = {"Of": "web", "PortBindings": {"80/tcp": [{"HostPort": str(talk.port)}]}, "Aliases": {}}
            with contextlib.closing(Client(host.host)) as ours:
                ours.request("POST", "/yurt/containers/new/succeed", json=body).read()
        finally:
            done.wait(0.1)
            done.set()
            asking.join()
        assert refused == []
        assert echo(before) == b"word"
    host.kill()
    host.start()
    assert ports_of(host.client().containers.get("web"), "80/tcp") == []
    assert ports_of(host.client().containers.get("new"), "80/tcp") == talk.ports
    host.client().containers.get("web").remove(force=True)
    assert talk.talks()
    assert host.client().containers.get(new.id).status == "running"
