"""Files from the client: fsutil's packets over moby.filesync.v1.FileSync/DiffCopy, this side receiving.

The client walks its folder and tells every file first (STAT, one that is empty at the end); each has a number,
counted from 0. Contents come for those that are asked for by number (REQ), in pieces (DATA, an empty one at the
end of each file), several files at once. FIN goes round when everything is there. What is left out is decided
by the client's side, from the metadata of the call.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol
from urllib.parse import quote

from yurt.engine.build.context import ContextWriter
from yurt.engine.build.files import FILE, ContextTree, FileEntry
from yurt.engine.build.kept import KeptContents
from yurt.errors import InvalidArgument
from yurt.server.buildkit.grpc import Call, Client
from yurt.server.buildkit.messages import Packet, Stat
from yurt.storage.content import disk_error

DIFF_COPY = "/moby.filesync.v1.FileSync/DiffCopy"
STAT, REQ, DATA, FIN, ERR = range(5)  # types of packets
AT_ONCE = 64  # files asked for and not yet whole; a client that answers 128 at a time must never wait for us
MAX_FILES = 2_000_000  # in one context

# Go's os.FileMode
IS_FOLDER, IS_LINK, IS_DEVICE, IS_PIPE, IS_SOCKET = 1 << 31, 1 << 27, 1 << 26, 1 << 25, 1 << 24
SETUID, SETGID, IS_CHARACTER_DEVICE, STICKY, IS_IRREGULAR = 1 << 23, 1 << 22, 1 << 21, 1 << 20, 1 << 19
SPECIAL = IS_DEVICE | IS_PIPE | IS_SOCKET | IS_CHARACTER_DEVICE | IS_IRREGULAR


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted of the client's folder *name* (``context``, ``dockerfile``). Empty *paths*: all of it."""

    name: str
    paths: Sequence[str] = ()
    excluded: Sequence[str] = ()  # lines of .dockerignore

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Return the headers that say so; values that no header can hold are percent-encoded, and that is marked."""
        headers = [("dir-name", self.name)]
        for key, values in (("followpaths", self.paths), ("exclude-patterns", self.excluded)):
            plain = all(value.isascii() and value.isprintable() for value in values)
            headers += [(key, value if plain else quote(value, safe="/")) for value in values]
            if values and not plain:
                headers.append((f"{key}-encoded", "1"))
        return tuple(headers)


class FileSink(Protocol):
    """A file that is being received."""

    def write(self, piece: bytes, /) -> None: ...
    def close(self) -> None: ...


class Sink(Protocol):
    """Where files go. What they raise ends the transfer."""

    def folder(self, name: str, mode: int, mtime_ns: int, /) -> None: ...
    def has(self, entry: FileEntry, /) -> bool:
        """Return whether the content is here already; then the file is made."""
        ...

    def file(self, name: str, mode: int, mtime_ns: int, /) -> FileSink: ...
    def symlink(self, name: str, target: str, mtime_ns: int, /) -> None: ...
    def hardlink(self, name: str, to: str, /) -> None: ...


class _Small:
    """A file that is kept in memory; more than *limit* bytes are refused."""

    def __init__(self, name: str, limit: int) -> None:
        self._name = name
        self._limit = limit
        self.data = bytearray()

    def write(self, piece: bytes, /) -> None:
        self.data += piece
        if len(self.data) > self._limit:
            raise InvalidArgument(f"{self._name} has more than {self._limit} bytes")

    def close(self) -> None:
        """It is whole."""


class SmallFiles:
    """A sink for a few small files that are read at once and kept nowhere; links and folders are not looked at."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._files: dict[str, _Small] = {}
        self._links: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"<SmallFiles {sorted(self._files)}>"

    def folder(self, _name: str, _mode: int, _mtime_ns: int, /) -> None:
        return

    def has(self, _entry: FileEntry, /) -> bool:
        return False

    def file(self, name: str, _mode: int, _mtime_ns: int, /) -> _Small:
        return self._files.setdefault(name, _Small(name, self._limit))

    def symlink(self, name: str, target: str, _mtime_ns: int, /) -> None:
        self._links[name] = target

    def hardlink(self, name: str, to: str, /) -> None:
        if to in self._files:
            self._files[name] = self._files[to]

    def get(self, name: str) -> bytes | None:
        """Return the content of *name*, one link followed: the client sends along what a wanted link leads to."""
        found = self._files.get(name)
        if found is None and name in self._links:
            folder = name.rpartition("/")[0]
            found = self._files.get(_joined(folder, self._links[name]))
        return None if found is None else bytes(found.data)


def _joined(folder: str, target: str) -> str:
    parts = [] if target.startswith("/") else folder.split("/")
    for part in target.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in {"", "."}:
            parts.append(part)
    return "/".join(part for part in parts if part)


class TreeSink(ContextWriter):
    """Makes the files of a context; contents that were kept under *key* are not asked for."""

    def __init__(self, root: str, kept: KeptContents, key: str) -> None:
        super().__init__(root)
        self._kept = kept
        self._key = key

    def has(self, entry: FileEntry, /) -> bool:
        found = self._kept.find(self._key, entry)
        if found is not None:
            self.adopt(replace(entry, digest=found.digest), found.place)
        return found is not None


