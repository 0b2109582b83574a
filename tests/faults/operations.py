"""The operations that are interrupted: what each needs, what it asks, and how one sees that it is done."""

import contextlib
import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.integration.archives import an_archive, an_image
from tests.integration.engine_host import IMAGE

from yurt.client.sync import Client
from yurt.errors import NotFound, YurtError

NAME = "faulty"
SLEEPING = {
    "Image": IMAGE,
    "Cmd": ["sh", "-c", "trap 'exit 7' TERM; echo hello; while :; do sleep 0.02; done"],
}
PUBLISHED = SLEEPING | {
    "Volumes": {"/data": {}},
    "ExposedPorts": {"80/tcp": {}},
    "HostConfig": {"PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}},
}


@dataclass(frozen=True)
class Operation:
    """One operation.

    Parameters
    ----------
      prepare: bring about what it needs, in an engine that holds nothing of it.
      act: ask for it; raises when it is refused.
      done: whether it has been done, wholly; an operation half done makes it raise.
    """

    name: str
    prepare: Callable[[Client], None]
    act: Callable[[Client], None]
    done: Callable[[Client], bool]


def stream(client: Client, method: str, path: str, **more: Any) -> None:
    """Read a stream of JSON lines to its end; an error in it is raised."""
    for line in client.lines(method, path, **more):
        if b'"error"' in line:
            raise YurtError(json.loads(line)["error"])


def nothing(_client: Client) -> None:
    pass


def create(client: Client) -> None:
    client.json("POST", "/containers/create", query={"name": NAME}, json=PUBLISHED)


def start(client: Client) -> None:
    client.json("POST", f"/containers/{NAME}/start")


def running(client: Client) -> None:
    create(client)
    start(client)
    for _line in logged(client, follow=True):
        return  # it says hello when its trap is set


def ended(client: Client) -> None:
    running(client)
    client.json("POST", f"/containers/{NAME}/stop", query={"t": 10})


def logged(client: Client, *, follow: bool = False) -> Any:
    query = {"stdout": True, "follow": follow}
    with client.request("GET", f"/containers/{NAME}/logs", query=query) as answer:
        yield from answer.lines()


def state(client: Client) -> dict[str, Any]:
    """Return the state of the container, {} when there is none."""
    with contextlib.suppress(NotFound):
        found: dict[str, Any] = client.json("GET", f"/containers/{NAME}/json")["State"]
        assert found["Status"] in {"created", "running", "exited", "paused"}, found
        assert found["Status"] != "exited" or found["ExitCode"] in {7, 137}, found
        return found
    return {}


def status(*expected: str) -> Callable[[Client], bool]:
    return lambda client: state(client).get("Status", "") in expected


def post(path: str, **more: Any) -> Callable[[Client], None]:
    return lambda client: client.json("POST", path, **more) and None


def delete(path: str, **more: Any) -> Callable[[Client], None]:
    def act(client: Client) -> None:
        with contextlib.suppress(NotFound):
            client.json("DELETE", path, **more)

    return act


def exists(path: str) -> Callable[[Client], bool]:
    def found(client: Client) -> bool:
        with contextlib.suppress(NotFound):
            client.json("GET", path)
            return True
        return False

    return found


def missing(path: str) -> Callable[[Client], bool]:
    return lambda client: not exists(path)(client)


def image(name: str) -> Callable[[Client], bool]:
    """Whether the image is there; one that is can be saved to its last byte."""

    def whole(client: Client) -> bool:
        if not exists(f"/images/{name}/json")(client):
            return False
        with client.request("GET", f"/images/{name}/get") as answer:
            saved = answer.read()
        with tarfile.open(fileobj=io.BytesIO(saved)) as archive:
            manifest = json.load(archive.extractfile("manifest.json"))  # type: ignore[arg-type]
            assert set(manifest[0]["Layers"]) <= set(archive.getnames())
        return True

    return whole


def load(client: Client) -> None:
    stream(client, "POST", "/images/load", body=an_image(NAME, size=20_000))


def build(client: Client) -> None:
    dockerfile = f"FROM {IMAGE}\nRUN echo built > /made\n"
    stream(
        client,
        "POST",
        "/build",
        query={"t": "built:1", "nocache": True},
        body=an_archive({"Dockerfile": dockerfile.encode()}),
    )


def execute(client: Client) -> None:
    made = client.json("POST", f"/containers/{NAME}/exec", json={"Cmd": ["true"], "AttachStdout": True})["Id"]
    with client.request("POST", f"/exec/{made}/start", json={"Detach": True}) as answer:
        answer.read()


def restart(client: Client) -> None:
    client.json("POST", f"/containers/{NAME}/restart", query={"t": 10})


def networks(client: Client) -> list[str]:
    return list(client.json("GET", f"/containers/{NAME}/json")["NetworkSettings"]["Networks"])


def networked(client: Client) -> None:
    running(client)
    client.json("POST", "/networks/create", json={"Name": NAME})


def connect(client: Client) -> None:
    client.json("POST", f"/networks/{NAME}/connect", json={"Container": NAME})


def connected(client: Client) -> None:
    networked(client)
    connect(client)


def memory(client: Client) -> int:
    return int(client.json("GET", f"/containers/{NAME}/json")["HostConfig"]["Memory"])


def prunable(client: Client) -> None:
    ended(client)
    client.json("POST", "/volumes/create", json={"Name": NAME})
    client.json("POST", "/networks/create", json={"Name": NAME})


def prune(client: Client) -> None:
    client.json("POST", "/containers/prune")
    client.json("POST", "/networks/prune")
    client.json("POST", "/volumes/prune", query={"filters": json.dumps({"all": {"true": True}})})


def pruned(client: Client) -> bool:
    here = (f"/containers/{NAME}/json", f"/networks/{NAME}", f"/volumes/{NAME}")
    return not any(exists(path)(client) for path in here)


def tag(client: Client) -> None:
    client.json("POST", f"/images/{IMAGE}/tag", query={"repo": "tagged", "tag": "1"})


def made_first(client: Client) -> None:
    client.json("POST", "/volumes/create", json={"Name": NAME})


_AT = f"/containers/{NAME}"
OPERATIONS = {
    one.name: one
    for one in (
        Operation("create", nothing, create, exists(f"{_AT}/json")),
        Operation("start", create, start, status("running")),
        Operation("stop", running, post(f"{_AT}/stop", query={"t": 10}), status("exited")),
        Operation("kill", running, post(f"{_AT}/kill", query={"signal": "KILL"}), lambda _client: True),
        Operation("restart", running, restart, status("running")),
        Operation("rm", ended, delete(_AT, query={"v": True}), missing(f"{_AT}/json")),
        Operation("rm -f", running, delete(_AT, query={"v": True, "force": True}), missing(f"{_AT}/json")),
        Operation("rename", create, post(f"{_AT}/rename", query={"name": "renamed"}), exists("/containers/renamed/json")),
        Operation("pause", running, post(f"{_AT}/pause"), status("paused")),
        Operation("update", running, post(f"{_AT}/update", json={"Memory": 1 << 28}), lambda client: memory(client) == 1 << 28),
        Operation("exec", running, execute, status("running")),
        Operation("load", nothing, load, image(f"loaded:{NAME}")),
        Operation("commit", ended, post("/commit", query={"container": NAME, "repo": "committed", "tag": "1"}), image("committed:1")),
        Operation("build", nothing, build, image("built:1")),
        Operation("tag", nothing, tag, image("tagged:1")),
        Operation("rmi", load, delete(f"/images/loaded:{NAME}"), missing(f"/images/loaded:{NAME}/json")),
        Operation("volume create", nothing, made_first, exists(f"/volumes/{NAME}")),
        Operation("volume rm", made_first, delete(f"/volumes/{NAME}"), missing(f"/volumes/{NAME}")),
        Operation("network create", nothing, post("/networks/create", json={"Name": NAME}), exists(f"/networks/{NAME}")),
        Operation("network rm", post("/networks/create", json={"Name": NAME}), delete(f"/networks/{NAME}"), missing(f"/networks/{NAME}")),
        Operation("network connect", networked, connect, lambda client: NAME in networks(client)),
        Operation("network disconnect", connected, post(f"/networks/{NAME}/disconnect", json={"Container": NAME}), lambda client: NAME not in networks(client)),
        Operation("prune", prunable, prune, pruned),
    )
}  # fmt: skip


def clear(client: Client, *, keep: str) -> None:
    """Remove what any of the operations made, but the container *keep*."""
    for one in client.json("GET", "/containers/json", query={"all": True}):
        if keep not in one["Names"][0]:
            client.json("DELETE", f"/containers/{one['Id']}", query={"force": True, "v": True})
    client.json("POST", "/networks/prune")
    with contextlib.suppress(NotFound):
        client.json("DELETE", f"/volumes/{NAME}")
    for found in client.json("GET", "/images/json"):
        for name in found["RepoTags"] or ():
            if name != IMAGE:
                client.json("DELETE", f"/images/{name}")
    client.json("POST", "/build/prune", query={"all": True})
    client.json("POST", "/images/prune", query={"filters": json.dumps({"dangling": {"true": True}})})
