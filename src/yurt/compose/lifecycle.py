"""The plans of down, stop, start, restart, kill and rm, made from what is observed alone. Pure.

A project can be stopped and removed without its file: who depends on whom stands in the containers' labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from yurt.compose.model import Condition, Project
from yurt.compose.observed import Observed, ObservedContainer
from yurt.compose.plan import Draft, Plan, Verb, dependants
from yurt.values import Value


class DownOptions(Value):
    """The flags of ``down`` that change the plan."""

    services: tuple[str, ...] = ()
    volumes: bool = False
    images: str = ""  # "", "local" (those built for the project) or "all"
    remove_orphans: bool = False


def chosen(
    observed: Observed, services: Iterable[str], *, oneoff: bool = False
) -> tuple[ObservedContainer, ...]:
    """Return the containers of *services*, or all, by service and number."""
    wanted = set(services)
    found = (each for each in observed.containers if (oneoff or not each.oneoff))
    return tuple(
        sorted(
            (each for each in found if not wanted or each.service in wanted),
            key=lambda each: (each.service, each.number, each.name),
        )
    )


def _stop(
    draft: Draft, containers: Sequence[ObservedContainer], cause: str, verb: Verb = Verb.STOP
) -> dict[str, list[int]]:
    """Stop *containers*, dependants first; returns the actions by service."""
    edges = {each.service: each.depends_on for each in containers}
    users = dependants(edges)
    stops: dict[str, list[int]] = {}
    for service in _outermost_first(edges):
        after = [number for user in users.get(service, ()) for number in stops.get(user, ())]
        stops[service] = []
        for each in containers:
            if each.service == service and each.is_running:
                stops[service].append(
                    draft.add(verb, each.name, cause, after, reference=each.id, service=service)
                )
        stops[service] = stops[service] or after
    return stops


def _outermost_first(edges: dict[str, tuple[str, ...]]) -> list[str]:
    """Return services so that each comes before what it depends on; a circle is cut anywhere."""
    order: list[str] = []
    seen: set[str] = set()

    def visit(name: str) -> None:
        if name in seen or name not in edges:
            return
        seen.add(name)
        for needed in edges[name]:
            visit(needed)
        order.append(name)

    for name in edges:
        visit(name)
    return order[::-1]


def plan_stop(observed: Observed, services: Sequence[str], *, kill: bool = False) -> Plan:
    draft = Draft()
    _stop(draft, chosen(observed, services), "asked for", Verb.KILL if kill else Verb.STOP)
    return draft.done()


def plan_pause(observed: Observed, services: Sequence[str], *, undo: bool = False) -> Plan:
    """Return what freezes the running containers, or with *undo* lets the frozen ones go on."""
    draft = Draft()
    for each in chosen(observed, services):
        if each.state == ("paused" if undo else "running"):
            verb = Verb.UNPAUSE if undo else Verb.PAUSE
            draft.add(verb, each.name, "asked for", reference=each.id, service=each.service)
    return draft.done()


def plan_remove(observed: Observed, services: Sequence[str], *, stop: bool, volumes: bool) -> Plan:
    """Return what removes stopped containers, and with *stop* running ones too."""
    draft = Draft()
    containers = chosen(observed, services, oneoff=not services)
    stops = _stop(draft, containers, "asked for") if stop else {}
    for each in containers:
        if stop or not each.is_running:
            after = stops.get(each.service, ()) if each.is_running else ()
            draft.add(
                Verb.REMOVE,
                each.name,
                "asked for",
                after,
                reference=each.id,
                service=each.service,
                volumes=volumes,
            )
    return draft.done()


def plan_start(
    project: Project, observed: Observed, services: Sequence[str], *, restart: bool = False
) -> Plan:
    """Return what starts existing containers, dependencies first and as healthy as they must be."""
    draft = Draft()
    acted: dict[str, list[int]] = {}
    gates: dict[tuple[str, Condition], int] = {}
    selection = (
        project.selection(services) if not restart else project.selection(services, dependencies=False)
    )
    for service in selection:
        acted[service.name] = []
        after: list[int] = []
        waiting = [
            each
            for each in observed.of(service.name)
            if restart or not (each.is_running or each.has_completed)
        ]
        if service.name in services or not services:
            waiting = [each for each in observed.of(service.name) if restart or not each.is_running]
        for edge in service.depends_on if waiting else ():
            started = acted.get(edge.service, [])
            containers = tuple(each.name for each in observed.of(edge.service))
            if edge.condition is Condition.STARTED or not containers or not started:
                after += started
                continue
            gate = gates.get((edge.service, edge.condition)) or draft.add(
                Verb.WAIT,
                edge.service,
                f"{service.name} needs it",
                started,
                service=edge.service,
                condition=edge.condition,
                containers=containers,
            )
            gates[edge.service, edge.condition] = gate
            after.append(gate)
        verb = Verb.RESTART if restart else Verb.START
        for each in waiting:
            acted[service.name].append(
                draft.add(verb, each.name, "asked for", after, reference=each.id, service=service.name)
            )
    return draft.done()


def plan_down(project: Project | None, name: str, observed: Observed, options: DownOptions) -> Plan:
    """Return what takes the project *name* away; without its file (*project* None) labels say what is its own."""
    draft = Draft()
    everything = not options.services
    containers = chosen(observed, options.services, oneoff=everything)
    if project is not None and everything and not options.remove_orphans:
        known = {*project.services, *project.disabled}
        orphans = [each.name for each in containers if each.service not in known]
        containers = tuple(each for each in containers if each.service in known)
        if orphans:
            draft.notices.append(
                f"containers of services that the file no longer has: {', '.join(orphans)}; "
                "--remove-orphans removes them"
            )
    stops = _stop(draft, containers, "down")
    removed = [
        draft.add(
            Verb.REMOVE,
            each.name,
            "down",
            stops.get(each.service, ()),
            reference=each.id,
            service=each.service,
            volumes=options.volumes,
        )
        for each in containers
    ]
    if everything:
        for network in observed.networks.values():
            if network.project == name and network.key:
                draft.add(Verb.REMOVE_NETWORK, network.name, "down", removed, key=network.key)
        for volume in observed.volumes.values() if options.volumes else ():
            if volume.project == name and volume.key:
                draft.add(Verb.REMOVE_VOLUME, volume.name, "down -v", removed, key=volume.key)
    if options.images and project is not None:
        services = project.services.values() if everything else map(project.service, options.services)
        for image in dict.fromkeys(
            s.image for s in services if options.images == "all" or _is_local(project, s.image)
        ):
            if observed.images.get(image) is not None:
                draft.add(Verb.REMOVE_IMAGE, image, f"down --rmi {options.images}", removed)
    return draft.done()


def _is_local(project: Project, image: str) -> bool:
    """Return whether *image* has the name that a build without ``image:`` gives."""
    return any(
        service.build and image == f"{project.name}-{service.name}" for service in project.services.values()
    )
