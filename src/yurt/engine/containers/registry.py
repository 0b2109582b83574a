"""The containers that there are: found by id, name or beginning of an id, and stored on each change."""

import asyncio
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import structlog

from yurt.engine import boot
from yurt.engine.containers.model import Container
from yurt.engine.containers.ports import Documents
from yurt.engine.containers.state import ALIVE, BackOff
from yurt.errors import Conflict, InvalidArgument, NotFound, YurtError
from yurt.ids import short
from yurt.linux.shims import ShimConnection
from yurt.settings import EngineSettings

log = structlog.get_logger()

KIND = "container"
_ID_PREFIX = re.compile(r"[0-9a-f]{1,64}")


@dataclass(frozen=True, slots=True)
class WaitResult:
    """How a container ended. *error* is empty unless it could not be started or its end is not known."""

    exit_code: int
    error: str = ""


@dataclass(frozen=True, slots=True)
class Waiter:
    """Someone who waits for *condition*: not-running, next-exit or removed."""

    condition: str
    future: "asyncio.Future[WaitResult]"


@dataclass(frozen=True, slots=True)
class PendingAttach:
    """An attach stream opened before the start: the end that the shim will get, and what the client wants."""

    sock: socket.socket
    wish: dict[str, bool]


@dataclass(slots=True, eq=False)
class Entry:
    """A container, and what of it lives only in this process.

    *lock* is held by whatever changes its life. *over* is settled when the current run has ended and is cleaned
    up; None: it never ran in this process. *keep* holds back the restart policy and --rm while it is restarted
    by hand. *stopping*: its end was asked for, and is told of as a stop.
    """

    container: Container
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    shim: ShimConnection | None = None
    over: "asyncio.Future[None] | None" = None
    pending: list[PendingAttach] = field(default_factory=list)
    waiters: list[Waiter] = field(default_factory=list)
    back_off: BackOff = field(default_factory=BackOff)
    keep: bool = False
    stopping: bool = False
    health_task: "asyncio.Task[None] | None" = None
    restart_task: "asyncio.Task[None] | None" = None
    secret_env: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<Entry {self.container.name} {self.container.state.status}>"

    @property
    def is_alive(self) -> bool:
        return self.container.state.status in ALIVE

    def notify(self, *conditions: str, error: str = "") -> None:
        """Tell those who wait for one of *conditions*."""
        result = WaitResult(self.container.state.exit_code, error or self.container.state.error)
        for waiter in [one for one in self.waiters if one.condition in conditions]:
            self.waiters.remove(waiter)
            if not waiter.future.done():
                waiter.future.set_result(result)

    def close_pending(self) -> None:
        """End the attach streams that wait for a start that will not come."""
        for attach in self.pending:
            attach.sock.close()
        self.pending.clear()


class Places:
    """Where a container's files are. *state* is durable; *bundle* does not outlive a boot."""

    def __init__(self, settings: EngineSettings) -> None:
        self.run = settings.run
        self._states = settings.root / "containers"
        self._bundles = settings.run / boot.CONTAINERS

    def __repr__(self) -> str:
        return f"<Places {self._states} {self._bundles}>"

    def state(self, container_id: str) -> Path:
        return self._states / container_id

    def bundle(self, container_id: str) -> Path:
        return self._bundles / container_id

    def rootfs(self, container_id: str) -> Path:
        return self.bundle(container_id) / "rootfs"

    def shared_memory(self, container_id: str) -> Path:
        return self.bundle(container_id) / "shm"

    def log(self, container_id: str) -> Path:
        return self.state(container_id) / "output.log"

    def exit_file(self, container_id: str) -> Path:
        return self.state(container_id) / "exit.json"

    def nameless_exit(self, container_id: str) -> Path:
        """Where the shim writes the exit before it gives it its name, which takes room that a disk may not have."""
        return self.state(container_id) / "exit.json.tmp"


