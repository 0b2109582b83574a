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
    unpacking = _Unpacking(folder)
    try:
        reader = tar.TarReader(chunks)
        for entry in reader:
            unpacking.take(entry, reader)
    except OSError as error:
        raise disk_error(error, folder) from error
    return ContextTree(folder, unpacking.entries)


class _Unpacking:
    def __init__(self, root: str) -> None:
        self._root = root
        self.entries: dict[str, FileEntry] = {}
        self._folders = {"": root}

    def take(self, entry: tar.Entry, reader: tar.TarReader) -> None:
        parts = path_parts(entry.name, what="build context with")
        if not parts:
            return
        path = "/".join(parts)
        place = f"{self._folder(parts[:-1])}/{parts[-1]}"
        known = self.entries.get(path)
        if known is not None and not (known.kind == FOLDER and entry.kind == tar.DIRECTORY):
            self._forget(path, place, known)
        made = FileEntry(path, FILE, entry.mode & 0o7777, mtime_ns=int(entry.mtime * 1e9))
        match entry.kind:
            case tar.DIRECTORY:
                made.kind = FOLDER
                os.makedirs(place, exist_ok=True)
                os.chmod(place, made.mode)
            case tar.REGULAR:
                made.size, made.digest = entry.size, _write(place, reader, made.mode)
            case tar.SYMLINK:
                made.kind, made.link, made.mode = LINK, entry.link, 0o777
                if not entry.link or "\0" in entry.link:
                    raise InvalidArgument(f"broken build context: the link {entry.name!r} leads nowhere")
                os.symlink(entry.link, place)
            case tar.HARDLINK:
                target = self.entries.get("/".join(path_parts(entry.link, what="hard link to")))
                if target is None or target.kind != FILE:
                    raise InvalidArgument(
                        f"broken build context: {entry.name!r} links to no file: {entry.link!r}"
                    )
                made.size, made.digest, made.mode = target.size, target.digest, target.mode
                made.mtime_ns = target.mtime_ns
                os.link(
                    f"{self._folder(target.path.split('/')[:-1])}/{target.path.rpartition('/')[2]}", place
                )
            case _:
                # A socket, a pipe or a device has no content that could be copied.
                return
        self.entries[path] = made

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


def _write(place: str, reader: tar.TarReader, mode: int) -> str:
    digest = hashlib.sha256()
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        for piece in reader.data():
            digest.update(piece)
            while piece:
                piece = piece[os.write(descriptor, piece) :]  # noqa: PLW2901 - what is left of it
        os.fchmod(descriptor, mode)  # RUN --mount=type=bind shows these very files
    finally:
        os.close(descriptor)
    return digest.hexdigest()