class Receiver:
    """The receiving side as a table of what was told, asked for and brought: packets in, packets out, no I/O."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._told = 0
        self._waiting: deque[tuple[int, Stat]] = deque()
        self._links: list[Stat] = []
        self._open: dict[int, FileSink] = {}
        self._has_all_stats = False
        self._has_said_fin = False
        self.is_done = False
        self.transferred = 0  # bytes of contents

    def __repr__(self) -> str:
        return f"<Receiver {self._told} files, {len(self._open)} open, {len(self._waiting)} waiting>"

    def take(self, packet: Packet) -> list[Packet]:
        """Take in *packet* and return what is to be sent; raise InvalidArgument when it makes no sense."""
        match packet.type:
            case 0 if packet.stat is None:  # STAT
                self._has_all_stats = True
            case 0:
                self._tell(packet.stat)
            case 2:  # DATA
                self._bring(packet)
            case 3:  # FIN
                if not self._has_said_fin:
                    raise InvalidArgument("broken build context: the client ended it before it was whole")
                self.is_done = True
            case 4:  # ERR
                raise InvalidArgument(
                    f"the client cannot read the build context: {packet.data.decode(errors='replace')}"
                )
            case _:
                raise InvalidArgument(f"broken build context: a packet of type {packet.type}")
        return [*self._asked(), *self._finished()]

    def abort(self) -> None:
        """Afterwards no file is open."""
        for file in self._open.values():
            file.close()
        self._open.clear()

    def _tell(self, stat: Stat | None) -> None:
        assert stat is not None
        if self._has_all_stats or self._told >= MAX_FILES:
            raise InvalidArgument("broken build context: more files than were announced, or than can be")
        number = self._told
        self._told += 1
        if stat.mode & IS_FOLDER:
            self._sink.folder(stat.path, permissions(stat.mode), stat.mod_time)
        elif stat.mode & IS_LINK:
            self._sink.symlink(stat.path, stat.linkname, stat.mod_time)
        elif stat.mode & SPECIAL:
            return  # nothing that could be copied
        elif stat.linkname:
            self._links.append(stat)  # to a file whose content may be on its way
        elif not self._sink.has(_entry(stat)):
            self._waiting.append((number, stat))

    def _bring(self, packet: Packet) -> None:
        file = self._open.get(packet.id)
        if file is None:
            raise InvalidArgument(
                f"broken build context: content of file {packet.id}, which nobody asked for"
            )
        if packet.data:
            self.transferred += len(packet.data)
            file.write(packet.data)
        else:
            del self._open[packet.id]
            file.close()

    def _asked(self) -> Iterable[Packet]:
        while self._waiting and len(self._open) < AT_ONCE:
            number, stat = self._waiting.popleft()
            self._open[number] = self._sink.file(stat.path, permissions(stat.mode), stat.mod_time)
            yield Packet(REQ, id=number)

    def _finished(self) -> Iterable[Packet]:
        if self._has_all_stats and not (self._waiting or self._open or self._has_said_fin):
            for stat in self._links:
                self._sink.hardlink(stat.path, stat.linkname)
            self._has_said_fin = True
            yield Packet(FIN)


def _entry(stat: Stat) -> FileEntry:
    return FileEntry(stat.path, FILE, permissions(stat.mode), mtime_ns=stat.mod_time, size=stat.size)


def permissions(mode: int) -> int:
    """Return the permission bits of Go's *mode* as the kernel has them."""
    bits = mode & 0o777
    for flag, bit in ((SETUID, 0o4000), (SETGID, 0o2000), (STICKY, 0o1000)):
        bits |= bit if mode & flag else 0
    return bits


async def receive(client: Client, wish: Wish, sink: Sink) -> int:
    """Bring what *wish* names into *sink*; return how many bytes of contents came."""
    receiver = Receiver(sink)
    async with client.call(DIFF_COPY, wish.metadata()) as call:
        try:
            await _receive(call, receiver)
        finally:
            receiver.abort()
    return receiver.transferred


async def _receive(call: Call, receiver: Receiver) -> None:
    while not receiver.is_done:
        packet = await call.receive(Packet)
        if packet is None:
            raise InvalidArgument("broken build context: the client ended it before it was whole")
        for answer in receiver.take(packet):
            await call.send(answer)


async def receive_tree(
    client: Client, wish: Wish, folder: str, *, kept: KeptContents, key: str
) -> tuple[ContextTree, int]:
    """Bring files into *folder*, which is empty; return the tree, and how many bytes came.

    What was kept under *key* does not come again; afterwards what came is kept.
    """
    writer = TreeSink(folder, kept, key)
    try:
        size = await receive(client, wish, writer)
        await kept.keep(key, writer.tree())
    except OSError as error:
        if isinstance(error, ConnectionError):
            raise
        raise disk_error(error, folder) from error
    return writer.tree(), size
