"""Yurt's own call by which a running container takes over ports and names from another (docs/adr/0018)."""

import re
import socket
from collections.abc import Callable
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from tests.integration.engine_host import EngineHost

from yurt.client.sync import Client
from yurt.errors import Conflict, InvalidArgument, NotFound

pytestmark = [
    pytest.mark.root,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]
IMAGE = "busybox:test"
SERVE = "mkdir -p /w; echo {} > /w/index.html; exec httpd -f -p {} -h /w"


class Stage:
    """An engine with a network, on which containers serve their name."""

    def __init__(self, host: EngineHost) -> None:
        self.host = host
        self.client = Client(host.host)
        self.client.json("POST", "/networks/create", json={"Name": "front"})

    def serve(self, name: str, port: int = 80, **host: object) -> str:
        """Start a container that answers with its name, and wait until it does; returns its ID."""
        aliases = host.pop("aliases", [])
        body = {
            "Image": IMAGE,
            "Cmd": ["sh", "-c", SERVE.format(name, port)],
            "HostConfig": {"NetworkMode": "front", **host},
            "NetworkingConfig": {"EndpointsConfig": {"front": {"Aliases": aliases}}},
        }
        created = self.client.json("POST", "/containers/create", query={"name": name}, json=body)
        identifier = str(created["Id"])
        self.client.request("POST", f"/containers/{identifier}/start").read()
        self.run(name, f"until wget -qO- http://127.0.0.1:{port}/; do sleep 0.05; done")
        return identifier

    def run(self, name: str, script: str) -> str:
        made = self.client.json(
            "POST",
            f"/containers/{name}/exec",
            json={"Cmd": ["sh", "-c", script], "AttachStdout": True, "Tty": True},
        )
        with self.client.hijack("POST", f"/exec/{made['Id']}/start", json={"Tty": True}) as stream:
            output = b""
            while data := stream.recv():
                output += data
        return output.decode()

    def succeed(self, new: str, old: str, ports: object, aliases: object) -> None:
        body = {"Of": old, "PortBindings": ports, "Aliases": aliases}
        self.client.request("POST", f"/yurt/containers/{new}/succeed", json=body).read()

    def answer(self, port: int) -> str:
        try:
            with urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
                return str(answer.read().decode()).strip()
        except (URLError, OSError):
            return ""


def free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


def binding(port: int) -> dict[str, list[dict[str, str]]]:
    return {"80/tcp": [{"HostIp": "", "HostPort": str(port)}]}


def test_ports_and_names_move(new_engine: Callable[[], EngineHost]) -> None:
    """They lead to the successor, also after the engine was killed and after the predecessor has ended."""
    stage = Stage(new_engine())
    kept, given_up, taken = free_ports(3)
    both = {"80/tcp": [{"HostPort": str(kept)}, {"HostPort": str(given_up)}]}
    stage.serve("old", PortBindings=both, aliases=["web"])
    stage.serve("new", 8080)
    stage.serve("asker")
    wanted = {"8080/tcp": [{"HostPort": str(kept)}, {"HostPort": str(taken)}]}
    stage.succeed("new", "old", wanted, {"front": ["web"]})

    def holds() -> None:
        assert [stage.answer(port) for port in (kept, taken)] == ["new", "new"]
        assert "new" in stage.run("asker", "wget -qO- http://web:8080/")
        shown = stage.client.json("GET", "/containers/new/json")
        assert {each["HostPort"] for each in shown["NetworkSettings"]["Ports"]["8080/tcp"]} == {
            str(kept),
            str(taken),
        }
        assert "web" in shown["NetworkSettings"]["Networks"]["front"]["Aliases"]

    holds()
    assert stage.answer(given_up) == "old"
    stage.host.kill()
    stage.host.start()
    holds()
    assert stage.answer(given_up) == "old"
    stage.client.request("POST", "/containers/old/stop", query={"t": "0"}).read()
    holds()
    assert stage.answer(given_up) == ""
    stage.client.request("POST", "/containers/new/restart", query={"t": "0"}).read()
    stage.run("new", "until wget -qO- http://127.0.0.1:8080/; do sleep 0.05; done")
    holds()
    stage.client.request("POST", "/containers/old/start").read()
    stage.run("old", "until wget -qO- http://127.0.0.1:80/; do sleep 0.05; done")
    holds()
    assert stage.answer(given_up) == "old"


def test_refusals(new_engine: Callable[[], EngineHost]) -> None:
    """What can't be is refused with a sentence, and the predecessor keeps what it has."""
    stage = Stage(new_engine())
    port, other = free_ports(2)
    stage.serve("old", PortBindings=binding(port), aliases=["web"])
    stage.serve("new", 80)
    with socket.create_server(("127.0.0.1", other)):
        wanted = {"80/tcp": [{"HostPort": str(port)}, {"HostPort": str(other)}]}
        with pytest.raises(Conflict, match="port is already allocated"):
            stage.succeed("new", "old", wanted, {"front": ["web"]})
    assert stage.answer(port) == "old"
    with pytest.raises(InvalidArgument, match="can't succeed itself"):
        stage.succeed("new", "new", {}, {})
    with pytest.raises(NotFound, match=re.escape("No such container: none")):
        stage.succeed("new", "none", {}, {})
    stage.succeed("new", "old", binding(port), {"front": ["web"]})
    with pytest.raises(Conflict, match="new publishes ports already"):
        stage.succeed("new", "old", binding(port), {})
    stage.client.request("POST", "/containers/old/stop", query={"t": "0"}).read()
    with pytest.raises(Conflict, match="container old is not running"):
        stage.succeed("new", "old", {}, {})
    assert stage.answer(port) == "new"
