"""The plans of ``up``: which images, and which containers, must change. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from yurt import __version__
from yurt.compose import hash as hashes
from yurt.compose import labels
from yurt.compose.model import Condition, Project, Service
from yurt.compose.observed import Observed, ObservedContainer
from yurt.compose.parse import refresh_after
from yurt.compose.plan import Draft, Plan, Verb
from yurt.compose.replacing import obstacle, original_name, roll
from yurt.errors import Conflict, InvalidArgument, NotFound
from yurt.values import Value, made, replace


class UpOptions(Value):
    """The flags of ``up`` that change the plan."""

    services: tuple[str, ...] = ()
    build: bool = False
    no_build: bool = False
    pull: str = ""  # over the services' own pull_policy
    force_recreate: bool = False
    no_recreate: bool = False
    always_recreate_deps: bool = False
    remove_orphans: bool = False
    ignore_orphans: bool = False
    no_deps: bool = False
    no_start: bool = False
    renew_anonymous: bool = False
    rollover: bool = False
    moves_ports: bool = False  # the engine can move ports and names between running containers
    scale: Mapping[str, int] = made(factory=dict)


def container_name(project: Project, service: Service, number: int) -> str:
    """Return what the engine calls a container: ``project-service-number``, or the name chosen."""
    return service.container_name or f"{project.name}-{service.name}-{number}"


def plan_images(project: Project, observed: Observed, options: UpOptions) -> Plan:
    """Return what must be built or pulled before containers can be made; builds and pulls run at once.

    An image that one service builds is never pulled for another.
    """
    builders = {each.image: each for each in reversed(list(project.services.values())) if each.build}
    draft = Draft()
    planned: set[str] = set()
    for user in project.selection(options.services, dependencies=not options.no_deps):
        if user.image in planned:
            continue
        service = builders.get(user.image, user)
        policy = options.pull or service.pull_policy
        is_absent = observed.images.get(service.image) is None
        cause, verb = "", Verb.BUILD if service.build else Verb.PULL
        if service.build:
            if options.build:
                cause = "asked for"
            elif policy == "build" and not options.no_build:
                cause = "pull_policy is build"
            elif is_absent and not options.no_build:
                cause = "missing"
        elif policy in ("always", "newer", "refresh"):
            cause = f"pull policy is {policy}"
        elif is_absent:
            cause = "missing"
        elif (age := observed.ages.get(service.image)) is not None and (
            limit := refresh_after(policy)
        ) is not None:
            cause = f"pull policy is {policy}, and it came {age:.0f} s ago" if age * 1e9 >= limit else ""
        if cause and verb is Verb.PULL and policy == "never":
            raise NotFound(
                f"service {service.name}: the image {service.image} is not there, and its pull policy is never"
            )
        if cause:
            planned.add(service.image)
            draft.add(verb, service.image, cause, service=service.name)
        elif is_absent:
            raise NotFound(
                f"service {service.name}: the image {service.image} is not built", hint="leave out --no-build"
            )
    return draft.done()


def plan_up(project: Project, observed: Observed, options: UpOptions) -> Plan:
    """Return what brings the containers to what the project says; images are there already."""
    return _Up(project, observed, options).plan()


class _Up:
    def __init__(self, project: Project, observed: Observed, options: UpOptions) -> None:
        self.project = project
        self.observed = observed
        self.options = options
        self.draft = Draft()
        self.services = project.selection(options.services, dependencies=not options.no_deps)
        self.selected = {service.name for service in self.services}
        self.resources: dict[str, int] = {}  # "network:KEY" and "volume:KEY" → the action that makes it
        self.fresh: set[str] = set()  # names of networks that are made in this plan
        self.started: dict[str, list[int]] = {}  # service → the actions after which it runs
        self.names: dict[str, list[str]] = {}  # service → its containers' names, afterwards
        self.renewed: dict[str, str] = {}  # service → "recreated" or "restarted", if an existing one is
        self.gates: dict[tuple[str, Condition], tuple[int, ...]] = {}
        self.causes: dict[str, dict[str, str]] = {}  # service → container's ID → why it must be made anew
        self.rolled: dict[str, tuple[int, ...]] = {}  # service → the end of its last replica's rollover
        self.reruns = self._reruns()

    def plan(self) -> Plan:
        self._check_scale()
        self._networks()
        self._volumes()
        for service in self.services:
            self._service(service)
        self._orphans()
        self._other_folder()
        return self.draft.done()

    # ---------------------------------------------------------------- what is shared

    def _check_scale(self) -> None:
        for name, count in self.options.scale.items():
            service = self.project.service(name)
            if service.container_name and count > 1:
                raise InvalidArgument(
                    f"cannot scale {name} to {count}: its container_name {service.container_name!r} can be used once"
                )

    def _networks(self) -> None:
        for key in dict.fromkeys(each.network for service in self.services for each in service.networks):
            network = self.project.networks[key]
            found = self.observed.networks.get(network.name)
            if found is None:
                if network.external:
                    raise NotFound(
                        f"the network {network.name} is declared external, and is not there",
                        hint=f"create it: yurt network create {network.name}",
                    )
                self.resources[f"network:{key}"] = self.draft.add(
                    Verb.CREATE_NETWORK, network.name, "missing", key=key
                )
                self.fresh.add(network.name)
            elif not network.external:
                self._check_owner("network", network.name, found.project)
                if found.config_hash and found.project == self.project.name:
                    self._check_hash(
                        network.name, found.config_hash, hashes.network_hash(self.project, network)
                    )

    def _check_hash(self, name: str, found: str, wanted: str) -> None:
        if len(found) == len(wanted) and found != wanted and self._is_ours():
            raise Conflict(
                f"the network {name} was made with another configuration",
                hint="`yurt compose down` removes it, `up` makes it anew",
            )

    def _is_ours(self) -> bool:
        """Return whether the containers were made by us: Docker's Compose hashes differently."""
        marks = [each.labels.get(labels.VERSION) for each in self.observed.containers]
        return not marks or __version__ in marks

    def _volumes(self) -> None:
        used = (
            m.source for service in self.services for m in service.mounts if m.type == "volume" and m.source
        )
        for key in dict.fromkeys(used):
            volume = self.project.volumes[key]
            found = self.observed.volumes.get(volume.name)
            if found is None:
                if volume.external:
                    raise NotFound(
                        f"the volume {volume.name} is declared external, and is not there",
                        hint=f"create it: yurt volume create {volume.name}",
                    )
                self.resources[f"volume:{key}"] = self.draft.add(
                    Verb.CREATE_VOLUME, volume.name, "missing", key=key
                )
            elif not volume.external:
                self._check_owner("volume", volume.name, found.project)

    def _check_owner(self, kind: str, name: str, owner: str) -> None:
        if owner != self.project.name:
            made_by = f"by the project {owner!r}" if owner else "by no project"
            self.draft.notices.append(
                f"the {kind} {name} was made {made_by}; write `external: true` to use it without this notice"
            )

    # ---------------------------------------------------------------- one service

    def _count(self, service: Service) -> int:
        return self.options.scale.get(service.name, service.replicas)

    def _kept(self, service: Service) -> tuple[ObservedContainer, ...]:
        return self.observed.of(service.name)[: self._count(service)]

    def _diverged(self, service: Service, container: ObservedContainer) -> str:
        """Return why *container* is not what *service* asks for; empty if it is."""
        if self.options.no_recreate:
            return ""
        if self.options.force_recreate and (
            not self.options.services or service.name in self.options.services
        ):
            return "asked for"
        if (
            self.options.always_recreate_deps
            and self.options.services
            and service.name not in self.options.services
        ):
            return "others depend on it, and all such are asked for"
        image = self.observed.images.get(service.image)
        if container.config_hash != hashes.service_hash(self.project, service):
            return "configuration changed"
        if image and container.image_id and container.image_id != image:
            return "image changed"
        lost = [name for name in container.networks if name in self.fresh]
        return f"its network {lost[0]} is made anew" if lost else ""

    def _reruns(self) -> set[str]:
        """Return the completed one-shot services that must run again, because someone who waits for them starts."""
        busy: set[str] = set()
        missing = {network.name for network in self.project.networks.values()} - set(self.observed.networks)
        self.fresh = missing
        for service in self.services:
            kept = self._kept(service)
            if len(kept) < self._count(service) or any(
                self._diverged(service, each) or not (each.is_running or each.has_completed) for each in kept
            ):
                busy.add(service.name)
        self.fresh = set()
        return {
            edge.service
            for service in self.services
            if service.name in busy
            for edge in service.depends_on
            if edge.condition is Condition.COMPLETED
        }

    def _is_complete(self, service: Service, container: ObservedContainer) -> bool:
        """Return whether *container* has done its work, and is not to run again."""
        waited_for = any(
            (edge := other.dependency(service.name)) is not None and edge.condition is Condition.COMPLETED
            for other in self.project.services.values()
        )
        return container.has_completed and waited_for and service.name not in self.reruns

    def _service(self, service: Service) -> None:
        existing = self._settled(service)
        count = self._count(service)
        kept, excess = existing[:count], existing[count:]
        self.started[service.name] = []
        self.names[service.name] = []
        ready = self._ready_to_create(service)
        shared = self._shares_with(service)
        gates: list[tuple[int, ...]] = []

        def gated() -> tuple[int, ...]:
            if not gates:
                gates.append(self._gates(service))
            return gates[0]

        for container in kept:
            name = container_name(self.project, service, container.number)
            self.names[service.name].append(name)
            cause = self._diverged(service, container)
            if not cause and not self.options.no_recreate and shared in self.renewed:
                cause = f"{shared}, whose network it shares, is {self.renewed[shared]}"
            if cause and self._rolls(service, container):
                self._roll(service, container, name, cause, ready=ready, gated=gated)
            elif cause:
                self._recreate(service, container, name, cause, ready=ready, gated=gated)
            elif container.is_running:
                self._restart_after(service, container, gated)
            elif not self._is_complete(service, container) and not self.options.no_start:
                words = "not running" if container.state != "created" else "created, never started"
                self._start(service, name, words, gated(), container.id)
        taken = {container.number for container in existing}
        for _ in range(count - len(kept)):
            number = next(n for n in range(1, len(taken) + 2) if n not in taken)
            taken.add(number)
            name = container_name(self.project, service, number)
            self.names[service.name].append(name)
            created = self.draft.add(Verb.CREATE, name, "missing", ready, service=service.name, index=number)
            if not self.options.no_start:
                self._start(service, name, "created", (created, *gated()))
        for container in excess:
            self._discard(container, f"scaled down to {count}")

    def _settled(self, service: Service) -> tuple[ObservedContainer, ...]:
        """Return the service's containers without those that an interrupted `up` has left with a temporary name."""
        found = self.observed.of(service.name)
        left = [each for each in found if original_name(each.name)]
        if not left:
            return found
        own = {each.name: each for each in found if not original_name(each.name)}
        for each in left:
            name = original_name(each.name).removesuffix(".trial")
            other = own.get(name)
            takes_over = each.is_running and any(port.get("PublicPort") for port in each.ports)
            if each.name.endswith(".trial") or (other is not None and not takes_over):
                self._discard(each, "left by an `up` that was interrupted")
                continue
            after = (self._discard(other, f"succeeded by {each.name}"),) if other is not None else ()
            self.draft.add(
                Verb.RENAME,
                name,
                "left by an `up` that was interrupted",
                after,
                reference=each.id,
                service=service.name,
            )
            own[name] = replace(each, name=name)
        return tuple(sorted(own.values(), key=lambda each: each.number))

    def _ready_to_create(self, service: Service) -> tuple[int, ...]:
        keys = [f"network:{each.network}" for each in service.networks]
        keys += [f"volume:{mount.source}" for mount in service.mounts if mount.type == "volume"]
        made = [self.resources[key] for key in keys if key in self.resources]
        for edge in service.depends_on:
            if self._shares(service, edge.service):
                made += self.started.get(edge.service, [])
        return tuple(made)

    def _shares(self, service: Service, other: str) -> bool:
        modes = (service.network_mode, service.ipc, service.pid)
        return f"service:{other}" in modes or any(
            each.partition(":")[0] == other for each in service.volumes_from
        )

    def _shares_with(self, service: Service) -> str:
        return (
            service.network_mode.removeprefix("service:")
            if service.network_mode.startswith("service:")
            else ""
        )

    def _start(
        self, service: Service, name: str, cause: str, after: Sequence[int], reference: str = ""
    ) -> None:
        number = self.draft.add(Verb.START, name, cause, after, reference=reference, service=service.name)
        self.started[service.name].append(number)

    def _recreate(
        self,
        service: Service,
        old: ObservedContainer,
        name: str,
        cause: str,
        *,
        ready: tuple[int, ...],
        gated: Callable[[], tuple[int, ...]],
    ) -> None:
        temporary = f"{old.id[:12]}_{name}"
        created = self.draft.add(
            Verb.CREATE,
            temporary,
            cause,
            ready,
            service=service.name,
            index=old.number,
            replaces="" if self.options.renew_anonymous else old.id,
        )
        free = self._discard(old, f"replaced by {created}", (created,))
        renamed = self.draft.add(
            Verb.RENAME,
            name,
            f"takes the place of {old.id[:12]}",
            (free,),
            reference=temporary,
            service=service.name,
        )
        self.renewed[service.name] = "recreated"
        if self.options.no_start:
            self.started[service.name].append(renamed)
        else:
            self._start(service, name, "recreated", (renamed, *gated()))

    def _rolls(self, service: Service, old: ObservedContainer) -> bool:
        """Return whether a changed container is replaced by rollover; raises Conflict if it should be and can't."""
        wanted = self.options.rollover and not self.options.no_start and old.state == "running"
        if not wanted or service.rollover.order == "stop-first":
            return False
        why = obstacle(service, old, renew_anonymous=self.options.renew_anonymous)
        if why:
            raise Conflict(
                f"service {service.name} can't be rolled over: {why}",
                hint="write `deploy: {update_config: {order: stop-first}}` to recreate it, or start-first if both may run",
            )
        return True

    def _roll(
        self,
        service: Service,
        old: ObservedContainer,
        name: str,
        cause: str,
        *,
        ready: tuple[int, ...],
        gated: Callable[[], tuple[int, ...]],
    ) -> None:
        """Have a new container prove itself beside the old one, then take over from it; one replica at a time."""
        renamed = roll(
            self.draft,
            old,
            name,
            cause,
            publishes=bool(service.ports),
            moves_ports=self.options.moves_ports,
            renew_anonymous=self.options.renew_anonymous,
            ready=(*ready, *self.rolled.get(service.name, ())),
            gated=gated,
        )
        self.rolled[service.name] = (renamed,)
        self.renewed[service.name] = "rolled over"
        self.started[service.name].append(renamed)

    def _discard(self, container: ObservedContainer, cause: str, after: Sequence[int] = ()) -> int:
        if container.is_running:
            stopped = self.draft.add(
                Verb.STOP, container.name, cause, after, reference=container.id, service=container.service
            )
            after = (stopped,)
        return self.draft.add(
            Verb.REMOVE, container.name, cause, after, reference=container.id, service=container.service
        )

    def _restart_after(
        self, service: Service, container: ObservedContainer, gated: Callable[[], tuple[int, ...]]
    ) -> None:
        """Restart a container that runs unchanged if a dependency with ``restart: true`` is renewed."""
        for edge in service.depends_on:
            if edge.restart and edge.service in self.renewed and not self.options.no_start:
                number = self.draft.add(
                    Verb.RESTART,
                    container.name,
                    f"{edge.service} is {self.renewed[edge.service]}",
                    gated(),
                    reference=container.id,
                    service=service.name,
                )
                self.started[service.name].append(number)
                self.renewed[service.name] = "restarted"
                return

    # ---------------------------------------------------------------- gates

    def _gates(self, service: Service) -> tuple[int, ...]:
        """Return the actions that must end before *service* may start."""
        found: list[int] = []
        for edge in service.depends_on:
            if edge.service in self.selected:
                found += self._gate(edge.service, edge.condition, service.name)
        return tuple(found)

    def _gate(self, name: str, condition: Condition, cause: str) -> tuple[int, ...]:
        started = tuple(self.started.get(name, ()))
        if condition is Condition.STARTED or not self.names.get(name):
            return started
        known = self.gates.get((name, condition))
        if known is None:
            known = self._new_gate(name, condition, cause, started)
            self.gates[name, condition] = known
        return known

    def _new_gate(
        self, name: str, condition: Condition, cause: str, started: tuple[int, ...]
    ) -> tuple[int, ...]:
        existing = self.observed.of(name)
        if not started and existing:
            healthy = condition is Condition.HEALTHY and all(each.health == "healthy" for each in existing)
            completed = condition is Condition.COMPLETED and all(each.has_completed for each in existing)
            if healthy or completed:
                return ()
        gate = self.draft.add(
            Verb.WAIT,
            name,
            f"{cause} needs it",
            started,
            service=name,
            condition=condition,
            containers=tuple(self.names[name]),
        )
        return (gate,)

    # ---------------------------------------------------------------- orphans

    def _orphans(self) -> None:
        known = {*self.project.services, *self.project.disabled}
        orphans = [each for each in self.observed.containers if each.service not in known and not each.oneoff]
        if orphans and self.options.remove_orphans:
            for container in orphans:
                self._discard(container, "orphan")
        elif orphans and not self.options.ignore_orphans:
            names = ", ".join(each.name for each in orphans)
            self.draft.notices.append(
                f"containers of services that the file no longer has: {names}; --remove-orphans removes them"
            )

    def _other_folder(self) -> None:
        """Tell when another folder has a project of this name: its containers are taken for this one's."""
        folders = {
            each.labels.get(labels.WORKING_DIR, self.project.directory) for each in self.observed.containers
        }
        for folder in sorted(folders - {self.project.directory}):
            self.draft.notices.append(
                f"a project called {self.project.name} was brought up from {folder}: this changes its containers; "
                "choose another name with -p if that is not meant"
            )
