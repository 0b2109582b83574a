"""What must be done to bring what is observed to what is desired: a graph of actions, each with its cause. Pure.

Every action is one call of the engine, or one wait. ``after`` names the actions that must have succeeded before;
all others may run at once. Printing a plan is how it is tested and what ``up --dry-run`` shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from yurt.compose.model import Condition
from yurt.values import Value


class Verb(StrEnum):
    """What an action does."""

    PULL = "pull image"
    BUILD = "build image"
    CREATE_NETWORK = "create network"
    CREATE_VOLUME = "create volume"
    CREATE = "create container"
    START = "start container"
    RESTART = "restart container"
    STOP = "stop container"
    KILL = "kill container"
    PAUSE = "pause container"
    UNPAUSE = "unpause container"
    REMOVE = "remove container"
    RENAME = "rename container"
    PROVE = "prove container"
    SUCCEED = "hand ports and names over to"
    SWAP = "swap in container"
    DRAIN = "drain container"
    WAIT = "wait for"
    REMOVE_NETWORK = "remove network"
    REMOVE_VOLUME = "remove volume"
    REMOVE_IMAGE = "remove image"


class Action(Value):
    """One step. ``reference`` is what the engine is asked for: a container's ID or name, a network's name…"""

    number: int
    verb: Verb
    name: str  # as shown: shop-web-1
    cause: str
    after: tuple[int, ...] = ()
    reference: str = ""
    service: str = ""
    index: int = 0  # the container's number
    key: str = ""  # of the network or volume in the file
    replaces: str = ""  # CREATE: the ID of the container whose place it takes
    condition: Condition = Condition.STARTED  # WAIT
    containers: tuple[str, ...] = ()  # WAIT: names
    volumes: bool = False  # REMOVE: anonymous volumes too
    withheld: str = ""  # CREATE: "ports" or "all" stay with the container that it replaces, for now

    def __str__(self) -> str:
        verb = f"{self.verb.value} {self.name}"
        if self.verb is Verb.WAIT:
            verb = f"wait until {self.name} {_REACHED[self.condition]}"
        after = f" (after {', '.join(map(str, self.after))})" if self.after else ""
        return f"{self.number}. {verb}: {self.cause}{after}"


_REACHED = {
    Condition.STARTED: "is running",
    Condition.HEALTHY: "is healthy",
    Condition.COMPLETED: "has completed",
}


class Plan(Value):
    """Actions in an order in which they could be done one by one; notices are told before."""

    actions: tuple[Action, ...] = ()
    notices: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.actions)

    def __str__(self) -> str:
        return "\n".join(map(str, self.actions)) or "nothing to do"


class Draft:
    """A plan while it is being written."""

    def __init__(self) -> None:
        self.actions: list[Action] = []
        self.notices: list[str] = []

    def add(
        self,
        verb: Verb,
        name: str,
        cause: str,
        after: Iterable[int] = (),
        *,
        reference: str = "",
        service: str = "",
        index: int = 0,
        key: str = "",
        replaces: str = "",
        condition: Condition = Condition.STARTED,
        containers: tuple[str, ...] = (),
        volumes: bool = False,
        withheld: str = "",
    ) -> int:
        """Append an action and return its number."""
        number = len(self.actions) + 1
        self.actions.append(
            Action(
                number,
                verb,
                name,
                cause,
                tuple(sorted(set(after))),
                reference=reference or name,
                service=service,
                index=index,
                key=key,
                replaces=replaces,
                condition=condition,
                containers=containers,
                volumes=volumes,
                withheld=withheld,
            )
        )
        return number

    def done(self) -> Plan:
        return Plan(tuple(self.actions), tuple(self.notices))


def dependants(edges: Mapping[str, Iterable[str]]) -> dict[str, set[str]]:
    """Return who depends on each, from what each depends on."""
    found: dict[str, set[str]] = {}
    for name, needed in edges.items():
        for other in needed:
            found.setdefault(other, set()).add(name)
    return found
