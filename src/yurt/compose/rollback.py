"""Going back to what the containers before a rollover were, by the same way: nothing is needed but the engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from yurt.client.sync import Client
from yurt.compose import labels, previous, rollover
from yurt.compose.execute import Executor, How, write_files
from yurt.compose.lifecycle import chosen
from yurt.compose.model import Project
from yurt.compose.observed import Observed, ObservedContainer
from yurt.compose.plan import Action, Draft, Plan
from yurt.compose.progress import Progress
from yurt.compose.replacing import roll
from yurt.compose.watch import Watch
from yurt.errors import Conflict, NotFound

Bodies = Mapping[str, dict[str, Any]]  # create bodies by the ID of the container that they are to replace


def kept(observed: Observed, services: Iterable[str]) -> Bodies:
    """Return what the containers of *services*, or all, keep of those before them.

    Raises NotFound when none keeps anything, or one of a service that was named does not.
    """
    named = tuple(services)
    found = {}
    for each in chosen(observed, named):
        if each.labels.get(labels.PREVIOUS) or named:
            found[each.id] = rollover.restored(each)
    if not found:
        raise NotFound(
            "no container keeps anything of one before it",
            hint="only `yurt compose up --rollover` leaves something to roll back to",
        )
    return found


def plan_rollback(observed: Observed, bodies: Bodies, *, moves_ports: bool) -> Plan:
    """Return how the containers that *bodies* name are replaced by what they replaced. Pure."""
    draft = Draft()
    ends: dict[str, tuple[int, ...]] = {}
    for each in chosen(observed, ()):
        if each.id not in bodies:
            continue
        if each.state != "running":
            raise Conflict(
                f"cannot roll back {each.name}: it is {each.state}", hint="start it first: yurt compose start"
            )
        end = roll(
            draft,
            each,
            each.name,
            "rolled back",
            publishes=bool(bodies[each.id].get("HostConfig", {}).get("PortBindings")),
            moves_ports=moves_ports,
            ready=ends.get(each.service, ()),
        )
        ends[each.service] = (end,)
    return draft.done()


class RollbackExecutor(Executor):
    """Does a plan whose containers are made from what is kept of those before."""

    def __init__(
        self,
        client: Client,
        name: str,
        project: Project | None,
        observed: Observed,
        bodies: Bodies,
        *,
        watch: Watch,
        progress: Progress,
        how: How,
    ) -> None:
        super().__init__(client, project, observed, watch=watch, progress=progress, how=how)
        self._bodies = bodies
        self._name = name

    def _create(self, action: Action) -> None:
        old: ObservedContainer = self._containers[action.replaces]
        self._candidates[action.name] = old.id
        body = previous.copied(self._bodies[old.id])
        rollover.image_is_there(self.client, body)
        body["Labels"] |= rollover.remember(self.client, old, self._name) | {labels.REPLACE: old.name}
        if action.withheld != "nothing":
            rollover.withhold(body, aliases=action.withheld == "all")
        shared = [f"{volume}:{target}:rw" for volume, target in old.anonymous]
        bound = [bind.split(":")[1] for bind in body["HostConfig"].get("Binds") or ()]
        kept_binds = [bind for bind in shared if bind.split(":")[1] not in bound]
        body["HostConfig"]["Binds"] = [*(body["HostConfig"].get("Binds") or ()), *kept_binds]
        created = self.client.json("POST", "/containers/create", query={"name": action.name}, json=body)
        service = self._service(old.service)
        if service is not None and service.files:
            write_files(self.client, created["Id"], service)

    def _succeed(self, action: Action) -> None:
        rollover.succeed(self.client, action.reference, action.replaces, self._bodies[action.replaces])
        self._candidates.pop(action.reference, None)
