"""Doing a plan: independent actions at once, each as soon as those before it are done."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from queue import SimpleQueue
from typing import Any

from yurt.client.sync import Client
from yurt.compose import hash as hashes
from yurt.compose import payload
from yurt.compose.model import Condition, Project, Service
from yurt.compose.observed import Observed, ObservedContainer
from yurt.compose.plan import Action, Plan, Verb
from yurt.compose.progress import Progress, Silent
from yurt.compose.watch import Seen, Watch, described
from yurt.errors import Conflict, NotFound, NotModified, YurtError
from yurt.values import Value, made, replace

AT_ONCE = 12
WAITS = frozenset({Verb.WAIT, Verb.PROVE, Verb.DRAIN})
Body = dict[str, Any]  # of a create request


class How(Value):
    """What an execution may be told beside the plan."""

    stop_timeout: int | None = None  # seconds; None: each container's own
    kill_signal: str = "SIGKILL"
    no_cache: bool = False
    pull_bases: bool = False
    build_args: Mapping[str, str] = made(factory=dict)
    build_ssh: tuple[str, ...] = ()  # further agents for builds
    build_memory: int | None = None  # bytes that a step of a build may use
    quiet: frozenset[Verb] = frozenset()  # whose details are not told
    at_once: int = AT_ONCE  # requests under way; waits are not counted


class Executor:
    """Executes plans for one project. *project* may be None for plans that only stop and remove."""

    def __init__(
        self,
        client: Client,
        project: Project | None,
        observed: Observed,
        *,
        watch: Watch | None = None,
        progress: Progress | None = None,
        how: How | None = None,
    ) -> None:
        self.client = client
        self.observed = observed
        self.watch = watch
        self.progress = progress or Silent()
        self.how = how or How()
        self._project = project
        self._hashes: dict[str, str] = {}
        self._new: set[str] = set()  # names of containers made here that replace none
        self._candidates: dict[str, str] = {}  # names of containers yet to take over → whose place they take
        self._containers = {each.id: each for each in observed.containers}
        self._do: Mapping[Verb, Callable[[Action], None]] = {
            Verb.PULL: self._pull,
            Verb.BUILD: self._build,
            Verb.CREATE_NETWORK: self._create_network,
            Verb.CREATE_VOLUME: self._create_volume,
            Verb.CREATE: self._create,
            Verb.START: self._start,
            Verb.RESTART: self._restart,
            Verb.STOP: self._stop,
            Verb.KILL: self._kill,
            Verb.PAUSE: self._pause,
            Verb.UNPAUSE: self._unpause,
            Verb.REMOVE: self._remove,
            Verb.RENAME: self._rename,
            Verb.WAIT: self._wait,
            Verb.PROVE: self._prove,
            Verb.SUCCEED: self._succeed,
            Verb.SWAP: self._swap,
            Verb.DRAIN: self._drain,
            Verb.REMOVE_NETWORK: self._remove_network,
            Verb.REMOVE_VOLUME: self._remove_volume,
            Verb.REMOVE_IMAGE: self._remove_image,
        }

    @property
    def project(self) -> Project:
        assert self._project is not None, "this plan needs the project's file"
        return self._project

    def run(self, plan: Plan) -> None:
        """Do the whole plan.

        At the first failure nothing more is begun; requests under way are let end, then the failure is raised.
        """
        waiting = {action.number: set(action.after) for action in plan.actions}
        by_number = {action.number: action for action in plan.actions}
        ended: SimpleQueue[tuple[Action, BaseException | None]] = SimpleQueue()
        running: set[int] = set()
        failure: BaseException | None = None
        while waiting or running:
            for number in (
                [number for number, after in waiting.items() if not after] if failure is None else ()
            ):
                busy = sum(by_number[other].verb not in WAITS for other in running)
                if busy >= self.how.at_once and by_number[number].verb not in WAITS:
                    continue
                del waiting[number]
                running.add(number)
                self._launch(by_number[number], ended)
            if failure is not None and all(
                by_number[number].verb in (Verb.WAIT, Verb.DRAIN) for number in running
            ):
                break
            action, error = ended.get()
            running.discard(action.number)
            if error is not None:
                failure = failure or error
                continue
            for after in waiting.values():
                after.discard(action.number)
        if failure is not None:
            self._clear_candidates()
            raise failure

    def _clear_candidates(self) -> None:
        """Remove the containers that were to take over and now will not: those they were to replace serve on."""
        for name in tuple(self._candidates):
            with _already(YurtError):
                self.client.request("DELETE", f"/containers/{name}", query={"force": True, "v": True}).read()

    def _launch(self, action: Action, ended: SimpleQueue[tuple[Action, BaseException | None]]) -> None:
        def work() -> None:
            try:
                self.progress.begin(action)
                self._do[action.verb](action)
                self.progress.end(action)
            except BaseException as error:
                self.progress.end(action, str(error))
                ended.put((action, error))
            else:
                ended.put((action, None))

        threading.Thread(target=work, name=f"compose-{action.number}", daemon=True).start()

    def _detail(self, action: Action, text: str) -> None:
        if action.verb not in self.how.quiet:
            self.progress.detail(action, text)

    # ---------------------------------------------------------------- images

    def _pull(self, action: Action) -> None:
        from yurt.compose import images  # tar and .dockerignore are not needed to start what is built

        service = self.project.services[action.service]
        with _told(f"service {service.name}: cannot pull {action.name}"):
            images.pull(
                self.client,
                action.name,
                platform=service.platform,
                tell=lambda text: self._detail(action, text),
            )

    def _build(self, action: Action) -> None:
        from yurt.compose import images

        service = self.project.services[action.service]
        assert service.build is not None
        build = replace(
            service.build,
            no_cache=service.build.no_cache or self.how.no_cache,
            pull=service.build.pull or self.how.pull_bases,
            args={**service.build.args, **self.how.build_args},
            ssh=(*service.build.ssh, *self.how.build_ssh),
        )
        images.build(
            self.client,
            service,
            build,
            project=self.project.name,
            memory=self.how.build_memory,
            repeat_output=not self.progress.shows_output,
            tell=lambda text: self._detail(action, text),
        )

    def _remove_image(self, action: Action) -> None:
        with _already(NotFound):
            self.client.request("DELETE", f"/images/{action.reference}").read()

    # ---------------------------------------------------------------- networks and volumes

    def _create_network(self, action: Action) -> None:
        network = self.project.networks[action.key]
        body = payload.network(self.project, network, hashes.network_hash(self.project, network))
        self.client.request("POST", "/networks/create", json=body).read()

    def _create_volume(self, action: Action) -> None:
        volume = self.project.volumes[action.key]
        body = payload.volume(self.project, volume, hashes.volume_hash(self.project, volume))
        self.client.request("POST", "/volumes/create", json=body).read()

    def _remove_network(self, action: Action) -> None:
        with _already(NotFound):
            self.client.request("DELETE", f"/networks/{action.reference}").read()

    def _remove_volume(self, action: Action) -> None:
        with _already(NotFound):
            self.client.request("DELETE", f"/volumes/{action.reference}").read()

    # ---------------------------------------------------------------- containers

    def _create(self, action: Action) -> None:
        service = self.project.services[action.service]
        old = self._containers.get(action.replaces)
        stamp = payload.Stamp(
            number=action.index,
            config_hash=self.config_hash(service),
            image_id=self.observed.images.get(service.image) or "",
            replaces=old.name if old else "",
        )
        if action.withheld:
            self._candidates[action.name] = action.replaces
        adjust: Callable[[Body], None] | None = None
        if old is not None and action.withheld:
            adjust = self._adjustment(old, action.withheld)
        create(
            self.client,
            self.project,
            service,
            stamp,
            action.name,
            inherited=old.anonymous if old and not action.volumes else (),
            adjust=adjust,
        )
        if old is None:
            self._new.add(action.name)

    def _adjustment(self, old: ObservedContainer, withheld: str) -> Callable[[Body], None]:
        """Return what makes a create body that of a container which is yet to take over from *old*."""
        from yurt.compose import rollover

        kept = rollover.remember(self.client, old, self.project.name)

        def adjust(body: Body) -> None:
            body["Labels"] |= kept
            if withheld != "nothing":
                rollover.withhold(body, aliases=withheld == "all")

        return adjust

    def config_hash(self, service: Service) -> str:
        if service.name not in self._hashes:
            self._hashes[service.name] = hashes.service_hash(self.project, service)
        return self._hashes[service.name]

    def _start(self, action: Action) -> None:
        try:
            with _already(NotModified), _told(f"cannot start {action.name}"):
                self.client.request("POST", f"/containers/{action.reference}/start").read()
        except YurtError:
            if action.name in self._new:  # it never ran: leave things as they were
                self._remove(action)
            raise
        self._hooks(action, "post_start")

    def _hooks(self, action: Action, which: str) -> None:
        """Run the hooks of the action's service in its container, one after the other."""
        service = self._service(action.service)
        found = () if service is None else service.post_start if which == "post_start" else service.pre_stop
        if not found:
            return
        from yurt.compose.hooks import run_hook

        for hook in found:
            with _told(f"{which} of {action.name}"):
                run_hook(
                    self.client, action.reference, hook, tell=lambda text: self.progress.detail(action, text)
                )

    def _service(self, name: str) -> Service | None:
        """Return the service called *name* if the project's file is known, and has it."""
        project = self._project
        return None if project is None else project.services.get(name) or project.disabled.get(name)

    def _restart(self, action: Action) -> None:
        container = self._containers.get(action.reference)
        if container is not None and container.state == "running":
            self._hooks(action, "pre_stop")
        with _told(f"cannot restart {action.name}"):
            self.client.request(
                "POST", f"/containers/{action.reference}/restart", query={"t": _text(self.how.stop_timeout)}
            ).read()
        self._hooks(action, "post_start")

    def _stop(self, action: Action) -> None:
        for name in [name for name, old in self._candidates.items() if old == action.reference]:
            del self._candidates[name]  # it has taken over
        container = self._containers.get(action.reference)
        if container is None or container.state == "running":
            try:
                self._hooks(action, "pre_stop")
            except YurtError as error:  # what is to stop is stopped all the same
                self.progress.detail(action, error.message)
        with _already(NotModified, NotFound):
            self.client.request(
                "POST", f"/containers/{action.reference}/stop", query={"t": _text(self.how.stop_timeout)}
            ).read()

    def _kill(self, action: Action) -> None:
        with _already(NotFound):
            self.client.request(
                "POST", f"/containers/{action.reference}/kill", query={"signal": self.how.kill_signal}
            ).read()

    def _pause(self, action: Action) -> None:
        self.client.request("POST", f"/containers/{action.reference}/pause").read()

    def _unpause(self, action: Action) -> None:
        self.client.request("POST", f"/containers/{action.reference}/unpause").read()

    def _remove(self, action: Action) -> None:
        self._candidates.pop(action.name, None)
        with _already(NotFound):
            self.client.request(
                "DELETE", f"/containers/{action.reference}", query={"force": True, "v": action.volumes}
            ).read()

    def _rename(self, action: Action) -> None:
        self.client.request(
            "POST", f"/containers/{action.reference}/rename", query={"name": action.name}
        ).read()

    def _wait(self, action: Action) -> None:
        assert self.watch is not None, "a plan with waits needs a watch"
        for name in action.containers:
            wait_for(self.client, self.watch, name, action.condition, service=action.service)

    def _prove(self, action: Action) -> None:
        from yurt.compose import rollover

        assert self.watch is not None, "a rollover needs a watch"
        service = self._service(action.service)
        monitor = service.rollover.monitor if service else None
        steady = rollover.STEADY if monitor is None else monitor / 1e9
        rollover.prove(self.client, self.watch, action.reference, action.service, steady)

    def _succeed(self, action: Action) -> None:
        from yurt.compose import rollover

        body = payload.specification(self.project, self.project.services[action.service])
        rollover.succeed(self.client, action.reference, action.replaces, body)
        self._candidates.pop(action.reference, None)

    def _swap(self, action: Action) -> None:
        from yurt.compose import rollover

        assert self.watch is not None, "a rollover needs a watch"
        self._candidates.pop(action.reference, None)
        rollover.swap(
            self.client,
            self.watch,
            action.reference,
            action.replaces,
            service=action.service,
            stop_timeout=self.how.stop_timeout,
        )

    def _drain(self, action: Action) -> None:
        from yurt.compose import rollover

        service = self._service(action.service)
        delay = service.rollover.delay if service else None
        rollover.drain(rollover.DRAIN if delay is None else delay / 1e9)


