"""The build context: a tar stream becomes files in a folder of ours, each hashed on the way."""

import hashlib
import os
from collections.abc import AsyncIterator, Iterable

from yurt.engine.build.files import FILE, FOLDER, LINK, ContextTree, FileEntry
from yurt.engine.images.threads import feeding
from yurt.errors import InvalidArgument
from yurt.oci import tar
from yurt.oci.layer import path_parts
from yurt.storage.compression import decompress
from yurt.storage.content import disk_error


async def receive(chunks: AsyncIterator[bytes], folder: str) -> ContextTree:
    """Unpack the archive in *chunks* (plain, gzip, bzip2, xz or zstd) into *folder*, which is empty.

    Raises InvalidArgument for a broken or hostile archive, Unavailable when the disk is full; *folder* is then
    to be thrown away. When the caller is cancelled, the thread that writes has ended before this returns.
    """
    return await feeding(lambda feed: unpack(decompress(feed), folder), chunks)


def unpack(chunks: Iterable[bytes], folder: str) -> ContextTree:
    """Write the plain archive in *chunks* to *folder*; nothing outside of it is touched, whatever the archive says."""
    writer = ContextWriter(folder)
    try:
        reader = tar.TarReader(chunks)
        for entry in reader:
            _take(writer, entry, reader)
    except OSError as error:
        raise disk_error(error, folder) from error
    return writer.tree()


def _take(writer: "ContextWriter", entry: tar.Entry, reader: tar.TarReader) -> None:
    mode, mtime_ns = entry.mode & 0o7777, int(entry.mtime * 1e9)
    match entry.kind:
        case tar.DIRECTORY:
            writer.folder(entry.name, mode, mtime_ns)
        case tar.REGULAR:
            writing = writer.file(entry.name, mode, mtime_ns)
            try:
                for piece in reader.data():
                    writing.write(piece)
            finally:
                writing.close()
        case tar.SYMLINK:
            writer.symlink(entry.name, entry.link, mtime_ns)
        case tar.HARDLINK:
            writer.hardlink(entry.name, entry.link)
        case _:
            # A socket, a pipe or a device has no content that could be copied.
            return


class Writing:
    """A file of a context that is being written. `close` it; then *entry* says its size and digest."""

    def __init__(self, place: str, entry: FileEntry) -> None:
        self.entry = entry
        self._digest = hashlib.sha256()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self._descriptor = os.open(place, flags, 0o600)

    def write(self, piece: bytes | memoryview) -> None:
        self._digest.update(piece)
        self.entry.size += len(piece)
        while piece:
            piece = piece[os.write(self._descriptor, piece) :]

    def close(self) -> None:
        """Afterwards the entry is whole; a second call does nothing."""
        if self._descriptor < 0:
            return
        try:
            os.fchmod(self._descriptor, self.entry.mode)  # RUN --mount=type=bind shows these very files
        finally:
            os.close(self._descriptor)
            self._descriptor = -1
        self.entry.digest = self._digest.hexdigest()


class ContextWriter:
    """Makes the files of a context below *root*, an empty folder, and nothing outside of it whatever the names are.

    Names are relative paths as the client sent them; what is dishonest raises InvalidArgument. The same name
    again replaces what was there. *entries* holds what was made.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self.entries: dict[str, FileEntry] = {}
        self._folders = {"": root}

    def tree(self) -> ContextTree:
        return ContextTree(self._root, self.entries)

    def folder(self, name: str, mode: int, mtime_ns: int) -> None:
        parts = self._parts(name)
        if not parts:
            return
        place = self._place(parts, FOLDER)
        os.makedirs(place, exist_ok=True)
        os.chmod(place, mode)
        self._note(FileEntry("/".join(parts), FOLDER, mode, mtime_ns=mtime_ns))

    def file(self, name: str, mode: int, mtime_ns: int) -> Writing:
        parts = self._parts(name)
        if not parts:
            raise InvalidArgument("broken build context: its root is no folder")
        return Writing(
            self._place(parts, FILE), self._note(FileEntry("/".join(parts), FILE, mode, mtime_ns=mtime_ns))
        )

    def adopt(self, entry: FileEntry, place: str) -> None:
        """Make the file *entry* a link to *place*, which holds its content and has its mode."""
        os.link(place, self._place(self._parts(entry.path), FILE))
        self._note(entry)

    def symlink(self, name: str, target: str, mtime_ns: int) -> None:
        parts = self._parts(name)
        if not parts or not target or "\0" in target:
            raise InvalidArgument(f"broken build context: the link {name!r} leads nowhere")
        os.symlink(target, self._place(parts, LINK))
        self._note(FileEntry("/".join(parts), LINK, 0o777, mtime_ns=mtime_ns, link=target))

    def hardlink(self, name: str, to: str) -> None:
        """Make *name* the same file as *to*, which was made before."""
        parts = self._parts(name)
        target = self.entries.get("/".join(path_parts(to, what="hard link to")))
        if not parts or target is None or target.kind != FILE:
            raise InvalidArgument(f"broken build context: {name!r} links to no file: {to!r}")
        path = "/".join(parts)
        if path == target.path:
            return
        source = f"{self._folder(target.path.split('/')[:-1])}/{target.path.rpartition('/')[2]}"
        os.link(source, self._place(parts, FILE))
        self._note(
            FileEntry(
                path, FILE, target.mode, mtime_ns=target.mtime_ns, size=target.size, digest=target.digest
            )
        )

    @staticmethod
    def _parts(name: str) -> tuple[str, ...]:
        return path_parts(name, what="build context with")

    def _note(self, entry: FileEntry) -> FileEntry:
        self.entries[entry.path] = entry
        return entry

    def _place(self, parts: tuple[str, ...], kind: str) -> str:
        """Return where *parts* lies on the host, its folder there and its place free."""
        path = "/".join(parts)
        place = f"{self._folder(parts[:-1])}/{parts[-1]}"
        known = self.entries.get(path)
        if known is not None and not (known.kind == FOLDER and kind == FOLDER):
            self._forget(path, place, known)
        return place

    def _folder(self, parts: tuple[str, ...] | list[str]) -> str:
        """Return the folder on the host; a path through a symbolic link or a file is refused."""
        path = "/".join(parts)
        if (known := self._folders.get(path)) is not None:
            return known
        parent = self._folder(parts[:-1])
        place = f"{parent}/{parts[-1]}"
        entry = self.entries.get(path)
        if entry is None:  # archives may leave folders out
            self.entries[path] = FileEntry(path, FOLDER, 0o755)
            os.mkdir(place, 0o755)
        elif entry.kind != FOLDER:
            raise InvalidArgument(
                f"refusing build context: a path goes through {path!r}, which is a {entry.kind}"
            )
        self._folders[path] = place
        return place

    def _forget(self, path: str, place: str, known: FileEntry) -> None:
        if known.kind == FOLDER:
            raise InvalidArgument(f"broken build context: {path!r} is a folder and something else")
        os.unlink(place)
        del self.entries[path]
