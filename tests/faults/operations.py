"""The operations that are interrupted: what each needs, what it asks, and how one sees that it is done."""

import contextlib
import io
import json
import os
import signal
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.registry import registry_address
from tests.integration.archives import an_archive, an_image
from tests.integration.engine_host import IMAGE
from tests.integration.footprint import soon
from tests.integration.witness import unframed

from yurt.client.sync import Client
from yurt.errors import NotFound, YurtError

NAME = "faulty"
HEIR = "heir"  # of its published port
SLEEPING = {
    "Image": IMAGE,
    "Cmd": ["sh", "-c", "trap 'echo bye; exit 7' TERM; echo hello; while :; do sleep 0.02; done"],
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
      code: how the container ended then; None: it has not.
    """

    name: str
    prepare: Callable[[Client], None]
    act: Callable[[Client], None]
    done: Callable[[Client], bool]
    code: int | None = None


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


def logged(client: Client, *, follow: bool = False) -> Iterator[bytes]:
    query = {"stdout": True, "follow": follow}
    with client.request("GET", f"/containers/{NAME}/logs", query=query) as answer:
        yield from answer.lines()


def words(client: Client) -> list[str]:
    """Return the lines that the container said: hello, and bye when it is asked to end."""
    with client.request("GET", f"/containers/{NAME}/logs", query={"stdout": True}) as answer:
        return unframed(answer.read()).decode().splitlines()


def process(client: Client) -> int:
    """Return the container's first process, 0 when it does not run."""
    return int(state(client).get("Pid", 0))


def state(client: Client) -> dict[str, Any]:
    """Return the state of the container, {} when there is none."""
    with contextlib.suppress(NotFound):
        found: dict[str, Any] = client.json("GET", f"/containers/{NAME}/json")["State"]
        assert found["Status"] in {"created", "running", "exited", "paused"}, found
        codes = {7, 137, 128} if found["Error"] else {7, 137}  # 128: it could not be started again
        assert found["Status"] != "exited" or found["ExitCode"] in codes, found
        return found
    return {}


def was_killed(client: Client) -> bool:
    """Whether the container was started, and its first process was killed."""
    found = state(client)
    return (found.get("Status"), found.get("ExitCode"), found.get("Error")) == ("exited", 137, "")


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


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
    make_network(client)


def connect(client: Client) -> None:
    client.json("POST", f"/networks/{NAME}/connect", json={"Container": NAME})


def connected(client: Client) -> None:
    networked(client)
    connect(client)


def memory(client: Client) -> int:
    return int(client.json("GET", f"/containers/{NAME}/json")["HostConfig"]["Memory"])


def prunable(client: Client) -> None:
    ended(client)
    made_first(client)
    make_network(client)


def prune(client: Client) -> None:
    client.json("POST", "/containers/prune")
    client.json("POST", "/networks/prune")
    client.json("POST", "/volumes/prune", query={"filters": json.dumps({"all": {"true": True}})})


def pruned(client: Client) -> bool:
    here = (f"/containers/{NAME}/json", f"/networks/{NAME}", f"/volumes/{NAME}")
    return not any(exists(path)(client) for path in here)


def run(client: Client) -> None:
    """run --rm: it removes itself at its end. One that was made, and its start was cut short, is started."""
    body = SLEEPING | {"Cmd": ["true"], "HostConfig": {"AutoRemove": True}, "Volumes": {"/data": {}}}
    if not state(client):
        client.json("POST", "/containers/create", query={"name": NAME}, json=body)
    start(client)
    with contextlib.suppress(NotFound):
        client.json("POST", f"/containers/{NAME}/wait", query={"condition": "removed"})


def orphan(client: Client) -> None:
    """Kill the shim of the container: what still runs of it is killed, by the runtime."""
    if pid := process(client):
        with contextlib.suppress(ProcessLookupError):
            os.kill(parent(pid), signal.SIGKILL)
    soon(lambda: not process(client))


def paused(client: Client) -> None:
    running(client)
    client.json("POST", f"/containers/{NAME}/pause")


COPIED = b"copied\n"
NO_LOGIN = {"X-Registry-Auth": "e30="}


def copy(client: Client) -> None:
    body = an_archive({"copied": COPIED})
    client.json("PUT", f"/containers/{NAME}/archive", query={"path": "/tmp"}, body=body)


def copied(client: Client) -> bool:
    with contextlib.suppress(NotFound):
        query = {"path": "/tmp/copied"}
        with client.request("GET", f"/containers/{NAME}/archive", query=query) as answer:
            found = answer.read()
        with tarfile.open(fileobj=io.BytesIO(found)) as archive:
            return archive.extractfile("copied").read() == COPIED  # type: ignore[union-attr]
    return False


def pushed(client: Client) -> None:
    """Have the registry hold an image that is not here."""
    name = f"{registry_address()}/{NAME}"
    load(client)
    client.json("POST", f"/images/loaded:{NAME}/tag", query={"repo": name, "tag": "1"})
    stream(client, "POST", f"/images/{name}/push", query={"tag": "1"}, headers=NO_LOGIN)
    client.json("DELETE", f"/images/{name}:1")
    client.json("DELETE", f"/images/loaded:{NAME}")


def pull(client: Client) -> None:
    stream(client, "POST", "/images/create", query={"fromImage": f"{registry_address()}/{NAME}", "tag": "1"})


def unneeded(client: Client) -> None:
    """Have an image that nobody uses, and a build cache."""
    load(client)
    build(client)


def prune_images(client: Client) -> None:
    with contextlib.suppress(NotFound):
        client.json("DELETE", "/images/built:1")
    client.json("POST", "/images/prune", query={"filters": json.dumps({"dangling": {"false": True}})})
    client.json("POST", "/build/prune", query={"all": True})


def tag(client: Client) -> None:
    client.json("POST", f"/images/{IMAGE}/tag", query={"repo": "tagged", "tag": "1"})


def two_running(client: Client) -> None:
    running(client)
    client.json("POST", "/containers/create", query={"name": HEIR}, json=SLEEPING)
    client.json("POST", f"/containers/{HEIR}/start")


def port_of(client: Client, name: str) -> str:
    """Return the port of the host that leads to the container, "" when none does."""
    ports = client.json("GET", f"/containers/{name}/json")["NetworkSettings"]["Ports"]
    return str((ports.get("80/tcp") or [{"HostPort": ""}])[0]["HostPort"])


def succeed(client: Client) -> None:
    body = {
        "Of": NAME,
        "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": port_of(client, NAME)}]},
    }
    client.json("POST", f"/yurt/containers/{HEIR}/succeed", json=body)