def create(
    client: Client,
    project: Project,
    service: Service,
    stamp: payload.Stamp,
    name: str,
    *,
    inherited: tuple[tuple[str, str], ...] = (),
    adjust: Callable[[Body], None] | None = None,
) -> str:
    """Create one container and return its ID; *inherited* are (anonymous volume, target) of its predecessor."""
    body = payload.container(project, resolved(project, service), stamp)
    taken = {mount.target for mount in service.mounts if mount.source}
    binds = [f"{volume}:{target}:rw" for volume, target in inherited if target not in taken]
    if binds:
        body["HostConfig"].setdefault("Binds", []).extend(binds)
        for _, target in inherited:
            body.get("Volumes", {}).pop(target, None)
    if adjust is not None:
        adjust(body)
    with _told(f"cannot create {name}"):
        query = {"name": name, "platform": service.platform or None}
        identifier = str(client.json("POST", "/containers/create", query=query, json=body)["Id"])
        if service.files:
            write_files(client, identifier, service)
    return identifier


def write_files(client: Client, identifier: str, service: Service) -> None:
    """Write the secrets and configs of *service* into its container, which has not been started; else it is removed."""
    from yurt.compose.archive import packed

    try:
        client.request(
            "PUT",
            f"/containers/{identifier}/archive",
            query={"path": "/"},
            body=packed(service.files),
            headers={"Content-Type": "application/x-tar"},
        ).read()
    except YurtError as error:
        client.request("DELETE", f"/containers/{identifier}", query={"force": True, "v": True}).read()
        if service.read_only:
            raise Conflict(
                "its root is read-only, and configs and secrets that are no files of the host are written into it",
                hint="give them as `file:`, without uid, gid and mode",
            ) from error
        raise


