"""What cannot be taken down is told in the log, and keeps nothing else from being taken down."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.integration.engine_host import IMAGE, EngineHost
from tests.integration.footprint import assert_settles, footprint_at_rest, soon

from yurt.client.sync import Client
from yurt.errors import YurtError
from yurt.linux.mount import BindMount, unmount

pytestmark = pytest.mark.root


@pytest.fixture
def host(new_engine: Callable[[], EngineHost]) -> EngineHost:
    return new_engine()


@pytest.fixture
def client(host: EngineHost) -> Iterator[Client]:
    with Client(host.host, timeout=20) as client:
        yield client


def obstruct(path: Path) -> Path:
    """Put a folder that is not empty where the engine keeps a namespace; return what is in it."""
    unmount(path, lazy=True)
    path.unlink()
    path.mkdir()
    (path / "obstacle").touch()
    return path / "obstacle"


def clear(obstacle: Path) -> None:
    obstacle.unlink()
    obstacle.parent.rmdir()


def test_a_network_that_cannot_be_taken_down_keeps_nothing_else(host: EngineHost, client: Client) -> None:
    """The exit is recorded and told, mounts and files go, the port is free; a start says what is in its way."""
    body = {
        "Image": IMAGE,
        "Cmd": ["sleep", "1000"],
        "ExposedPorts": {"80/tcp": {}},
        "HostConfig": {"PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}},
    }
    made = str(client.json("POST", "/containers/create", query={"name": "web"}, json=body)["Id"])
    before = footprint_at_rest(host)
    client.json("POST", "/containers/web/start")
    obstacle = obstruct(host.run / "netns" / made)
    client.json("POST", "/containers/web/stop", query={"t": 0})
    state = client.json("GET", "/containers/web/json")["State"]
    assert state["Status"] == "exited"
    assert "container.sandbox_left" in host.log.read_text()
    assert "Traceback" not in host.log.read_text()
    with pytest.raises(YurtError) as refused:
        client.json("POST", "/containers/web/start")
    assert "cannot start container web" in refused.value.message
    assert made in refused.value.message
    assert client.json("GET", "/containers/web/json")["State"]["Status"] == "exited"
    clear(obstacle)
    assert_settles(host, before, ignoring=("files",))
    client.json("POST", "/containers/web/start")
    assert client.json("GET", "/containers/web/json")["State"]["Running"]


def test_what_a_killed_exec_left_goes_with_the_container(host: EngineHost, client: Client) -> None:
    """runc mounts itself beside its state for a moment of each exec, and may be killed in it."""
    before = footprint_at_rest(host)
    body = {"Image": IMAGE, "Cmd": ["sleep", "1000"], "HostConfig": {"NetworkMode": "none"}}
    made = str(client.json("POST", "/containers/create", query={"name": "web"}, json=body)["Id"])
    client.json("POST", "/containers/web/start")
    itself = host.run / "runtime" / made / "runc.AbCdEf"
    itself.touch()
    BindMount(Path("/bin/true"), itself).execute()
    client.json("DELETE", "/containers/web", query={"force": True})
    assert_settles(host, before)


def test_an_engine_starts_whatever_is_in_the_way_of_a_container(host: EngineHost, client: Client) -> None:
    """A container that cannot be restored is logged; the engine and the other containers are there."""
    ids = {}
    for name in ("broken", "whole"):
        body = {"Image": IMAGE, "Cmd": ["sleep", "1000"]}
        ids[name] = str(client.json("POST", "/containers/create", query={"name": name}, json=body)["Id"])
        client.json("POST", f"/containers/{name}/start")
    obstacle = obstruct(host.run / "netns" / ids["broken"])
    host.kill()
    host.start()
    assert client.json("GET", "/containers/whole/json")["State"]["Running"]
    client.json("DELETE", "/containers/broken", query={"force": True})
    clear(obstacle)
    assert soon(lambda: not os.path.exists(host.root / "containers" / ids["broken"]))
