"""The life of a container: create, start, stop, kill, restart, pause, rename, update, rm."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.integration.engine_host import IMAGE
from tests.integration.footprint import soon
from tests.soak.belief import Belief
from tests.soak.lines import ENDED, PROGRAM
from tests.soak.worker import Worker, must
from tests.soak.world import GONE, THERE, Container

from yurt.errors import Conflict

MANY = 14
KILLED = 137
NOT_STARTED = 128  # the exit code of a container whose runtime failed
EARLY = (
    KILLED,
    143,
    2,
)  # the signal came before the program had its trap; 2: while the runtime still was process 1
MIB = 1 << 20


def create(worker: Worker) -> None:
    world, dice = worker.world, worker.dice
    if len(world.containers) >= MANY:
        return
    one = Container(worker.a_name("c"), Belief(GONE))
    one.greeting = worker.a_token()
    one.names.settle(one.name)
    one.restart = dice.choices(["no", "always", "unless-stopped"], [6, 1, 1])[0]
    one.tty = dice.random() < 0.2
    one.rotates = dice.random() < 0.3
    one.healthy = dice.random() < 0.2
    network = (
        world.take(dice, world.networks, lambda it: it.status.is_surely(THERE))
        if dice.random() < 0.5
        else None
    )
    volume = (
        world.take(dice, world.volumes, lambda it: it.status.is_surely(THERE))
        if dice.random() < 0.5
        else None
    )
    image = (
        world.take(dice, world.images, lambda it: it.status.is_surely(THERE)) if dice.random() < 0.3 else None
    )
    mode = network.name if network else dice.choice(["bridge", "bridge", "none"])
    one.published = mode != "none" and dice.random() < 0.6
    one.networks.settle(frozenset({mode}))
    one.volume, one.image = volume, image
    one.lock.acquire()  # nobody else may have it before it is made
    try:
        for used in (network, volume, image):
            if used:
                used.users.add(one)
        world.containers.append(one)
        with worker.doing("create", one, (one.status, "created")):
            body = _body(one, mode, image.name if image else IMAGE)
            one.id = worker.ask("POST", "/containers/create", query={"name": one.name}, json=body)["Id"]
    finally:
        for held in (one, network, volume, image):
            if held:
                held.lock.release()


def _body(one: Container, mode: str, image: str) -> dict[str, Any]:
    host: dict[str, Any] = {
        "NetworkMode": mode,
        "RestartPolicy": {"Name": one.restart},
        "LogConfig": {
            "Type": "json-file",
            "Config": {"max-size": "8k", "max-file": "2"} if one.rotates else {},
        },
    }
    if one.published:
        host["PortBindings"] = {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}
    if one.volume:
        host["Binds"] = [f"{one.volume.name}:/vol"]
    body: dict[str, Any] = {
        "Image": image,
        "Cmd": ["sh", "-c", PROGRAM],
        "Env": [f"GREETING={one.greeting}"],
        "Tty": one.tty,
        "Labels": {"soak": "kept"},
        "HostConfig": host,
    }
    if one.published:
        body["ExposedPorts"] = {"8080/tcp": {}}
    if one.healthy:
        second = 1_000_000_000
        body["Healthcheck"] = {
            "Test": ["CMD", "true"],
            "Interval": 2 * second,
            "Timeout": 30 * second,
            "Retries": 3,
        }
    return body


def start(worker: Worker) -> None:
    with worker.taken(in_status(worker, "created", "exited")) as one:
        if one:
            with worker.doing("start", one, (one.status, "running")):
                one.code.may_also_be(NOT_STARTED)
                worker.ask("POST", f"/containers/{one.ref}/start")


def stop(worker: Worker) -> None:
    with worker.taken(running(worker)) as one:
        if one:
            with worker.doing("stop", one, (one.status, "exited"), (one.code, ENDED, *EARLY)):
                worker.ask("POST", f"/containers/{one.ref}/stop", query={"t": 20})


def kill(worker: Worker) -> None:
    with worker.taken(running(worker)) as one:
        if one:
            with worker.doing("kill", one, (one.status, "exited"), (one.code, KILLED)):
                worker.ask("POST", f"/containers/{one.ref}/kill")


def restart(worker: Worker) -> None:
    with worker.taken(in_status(worker, "running", "created", "exited")) as one:
        if one:
            with worker.doing("restart", one, (one.status, "running"), (one.code, ENDED, *EARLY)):
                one.status.may_also_be("exited")
                one.code.may_also_be(NOT_STARTED)
                worker.ask("POST", f"/containers/{one.ref}/restart", query={"t": 20})


def end(worker: Worker) -> None:
    """Let the program end by itself; its restart policy decides how it goes on."""
    with worker.taken(running(worker)) as one:
        if one:
            after = "running" if one.comes_back else "exited"
            with worker.doing("end", one, (one.status, after), (one.code, ENDED)):
                one.status.may_also_be("exited")
                state = worker.ask("GET", f"/containers/{one.ref}/json")["State"]
                must(soon(lambda: _has_trap(state["Pid"])), f"{one.name} does not come to run its program")
                os.kill(
                    state["Pid"], signal.SIGTERM
                )  # by `kill` the engine would know that it is to stay stopped
                if one.comes_back:
                    must(soon(lambda: _runs_anew(worker, one, state)), f"{one.name} was not started again")
                else:
                    ended = worker.ask("POST", f"/containers/{one.ref}/wait")
                    must(ended["StatusCode"] == ENDED, f"{one.name} ended with {ended}")


def _runs_anew(worker: Worker, one: Container, before: dict[str, Any]) -> bool:
    state = worker.ask("GET", f"/containers/{one.ref}/json")["State"]
    return bool(state["Status"] == "running" and state["StartedAt"] != before["StartedAt"])


def pause(worker: Worker) -> None:
    with worker.taken(running(worker)) as one:
        if one:
            with worker.doing("pause", one, (one.status, "paused")):
                worker.ask("POST", f"/containers/{one.ref}/pause")


def unpause(worker: Worker) -> None:
    with worker.taken(in_status(worker, "paused")) as one:
        if one:
            with worker.doing("unpause", one, (one.status, "running")):
                worker.ask("POST", f"/containers/{one.ref}/unpause")


def remove(worker: Worker) -> None:
    known = worker.world.take(worker.dice, worker.world.containers, lambda it: GONE not in it.status.possible)
    with worker.taken(known) as one:
        if one:
            with worker.doing("remove", one, (one.status, GONE)):
                one.status.may_also_be("exited", "removing")  # it was killed, and then the engine was
                one.code.may_also_be(KILLED)
                if one.status.is_surely("created", "exited") and worker.dice.random() < 0.3:
                    worker.stage.docker("rm", "-f", "-v", one.ref)
                else:
                    worker.ask("DELETE", f"/containers/{one.ref}", query={"force": True, "v": True})
            forget(worker, one)


def forget(worker: Worker, one: Container) -> None:
    """Take it out of the model if it is surely gone."""
    if one.status.is_surely(GONE):
        worker.world.containers.remove(one)
        for used in worker.world.subjects():
            used.users.discard(one)


def remove_unforced(worker: Worker) -> None:
    """What runs is not removed without force."""
    with worker.taken(running(worker)) as one:
        if one:
            with worker.doing("refuse-remove", one):
                try:
                    worker.ask("DELETE", f"/containers/{one.ref}")
                except Conflict:
                    return
                must(holds=False, otherwise="a running container was removed without force")


def rename(worker: Worker) -> None:
    with worker.taken(in_status(worker, "created", "running", "exited", "paused")) as one:
        if one and one.id:
            name = worker.a_name("r")
            with worker.doing(f"rename to {name}", one, (one.names, name)):
                worker.ask("POST", f"/containers/{one.ref}/rename", query={"name": name})


def update(worker: Worker) -> None:
    with worker.taken(in_status(worker, "created", "running", "exited")) as one:
        if one and one.id:
            memory = worker.dice.randrange(64, 256) * MIB
            with worker.doing(f"update memory to {memory}", one, (one.memory, memory)):
                body = {"Memory": memory, "MemorySwap": -1}
                worker.ask("POST", f"/containers/{one.ref}/update", json=body)


def look(worker: Worker) -> None:
    """Questions that change nothing are answered, whatever else goes on."""
    with worker.taken(running(worker)) as one:
        if one:
            with worker.doing("look", one):
                for path in ("json", "top", "changes"):
                    worker.ask("GET", f"/containers/{one.ref}/{path}")
                found = worker.ask(
                    "GET", f"/containers/{one.ref}/stats", query={"stream": False, "one-shot": True}
                )
                must(found["pids_stats"], f"no processes in the stats of {one.name}")
                must(one.id in worker.stage.yurt("ps", "-q", "--no-trunc"), f"{one.name} is not listed")


def running(worker: Worker, suits: Callable[[Container], bool] = lambda _one: True) -> Container | None:
    """Take a container that surely runs and *suits*."""
    return in_status(worker, "running", suits=suits)


def in_status(
    worker: Worker, *statuses: str, suits: Callable[[Container], bool] = lambda _one: True
) -> Container | None:
    """Take one of the soak's containers that is surely in one of *statuses* and *suits*; never what a `--rm` left."""
    return worker.world.take(
        worker.dice,
        worker.world.containers,
        lambda one: bool(one.greeting) and bool(one.id) and one.status.is_surely(*statuses) and suits(one),
    )


def _has_trap(pid: int) -> bool:
    """Return whether the process is the program by now, and catches SIGTERM; the runtime, which it was, does so, too."""
    if Path(f"/proc/{pid}/comm").read_text().startswith("runc"):
        return False
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) >> (signal.SIGTERM - 1) & 1)
    return False