def resolved(project: Project, service: Service) -> Service:
    """Return *service* with ``service:NAME`` in its modes replaced by that service's container."""

    def container_of(name: str) -> str:
        number = 1
        other = project.service(name)
        return other.container_name or f"{project.name}-{name}-{number}"

    def mode(text: str) -> str:
        return f"container:{container_of(text[8:])}" if text.startswith("service:") else text

    volumes_from = tuple(
        each.removeprefix("container:")
        if each.startswith("container:")
        else ":".join([container_of(each.partition(":")[0]), *each.split(":")[1:]])
        for each in service.volumes_from
    )
    return replace(
        service,
        network_mode=mode(service.network_mode),
        ipc=mode(service.ipc),
        pid=mode(service.pid),
        volumes_from=volumes_from,
    )


def wait_for(
    client: Client,
    watch: Watch,
    name: str,
    condition: Condition,
    *,
    service: str,
    deadline: float | None = None,
) -> None:
    """Return once the container *name* has reached *condition*.

    Raises Conflict, with its last lines, when it can't any more: it has exited, or is unhealthy.
    """

    def settled(seen: Seen) -> bool:
        if seen.state in ("exited", "removed", "dead"):
            return True
        if condition is Condition.HEALTHY:
            return seen.is_running and seen.health != "starting"
        return condition is Condition.STARTED and seen.is_running

    seen = watch.wait(name, settled, deadline)
    if condition is Condition.COMPLETED:
        reached = seen.state == "exited" and seen.exit_code == 0
    else:
        reached = seen.is_running and (condition is Condition.STARTED or seen.health == "healthy")
    if reached:
        return
    if condition is Condition.HEALTHY and seen.is_running and not seen.health:
        raise Conflict(
            f"service {service} can't become healthy: {seen.name} has no health check",
            hint=f"add `healthcheck:` to services.{service}, or depend on service_started",
        )
    raise failed(client, service, seen)