class Registry:
    """Entries in memory, containers in the documents."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._entries: dict[str, Entry] = {}
        self._names: dict[str, str] = {}

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._entries.values()))

    def __contains__(self, container_id: str) -> bool:
        return container_id in self._entries

    def load(self) -> None:
        """Read all containers from the documents."""
        for _id, body in self._documents.all(KIND):
            container = msgspec.json.decode(body, type=Container)
            self._entries[container.id] = Entry(container)
            self._names[container.name] = container.id

    def find(self, ref: str) -> Entry:
        """Return the container of that id, name, or unique beginning of an id."""
        if (entry := self._entries.get(ref)) is not None:
            return entry
        if (found := self._names.get(ref.removeprefix("/"))) is not None:
            return self._entries[found]
        if _ID_PREFIX.fullmatch(ref):
            matches = [entry for key, entry in self._entries.items() if key.startswith(ref)]
            if len(matches) == 1:
                return matches[0]
            if matches:
                raise InvalidArgument(f"Multiple IDs found with provided prefix: {ref}")
        raise NotFound(f"No such container: {ref}")

    def has_name(self, name: str) -> bool:
        return name in self._names

    def reserve(self, name: str, container_id: str) -> None:
        """Take a name; Conflict when another container has it."""
        holder = self._names.get(name)
        if holder is not None and holder != container_id:
            raise Conflict(
                f'Conflict. The container name "/{name}" is already in use by container "{holder}". '
                "You have to remove (or rename) that container to be able to reuse that name."
            )
        self._names[name] = container_id

    def let_go(self, name: str) -> None:
        """Give a name back."""
        self._names.pop(name, None)

    def add(self, container: Container, *, along: Callable[[], None] = lambda: None) -> Entry:
        """Store a new container, whose name is reserved. What *along* stores is stored with it, or neither is."""
        with self._documents.transaction():
            along()
            self.save(container)
        entry = Entry(container)
        self._entries[container.id] = entry
        self._names[container.name] = container.id
        return entry

    def update(self, entry: Entry, change: Callable[[Container], Container]) -> Container:
        """Replace the entry's container by the changed one, on disk and in memory; in neither when that fails."""
        self.update_together((entry, change))
        return entry.container

    def update_together(self, *changes: tuple[Entry, Callable[[Container], Container]]) -> None:
        """The same for several: an engine that dies here has stored all or nothing."""
        changed = [(entry, change(entry.container)) for entry, change in changes]
        with self._documents.transaction():
            for _entry, container in changed:
                self.save(container)
        for entry, container in changed:
            entry.container = container

    def note(self, entry: Entry, change: Callable[[Container], Container]) -> Container:
        """Record what has become of a container. It is so even when it cannot be stored, though a full disk takes it.

        What was not stored the next engine finds out by itself, from shims and their exit files.
        """
        entry.container = change(entry.container)
        try:
            self._documents.note(KIND, entry.container.id, _encoded(entry.container))
        except YurtError as error:
            log.error("container.not_stored", container=short(entry.container.id), error=str(error))  # noqa: TRY400
        return entry.container

    async def sync(self, entry: Entry) -> None:
        """Afterwards no power cut can take away what was changed here before the call.

        Nothing is done for a container that a power cut ends for good: it would not be there after it, either way.
        """
        if not entry.container.is_brief:
            await asyncio.to_thread(self.sync_all)

    def sync_all(self) -> None:
        """The same for whatever was changed. For a thread."""
        self._documents.sync()

    def save(self, container: Container) -> None:
        self._documents.put(KIND, container.id, _encoded(container))

    def drop(self, entry: Entry) -> None:
        """Afterwards there is no such container."""
        self._documents.delete(KIND, entry.container.id)
        self._entries.pop(entry.container.id, None)
        if self._names.get(entry.container.name) == entry.container.id:
            del self._names[entry.container.name]


def _encoded(container: Container) -> bytes:
    return msgspec.json.encode(container)
