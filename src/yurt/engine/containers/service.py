"""ContainerService: all that can be asked of containers. What a run needs is in `runner`, the rest in its siblings."""

import asyncio
import json
import os
import shutil
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog

from yurt.engine.containers import (
    checks,
    files,
    health,
    log_drivers,
    logs,
    merge,
    mounts,
    names,
    rootfs,
    security,
    signals,
    spec,
    state,
    stats,
)
from yurt.engine.containers.attach import AttachStream, RecordedStream
from yurt.engine.containers.execs import Execs
from yurt.engine.containers.files import Change, PathStat
from yurt.engine.containers.model import (
    Container,
    ContainerConfig,
    ContainerFiles,
    CreateRequest,
    Exec,
    ExecRequest,
    Health,
    HostConfig,
    LogBlock,
    LogLine,
    LogQuery,
    MountPoint,
    MountRequest,
    Pruned,
    Resources,
    RestartPolicy,
    Status,
)
from yurt.engine.containers.ports import Documents, Images, Networks, Snapshots, Volumes
from yurt.engine.containers.processes import table
from yurt.engine.containers.registry import Entry, Places, Registry, Waiter, WaitResult
from yurt.engine.containers.restore import Restorer, resume
from yurt.engine.containers.runner import Runner
from yurt.engine.containers.tasks import Background
from yurt.engine.events import Events
from yurt.engine.images.model import Image
from yurt.engine.images.threads import feeding, in_thread
from yurt.engine.networks.model import EndpointRequest, PortBinding, Sandbox
from yurt.engine.repairs import Repairs
from yurt.errors import (
    Conflict,
    Internal,
    InvalidArgument,
    NotFound,
    NotModified,
    Unavailable,
    Unimplemented,
    YurtError,
    reason_of,
    translated,
)
from yurt.ids import new_id, short
from yurt.linux import cgroup, isolation, members, mount
from yurt.linux.migration import Migration
from yurt.linux.runc import Runtime
from yurt.linux.shims import Shims, dial
from yurt.oci.platform import Platform
from yurt.settings import EngineSettings

log = structlog.get_logger()

PRUNED = frozenset({Status.CREATED, Status.EXITED, Status.DEAD, Status.REMOVING})  # the last: cut short
STATS_INTERVAL = 1.0  # seconds
RETRY = 0.5  # seconds until a removal that a full disk hindered is tried again


