"""The run of a container: from its start to its exit, with all that is acquired for it and undone after it."""

import asyncio
import contextlib
import json
import select
import socket
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import structlog

from yurt.engine.containers import log_drivers, merge, mounts, rootfs, signals, spec, state, view
from yurt.engine.containers.attach import pair
from yurt.engine.containers.model import Container, MountPoint, Status
from yurt.engine.containers.ports import Images, Networks, Snapshots, Volumes
from yurt.engine.containers.registry import Entry, PendingAttach, Places, Registry
from yurt.engine.containers.tasks import Background
from yurt.engine.events import Events
from yurt.engine.networks.model import PortBinding, Sandbox, SandboxRequest
from yurt.errors import (
    Conflict,
    Internal,
    InvalidArgument,
    NotFound,
    Unavailable,
    YurtError,
    reason_of,
    translated,
)
from yurt.ids import short
from yurt.linux import apparmor, cgroup
from yurt.linux.overlay import OverlayMount
from yurt.linux.runc import Runtime
from yurt.linux.shims import Exited, Failed, ShimConnection, Shims, exited_from
from yurt.oci.runtime_spec import runtime_spec
from yurt.shim.monitor import Request

log = structlog.get_logger()

STOP_TIMEOUT = 10.0  # seconds, Docker's default
KILL_PATIENCE = 30.0  # seconds that the kernel gets to end a killed process
KILLED = 137
REBOOTED = 255  # as Docker says of a container that ended with its machine
_REBOOTED = "the machine was restarted while the container ran"
_LOST = "the shim of the container was lost, and what still ran of it was killed"


