"""What is done with a container that runs: exec, cp, logs -f, attach, its port, the names of others."""

import base64
import io
import json
import re
import tarfile
from contextlib import suppress

from tests.integration.footprint import soon
from tests.soak.lines import fault
from tests.soak.operations.containers import running
from tests.soak.stage import fetched
from tests.soak.worker import Worker, must
from tests.soak.world import Container

GLANCE = 3000  # bytes of a stream that are looked at
_HEADER = 8


def write(worker: Worker) -> None:
    """Write a token into the writable layer; the engine keeps it until the container is removed."""
    with worker.taken(running(worker)) as one:
        if one:
            token = worker.a_token()
            with worker.doing(f"write {token}", one, (one.own, token)):
                command = f"echo {token} > /own.new && mv /own.new /own"
                code, output = execute_in(worker, one, "sh", "-c", command)
                must(code == 0, f"writing in {one.name} gave {code}: {output!r}")


def execute(worker: Worker) -> None:
    """exec: the output and the exit code are the command's own."""
    with worker.taken(running(worker)) as one:
        if one:
            token, code = worker.a_token(), worker.dice.randrange(1, 100)
            with worker.doing("exec", one):
                if worker.dice.random() < 0.2:
                    said = worker.stage.docker("exec", one.ref, "echo", token)
                    must(said == f"{token}\n", f"docker exec in {one.name} printed {said!r}")
                else:
                    found = execute_in(worker, one, "sh", "-c", f"echo {token}; exit {code}")
                    must(
                        found == (code, f"{token}\n"), f"exec in {one.name} gave {found}, not {code}, {token}"
                    )


def execute_in(worker: Worker, one: Container, *command: str) -> tuple[int, str]:
    """Return the exit code and the output of a command in a container."""
    body = {"Cmd": command, "AttachStdout": True, "AttachStderr": True}
    made = worker.ask("POST", f"/containers/{one.ref}/exec", json=body)["Id"]
    data = b""
    with worker.stage.client.hijack("POST", f"/exec/{made}/start", json={"Detach": False}) as stream:
        while piece := stream.recv():
            data += piece
    found = worker.ask("GET", f"/exec/{made}/json")
    must(not found["Running"], f"the exec's stream ended, and it is said to run: {found}")
    return int(found["ExitCode"]), unframed(data).decode()


def unframed(data: bytes) -> bytes:
    """Return the payload of whole frames of the multiplexed stream."""
    payload = b""
    while len(data) >= _HEADER:
        length = int.from_bytes(data[4:_HEADER])
        if len(data) < _HEADER + length:
            break
        payload, data = payload + data[_HEADER : _HEADER + length], data[_HEADER + length :]
    return payload


def copy_in(worker: Worker) -> None:
    with worker.taken(running(worker)) as one:
        if one:
            token = worker.a_token()
            with worker.doing(f"cp-in {token}", one, (one.own, token)):
                one.own.may_also_be("")  # unpacked half-way
                buffer = io.BytesIO()
                with tarfile.open(fileobj=buffer, mode="w") as archive:
                    entry = tarfile.TarInfo("own")
                    entry.size = len(token)
                    archive.addfile(entry, io.BytesIO(token.encode()))
                worker.ask(
                    "PUT", f"/containers/{one.ref}/archive", query={"path": "/"}, body=buffer.getvalue()
                )


def copy_out(worker: Worker) -> None:
    """What was written comes out again."""
    with worker.taken(running(worker)) as one:
        if one and one.own.is_certain and "" not in one.own.possible:
            with worker.doing("cp-out", one):
                must(own_file(worker, one) in one.own.possible, f"/own of {one.name} is not {one.own}")


def own_file(worker: Worker, one: Container) -> str:
    """Return what the file /own of a container holds, by `GET archive`."""
    with worker.stage.client.request(
        "GET", f"/containers/{one.ref}/archive", query={"path": "/own"}
    ) as answer:
        stat = json.loads(base64.b64decode(answer.headers["x-docker-container-path-stat"]))
        data = answer.read()
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        file = archive.extractfile(stat["name"])
        return file.read().decode().strip() if file else ""


