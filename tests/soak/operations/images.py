"""Images: built, committed, saved and loaded, pushed and pulled, tagged, run, removed."""

import io
import json
import tarfile
from typing import Any

from tests.integration.engine_host import IMAGE
from tests.soak.belief import Belief
from tests.soak.operations.containers import in_status
from tests.soak.operations.throwaway import brief
from tests.soak.rules import Wrong
from tests.soak.worker import Worker, must, must_refuse
from tests.soak.world import GONE, THERE, Image

from yurt.errors import Conflict

MANY = 6


def build(worker: Worker) -> None:
    """A small Dockerfile with a RUN that leaves a token."""
    if (one := _new(worker)) is None:
        return
    one.token = worker.a_token()
    dockerfile = f"FROM {IMAGE}\nENV TOKEN={one.token}\nRUN echo $TOKEN > /token\nLABEL soak=kept\n"
    with one.lock, worker.doing("build", one, (one.status, THERE)):
        _stream(worker, "/build", query={"t": one.name}, body=_archive("Dockerfile", dockerfile.encode()))


def commit(worker: Worker) -> None:
    """What a container wrote is in the image made of it."""
    with worker.taken(
        in_status(
            worker, "running", "exited", suits=lambda it: it.own.is_certain and "" not in it.own.possible
        )
    ) as source:
        if source is None or (one := _new(worker)) is None:
            return
        one.path, one.token = "/own", next(iter(source.own.possible))
        with one.lock, worker.doing(f"commit {source.name}", one, (one.status, THERE), through=source):
            repository, _, tag = one.name.partition(":")
            query = {"container": source.ref, "repo": repository, "tag": tag}
            worker.ask("POST", "/commit", query=query, json={"Labels": {"soak": "kept"}, "Cmd": ["true"]})


def save_and_load(worker: Worker) -> None:
    """Removed and loaded from its archive it is the same image."""
    with worker.taken(_there(worker, unused=True)) as one:
        if one:
            with worker.doing("save-load", one, (one.status, THERE)):
                one.status.may_also_be(GONE)
                identity = _identity(worker, one.name)
                with worker.stage.client.request("GET", f"/images/{one.name}/get") as answer:
                    archive = answer.read()
                worker.ask("DELETE", f"/images/{one.name}")
                _stream(worker, "/images/load", body=archive)
                must(_identity(worker, one.name) == identity, f"{one.name} came back as another image")


def push_and_pull(worker: Worker) -> None:
    """The same by way of a registry."""
    with worker.taken(_there(worker, unused=True)) as one:
        if one:
            repository = f"{worker.stage.registry}/{one.name.partition(':')[0]}"
            remote = f"{repository}:1"
            with worker.doing("push-pull", one):
                identity = _identity(worker, one.name)
                worker.ask("POST", f"/images/{one.name}/tag", query={"repo": repository, "tag": "1"})
                no_login = {"X-Registry-Auth": "e30="}
                _stream(worker, f"/images/{repository}/push", query={"tag": "1"}, headers=no_login)
                worker.ask("DELETE", f"/images/{remote}")
                _stream(worker, "/images/create", query={"fromImage": repository, "tag": "1"})
                must(_identity(worker, remote) == identity, f"{remote} was pulled as another image")
                worker.ask("DELETE", f"/images/{remote}")


def tag(worker: Worker) -> None:
    """A second name leads to the same image, and goes without it."""
    with worker.taken(_there(worker)) as one:
        if one:
            alias = f"soak-alias-{worker.number}:1"
            with worker.doing("tag", one):
                worker.ask("POST", f"/images/{one.name}/tag", query={"repo": alias[:-2], "tag": "1"})
                must(_identity(worker, alias) == _identity(worker, one.name), f"{alias} is not {one.name}")
                worker.ask("DELETE", f"/images/{alias}")


def run(worker: Worker) -> None:
    """An image holds what was put into it."""
    with worker.taken(_there(worker)) as image:
        if image:
            with brief(worker, "run-image") as one:
                image.users.add(one)
                said = worker.stage.yurt("run", "--rm", "--name", one.name, image.name, "cat", image.path)
                must(
                    said.strip() == image.token,
                    f"{image.path} in {image.name} holds {said!r}, not {image.token}",
                )


def remove(worker: Worker) -> None:
    """One that a container uses stays, one that is not used goes."""
    with worker.taken(_there(worker)) as one:
        if one and one.is_surely_used:
            with worker.doing("image-refuse-remove", one):
                identity = _identity(worker, one.name)
                must_refuse(
                    lambda: worker.ask("DELETE", f"/images/{identity}"),
                    Conflict,
                    otherwise=f"{one.name} was removed and is used by {one.users}",
                )
        elif one and not one.users:
            with worker.doing("image-remove", one, (one.status, GONE)):
                worker.ask("DELETE", f"/images/{one.name}")
            if one.status.is_surely(GONE):
                worker.world.images.remove(one)


def _new(worker: Worker) -> Image | None:
    if len(worker.world.images) >= MANY:
        return None
    one = Image(f"{worker.a_name('i')}:1", Belief(GONE))
    worker.world.images.append(one)
    return one


def _there(worker: Worker, *, unused: bool = False) -> Image | None:
    return worker.world.take(
        worker.dice,
        worker.world.images,
        lambda it: it.status.is_surely(THERE) and not (unused and it.users),
    )


def _identity(worker: Worker, name: str) -> str:
    return str(worker.ask("GET", f"/images/{name}/json")["Id"])


def _stream(worker: Worker, path: str, **more: Any) -> None:
    """POST and read the stream of progress to its end; raises Wrong with the error in it."""
    for line in worker.stage.client.lines("POST", path, **more):
        if "error" in (news := json.loads(line)):
            raise Wrong(news["error"])


def _archive(name: str, data: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()