class ContainerService:
    """Containers, from create to remove. References are an id, its unique beginning, or a name."""

    def __init__(
        self,
        *,
        images: Images,
        networks: Networks,
        volumes: Volumes,
        events: Events,
        runtime: Runtime,
        documents: Documents,
        snapshots: Snapshots,
        settings: EngineSettings,
    ) -> None:
        self._events = events
        self._images = images
        self._networks = networks
        self._volumes = volumes
        self._runtime = runtime
        self._snapshots = snapshots
        self._places = Places(settings)
        self._background = Background()
        self._shims = Shims(settings.run, runtime.environ())
        self._migration = Migration()
        self._registry = Registry(documents)
        self._runner = Runner(
            registry=self._registry,
            places=self._places,
            images=images,
            networks=networks,
            volumes=volumes,
            snapshots=snapshots,
            events=events,
            runtime=runtime,
            shims=self._shims,
            background=self._background,
            remove=self._remove_in_time,
            watch_health=self._watch_health,
        )
        self._execs = Execs(
            places=self._places,
            runtime=runtime,
            shims=self._shims,
            background=self._background,
            publish=self._runner.publish,
        )

    # ---- the engine's own life

    async def restore(self, *, rebooted: bool = False) -> Repairs:
        """Find everything as it is: afterwards running containers are supervised again, with their logs and exits whole.

        What an interrupted call left is cleaned up; nothing is started before `resume`.
        *rebooted*: none of them can be running, whatever their files say.
        """
        try:
            mount.make_own(self._places.run)
        except OSError as error:  # starts beside many containers are slower then
            log.warning("containers.no_mount_of_their_own", folder=str(self._places.run), error=str(error))
        self._shims.warm()
        self._registry.load()
        return await Restorer(
            registry=self._registry,
            places=self._places,
            runner=self._runner,
            runtime=self._runtime,
            networks=self._networks,
            images=self._images,
            volumes=self._volumes,
            snapshots=self._snapshots,
            remove=self._removed,
            rebooted=rebooted,
        ).restore()

    def resume(self) -> Repairs:
        """Start the containers that their policy wants running, in the background."""
        return resume(self._registry, self._runner)

    async def shutdown(self) -> None:
        """Let go of everything; containers stay as they are."""
        await self._background.close()
        for entry in self._registry:
            entry.close_pending()
            if entry.shim is not None:
                entry.shim.close()
        self._shims.close()
        self._migration.close()
        mount.unmake_own(self._places.run)

    # ---- create, find, remove

    async def create(
        self, request: CreateRequest, *, image: Image | None = None
    ) -> tuple[Container, tuple[str, ...]]:
        """Make a container that is not started; return it, and warnings about what this host cannot do.

        If it fails, nothing of it is left.
        """
        self._migration.announce()  # who creates one mostly starts it at once
        image = image or self._images.get(request.config.image)
        checks.check_request(request, runtime=self._runtime.name)
        _check_platform(request, image)
        for name in (link.partition(":")[0] for link in request.host.links):
            self._named(name, f"could not get container for {name}: ")
        config = self._with_joined_hostname(merge.merged(request.config, image.config), request.host)
        path, args = merge.command(config)
        checks.check(config, request.host)
        container_id = new_id()
        name = self._chosen_name(request.name)
        with translated({OSError: Unavailable}, f"cannot create container {name}"):
            async with AsyncExitStack() as undo:
                self._registry.reserve(name, container_id)
                undo.callback(self._registry.let_go, name)
                requests = mounts.planned(
                    request.host.mounts,
                    inherited=mounts.inherited(request.host.volumes_from, self._named),
                    image_volumes=config.volumes,
                )
                points = await mounts.acquire(requests, self._volumes, self._images, container_id, undo)
                self._images.hold(image.id, container_id)
                undo.callback(self._images.release, image.id, container_id)
                self._snapshots.prepare(container_id, image.chain_id)
                undo.callback(self._snapshots.remove, container_id)
                folder = self._places.state(container_id)
                folder.mkdir(mode=0o711, parents=True)
                undo.callback(shutil.rmtree, folder, ignore_errors=True)
                await self._fill_volumes(container_id, points, requests)
                container = Container(
                    id=container_id,
                    name=name,
                    created_ns=time.time_ns(),
                    image_id=str(image.id),
                    config=config,
                    host=self._resolved(request),
                    endpoints=_endpoints(request),
                    path=path,
                    args=args,
                    mounts=points,
                    hidden=request.hidden,
                )
                undo.callback(self._recall_volumes, points)
                entry = self._registry.add(container, along=lambda: self._settle_volumes(points))
                entry.secret_env = request.secret_env
                undo.pop_all()
        if any(point.kind == "volume" for point in points):
            await asyncio.to_thread(self._registry.sync_all)  # volumes outlive even a brief container
        else:
            await self._registry.sync(entry)
        self._runner.publish(entry, "create")
        return container, (*checks.warnings(request.host), *checks.name_warnings(request.config))

    def _settle_volumes(self, points: tuple[MountPoint, ...]) -> None:
        for point in points:
            if point.kind == "volume":
                self._volumes.settle(point.name)

    def _recall_volumes(self, points: tuple[MountPoint, ...]) -> None:
        for point in points:
            if point.kind == "volume":
                self._volumes.recall(point.name)

    def _chosen_name(self, asked: str | None) -> str:
        return names.checked(asked) if asked else names.invented(self._registry.has_name)

    def _resolved(self, request: CreateRequest) -> HostConfig:
        """Name the containers that this one joins by their ids: a name could later mean another."""
        host = request.host

        def resolved(mode: str, doing: str = "") -> str:
            return f"container:{other.id}" if (other := self._joined(mode, doing)) else mode

        return replace(
            host,
            network_mode=resolved(host.network_mode, "joining network namespace of container: "),
            ipc_mode=resolved(host.ipc_mode),
            pid_mode=resolved(host.pid_mode),
        )

    def _named(self, ref: str, doing: str = "") -> Container:
        """Return a container that another's request names; *doing* begins the error if it is missing.

        That error is no NotFound: clients would take it for a missing image, and pull.
        """
        try:
            return self.get(ref)
        except NotFound as missing:
            raise InvalidArgument(doing + missing.message) from missing

    def _joined(self, mode: str, doing: str = "") -> Container | None:
        """Return the container that a mode such as ``container:web`` names."""
        if not mode.startswith("container:"):
            return None
        return self._named(mode.removeprefix("container:"), doing)

    def _with_joined_hostname(self, config: ContainerConfig, host: HostConfig) -> ContainerConfig:
        """Who lives in another's network has its name, too: it stands in the hosts file that both have."""
        other = self._joined(host.network_mode, "joining network namespace of container: ")
        if other is None:
            return config
        return replace(config, hostname=spec.hostname_of(other), domainname=other.config.domainname)

    async def _fill_volumes(
        self, container_id: str, points: tuple[MountPoint, ...], requests: tuple[MountRequest, ...]
    ) -> None:
        """Copy what the image has at the place of a new, empty volume into it."""
        by_target = {mounts.normal(request.target): request for request in requests}
        empty = mounts.to_fill(points, by_target)
        if not empty:
            return
        overlay = self._snapshots.mount_spec(container_id, volatile=True)
        read_only = replace(overlay, lower=overlay.lower, upper=None, work=None, volatile=False)
        root = self._places.rootfs(container_id)

        def fill() -> None:
            try:
                rootfs.mount(read_only, root)
                for point in empty:
                    rootfs.copy_up(root, point.target, Path(point.source))
                # On the disk before the volume counts as filled: an empty file would stay empty for good.
                for point in empty:
                    rootfs.make_last(Path(point.source))
            finally:
                rootfs.unmount_all(root)
                shutil.rmtree(self._places.bundle(container_id), ignore_errors=True)

        await asyncio.to_thread(fill)

    def get(self, ref: str) -> Container:
        """Return the container; NotFound when there is none."""
        return self._registry.find(ref).container

    def list(self) -> tuple[Container, ...]:
        """Return all containers but the hidden ones, newest first."""
        found = [entry.container for entry in self._registry if not entry.container.hidden]
        return tuple(sorted(found, key=lambda container: container.created_ns, reverse=True))

    async def rename(self, ref: str, name: str) -> None:
        """Give it another name, by which its neighbours find it at once; Conflict when another container has that."""
        entry = self._registry.find(ref)
        name = names.checked(name)
        async with entry.lock:
            old = entry.container.name
            if name == old:
                raise InvalidArgument("Renaming a container with the same name as its current name")
            with ExitStack() as undo:
                self._registry.reserve(name, entry.container.id)
                undo.callback(self._registry.let_go, name)
                networks = entry.container.networks
                if entry.is_alive and networks:
                    networks = self._networks.rename(entry.container.id, name)
                    undo.callback(self._networks.rename, entry.container.id, old)
                self._registry.update(entry, lambda current: replace(current, name=name, networks=networks))
                undo.pop_all()
            self._registry.let_go(old)
            await self._registry.sync(entry)
        self._runner.publish(entry, "rename", oldName=f"/{old}")

    async def succeed(
        self, ref: str, of: str, *, ports: Sequence[PortBinding], aliases: Mapping[str, tuple[str, ...]]
    ) -> None:
        """Have the running container *ref* take over published ports and names from *of*, which runs, too.

        At no instant is a port free or a name unknown. Afterwards, and after a restart of the engine, *ref* has
        *ports* and on each network the *aliases*; *of* has lost them. What cannot be stored does not happen.
        """
        new, old = self._registry.find(ref), self._registry.find(of)
        if new is old:
            raise InvalidArgument(f"container {new.container.name} can't succeed itself")
        first, second = sorted((new, old), key=lambda entry: entry.container.id)
        async with first.lock, second.lock:
            for entry in (new, old):
                if entry.container.state.status is not Status.RUNNING:
                    raise Conflict(f"container {entry.container.name} is not running", hint="start it first")
            passing = self._networks.succeeding(old.container.id, new.container.id, ports, aliases)
            async with passing as (left, taken):
                self._registry.update_together(
                    (new, lambda one: _succeeded(one, taken, tuple(ports), aliases)),
                    (old, lambda one: _succeeded(one, left, left.ports, dict.fromkeys(aliases, ()))),
                )
            await self._registry.sync(new)
        self._runner.publish(new, "succeed", of=old.container.id)

    async def remove(self, ref: str, *, force: bool = False, volumes: bool = False) -> None:
        """Remove it; afterwards nothing of it is left. A running one only with *force*, which kills it."""
        entry = self._registry.find(ref)
        async with entry.lock:
            status = entry.container.state.status
            if status in state.ACTIVE:
                if not force:
                    advice = (
                        "container is paused and must be unpaused first"
                        if status is Status.PAUSED
                        else f"container is {status}: stop the container before removing or force remove"
                    )
                    raise Conflict(f'cannot remove container "{entry.container.name}": {advice}')
                await self._end(entry)
            elif entry.over is not None:
                await entry.over
            await self._removed(entry, volumes=volumes)

    async def discard(self, ref: str) -> None:
        """Remove one that only its maker knows, running or not, with its volumes.

        Nobody else would ask for it: what a full disk hinders is tried again after this has returned.
        """
        entry = self._registry.find(ref)
        try:
            await self.remove(ref, force=True, volumes=True)
        except Unavailable as error:
            self._try_removal_again(entry, error)

    async def prune(self, *, where: Callable[[Container], bool]) -> Pruned:
        """Remove the containers that do not run and that *where* holds for.

        One that meanwhile runs or is gone is passed over. One that cannot be removed is told of by an error, when
        all others are.
        """
        removed: list[str] = []
        left: list[tuple[str, YurtError]] = []
        freed = 0
        for container in self.list():
            if container.state.status not in PRUNED or not where(container):
                continue
            try:
                size, _ = await self.size(container.id)
                await self.remove(container.id)
            except (NotFound, Conflict):
                continue
            except YurtError as error:
                left.append((container.name, error))
                continue
            removed.append(container.id)
            freed += size
        self._events.pruned("container", freed)
        if left:
            name, why = left[0]
            more = f" and {len(left) - 1} more" if len(left) > 1 else ""
            raise why.at(f"removed {len(removed)} containers, but not {name}{more}")
        return Pruned(tuple(removed), freed)

    async def _end(self, entry: Entry) -> None:
        """Kill it, and have its restart policy and --rm do nothing about it."""
        self._mark_stopped(entry)
        entry.keep = True
        try:
            if entry.is_alive:
                await self._runner.kill_hard(entry)
            self._cancel_restart(entry)
        finally:
            entry.keep = False

    def _try_removal_again(self, entry: Entry, error: Unavailable) -> None:
        log.warning("container.not_removed", container=short(entry.container.id), error=str(error))
        self._background.start(self._remove_in_time(entry), name=f"remove {short(entry.container.id)}")

    async def _remove_in_time(self, entry: Entry) -> None:
        """Remove it after its end, its anonymous volumes too. What a full disk hinders is tried again."""
        while True:
            async with entry.lock:
                if entry.container.id not in self._registry or entry.is_alive:
                    return
                try:
                    await self._removed(entry, volumes=True)
                except Unavailable as error:
                    log.warning(
                        "container.not_removed", container=short(entry.container.id), error=str(error)
                    )
                else:
                    return
            await asyncio.sleep(RETRY)

    async def _removed(self, entry: Entry, *, volumes: bool) -> None:
        """Give back all that `create` took; goes on past failures, and tells of them in the log.

        On a full disk it may raise Unavailable: then it is still there, being removed, and can be removed again.
        """
        container = entry.container
        if container.id not in self._registry:
            raise NotFound(f"No such container: {container.id}")
        entry.close_pending()
        named = [point.name for point in container.mounts if point.kind == "volume"]
        entry.container = replace(container, state=replace(container.state, status=Status.REMOVING))
        if volumes and named:  # from here on a restart finishes the removal, with its volumes
            self._registry.note(entry, lambda current: current)
        self._execs.forget(container.id)
        for name in named:
            try:
                self._volumes.release(name, container.id)
                if volumes:
                    await self._remove_anonymous(name)
            except Unavailable:
                raise
            except YurtError as error:
                log.error("container.volume_left", container=short(container.id), error=str(error))  # noqa: TRY400
        self._registry.drop(entry)
        try:
            await self._registry.sync(entry)  # before its files go
        except YurtError as error:
            log.error("container.removal_not_synced", container=short(container.id), error=str(error))  # noqa: TRY400
        for image_id in container.image_ids:
            self._images.release(image_id, container.id)
        try:
            self._snapshots.remove(container.id)
        except YurtError as error:
            log.error("container.snapshot_left", container=short(container.id), error=str(error))  # noqa: TRY400
        folder = self._places.state(container.id)
        self._background.start(
            asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True), name=f"remove {short(container.id)}"
        )
        self._runner.publish(entry, "destroy")
        entry.notify("removed", "next-exit", "not-running")

    async def _remove_anonymous(self, name: str) -> None:
        try:
            if self._volumes.get(name).anonymous:
                await self._volumes.remove(name)
        except (NotFound, Conflict):
            return  # gone, or another container uses it

    # ---- life

    async def start(self, ref: str) -> None:
        """Start it; NotModified when it runs. A failed start leaves its error in the state, and removes a --rm one."""
        self._migration.announce()
        entry = self._registry.find(ref)
        async with entry.lock:
            status = entry.container.state.status
            if status is Status.PAUSED:
                raise Conflict("cannot start a paused container, try unpause instead")
            if status is Status.RUNNING:
                raise NotModified(f"container {entry.container.name} is running already")
            self._cancel_restart(entry)
            entry.container = replace(entry.container, state=replace(entry.container.state, restart_count=0))
            try:
                await self._runner.start(entry)
            except YurtError as error:
                if entry.container.host.auto_remove:
                    try:
                        await self._removed(entry, volumes=True)
                    except Unavailable as full:  # who ran it waits until it is gone
                        self._try_removal_again(entry, full)
                else:
                    entry.notify("next-exit", error=error.message)
                raise

    async def stop(self, ref: str, *, timeout: float | None = None, signal: str | None = None) -> None:
        """Stop it by its stop signal, then by SIGKILL; NotModified when it does not run."""
        entry = self._registry.find(ref)
        async with entry.lock:
            if entry.container.state.status is Status.RESTARTING:
                self._mark_stopped(entry)
                self._cancel_restart(entry)
                return
            if not entry.is_alive:
                raise NotModified(f"container {entry.container.name} is stopped already")
            self._mark_stopped(entry)
            await self._runner.stop(entry, timeout=timeout, signal=signal)
            await self._registry.sync(entry)

    async def restart(self, ref: str, *, timeout: float | None = None, signal: str | None = None) -> None:
        """Stop it if it runs, and start it."""
        entry = self._registry.find(ref)
        async with entry.lock:
            entry.keep = True
            try:
                if entry.is_alive:
                    await self._runner.stop(entry, timeout=timeout, signal=signal)
                self._cancel_restart(entry)
            finally:
                entry.keep = False
            await self._runner.start(entry)
        self._runner.publish(entry, "restart")

    async def kill(self, ref: str, signal: str = "KILL") -> None:
        """Send a signal; with SIGKILL, return when it has ended."""
        entry = self._registry.find(ref)
        number = signals.parse(signal)
        container = entry.container
        if not entry.is_alive or entry.shim is None:
            raise Conflict(f"container {container.id} is not running")
        ends = {signals.parse("KILL"), signals.parse(container.config.stop_signal or "TERM")}
        if number in ends:
            self._mark_stopped(entry)
        if number == signals.parse("KILL"):
            await self._runner.kill_hard(entry)
            await self._registry.sync(entry)
            return
        entry.shim.kill(number)
        self._runner.publish(entry, "kill", signal=str(number))

    def _mark_stopped(self, entry: Entry) -> None:
        """Note that a person wants it stopped, so that its policy does not start it again."""
        self._registry.note(
            entry, lambda current: replace(current, state=replace(current.state, stopped_by_user=True))
        )

    def _cancel_restart(self, entry: Entry) -> None:
        """Keep a restarting container from being started again; it is exited then."""
        if entry.restart_task is not None:
            entry.restart_task.cancel()
            entry.restart_task = None
        if entry.container.state.status is Status.RESTARTING:
            self._registry.note(
                entry,
                lambda current: replace(
                    current, state=replace(current.state, status=state.after(Status.RESTARTING, "die"))
                ),
            )
            entry.notify("not-running")

    async def pause(self, ref: str, *, lasting: bool = True) -> None:
        """Freeze its processes. Unless that is *lasting*, the next engine lets them go on."""
        entry = self._registry.find(ref)
        async with entry.lock:
            container = entry.container
            if container.state.status is Status.PAUSED:
                raise Conflict(f"Container {container.id} is already paused")
            if container.state.status is not Status.RUNNING:
                raise Conflict(f"Container {container.id} is not running")
            self._freeze(entry, frozen=True)
            paused = replace(container.state, status=state.after(container.state.status, "pause"))
            if not lasting:
                entry.container = replace(entry.container, state=paused)
            else:
                try:
                    self._registry.update(entry, lambda current: replace(current, state=paused))
                except BaseException:
                    self._freeze(entry, frozen=False)
                    raise
        self._runner.publish(entry, "pause")

    async def unpause(self, ref: str) -> None:
        """Let its processes go on."""
        entry = self._registry.find(ref)
        async with entry.lock:
            if entry.container.state.status is not Status.PAUSED:
                raise Conflict(f"Container {entry.container.id} is not paused")
            self._freeze(entry, frozen=False)
            going = state.after(entry.container.state.status, "unpause")
            self._registry.note(
                entry, lambda current: replace(current, state=replace(current.state, status=going))
            )
        self._runner.publish(entry, "unpause")

    def _freeze(self, entry: Entry, *, frozen: bool) -> None:
        if not cgroup.is_usable():
            raise Unavailable(
                f"cannot pause {entry.container.name}: this engine is rootless, and has no cgroup to freeze it in",
                hint="stop it, or run the engine as root",
            )
        group = cgroup.Cgroup(entry.container.id, parent=entry.container.host.cgroup_parent)
        try:
            if frozen:
                group.freeze()
            else:
                group.thaw()
        except OSError as error:
            raise Internal(
                f"cannot {'pause' if frozen else 'unpause'} {entry.container.name}: {reason_of(error)}"
            ) from error

    def waiter(self, ref: str, condition: str = "not-running") -> Awaitable[WaitResult]:
        """Return what gives the exit once *condition* holds: not-running, next-exit or removed. Registered now."""
        if condition not in {"", "not-running", "next-exit", "removed"}:
            raise InvalidArgument(f"invalid condition: {condition!r}")
        entry = self._registry.find(ref)
        future: asyncio.Future[WaitResult] = asyncio.get_running_loop().create_future()
        current = entry.container.state
        if condition in {"", "not-running"} and current.status not in state.ACTIVE:
            future.set_result(WaitResult(current.exit_code, current.error))
        else:
            entry.waiters.append(Waiter(condition or "not-running", future))
        return future

    async def update(
        self, ref: str, *, resources: Resources | None, restart: RestartPolicy | None
    ) -> tuple[str, ...]:
        """Change limits and policy; zero fields stay as they are. A running container gets the limits at once."""
        entry = self._registry.find(ref)
        async with entry.lock:
            host = entry.container.host
            if restart is not None:
                if host.auto_remove and restart.name not in {"", "no"}:
                    raise InvalidArgument(
                        "Restart policy cannot be updated because AutoRemove is enabled for the container"
                    )
                host = replace(host, restart=restart)
            if resources is not None:
                changed = {
                    name: value
                    for name in resources.__slots__
                    if (value := getattr(resources, name)) not in (0, "", (), False)
                }
                if changed:
                    host = replace(host, resources=replace(host.resources, **changed))
                    checks.check(entry.container.config, host)
                    if entry.is_alive and cgroup.is_usable():
                        try:
                            await self._runtime.update(
                                entry.container.id,
                                spec.update_document(host.resources),
                                parent=host.cgroup_parent,
                            )
                        except Internal as refused:
                            raise Internal(
                                f"Cannot update container {entry.container.id}: {refused.message}"
                            ) from refused
            self._registry.update(entry, lambda current: replace(current, host=host))
            await self._registry.sync(entry)
        self._runner.publish(entry, "update")
        return checks.warnings(host)

    def tell(self, ref: str, action: str, **attributes: str) -> None:
        """Tell the listeners of something that was done with a container elsewhere."""
        self._runner.publish(self._registry.find(ref), action, **attributes)

    # ---- streams

    async def attach(
        self,
        ref: str,
        *,
        stdin: bool,
        stdout: bool,
        stderr: bool,
        stream: bool = True,
        logs: bool = False,
        detach_keys: bytes = b"",
    ) -> AttachStream | RecordedStream:
        """Return the container's stdio. Before its start too: then nothing of the output is missed.

        *logs*: first what it wrote before. Without *stream*, only that.
        """
        entry = self._registry.find(ref)
        container = entry.container
        tty = container.config.tty
        if not stream:
            query = LogQuery(stdout=stdout and logs, stderr=stderr and logs)
            return RecordedStream(self.logs(container.id, query), tty=tty)
        if container.state.status is Status.PAUSED:
            raise Conflict(f"container {container.id} is paused, unpause the container before attach")
        if container.state.status is Status.RESTARTING:
            raise Conflict(f"container {container.id} is restarting, wait until the container is running")
        wish = {"stdin": stdin, "stdout": stdout, "stderr": stderr, "logs": logs}
        self._runner.publish(entry, "attach")
        if not entry.is_alive:
            sock = self._runner.pend_attach(entry, wish)
        else:
            greeting = json.dumps({"op": "attach", **wish}).encode() + b"\n"
            found = dial(self._places.bundle(container.id), greeting)
            if found is None:  # it ended just now: there is nothing to come
                query = LogQuery(stdout=stdout and logs, stderr=stderr and logs)
                return RecordedStream(self.logs(container.id, query), tty=tty)
            sock = found
        return AttachStream(
            sock,
            tty=tty,
            detach_keys=detach_keys if stdin else b"",
            on_detach=lambda: self._runner.publish(entry, "detach"),
        )

    def logs(self, ref: str, query: LogQuery) -> AsyncIterator[LogLine]:
        """Return the lines of its output that *query* asks for."""
        return logs.flattened(self.log_bursts(ref, query))

    def log_bursts(self, ref: str, query: LogQuery) -> AsyncIterator[Sequence[LogBlock]]:
        """The same lines, as many at once as are there: for who passes millions of them on."""
        entry = self._registry.find(ref)
        host = entry.container.host
        if not log_drivers.is_readable(host.log_driver, host.log_options):
            raise Unimplemented("configured logging driver does not support reading")
        return self._log_bursts(entry, query)

    def log_attributes(self, ref: str) -> Mapping[str, str]:
        """Return what its log options want said of each line: labels, environment, tag."""
        return log_drivers.attributes(self._registry.find(ref).container)

    async def _log_bursts(self, entry: Entry, query: LogQuery) -> AsyncIterator[Sequence[LogBlock]]:
        container_id = entry.container.id
        path = self._places.log(container_id)
        follows = query.follow and entry.is_alive
        sock = dial(self._places.bundle(container_id), b'{"op": "notify"}\n') if follows else None
        if sock is None:
            # A shim that does not listen any more has written all that there was.
            async for burst in logs.bursts(path, query, finished=follows or not entry.is_alive):
                yield burst
            return
        loop = asyncio.get_running_loop()
        with sock:

            async def grown() -> bool:
                try:
                    return bool(await loop.sock_recv(sock, 4096))
                except ConnectionResetError:
                    return False

            async for burst in logs.bursts(path, query, finished=False, grown=grown):
                yield burst

    async def resize(self, ref: str, *, height: int, width: int) -> None:
        """Set the size of its terminal."""
        entry = self._registry.find(ref)
        if not entry.is_alive or entry.shim is None:
            raise Conflict(f"container {entry.container.id} is not running")
        entry.shim.resize(height=height, width=width)
        self._runner.publish(entry, "resize", height=str(height), width=str(width))

    # ---- looking in

    async def top(
        self, ref: str, ps_args: str = "-ef"
    ) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
        """Return titles and rows of its processes, as ps(1) of the host prints them."""
        entry = self._registry.find(ref)
        if not entry.is_alive:
            raise Conflict(f"container {entry.container.id} is not running")
        container = entry.container
        pids = members.of(container.id, container.state.pid, parent=container.host.cgroup_parent)
        return await table(pids, ps_args or "-ef")

    async def stats(
        self, ref: str, *, stream: bool = True, one_shot: bool = False
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield samples in Docker's form: one a second, or one whose first half was taken a second before."""
        entry = self._registry.find(ref)
        previous: dict[str, Any] | None = None
        if not stream and not one_shot and entry.is_alive:
            previous = stats.sample(entry.container, None)
            await asyncio.sleep(STATS_INTERVAL)
        while True:
            previous = stats.sample(entry.container, previous)
            yield previous
            if not stream or entry.container.id not in self._registry:
                return
            await asyncio.sleep(STATS_INTERVAL)

    async def size(self, ref: str) -> tuple[int, int]:
        """Return the bytes that it wrote, and those of its whole file system."""
        container = self.get(ref)
        written = await asyncio.to_thread(self._snapshots.usage, container.id)
        try:
            below = self._images.get(container.image_id).size
        except NotFound:
            below = 0
        return written, written + below

    # ---- files

    @asynccontextmanager
    async def _root(self, ref: str) -> AsyncIterator[int]:
        """Open the container's root as its processes see it, volumes too, also while it does not run."""
        entry = self._registry.find(ref)
        if pid := entry.container.state.pid:
            with self._opened(f"/proc/{pid}/root", entry) as root:
                yield root
            return
        for point in entry.container.mounts:
            if point.kind == "volume":
                await self._volumes.ready(point.name)
        async with self._mounted(entry) as place, AsyncExitStack() as undo:
            points = undo.enter_context(
                mounts.held(
                    entry.container.mounts,
                    self._places.bundle(entry.container.id) / "volumes",
                    self._runner.view_of,
                )
            )
            await in_thread(rootfs.mount_points, place, points)
            yield undo.enter_context(self._opened(place, entry))

    @asynccontextmanager
    async def _own_root(self, ref: str) -> AsyncIterator[int]:
        """Open the root of the container's own files: the image and its changes, nothing that is mounted in it."""
        entry = self._registry.find(ref)
        if entry.container.state.pid:
            with self._opened(self._places.rootfs(entry.container.id), entry) as root:
                yield root
            return
        async with self._mounted(entry) as place:
            with self._opened(place, entry) as root:
                yield root

    @contextmanager
    def _opened(self, place: Path | str, entry: Entry) -> Iterator[int]:
        try:
            root = os.open(place, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError as gone:
            raise Conflict(f"container {entry.container.id} has just ended", hint="try again") from gone
        try:
            yield root
        finally:
            os.close(root)

    @asynccontextmanager
    async def _mounted(self, entry: Entry) -> AsyncIterator[Path]:
        """Mount the file system of a container that does not run, and keep it from starting meanwhile."""
        async with entry.lock:
            if entry.is_alive or entry.container.id not in self._registry:
                raise Conflict(f"container {entry.container.id} changes just now", hint="try again")
            place = self._places.rootfs(entry.container.id)
            try:
                with translated({OSError: Unavailable}, f"cannot mount container {entry.container.name}"):
                    await in_thread(rootfs.mount, self._snapshots.mount_spec(entry.container.id), place)
                yield place
            finally:
                await in_thread(rootfs.remove_bundle, self._places.bundle(entry.container.id))

    async def path_stat(self, ref: str, path: str) -> PathStat:
        """Return the facts of a file of it; NotFound when there is none."""
        async with self._root(ref) as root:
            return files.path_stat(root, path)

    async def archive(self, ref: str, path: str) -> AsyncGenerator[bytes, None]:
        """Yield an archive of *path*, a folder with all below it."""
        async with self._root(ref) as root:
            self.tell(ref, "archive-path")
            pieces = files.pack(root, path)
            while piece := await in_thread(next, pieces, b""):
                yield piece

    async def export(self, ref: str) -> AsyncGenerator[bytes, None]:
        """Yield an archive of the container's own files."""
        async with self._own_root(ref) as root:
            pieces = files.pack_all(root)
            while piece := await in_thread(next, pieces, b""):
                yield piece
        self.tell(ref, "export")

    async def extract(
        self,
        ref: str,
        path: str,
        chunks: AsyncIterator[bytes],
        *,
        keep_kinds: bool = False,
        as_user: bool = False,
    ) -> None:
        """Unpack an archive into the folder *path* of it. With *as_user* all of it is the container's user's."""
        async with self._root(ref) as root:
            self.tell(ref, "extract-to-dir")
            owner = None
            if as_user:
                user = rootfs.resolve_user(Path(f"/proc/self/fd/{root}"), self.get(ref).config.user)
                owner = user.uid, user.gid
            with translated({OSError: Unavailable}, f"cannot unpack into {path} of container {ref}"):
                await feeding(
                    lambda feed: files.extract(root, path, feed, keep_kinds=keep_kinds, owner=owner), chunks
                )

    async def changes(self, ref: str) -> tuple[Change, ...]:
        """Return what it changed against its image."""
        container = self.get(ref)
        layers = self._snapshots.mount_spec(container.id).lower
        upper = self._snapshots.upper(container.id)
        return await in_thread(lambda: tuple(files.changes(upper, layers)))

    # ---- execs

    async def exec_create(self, ref: str, request: ExecRequest) -> Exec:
        """Note a process to run in it; Conflict when the container does not run."""
        self._migration.announce()
        return self._execs.create(self._registry.find(ref), request)

    async def exec_start(
        self,
        exec_id: str,
        *,
        detach: bool,
        tty: bool | None = None,  # noqa: ARG002 - fixed at exec_create
    ) -> AttachStream | None:
        """Run it; return its stream unless detached."""
        return await self._execs.start(exec_id, detach=detach)

    def exec_get(self, exec_id: str) -> Exec:
        return self._execs.get(exec_id)

    def isolation(self, ref: str) -> str:
        """Return what holds the container's processes back, in words."""
        host = self.get(ref).host
        return security.isolation(isolation.level(), host.security_opt, privileged=host.privileged)

    def files(self, ref: str) -> ContainerFiles:
        """Return where the container's files are on the host."""
        container = self.get(ref)
        state = self._places.state(container.id)
        paths = {name: state / name for name in ("hostname", "hosts", "resolv.conf")}
        try:
            overlay = self._snapshots.mount_spec(container.id)
        except NotFound:
            overlay = None
        return ContainerFiles(
            etc={name: str(path) for name, path in paths.items() if path.exists()},
            overlay=overlay,
            rootfs=str(self._places.rootfs(container.id)),
        )

    def exec_ids(self, ref: str) -> tuple[str, ...]:
        return self._execs.of(self.get(ref).id)

    async def exec_resize(self, exec_id: str, *, height: int, width: int) -> None:
        self._execs.resize(exec_id, height=height, width=width)

    # ---- networks

    async def connect(self, network: str, ref: str, request: EndpointRequest) -> None:
        """Put it on one more network, now if it runs, and at each start."""
        entry = self._registry.find(ref)
        async with entry.lock:
            found = self._networks.get(network)
            names_of = {found.id, found.name}
            if any(one.network in names_of for one in entry.container.endpoints):
                raise Conflict(
                    f"endpoint with name {entry.container.name} already exists in network {found.name}"
                )
            request = replace(request, network=found.name)
            endpoints = entry.container.networks
            async with AsyncExitStack() as undo:
                if entry.is_alive:
                    before = self._networks.sandbox(entry.container.id)
                    endpoints = (*endpoints, await self._networks.connect(entry.container.id, request))
                    undo.push_async_callback(self._networks.disconnect, entry.container.id, found.id)
                self._registry.update(
                    entry,
                    lambda current: replace(
                        current, endpoints=(*current.endpoints, request), networks=endpoints
                    ),
                )
                undo.pop_all()
            if entry.is_alive:
                self._runner.renew_etc(entry.container.id, before)
            await self._registry.sync(entry)

    async def disconnect(self, network: str, ref: str, *, force: bool = False) -> None:
        """Take it off a network; NotFound when it is not on it, unless *force*."""
        entry = self._registry.find(ref)
        async with entry.lock:
            found = self._networks.get(network)
            container = entry.container
            kept = tuple(one for one in container.endpoints if one.network not in {found.id, found.name})
            connected = any(one.network_id == found.id for one in container.networks)
            if len(kept) == len(container.endpoints) and not connected:
                if force:
                    return
                raise NotFound(f"container {container.id} is not connected to network {found.name}")
            # Stored first: then the next engine takes down what an interrupted call left of it.
            self._registry.update(
                entry,
                lambda current: replace(
                    current,
                    endpoints=kept,
                    networks=tuple(one for one in current.networks if one.network_id != found.id),
                ),
            )
            if connected:
                before = self._networks.sandbox(container.id)
                try:
                    await self._networks.disconnect(container.id, found.id)
                except BaseException:
                    self._registry.note(
                        entry,
                        lambda current: replace(
                            current, endpoints=container.endpoints, networks=container.networks
                        ),
                    )
                    raise
                self._runner.renew_etc(container.id, before)
            await self._registry.sync(entry)

    # ---- health

    def _watch_health(self, entry: Entry) -> None:
        """Ask the container's health for as long as this run lasts."""
        container = entry.container
        check = container.config.healthcheck
        if check is None or not (command := merge.health_command(check, container.config.shell)):
            return

        async def probe(timeout: float) -> tuple[int, str]:
            return await self._execs.probe(entry.container, command, timeout=timeout)

        entry.health_task = self._background.start(
            health.watch(
                check,
                container.state.started_ns,
                current=lambda: entry.container.state.health or Health(),
                is_paused=lambda: entry.container.state.status is Status.PAUSED,
                probe=probe,
                report=lambda found: self._report_health(entry, found),
            ),
            name=f"health {short(container.id)}",
        )

    def _report_health(self, entry: Entry, found: Health) -> None:
        if not entry.is_alive:
            return
        before = entry.container.state.health
        entry.container = replace(entry.container, state=replace(entry.container.state, health=found))
        if before is None or before.status != found.status:
            self._registry.note(entry, lambda current: current)
            self._runner.publish(entry, f"health_status: {found.status}")


def _endpoints(request: CreateRequest) -> tuple[EndpointRequest, ...]:
    """Return the networks that a new container is on: those asked for; without any, the default one if that is its mode.

    From then on the mode decides nothing: the container may leave that network and join others.
    """
    default = (EndpointRequest("bridge"),) if request.host.network_mode == "bridge" else ()
    return request.endpoints or default


def _check_platform(request: CreateRequest, image: Image) -> None:
    """Refuse an image for another platform than the one asked for: then the client pulls the right one."""
    if not request.platform:
        return
    wanted = Platform.parse(request.platform)
    own = Platform(image.config.os, image.config.architecture, image.config.variant)
    if wanted.rank(own) is None:
        raise NotFound(
            f"image with reference {request.config.image} was found but its platform ({own}) "
            f"does not match the specified platform ({wanted})"
        )


def _succeeded(
    container: Container,
    sandbox: Sandbox,
    ports: tuple[PortBinding, ...],
    aliases: Mapping[str, tuple[str, ...]],
) -> Container:
    """Return *container* with what it has after ports and names changed hands."""
    endpoints = tuple(
        replace(request, aliases=aliases[request.network]) if request.network in aliases else request
        for request in container.endpoints
    )
    return replace(
        container,
        host=replace(container.host, ports=ports),
        endpoints=endpoints,
        networks=sandbox.endpoints,
        ports=sandbox.ports,
    )
