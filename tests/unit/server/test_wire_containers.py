"""Containers to the wire."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from yurt.api.types import containers as wire
from yurt.engine.containers.model import (
    Container,
    ContainerConfig,
    ContainerFiles,
    Health,
    HostConfig,
    State,
    Status,
)
from yurt.engine.networks.model import Endpoint, EndpointRequest, PortBinding
from yurt.server.call import decode
from yurt.server.wire import containers as translate
from yurt.server.wire import create

SECOND = 1_000_000_000
NOW = 1_795_503_129 * SECOND


def a_container(**changes: Any) -> Container:
    container = Container(
        id="c" * 64,
        name="web",
        created_ns=NOW,
        image_id="sha256:" + "1" * 64,
        config=ContainerConfig(image="shop:1", env=("A=b",), cmd=("sleep", "10"), exposed_ports=("80/tcp",)),
        host=HostConfig(network_mode="front", ports=(PortBinding(80, host_port=8000),)),
        endpoints=(EndpointRequest("front", aliases=("www",)),),
        path="sleep",
        args=("10", "a b"),
    )
    return replace(container, **changes)


def running(**state: Any) -> Container:
    endpoint = Endpoint(
        "e" * 64, "n" * 64, "front", ("www",), "10.0.0.2", 16, "10.0.0.1", "02:42:0a:00:00:02", "eth0"
    )
    return a_container(
        state=State(Status.RUNNING, pid=7, started_ns=NOW, **state),
        networks=(endpoint,),
        ports=(PortBinding(80, host_ip="0.0.0.0", host_port=8000),),
    )


def inspected(container: Container) -> Any:
    answer = translate.inspect(
        container, network_id=lambda name: "id of " + name, isolation="x", files=ContainerFiles({}, None, "")
    )
    return msgspec.json.decode(msgspec.json.encode(answer))


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (State(), "Created"),
        (State(Status.RUNNING, started_ns=NOW - 3 * SECOND), "Up 3 seconds"),
        (State(Status.RUNNING, started_ns=NOW - SECOND, health=Health()), "Up 1 second (health: starting)"),
        (State(Status.RUNNING, started_ns=NOW, health=Health("healthy")), "Up Less than a second (healthy)"),
        (State(Status.PAUSED, started_ns=NOW - 60 * SECOND), "Up About a minute (Paused)"),
        (State(Status.EXITED, exit_code=3, finished_ns=NOW - 120 * SECOND), "Exited (3) 2 minutes ago"),
        (State(Status.RESTARTING, exit_code=1, finished_ns=NOW - SECOND), "Restarting (1) 1 second ago"),
        (State(Status.DEAD), "Dead"),
    ],
)
def test_the_status_is_a_sentence(state: State, words: str) -> None:
    """`docker ps` shows it as it is."""
    assert translate.status(state, now_ns=NOW) == words


def test_inspect_of_a_running_container() -> None:
    """Addresses, ports and process are told while it runs."""
    answer = inspected(running())
    assert answer["Name"] == "/web"
    assert answer["State"]["Running"] is True
    assert answer["State"]["FinishedAt"] == "0001-01-01T00:00:00Z"
    assert "Health" not in answer["State"]
    assert answer["NetworkSettings"]["Ports"] == {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8000"}]}
    front = answer["NetworkSettings"]["Networks"]["front"]
    assert (front["NetworkID"], front["IPAddress"], front["Aliases"]) == ("n" * 64, "10.0.0.2", ["www"])


def test_a_stopped_container_keeps_its_networks_ids() -> None:
    """Compose recognises by them that nothing has to be made anew."""
    answer = inspected(a_container())
    assert answer["NetworkSettings"]["Networks"]["front"]["NetworkID"] == "id of front"
    assert answer["NetworkSettings"]["Networks"]["front"]["IPAddress"] == ""
    assert answer["NetworkSettings"]["Ports"] == {}


def test_what_inspect_shows_makes_the_same_container() -> None:
    """Config and HostConfig of inspect, sent to create, ask for the same again."""
    container = a_container(
        config=replace(
            a_container().config, entrypoint=("init",), stop_signal="INT", stop_timeout=3, tty=True
        )
    )
    answer = inspected(container)
    body = answer["Config"] | {"HostConfig": answer["HostConfig"]}
    request = create.request(decode(msgspec.json.encode(body), wire.CreateContainer), name="web")
    assert replace(request.config, hostname="") == container.config
    unsaid: dict[str, Any] = {
        "masked_paths": None,
        "readonly_paths": None,
        "runtime": "",
        "ipc_mode": "",
        "cgroupns_mode": "",
    }
    assert replace(request.host, **unsaid) == container.host


def test_the_list_quotes_words_with_spaces() -> None:
    """So that the command can be read, and pasted."""
    entry = translate.summary(
        running(), network_id=lambda name: name, image_name=lambda one: one.config.image, now_ns=NOW
    )
    assert entry.command == "sleep 10 'a b'"
    assert entry.state == "running"
    assert msgspec.json.decode(msgspec.json.encode(entry.ports)) == [
        {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8000, "Type": "tcp"}
    ]
