"""After a restart of the engine: find every container as it is, and clean up what was interrupted."""

import asyncio
import contextlib
import os
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import structlog

from yurt.engine.containers import rootfs, state
from yurt.engine.containers.model import Container, Status
from yurt.engine.containers.ports import Images, Networks, Snapshots, Volumes
from yurt.engine.containers.registry import Entry, Places, Registry
from yurt.engine.containers.runner import Runner
from yurt.engine.repairs import Repairs, counted, repairs
from yurt.errors import NotFound, YurtError
from yurt.ids import short
from yurt.linux import cgroup
from yurt.linux.mount import mounted_below
from yurt.linux.overlay import OverlayMount
from yurt.linux.runc import Runtime
from yurt.linux.shims import ShimConnection, Shims, Started
from yurt.shim.log import LogFile

log = structlog.get_logger()

PATIENCE = 10.0  # seconds that a shim gets to finish a start which the engine did not live to see

Remove = Callable[..., Coroutine[Any, Any, None]]


class Restorer:
    """Goes once through all containers; each is restored on its own, so one failure does not touch another."""

    def __init__(
        self,
        *,
        registry: Registry,
        places: Places,
        runner: Runner,
        runtime: Runtime,
        networks: Networks,
        images: Images,
        volumes: Volumes,
        snapshots: Snapshots,
        remove: Remove,
        rebooted: bool,
    ) -> None:
        self._registry = registry
        self._places = places
        self._runner = runner
        self._runtime = runtime
        self._networks = networks
        self._images = images
        self._volumes = volumes
        self._snapshots = snapshots
        self._remove = remove
        self._rebooted = rebooted
        self._ran_on = 0
        self._unfinished = 0
        self._thawed = 0
        self._failed = 0
        self._ended: Counter[int] = Counter()  # by exit code

    async def restore(self) -> Repairs:
        """Afterwards the registry says what is so, and nothing is left that it does not know."""
        known = {entry.container.id for entry in self._registry}
        for entry in self._registry:
            self._hold(entry.container)
        for entry in self._registry:
            try:
                await self._restore(entry)
            except Exception:
                # Whatever it was, the other containers are restored.
                log.exception("container.restore_failed", container=short(entry.container.id))
                self._failed += 1
        swept = await self._sweep(known)
        return (
            *repairs("adopted", {"container": self._ran_on}, " that ran on"),
            *repairs("let go on", {"container": self._thawed}, " that an interrupted pause had frozen"),
            *self._ended_repairs(),
            *repairs("finished the removal of", {"container": self._unfinished}),
            *repairs("removed", swept, " that no container has"),
            *repairs("could not restore", {"container": self._failed}, ": the log has the reason of each"),
        )

    def _ended_repairs(self) -> Repairs:
        why = "had ended with the machine" if self._rebooted else "had ended"
        codes = ", ".join(f"{number} with {code}" for code, number in sorted(self._ended.items()))
        return (f"{counted(self._ended.total(), 'container')} {why}: {codes}",) if codes else ()

    def _hold(self, container: Container) -> None:
        for image_id in container.image_ids:
            self._images.hold(image_id, container.id)
        for point in container.mounts:
            if point.kind == "volume":
                try:
                    self._volumes.hold(point.name, container.id)
                except NotFound:
                    log.warning("container.volume_missing", container=short(container.id), volume=point.name)

    async def _restore(self, entry: Entry) -> None:
        container = entry.container
        shim = None if self._rebooted else Shims.connect(self._places.bundle(container.id))
        if container.hidden:
            if shim is not None:
                shim.close()
            await self._discard(entry)
            self._unfinished += 1
            return
        if shim is not None and await self._adopted(entry, shim):
            return
        await self._ended_meanwhile(entry)

    async def _adopted(self, entry: Entry, shim: ShimConnection) -> bool:
        """Take up a run whose shim lives; return False when the start had not come to a process."""
        try:
            outcome = await asyncio.wait_for(asyncio.shield(shim.started), PATIENCE)
        except TimeoutError:
            outcome = None
        if not isinstance(outcome, Started):
            shim.close()
            return False
        container = entry.container
        if container.state.status not in state.ALIVE:
            # The engine was killed between the start and its record.
            self._registry.note(
                entry,
                lambda current: replace(
                    current,
                    state=state.started(
                        replace(current.state, status=Status.CREATED),
                        pid=outcome.pid,
                        time_ns=outcome.time_ns,
                        has_healthcheck=current.config.healthcheck is not None,
                    ),
                ),
            )
        if not shim.exited.done():
            self._match_freezer(entry)
            try:
                sandbox = await self._networks.adopt(
                    self._runner.sandbox_request(container, is_start=False),
                    container.networks,
                    container.ports,
                )
            except YurtError as error:
                log.error("container.network_lost", container=short(container.id), error=str(error))  # noqa: TRY400
            else:
                self._registry.note(
                    entry,
                    lambda current: replace(current, networks=sandbox.endpoints, ports=sandbox.ports),
                )
        self._runner.supervise(entry, shim)
        self._ran_on += 1
        log.info("container.adopted", container=short(container.id), pid=entry.container.state.pid)
        return True

    def _match_freezer(self, entry: Entry) -> None:
        """Finish what an interrupted pause, unpause or commit left: what was not stored as paused goes on."""
        container = entry.container
        group = cgroup.Cgroup(container.id, parent=container.host.cgroup_parent)
        is_frozen = group.is_frozen
        if is_frozen == (container.state.status is Status.PAUSED):
            return
        log.info("container.thawed", container=short(container.id))
        if is_frozen:
            with contextlib.suppress(OSError):
                group.thaw()
                self._thawed += 1
            return
        self._registry.note(
            entry, lambda current: replace(current, state=replace(current.state, status=Status.RUNNING))
        )

    async def _ended_meanwhile(self, entry: Entry) -> None:
        """No shim: the container is not running, whatever its record says."""
        container = entry.container
        if self._rebooted:
            await asyncio.to_thread(self._mend_log, container.id)
        recorded = self._runner.recorded_exit(container.id)
        unseen = recorded is not None and recorded.time_ns > container.state.started_ns
        if container.state.status in state.ALIVE or (unseen and container.state.status is Status.CREATED):
            if container.state.status is Status.CREATED:
                entry.container = replace(
                    container,
                    state=replace(container.state, status=Status.RUNNING, started_ns=container.created_ns),
                )
            if not unseen:
                # An exit from an earlier run says nothing about this one.
                self._runner.forget_exit(container.id)
            exited, error = await self._runner.lost(entry.container, rebooted=self._rebooted)
            entry.keep = True  # policies are looked at when all containers are back
            await self._runner.clean_up(entry)
            self._runner.record_exit(entry, exited, error=error)
            entry.keep = False
            self._ended[exited.code] += 1
        else:
            await self._runtime.delete(container.id, parent=container.host.cgroup_parent)
            bundle = self._places.bundle(container.id)
            if bundle.exists():
                await asyncio.to_thread(rootfs.remove_bundle, bundle)
        if (
            container.state.status is Status.REMOVING
            or (container.host.auto_remove and entry.container.state.status is Status.EXITED)
            # It had been started when the power was cut, though that was not on the disk yet.
            or (
                self._rebooted
                and container.host.auto_remove
                and rootfs.was_volatile(self._overlay(container))
            )
        ):
            await self._remove(entry, volumes=True)
            self._unfinished += 1

    def _mend_log(self, container_id: str) -> None:
        """A power cut may have taken the ends of its files; the next run would mend that, its readers come sooner."""
        path = self._places.log(container_id)
        if path.exists():
            LogFile(str(path)).close()

    def _overlay(self, container: Container) -> OverlayMount:
        return self._snapshots.mount_spec(container.id, volatile=container.is_brief)

    async def _discard(self, entry: Entry) -> None:
        """A build step that the engine did not live to finish."""
        await self._runtime.delete(entry.container.id)
        await self._runner.clean_up(entry)
        await self._remove(entry, volumes=True)

    async def _sweep(self, known: set[str]) -> dict[str, int]:
        """Remove what belongs to no container: of a create or a removal that was cut short; return how much it was.

        Of those that were *known* and are not any more it is being removed already.
        """
        swept = {"mount": 0, "folder": 0, "file system": 0}
        for parent in (self._places.bundle("x").parent, self._places.state("x").parent):
            parent.mkdir(mode=0o711, parents=True, exist_ok=True)
            for name in os.listdir(parent):
                if name not in known:
                    swept["mount"] += len(mounted_below(parent / name))
                    swept["folder"] += 1
                    await self._runtime.delete(name)
                    await asyncio.to_thread(rootfs.remove_bundle, parent / name)
        for key in self._snapshots.keys():  # noqa: SIM118 - a method of the snapshotter, not a mapping
            if key not in self._registry:
                self._snapshots.remove(key)
                swept["file system"] += 1
        return swept


def resume(registry: Registry, runner: Runner) -> Repairs:
    """Have policies start what they want running, as if it had just ended. Once every container is restored."""
    started = 0
    for entry in registry:
        container = entry.container
        if (
            container.state.status is Status.EXITED
            and not container.host.auto_remove
            and state.wants_start_with_engine(container.host.restart, container.state)
        ):
            registry.note(
                entry,
                lambda current: replace(current, state=replace(current.state, status=Status.RESTARTING)),
            )
        if entry.container.state.status is Status.RESTARTING and entry.restart_task is None:
            runner.restart_later(entry, state.FIRST_DELAY)
            started += 1
    return repairs(
        "starting",
        {"container": started},
        " by their restart policies" if started > 1 else " by its restart policy",
    )