def failed(client: Client, service: str, seen: Seen) -> Conflict:
    """Return the error about a container that did not do what was waited for, with its last lines.

    One that is unhealthy may have written nothing of it: its check has, and is quoted.
    """
    from yurt.compose.logs import last_lines

    state = f"container {seen.name} {'is ' if seen.state != 'exited' else ''}{_said(seen)}"
    if seen.is_running and (told := _last_check(client, seen)):
        state += f": its check says “{told}”"
    lines = last_lines(client, seen.name, 10) if seen.state != "removed" else []
    said = "".join(f"\n    {line}" for line in lines)
    return Conflict(
        f"service {service} failed: {state}{f'; its last lines:{said}' if lines else ''}",
        hint=f"see all with `yurt logs {seen.name}`" if lines else None,
    )


def _said(seen: Seen) -> str:
    return "unhealthy" if seen.is_running and seen.health == "unhealthy" else described(seen)


def _last_check(client: Client, seen: Seen) -> str:
    """Return the last line that the container's health check wrote, empty if there is none."""
    try:
        found = client.json("GET", f"/containers/{seen.name}/json")
    except NotFound:
        return ""  # it has gone meanwhile
    checks = (found["State"].get("Health") or {}).get("Log") or [{}]
    lines = [line.strip() for line in str(checks[-1].get("Output") or "").splitlines() if line.strip()]
    return lines[-1] if lines else ""


class _already:  # noqa: N801 - reads as a word
    """Let the kinds pass that mean: it is so already."""

    def __init__(self, *kinds: type[YurtError]) -> None:
        self._kinds = kinds

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> bool:
        return kind is not None and issubclass(kind, self._kinds)


class _told:  # noqa: N801 - reads as a word
    """Say before an error what was being done."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, YurtError) and not isinstance(error, NotModified):
            raise error.at(self._what) from error


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)
