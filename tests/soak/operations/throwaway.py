"""Containers that live for one operation, run by each kind of client."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from tests.integration.engine_host import IMAGE
from tests.soak.belief import Belief
from tests.soak.operations.containers import forget
from tests.soak.rules import CommandFailed
from tests.soak.worker import Worker, must
from tests.soak.world import GONE, Container

CODE = 3


@contextmanager
def brief(worker: Worker, what: str) -> Iterator[Container]:
    """A new container that is gone at the end of the block; wherever it was cut off, it may be left."""
    one = Container(worker.a_name("t"), Belief(GONE))
    one.networks.settle(frozenset({"bridge"}))
    one.code.settle(0, CODE)
    with one.lock:
        worker.world.containers.append(one)
        with worker.doing(what, one, (one.status, GONE)):
            one.status.may_also_be("created", "running", "exited", "removing")
            yield one
        forget(worker, one)


def with_docker_py(worker: Worker) -> None:
    """`containers.run(remove=True)`, with a terminal or a limit now and then."""
    with brief(worker, "run-docker-py") as one:
        token = worker.a_token()
        client = worker.stage.docker_py()
        try:
            output = client.containers.run(
                IMAGE,
                ["sh", "-c", f"echo {token}"],
                name=one.name,
                remove=True,
                tty=worker.dice.random() < 0.3,
                mem_limit="64m" if worker.dice.random() < 0.3 else None,
            )
        finally:
            client.close()
        must(output.decode().strip() == token, f"{one.name} printed {output!r}, not {token}")


def with_yurt(worker: Worker) -> None:
    with brief(worker, "run-yurt") as one:
        _run_by_command(worker, "yurt", one)


def with_docker(worker: Worker) -> None:
    with brief(worker, "run-docker") as one:
        _run_by_command(worker, "docker", one)


def _run_by_command(worker: Worker, program: str, one: Container) -> None:
    """`run --rm`: what it prints and how it ends is the program's own; its anonymous volume goes with it."""
    token = worker.a_token()
    run = worker.stage.yurt if program == "yurt" else worker.stage.docker
    script = f"echo {token}; exit {CODE}"
    try:
        run("run", "--rm", "-v", "/data", "--name", one.name, IMAGE, "sh", "-c", script)
    except CommandFailed as ended:
        if ended.code != CODE:
            raise
        must(ended.text.strip() == token, f"{one.name} printed {ended.text!r}, not {token}")
    else:
        must(holds=False, otherwise=f"{one.name} ended with 0, not {CODE}")


def with_events(worker: Worker) -> None:
    """The stream of events tells each step of a life, in order; and again to who asks with `since`."""
    with brief(worker, "run-events") as one:
        body = {"Image": IMAGE, "Cmd": ["true"]}
        made = worker.ask("POST", "/containers/create", query={"name": one.name}, json=body)["Id"]
        query = {"since": "0", "filters": json.dumps({"container": [made]})}
        seen = []
        with worker.stage.client.request("GET", "/events", query=query) as answer:
            worker.ask("POST", f"/containers/{made}/start")
            worker.ask("POST", f"/containers/{made}/wait")
            worker.ask("DELETE", f"/containers/{made}")
            for line in answer.lines():
                seen.append(json.loads(line))
                if seen[-1]["Action"] == "destroy":
                    break
        steps = [event["Action"] for event in seen if event["Type"] == "container"]
        must(steps == ["create", "start", "die", "destroy"], f"the events of {one.name} were {steps}")
        query |= {"since": _seconds(seen[0]["timeNano"]), "until": _seconds(seen[-1]["timeNano"])}
        again = [json.loads(line) for line in worker.stage.client.lines("GET", "/events", query=query)]
        must(again == seen, f"asked again, the events of {one.name} were {again}, not {seen}")


def _seconds(nanoseconds: int) -> str:
    return f"{nanoseconds // 10**9}.{nanoseconds % 10**9:09}"


def pruned(worker: Worker) -> None:
    """prune with a filter takes exactly what the filter names."""
    with brief(worker, "prune") as one:
        label = f"prune={one.name}"
        body = {"Image": IMAGE, "Cmd": ["true"], "Labels": {"prune": one.name}}
        made = worker.ask("POST", "/containers/create", query={"name": one.name}, json=body)["Id"]
        query = {"filters": json.dumps({"label": [label]})}
        told = worker.ask("POST", "/containers/prune", query=query)["ContainersDeleted"]
        must(told == [made], f"prune of {label} deleted {told}, not {made}")
