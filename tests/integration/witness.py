"""A container that counts, and goes on through whatever happens to its engine: nothing that it says may be lost."""

import os

from tests.integration.engine_host import IMAGE, EngineHost

from yurt.client.sync import Client

COUNTING = ["sh", "-c", "i=0; while :; do echo $i; i=$((i+1)); sleep 0.02; done"]


def counted(host: EngineHost, name: str) -> list[int]:
    with (
        Client(host.host, timeout=20) as client,
        client.request("GET", f"/containers/{name}/logs", query={"stdout": True}) as answer,
    ):
        return [int(line) for line in unframed(answer.read()).split()]


def unframed(data: bytes) -> bytes:
    """Return what frames of Docker's stream hold."""
    pieces = []
    while data:
        length = int.from_bytes(data[4:8])
        pieces.append(data[8 : 8 + length])
        data = data[8 + length :]
    return b"".join(pieces)


def start_witness(host: EngineHost) -> int:
    """Start a container that counts and goes on through everything; return its process."""
    with Client(host.host, timeout=20) as client:
        body = {"Image": IMAGE, "Cmd": COUNTING, "HostConfig": {"NetworkMode": "bridge"}}
        client.json("POST", "/containers/create", query={"name": "witness"}, json=body)
        client.json("POST", "/containers/witness/start")
        return int(client.json("GET", "/containers/witness/json")["State"]["Pid"])


def witness_is_whole(host: EngineHost, pid: int) -> None:
    with Client(host.host, timeout=20) as client:
        state = client.json("GET", "/containers/witness/json")["State"]
    assert (state["Running"], state["Pid"]) == (True, pid), state
    os.kill(pid, 0)
    numbers = counted(host, "witness")
    assert numbers == list(range(len(numbers)))