def succeeded(client: Client) -> bool:
    """Whether the port leads to the heir; it leads to one of them."""
    old, new = port_of(client, NAME), port_of(client, HEIR)
    assert bool(old) != bool(new), (old, new)
    return bool(new)


def rename(client: Client) -> None:
    client.json("POST", f"/containers/{NAME}/rename", query={"name": "renamed"})


def update(client: Client) -> None:
    client.json("POST", f"/containers/{NAME}/update", json={"Memory": _MEMORY, "MemorySwap": -1})


def commit(client: Client) -> None:
    client.json("POST", "/commit", query={"container": NAME, "repo": "committed", "tag": "1"})


def make_network(client: Client) -> None:
    client.json("POST", "/networks/create", json={"Name": NAME})


def disconnect(client: Client) -> None:
    client.json("POST", f"/networks/{NAME}/disconnect", json={"Container": NAME})


def unneeded_left(client: Client) -> list[str]:
    return [one["Id"] for one in client.json("GET", "/images/json") if IMAGE not in (one["RepoTags"] or ())]


def made_first(client: Client) -> None:
    client.json("POST", "/volumes/create", json={"Name": NAME})


_AT = f"/containers/{NAME}"
_MEMORY = 1 << 28


def _table() -> Iterator[Operation]:
    gone = missing(f"{_AT}/json")
    yield Operation("create", nothing, create, exists(f"{_AT}/json"))
    yield Operation("start", create, start, status("running"))
    yield Operation("run --rm", nothing, run, gone)
    yield Operation("stop", running, post(f"{_AT}/stop", query={"t": 10}), status("exited"), code=7)
    yield Operation(
        "kill", running, post(f"{_AT}/kill", query={"signal": "KILL"}), status("exited"), code=137
    )
    yield Operation("restart", running, restart, status("running"))
    yield Operation("lost shim", running, orphan, status("exited"), code=137)
    yield Operation("rm", ended, delete(_AT, query={"v": True}), gone)
    yield Operation("rm -f", running, delete(_AT, query={"v": True, "force": True}), gone)
    yield Operation("rename", running, rename, exists("/containers/renamed/json"))
    yield Operation("pause", running, post(f"{_AT}/pause"), status("paused"))
    yield Operation("unpause", paused, post(f"{_AT}/unpause"), status("running"))
    yield Operation("update", running, update, lambda client: memory(client) == _MEMORY)
    yield Operation("succeed", two_running, succeed, succeeded)
    yield Operation("exec", running, execute, status("running"))
    yield Operation("cp", running, copy, copied)
    yield Operation("cp stopped", ended, copy, copied)
    yield Operation("load", nothing, load, image(f"loaded:{NAME}"))
    yield Operation("commit", ended, commit, image("committed:1"))
    yield Operation("build", nothing, build, image("built:1"))
    yield Operation("pull", pushed, pull, image(f"{registry_address()}/{NAME}:1"))
    yield Operation("tag", nothing, tag, image("tagged:1"))
    yield Operation("rmi", load, delete(f"/images/loaded:{NAME}"), missing(f"/images/loaded:{NAME}/json"))
    yield Operation("volume create", nothing, made_first, exists(f"/volumes/{NAME}"))
    yield Operation("volume rm", made_first, delete(f"/volumes/{NAME}"), missing(f"/volumes/{NAME}"))
    yield Operation("network create", nothing, make_network, exists(f"/networks/{NAME}"))
    yield Operation("network rm", make_network, delete(f"/networks/{NAME}"), missing(f"/networks/{NAME}"))
    yield Operation("network connect", networked, connect, lambda client: NAME in networks(client))
    yield Operation("network disconnect", connected, disconnect, lambda client: NAME not in networks(client))
    yield Operation("prune", prunable, prune, pruned)
    yield Operation("prune images", unneeded, prune_images, lambda client: not unneeded_left(client))


OPERATIONS = {one.name: one for one in _table()}


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
