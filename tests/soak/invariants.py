"""What must hold whenever nothing is under way: the engine's answers are the model's, and nothing is left over."""

import os
import re
import time
from collections.abc import Callable
from pathlib import Path

from tests.integration.footprint import footprint, soon
from tests.soak.belief import Violation
from tests.soak.lines import ENDED, fault
from tests.soak.operations import inside, volumes
from tests.soak.rules import Wrong
from tests.soak.stage import KEPT
from tests.soak.worker import Worker
from tests.soak.world import GONE, THERE, Container, Image, Network, Subject, Volume

from yurt.errors import NotFound

SETTLED = 40.0  # seconds in which everything comes to rest: the longest restart delay is among them
_ID = re.compile(r"[0-9a-f]{64}")
_OWN = ("bridge", "host", "none", KEPT)


class Checker:
    """Goes through the model while the workers stand still. Raises Violation; `subject` is then what it looked at."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._world = worker.world
        self.subject: Subject | None = None

    def check(self) -> None:
        """Afterwards the model is certain in everything."""
        for one in self._world.subjects():
            self.subject = one
            time.sleep(max(0.0, one.rests_until - time.monotonic()))
            try:
                self._check(one)
            except Wrong as wrong:
                raise Violation(str(wrong)) from wrong
        self.subject = None
        self._lists_are_the_model()
        self._nothing_is_left_over()

    def _check(self, one: Subject) -> None:
        if isinstance(one, Container):
            self._container(one)
        elif isinstance(one, Volume):
            if self._is_there(one, f"/volumes/{one.name}", self._world.volumes):
                one.token.learn(volumes.content(self._worker, one), f"the token in {one.name}")
        elif isinstance(one, Network):
            self._is_there(one, f"/networks/{one.name}", self._world.networks)
        elif isinstance(one, Image):
            self._is_there(one, f"/images/{one.name}/json", self._world.images)

    def _is_there(
        self, one: Subject, path: str, among: list[Subject] | list[Volume] | list[Network] | list[Image]
    ) -> bool:
        try:
            self._worker.ask("GET", path)
        except NotFound:
            one.status.learn(GONE, f"the status of {one.name}")
            among.remove(one)  # type: ignore[arg-type]
            return False
        one.status.learn(THERE, f"the status of {one.name}")
        return True

    # ---------------------------------------------------------------- containers

    def _container(self, one: Container) -> None:
        found = self._at_rest(one)
        if found is None:
            one.status.learn(GONE, f"the status of {one.name}")
            self._world.containers.remove(one)
            for used in self._world.subjects():
                used.users.discard(one)
            return
        one.id = str(found["Id"])
        state = found["State"]
        one.status.learn(state["Status"], f"the status of {one.name}")
        if one.names.possible != {""}:
            one.names.learn(found["Name"][1:], f"the name of {one.name}")
        if one.memory.possible != {0}:
            one.memory.learn(found["HostConfig"]["Memory"], f"the memory limit of {one.name}")
        one.networks.learn(frozenset(found["NetworkSettings"]["Networks"]), f"the networks of {one.name}")
        for network in self._world.networks:
            (
                network.users.add
                if network.name in found["NetworkSettings"]["Networks"]
                else network.users.discard
            )(one)
        if state["Status"] == "exited":
            one.code.learn(state["ExitCode"], f"the exit code of {one.name}")
        if one.greeting:
            self._log_is_whole(one, state)
        if one.own.possible != {""} and state["Status"] != "created":
            one.own.learn(self._own_file(one), f"/own of {one.name}")
        if state["Status"] == "running":
            self._works(one)

    def _at_rest(self, one: Container) -> dict | None:  # type: ignore[type-arg]
        """Return what `inspect` says once it is possible; raises Violation when it does not become so."""
        found: dict | None = None  # type: ignore[type-arg]

        def possible() -> bool:
            nonlocal found
            try:
                found = self._worker.ask("GET", f"/containers/{one.ref}/json")
            except NotFound:
                found = None
            status = found["State"]["Status"] if found else GONE
            # One whose removal the disk had no room for waits to be removed again.
            return status in one.status.possible and (status != "removing" or one.lossy)

        if not soon(possible, within=SETTLED):
            what = found["State"] if found else GONE
            raise Violation(f"{one.name} is {what}; it can only be {one.status!r}")
        return found

    def _own_file(self, one: Container) -> str:
        try:
            return inside.own_file(self._worker, one)
        except NotFound:
            return ""

    def _log_is_whole(self, one: Container, state: dict) -> None:  # type: ignore[type-arg]
        query = {"stdout": True, "stderr": True}
        with self._worker.stage.client.request("GET", f"/containers/{one.ref}/logs", query=query) as answer:
            data = answer.read()
        text = (data if one.tty else inside.unframed(data)).decode(errors="replace")
        if state["Status"] == "running" and not text.endswith("\n"):
            text = text[: text.rfind("\n") + 1]
        ended = state["Status"] == "exited" and state["ExitCode"] == ENDED
        wrong = fault(text, from_first=not one.rotates, lossy=one.lossy, ended=ended)
        if wrong:
            raise Violation(f"the log of {one.name}: {wrong}")

    def _works(self, one: Container) -> None:
        """It can be reached, resolves its neighbours, and is healthy."""
        if one.published:
            inside.reaches(self._worker, one)
        shared = inside.own_networks(one)
        for other in self._world.containers:
            if other is not one and other.status.is_surely("running") and shared & inside.own_networks(other):
                inside.resolves(self._worker, one, other)
                break
        if one.healthy and not soon(lambda: self._health(one) == "healthy", within=SETTLED):
            raise Violation(f"{one.name} does not become healthy: {self._health(one)}")

    def _health(self, one: Container) -> str:
        return str(self._worker.ask("GET", f"/containers/{one.ref}/json")["State"]["Health"]["Status"])

    # ---------------------------------------------------------------- the whole

    def _lists_are_the_model(self) -> None:
        ask = self._worker.ask
        listed = ask("GET", "/containers/json", query={"all": True})
        _same("containers", {one["Id"] for one in listed}, {one.id for one in self._world.containers})
        mounted = {point["Name"] for one in listed for point in one["Mounts"] if point["Type"] == "volume"}
        named = {one["Name"] for one in ask("GET", "/volumes")["Volumes"] or ()}
        _same(
            "volumes",
            {name for name in named if not _ID.fullmatch(name)},
            {one.name for one in self._world.volumes},
        )
        _same("anonymous volumes", {name for name in named if _ID.fullmatch(name)} - mounted, set())
        named = {one["Name"] for one in ask("GET", "/networks")} - set(_OWN)
        _same("networks", named, {one.name for one in self._world.networks})

    def _nothing_is_left_over(self) -> None:
        """Mounts, control groups and shims are those of containers that run."""
        alive = {one.id for one in self._world.containers if one.status.is_surely("running", "paused")}
        left: list[str] = []

        def clean() -> bool:
            left.clear()
            found = footprint(self._worker.stage.host)
            there = (*found.mounts, *found.cgroups, *found.processes)
            left.extend(line for line in there if not alive.issuperset(_ID.findall(line)))
            left.extend(_zombies(self._worker.stage.pid))
            return not left

        if not soon(clean, within=SETTLED):
            raise Violation(f"left over: {left}")


def _same(what: str, listed: set[str], expected: set[str]) -> None:
    if listed != expected:
        raise Violation(f"{what}: listed and unknown {listed - expected}, missing {expected - listed}")


def _zombies(parent: int) -> list[str]:
    """Return children of the engine that ended and were not waited for."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdecimal():
            try:
                line = Path(f"/proc/{name}/stat").read_text()
            except OSError:
                continue
            state, of = line.rpartition(")")[2].split()[:2]
            if state == "Z" and int(of) == parent:
                found.append(f"zombie {line.split(')')[0]})")
    return found


def clear(worker: Worker) -> None:
    """Remove all but the image that everything is made of, as a user would."""
    world, ask = worker.world, worker.ask
    for container in list(world.containers):
        ask("DELETE", f"/containers/{container.id}", query={"force": True, "v": True})
    for network in world.networks:
        ask("DELETE", f"/networks/{network.name}")
    for one in ask("GET", "/volumes")["Volumes"] or ():
        ask("DELETE", f"/volumes/{one['Name']}")
    for image in ask("GET", "/images/json", query={"all": True}):
        if "busybox:test" not in (image["RepoTags"] or ()):
            _gone(lambda image=image: ask("DELETE", f"/images/{image['Id']}", query={"force": True}))  # type: ignore[misc]
    ask("POST", "/build/prune", query={"all": True})
    for subjects in (world.containers, world.networks, world.volumes, world.images):
        subjects.clear()


def _gone(remove: Callable[[], object]) -> None:
    try:
        remove()
    except NotFound:  # it was the parent of one that was removed before it
        return
