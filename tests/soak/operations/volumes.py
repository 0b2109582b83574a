"""Volumes: made, written from a container, read from another place, removed when nobody uses them."""

from pathlib import Path

from tests.soak.belief import Belief
from tests.soak.operations.containers import running
from tests.soak.operations.inside import execute_in
from tests.soak.worker import Worker, must, must_refuse
from tests.soak.world import GONE, THERE, Volume

from yurt.errors import Conflict

MANY = 6


def create(worker: Worker) -> None:
    if len(worker.world.volumes) >= MANY:
        return
    one = Volume(worker.a_name("v"), Belief(GONE))
    with one.lock:
        worker.world.volumes.append(one)
        with worker.doing("volume-create", one, (one.status, THERE)):
            worker.ask("POST", "/volumes/create", json={"Name": one.name, "Labels": {"soak": "kept"}})


def fill(worker: Worker) -> None:
    """Write a token through a container."""
    with worker.taken(running(worker, lambda it: it.volume is not None)) as one:
        volume = one.volume if one else None
        if one and volume and volume.lock.acquire(blocking=False):
            with worker.taken(volume):
                token = worker.a_token()
                with worker.doing(f"volume-write {token}", volume, (volume.token, token), through=one):
                    command = f"echo {token} > /vol/token.new && mv /vol/token.new /vol/token"
                    code, output = execute_in(worker, one, "sh", "-c", command)
                    must(code == 0, f"writing to {volume.name} in {one.name} gave {code}: {output!r}")


def read(worker: Worker) -> None:
    with worker.taken(_there(worker)) as one:
        if one and one.token.is_certain and "" not in one.token.possible:
            with worker.doing("volume-read", one):
                must(content(worker, one) in one.token.possible, f"{one.name} does not hold {one.token}")


def content(worker: Worker, one: Volume) -> str:
    """Return the token in a volume, "" when none was written."""
    path = Path(worker.ask("GET", f"/volumes/{one.name}")["Mountpoint"]) / "token"
    return path.read_text().strip() if path.exists() else ""


def remove(worker: Worker) -> None:
    """One that is used stays, one that is not goes."""
    with worker.taken(_there(worker)) as one:
        if one and one.is_surely_used:
            with worker.doing("volume-refuse-remove", one):
                must_refuse(
                    lambda: worker.ask("DELETE", f"/volumes/{one.name}"),
                    Conflict,
                    otherwise=f"{one.name} was removed and is used by {one.users}",
                )
        elif one and not one.users:
            with worker.doing("volume-remove", one, (one.status, GONE)):
                worker.ask("DELETE", f"/volumes/{one.name}")
            if one.status.is_surely(GONE):
                worker.world.volumes.remove(one)


def _there(worker: Worker) -> Volume | None:
    return worker.world.take(worker.dice, worker.world.volumes, lambda it: it.status.is_surely(THERE))