def follow(worker: Worker) -> None:
    """logs -f: numbered lines come one after the other."""
    with worker.taken(running(worker)) as one:
        if one:
            with worker.doing("follow", one):
                query: dict[str, str | bool] = {"stdout": True, "stderr": True, "follow": True, "tail": "20"}
                data = b""
                with worker.stage.client.request("GET", f"/containers/{one.ref}/logs", query=query) as answer:
                    for piece in answer.chunks():
                        data += piece
                        if len(data) > GLANCE:
                            break
                _are_in_order(one, data)


def attach(worker: Worker) -> None:
    """attach: the same lines, from now on."""
    with worker.taken(running(worker)) as one:
        if one:
            with worker.doing("attach", one):
                query = {"stream": True, "stdout": True, "stderr": True}
                data = b""
                with worker.stage.client.hijack(
                    "POST", f"/containers/{one.ref}/attach", query=query
                ) as stream:
                    while len(data) < GLANCE and (piece := stream.recv()):
                        data += piece
                _are_in_order(one, data)


def _are_in_order(one: Container, data: bytes) -> None:
    text = (data if one.tty else unframed(data)).decode(errors="replace")
    text = text[: text.rfind("\n") + 1]
    if one.tty:
        text = text[text.find("\n") + 1 :]  # a terminal's stream may begin anywhere
    wrong = fault(text, from_first=False, lossy=one.lossy)
    must(wrong is None, f"the stream of {one.name}: {wrong}")


def fetch(worker: Worker) -> None:
    """A published port leads to its container."""
    with worker.taken(running(worker, lambda it: it.published)) as one:
        if one:
            with worker.doing("fetch", one):
                reaches(worker, one)


def reaches(worker: Worker, one: Container) -> None:
    """Raise Wrong unless its published port answers with its greeting."""
    bound = worker.ask("GET", f"/containers/{one.ref}/json")["NetworkSettings"]["Ports"].get("8080/tcp")
    must(bound, f"{one.name} runs and its port is not published")
    said = ""

    def greets() -> bool:
        nonlocal said
        with suppress(OSError):  # its server may not listen yet
            said = fetched(int(bound[0]["HostPort"]))
        return said == one.greeting

    must(
        soon(greets, within=20),
        f"port {bound} answered {said!r}, not the greeting of {one.name}, {one.greeting}",
    )


def resolve(worker: Worker) -> None:
    """The name of a container leads to its address in a network that both are in."""
    with worker.taken(running(worker, lambda it: bool(own_networks(it)))) as one:
        if one:
            with worker.taken(
                running(worker, lambda it: bool(own_networks(it) & own_networks(one)))
            ) as other:
                if other:
                    with worker.doing(f"resolve {other.name}", one, through=other):
                        resolves(worker, one, other)


def own_networks(one: Container) -> frozenset[str]:
    """Return the users' networks that it is surely in: those that have a DNS."""
    names = frozenset.intersection(*one.networks.possible)
    return frozenset(name for name in names if name.startswith("soak-"))


def resolves(worker: Worker, one: Container, other: Container) -> None:
    """Raise Wrong unless *one* finds *other* by its name, in any of the networks that they may share."""
    found = worker.ask("GET", f"/containers/{other.ref}/json")
    maybe_shared = frozenset.union(*one.networks.possible) & frozenset.union(*other.networks.possible)
    addresses = {
        endpoint["IPAddress"]
        for network, endpoint in found["NetworkSettings"]["Networks"].items()
        if network in maybe_shared
    }
    name = found["Name"][1:]
    code, output = execute_in(worker, one, "nslookup", name)
    answered = set(re.findall(r"^Address: (\S+)$", output, re.MULTILINE))
    must(
        code == 0 and answered & addresses,
        f"{name} does not resolve to one of {addresses} in {one.name}: {code}, {output!r}",
    )