class StartFailed(InvalidArgument):
    """The runtime refused; *exit_code* is what Docker's CLI ends with: 127 not found, 126 not executable."""

    def __init__(self, message: str, *, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Runner:
    """Starts containers, hears of their exits, cleans up, and starts again what its policy wants running."""

    def __init__(
        self,
        *,
        registry: Registry,
        places: Places,
        images: Images,
        networks: Networks,
        volumes: Volumes,
        snapshots: Snapshots,
        events: Events,
        runtime: Runtime,
        shims: Shims,
        background: Background,
        remove: Callable[[Entry], Coroutine[Any, Any, None]],
        watch_health: Callable[[Entry], None],
    ) -> None:
        """*remove* removes a --rm container, *watch_health* begins to ask one's health."""
        self._remove = remove
        self._watch_health = watch_health
        self._registry = registry
        self._places = places
        self._images = images
        self._networks = networks
        self._volumes = volumes
        self._snapshots = snapshots
        self._events = events
        self._runtime = runtime
        self._shims = shims
        self._background = background
        self._encoder = msgspec.json.Encoder()
        self._alive = 0  # runs that are heard of

    # ---- start

    async def start(self, entry: Entry) -> None:
        """Start the container; its lock is held. If that fails, all is as before but for the error in its state."""
        if entry.over is not None:
            await entry.over
        container = entry.container
        try:
            with translated(
                {OSError: Unavailable, ExceptionGroup: Internal}, f"cannot start container {container.name}"
            ):
                async with AsyncExitStack() as undo:
                    with ExitStack() as opened:
                        shim, pid, started_ns = await self._launch(entry, undo, opened)
                    self._started(entry, pid, started_ns)
                    undo.pop_all()
        except YurtError as error:
            self._start_failed(entry, error)
            raise
        self.publish(entry, "start")
        self.supervise(entry, shim)
        self._tell_linked(entry.container)
        await self._registry.sync(entry)

    def _started(self, entry: Entry, pid: int, time_ns: int) -> None:
        """It runs: an engine that finds no record of that adopts it all the same."""
        check = entry.container.config.healthcheck
        has_healthcheck = check is not None and check.test[:1] != ("NONE",)
        self._registry.note(
            entry,
            lambda current: replace(
                current,
                state=state.started(current.state, pid=pid, time_ns=time_ns, has_healthcheck=has_healthcheck),
            ),
        )

    async def _launch(
        self, entry: Entry, undo: AsyncExitStack, opened: ExitStack
    ) -> tuple[ShimConnection, int, int]:
        """Start the process; *opened* is closed once it runs, or could not be started."""
        container = entry.container
        key = container.id
        log_drivers.check_available(container.host.log_driver, container.host.log_options)
        profile = spec.apparmor_profile(container.host)
        if profile == apparmor.DEFAULT:
            await apparmor.load_default()
        bundle = self._places.bundle(key)
        bundle.mkdir(mode=0o711, parents=True, exist_ok=True)
        undo.callback(rootfs.remove_bundle, bundle)
        for point in _volumes_of(container):
            await self._volumes.ready(point.name)
        points = opened.enter_context(mounts.held(container.mounts, bundle / "volumes", self.view_of))
        self._tell_mounted(container)
        undo.callback(self._tell_unmounted, container)
        # The kernel sets up the network in another thread while the file system is mounted here.
        opening = asyncio.create_task(
            self._networks.open_sandbox(self.sandbox_request(container)), name=f"sandbox {short(key)}"
        )
        undo.push_async_callback(self._undo_sandbox, key, opening)
        await asyncio.sleep(0)
        root = self._places.rootfs(key)
        overlay = self._snapshots.mount_spec(key, volatile=container.is_brief)
        rootfs.mount(overlay, root)
        undo.callback(rootfs.unmount_all, root)
        if not container.hidden:
            rootfs.mark(root)
        if container.host.ipc_mode == spec.SHAREABLE:
            rootfs.mount_shared_memory(self.shm_of(key), container.host.shm_size)
        rootfs.check_working_dir(root, container.config.working_dir)
        user = rootfs.resolve_user(root, container.config.user, add=container.host.group_add)
        try:
            sandbox = await opening
        except NotFound as missing:
            raise NotFound(
                f"failed to set up container networking: {missing.message}", hint=missing.hint
            ) from missing
        # Known before the process is: an engine that is killed from here on has a successor that can adopt it.
        self._registry.update(
            entry,
            lambda current: replace(
                current, networks=sandbox.endpoints, ports=sandbox.ports, apparmor_profile=profile
            ),
        )
        self._write_etc(container, sandbox)
        around = spec.Surroundings(
            root,
            self._places.state(key),
            sandbox.netns,
            user,
            self.pid_of,
            self.shm_of,
            points,
            self._has_narrow_programs(container),
            entry.secret_env,
        )
        specification = spec.build(container, around)
        document = runtime_spec(specification)
        exit_file = self._places.exit_file(key)
        (bundle / "config.json").write_bytes(self._encoder.encode(document))
        self.forget_exit(key)
        sees = (
            view.needed(specification, bundle=bundle, run=self._places.run)
            if self._alive > view.CROWD
            else None
        )
        request = self._shim_request(entry, bundle, exit_file, sees)
        waiting, entry.pending = entry.pending, []
        try:
            shim = self._shims.spawn(request, [attach.sock for attach in waiting])
        except OSError as error:
            raise Internal(
                f"cannot start a shim for container {container.name}: {reason_of(error)}"
            ) from error
        undo.push_async_callback(self._runtime.delete, key, parent=container.host.cgroup_parent)
        undo.callback(shim.close)
        outcome = await shim.started
        if isinstance(outcome, Failed):
            raise start_error(self._runtime.complaint(outcome.error), "create")
        return shim, outcome.pid, outcome.time_ns

    async def _undo_sandbox(self, container_id: str, opening: "asyncio.Task[Sandbox]") -> None:
        with contextlib.suppress(YurtError, ExceptionGroup):  # it failed: that is on its way to the caller
            await opening
        await self._close_sandbox(container_id)

    async def _close_sandbox(self, container_id: str) -> None:
        """Take the network down; what cannot be undone is logged, and does not keep the rest from being undone."""
        try:
            await self._networks.close_sandbox(container_id)
        except (YurtError, ExceptionGroup) as error:
            reasons = error.exceptions if isinstance(error, ExceptionGroup) else (error,)
            log.error(  # noqa: TRY400 - reasons of the host, not of this code
                "container.sandbox_left",
                container=short(container_id),
                error="; ".join(str(reason) for reason in reasons),
            )

    def _shim_request(
        self, entry: Entry, bundle: Path, exit_file: Path, sees: tuple[str, ...] | None
    ) -> Request:
        container = entry.container
        self.prune_pending(entry)
        log_size, log_files = log_drivers.bound(container.host.log_driver, container.host.log_options)
        return Request(
            directory=str(bundle),
            argv=self._runtime.run_argv(container.id, tty=container.config.tty),
            tty=container.config.tty,
            open_stdin=container.config.open_stdin,
            stdin_once=container.config.stdin_once,
            log="" if container.host.log_driver == "none" else str(self._places.log(container.id)),
            log_size=log_size,
            log_files=log_files,
            log_packed=log_drivers.packs(container.host.log_driver, container.host.log_options),
            forward=log_drivers.forwarding(container),
            exit_file=str(exit_file),
            state_directory=str(self._runtime.state_directory(container.id)),
            attach=[attach.wish for attach in entry.pending],
            hidden="" if sees is None else str(self._places.run),
            seen=list(sees or ()),
        )

    def view_of(self, image_id: str) -> OverlayMount:
        """Return how an image's files are mounted, to be read only."""
        chain = self._images.get(image_id).chain_id
        if chain is None:
            raise InvalidArgument(f"cannot mount image {short(image_id)}: it has no files")
        return self._snapshots.mount_spec(chain)

    def _has_narrow_programs(self, container: Container) -> bool:
        search = next((entry[5:] for entry in container.config.env if entry.startswith("PATH=")), "")
        folders = (search or merge.DEFAULT_PATH[5:]).split(":")
        return rootfs.has_narrow_programs(self._places.rootfs(container.id), container.path, folders)

    def _write_etc(self, container: Container, sandbox: Sandbox) -> None:
        folder = self._places.state(container.id)
        (folder / "hostname").write_text(spec.hostname_of(container) + "\n")
        for name, text in _etc(sandbox).items():
            (folder / name).write_text(text)

    def renew_etc(self, container_id: str, before: Sandbox) -> None:
        """Have the files in /etc of a running container say what has changed *before*; one that it wrote itself stays."""
        folder = self._places.state(container_id)
        after = _etc(self._networks.sandbox(container_id))
        for name, text in _etc(before).items():
            path = folder / name
            try:
                if after[name] != text and path.read_text(errors="replace") == text:
                    # Written over in place: the bind mount in the container shows this very file, and a full disk
                    # has the room that it takes already.
                    with path.open("r+") as file:
                        file.write(after[name])
                        file.truncate()
            except OSError as error:
                log.error("container.etc_not_renewed", container=short(container_id), error=str(error))  # noqa: TRY400

    def _start_failed(self, entry: Entry, error: YurtError) -> None:
        entry.close_pending()
        code = error.exit_code if isinstance(error, StartFailed) else 128
        self._registry.note(
            entry,
            lambda current: replace(
                current,
                state=replace(current.state, exit_code=code, error=error.message),
                networks=(),
                ports=(),
            ),
        )

    def sandbox_request(self, container: Container, *, is_start: bool = True) -> SandboxRequest:
        """Return what the container asks of the network."""
        host = container.host
        mode = host.network_mode
        if mode.startswith("container:"):
            other = self._registry.find(mode.removeprefix("container:"))
            if not other.is_alive:
                raise Conflict(
                    f"cannot join network namespace of a non running container: container {other.container.name} "
                    f"is {other.container.state.status}",
                    hint="start it first",
                )
            mode = f"container:{other.container.id}"
        ports = list(host.ports)
        if host.publish_all:
            published = {(port.container_port, port.protocol) for port in ports}
            for exposed in container.config.exposed_ports:
                number, _slash, protocol = exposed.partition("/")
                if number.isdecimal() and (int(number), protocol or "tcp") not in published:
                    ports.append(PortBinding(int(number), protocol or "tcp"))
        return SandboxRequest(
            container_id=container.id,
            name=container.name,
            hostname=spec.hostname_of(container),
            domainname=container.config.domainname,
            mode=mode,
            endpoints=container.endpoints,
            ports=tuple(ports),
            dns=host.dns,
            dns_search=host.dns_search,
            dns_options=host.dns_options,
            extra_hosts=self._extra_hosts(container, strict=is_start),
        )

    def _extra_hosts(self, container: Container, *, strict: bool) -> tuple[str, ...]:
        return (*container.host.extra_hosts, *self._linked(container, strict=strict))

    def _linked(self, container: Container, *, strict: bool) -> Iterator[str]:
        """Yield ``names:address`` of each container that this one has a link to.

        One that does not run is a Conflict if *strict*, and otherwise has no address.
        """
        if not container.host.links:
            return
        own = {self._networks.get(request.network).id for request in container.endpoints}
        own = own or {self._networks.get("bridge").id}
        for link in container.host.links:
            name, _colon, alias = link.partition(":")
            try:
                other = self._registry.find(name)
            except NotFound:
                if strict:
                    raise
                continue
            if not other.is_alive:
                if not strict:
                    continue
                raise Conflict(
                    f"Cannot link to a non running container: /{name} AS /{container.name}/{alias}"
                )
            shared = [one.ipv4 for one in other.container.networks if one.network_id in own and one.ipv4]
            if not shared:
                if not strict:
                    continue
                raise Conflict(f"Cannot link to /{name}, as it does not belong to the same network")
            names = dict.fromkeys((alias, other.container.name, spec.hostname_of(other.container)))
            yield f"{' '.join(names)}:{shared[0]}"

    def _tell_linked(self, other: Container) -> None:
        """Have running containers with a link to *other* know its address as it is now, or that it has none."""
        for entry in self._registry:
            container = entry.container
            if not container.host.links or not entry.is_alive:  # nearly always
                continue
            names = [link.partition(":")[0] for link in container.host.links]
            if not any(name == other.name or other.id.startswith(name) for name in names):
                continue
            try:
                extra = self._extra_hosts(container, strict=False)
                before = self._networks.set_extra_hosts(container.id, extra)
                if before is not None:
                    self.renew_etc(container.id, before)
            except YurtError as error:  # nothing that *other* is waited for with depends on it
                log.error("container.link_not_renewed", container=short(container.id), error=str(error))  # noqa: TRY400

    def pid_of(self, ref: str) -> int:
        """Return the process number of a running container that another one joins."""
        other = self._registry.find(ref)
        if not other.is_alive:
            raise Conflict(f"cannot join container {other.container.name}: it is not running")
        return other.container.state.pid

    def shm_of(self, ref: str) -> Path:
        """Return where the shared memory of a container is mounted that lets others join its IPC namespace."""
        other = self._registry.find(ref).container
        if other.host.ipc_mode != spec.SHAREABLE:
            raise InvalidArgument(
                f"failed to join IPC namespace: container {other.id}: non-shareable IPC "
                "(hint: use IpcMode:shareable for the donor container)"
            )
        return self._places.shared_memory(other.id)

    @staticmethod
    def prune_pending(entry: Entry) -> None:
        """Forget the attach streams whose client has gone."""
        poll = select.poll()
        for attach in entry.pending:
            poll.register(attach.sock, 0)
        gone = {number for number, mask in poll.poll(0) if mask & (select.POLLHUP | select.POLLERR)}
        for attach in [one for one in entry.pending if one.sock.fileno() in gone]:
            entry.pending.remove(attach)
            attach.sock.close()

    # ---- exit

    def supervise(self, entry: Entry, shim: ShimConnection) -> None:
        """From now on hear of the exit of the run behind *shim*."""
        entry.shim = shim
        entry.over = asyncio.get_running_loop().create_future()
        over = entry.over
        self._alive += 1

        async def hear() -> None:
            try:
                await self._ended(entry, await shim.exited)
            finally:
                self._alive -= 1
                if not over.done():
                    over.set_result(None)

        self._background.start(hear(), name=f"container {short(entry.container.id)}")
        self._watch_health(entry)

    async def _ended(self, entry: Entry, exited: Exited | None) -> None:
        """The run is over: clean up, then tell."""
        if entry.health_task is not None:
            entry.health_task.cancel()
            entry.health_task = None
        error = ""
        if exited is None:
            exited, error = await self.lost(entry.container)
        await self.clean_up(entry)
        self.record_exit(entry, exited, error=error)

    async def lost(self, container: Container, *, rebooted: bool = False) -> tuple[Exited, str]:
        """The shim is gone, *rebooted*: with the machine. Return the exit it wrote down; else kill what still runs, and say so."""
        recorded = self.recorded_exit(container.id)
        try:
            await self._runtime.delete(container.id, parent=container.host.cgroup_parent)
        except YurtError as error:
            log.error("container.runtime_left", container=short(container.id), error=str(error))  # noqa: TRY400
        if recorded is not None:
            return recorded, ""
        log.warning("container.lost", container=short(container.id))
        if rebooted:
            return Exited(REBOOTED, oom_killed=False, time_ns=time.time_ns()), _REBOOTED
        return Exited(KILLED, oom_killed=False, time_ns=time.time_ns()), _LOST

    def recorded_exit(self, container_id: str) -> Exited | None:
        """Return the exit that the shim of the last run wrote down."""
        for file in (self._places.exit_file(container_id), self._places.nameless_exit(container_id)):
            try:
                text = file.read_bytes().strip(b"\0")
                if text:  # else it is the room kept for an exit
                    return exited_from(json.loads(text))
            except FileNotFoundError:
                continue
            except (ValueError, KeyError):
                log.warning("container.exit_unreadable", container=short(container_id), file=file.name)
        return None

    def forget_exit(self, container_id: str) -> None:
        """Afterwards no exit of an earlier run is written down."""
        for file in (self._places.exit_file(container_id), self._places.nameless_exit(container_id)):
            file.unlink(missing_ok=True)

    async def clean_up(self, entry: Entry) -> None:
        """Undo what the start acquired; goes on past failures."""
        container = entry.container
        if entry.shim is not None:
            entry.shim.close()
            entry.shim = None
        await self._close_sandbox(container.id)
        self._tell_unmounted(container)
        bundle = self._places.bundle(container.id)
        try:
            if container.is_brief:
                rootfs.remove_bundle(bundle)
            else:
                # Unmounting writes the upper layer to the disk: not on the event loop.
                await asyncio.to_thread(rootfs.remove_bundle, bundle)
        except OSError as error:
            log.error("container.bundle_left", container=short(container.id), error=str(error))  # noqa: TRY400

    def record_exit(self, entry: Entry, exited: Exited, *, error: str = "") -> None:
        """Store the exit, tell who waits, and do what the policy says."""
        before = entry.container.state
        policy = entry.container.host.restart
        retry = (
            not entry.keep
            and not entry.container.hidden
            and state.wants_restart(policy, before, exit_code=exited.code)
        )
        ended = state.exited(
            before,
            code=exited.code,
            oom_killed=exited.oom_killed,
            time_ns=exited.time_ns,
            retry=retry,
            error=error,
        )
        entry.container = replace(entry.container, state=ended, networks=(), ports=())
        removes = entry.container.host.auto_remove and not entry.keep
        if not removes:
            self._registry.note(entry, lambda current: current)
            self._background.start(self._sync_exit(entry), name=f"sync {short(entry.container.id)}")
        if exited.oom_killed:
            self.publish(entry, "oom")
        lasted = max(0, exited.time_ns - before.started_ns) // 1_000_000_000
        if entry.stopping:
            self.publish(entry, "stop")
        self.publish(entry, "die", exitCode=str(exited.code), execDuration=str(lasted))
        self._tell_linked(entry.container)
        entry.notify("next-exit", "not-running")
        if removes:
            self._background.start(self._remove(entry), name=f"remove {short(entry.container.id)}")
        if retry:
            entry.back_off = entry.back_off.next(ran_for=(exited.time_ns - before.started_ns) / 1e9)
            self.restart_later(entry, entry.back_off.delay)

    async def _sync_exit(self, entry: Entry) -> None:
        try:
            await self._registry.sync(entry)
        except YurtError as error:  # it is so all the same, and the exit's file tells it
            log.error("container.exit_not_synced", container=short(entry.container.id), error=str(error))  # noqa: TRY400

    def restart_later(self, entry: Entry, delay: float) -> None:
        """Start the container after *delay* seconds, unless someone stops it before."""
        entry.restart_task = self._background.start(
            self._restart(entry, delay), name=f"restart {short(entry.container.id)}"
        )

    async def _restart(self, entry: Entry, delay: float) -> None:
        await asyncio.sleep(delay)
        async with entry.lock:
            entry.restart_task = None
            if entry.container.state.status is not Status.RESTARTING:
                return
            count = entry.container.state.restart_count + 1
            try:
                await self.start(entry)
            except YurtError as error:
                log.error("container.restart_failed", container=short(entry.container.id), error=str(error))  # noqa: TRY400
                self._registry.note(
                    entry,
                    lambda current: replace(
                        current,
                        state=replace(current.state, status=Status.EXITED, finished_ns=time.time_ns()),
                    ),
                )
                return
            self._registry.note(
                entry,
                lambda current: replace(current, state=replace(current.state, restart_count=count)),
            )

    # ---- signals

    async def stop(self, entry: Entry, *, timeout: float | None, signal: str | None) -> None:
        """Ask the process to end, and make it end after *timeout* seconds (negative: never); its lock is held."""
        container = entry.container
        number = signals.parse(signal or container.config.stop_signal or "TERM")
        if timeout is None:
            asked = container.config.stop_timeout
            timeout = STOP_TIMEOUT if asked is None else asked
        over = entry.over
        if over is None:
            return
        entry.stopping = True
        try:
            if entry.shim is not None:  # else it has ended, and is being cleaned up
                entry.shim.kill(number)
                self.publish(entry, "kill", signal=str(number))
                self.thaw(entry)
            if timeout >= 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(asyncio.shield(over), timeout or 0.001)
                if not over.done():
                    await self.kill_hard(entry)
            await over
        finally:
            entry.stopping = False

    async def kill_hard(self, entry: Entry) -> None:
        """Kill the process, and wait until the run is over."""
        over = entry.over
        if over is None:
            return
        if entry.shim is not None:
            entry.shim.kill(signals.parse("KILL"))
            self.thaw(entry)
            self.publish(entry, "kill", signal="9")
        try:
            await asyncio.wait_for(asyncio.shield(over), KILL_PATIENCE)
        except TimeoutError:
            raise Internal(
                f"cannot kill container {entry.container.name}: PID {entry.container.state.pid} is still there "
                f"{KILL_PATIENCE:.0f} seconds after SIGKILL",
                hint="a process that waits for a device or a network file system cannot be killed",
            ) from None

    def thaw(self, entry: Entry) -> None:
        """Let a paused container run, so that signals reach it."""
        if entry.container.state.status is Status.PAUSED:
            with contextlib.suppress(OSError):
                cgroup.Cgroup(entry.container.id, parent=entry.container.host.cgroup_parent).thaw()
            self._registry.note(
                entry, lambda current: replace(current, state=replace(current.state, status=Status.RUNNING))
            )

    # ---- small things

    def publish(self, entry: Entry, action: str, **attributes: str) -> None:
        """Tell the listeners, with the attributes that Docker gives."""
        container = entry.container
        if container.hidden:
            return
        self._events.publish(
            "container",
            action,
            container.id,
            {
                **container.config.labels,
                "image": container.config.image,
                "name": container.name,
                **attributes,
            },
        )

    def _tell_mounted(self, container: Container) -> None:
        for point in _volumes_of(container):
            self._events.publish(
                "volume",
                "mount",
                point.name,
                {
                    "container": container.id,
                    "destination": point.target,
                    "driver": point.driver,
                    "propagation": "",
                    "read/write": "false" if point.read_only else "true",
                },
            )

    def _tell_unmounted(self, container: Container) -> None:
        for point in _volumes_of(container):
            self._events.publish(
                "volume", "unmount", point.name, {"container": container.id, "driver": point.driver}
            )

    def pend_attach(self, entry: Entry, wish: dict[str, bool]) -> socket.socket:
        """Return the client's end of a stream that the next start connects."""
        self.prune_pending(entry)
        ours, theirs = pair()
        entry.pending.append(PendingAttach(theirs, wish))
        return ours


def _etc(sandbox: Sandbox) -> dict[str, str]:
    return {"hosts": sandbox.hosts, "resolv.conf": sandbox.resolv_conf}


def _volumes_of(container: Container) -> tuple[MountPoint, ...]:
    """Return the mounts that listeners are told of: none of a container that a build runs in."""
    return () if container.hidden else tuple(point for point in container.mounts if point.kind == "volume")


NOT_A_FOLDER = (
    ": Are you trying to mount a directory onto a file (or vice-versa)?"
    " Check if the specified host path exists and is the expected type"
)


def start_error(text: str, doing: str) -> YurtError:
    """Return Docker's error for what the runtime said; the CLI derives its exit code from the words."""
    text = text.replace(" run failed", f" {doing} failed", 1)
    lowered = text.lower()
    if doing == "create":
        about = NOT_A_FOLDER if "not a directory" in lowered else ""
        message = (
            "failed to create task for container: failed to create shim task: "
            f"OCI runtime create failed: {text}{about}"
        )
    else:
        message = f"OCI runtime exec failed: {text}"
    if "error getting pipe fds" in lowered:
        return Internal(message)  # of a process that was gone when the runtime looked: no file is missing
    if any(words in lowered for words in ("permission denied", "is a directory", "exec format error")):
        return StartFailed(message, exit_code=126)
    if any(
        words in lowered
        for words in ("executable file not found", "no such file or directory", "not a directory")
    ):
        return StartFailed(message, exit_code=127)
    return Internal(message)
