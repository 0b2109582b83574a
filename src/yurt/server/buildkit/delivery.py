"""What was built, on its way to the client: an archive as a stream, or files as fsutil's packets, this side sending.

Facts: moby.filesync.v1.FileSend/DiffCopy. An archive comes in BytesMessages. For files every file is told first (STAT,
an empty one at the end), numbered from 0; the client asks for contents by number (REQ) and gets them in pieces (DATA,
an empty one at the end of each); it says FIN when it has all, and hears it back.
"""

import os
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

from yurt.engine.images.threads import in_thread
from yurt.errors import InvalidArgument, Unavailable, Unimplemented
from yurt.server.buildkit.filesync import (
    DATA,
    ERR,
    FIN,
    IS_CHARACTER_DEVICE,
    IS_DEVICE,
    IS_FOLDER,
    IS_LINK,
    IS_PIPE,
    IS_SOCKET,
    REQ,
    SETGID,
    SETUID,
    STAT,
    STICKY,
)
from yurt.server.buildkit.grpc import Call, GrpcError
from yurt.server.buildkit.messages import BytesMessage, Packet, Stat
from yurt.server.buildkit.sessions import Session

SEND = "/moby.filesync.v1.FileSend/DiffCopy"
EXPORTER_ID = "buildkit-attachable-exporter-id"
PIECE = 1 << 20  # bytes in one message
BATCH = 1000  # files told at once
_KINDS = {
    stat.S_IFDIR: IS_FOLDER,
    stat.S_IFLNK: IS_LINK,
    stat.S_IFCHR: IS_DEVICE | IS_CHARACTER_DEVICE,
    stat.S_IFBLK: IS_DEVICE,
    stat.S_IFIFO: IS_PIPE,
    stat.S_IFSOCK: IS_SOCKET,
}
_BITS = ((stat.S_ISUID, SETUID), (stat.S_ISGID, SETGID), (stat.S_ISVTX, STICKY))


async def send_archive(session: Session, exporter: int, chunks: AsyncIterator[bytes]) -> None:
    """Send *chunks* to the client's exporter number *exporter*; afterwards it has written them."""
    with _told(session):
        async with session.client.call(SEND, ((EXPORTER_ID, str(exporter)),)) as call:
            async for chunk in chunks:
                for start in range(0, len(chunk), PIECE):
                    await call.send(BytesMessage(chunk[start : start + PIECE]))
            await call.finish()
            while await call.receive(BytesMessage) is not None:
                pass


async def send_files(session: Session, exporter: int, folder: Path) -> None:
    """Send the files below *folder* to the client's exporter number *exporter*; afterwards it has written them."""
    with _told(session):
        async with session.client.call(SEND, ((EXPORTER_ID, str(exporter)),)) as call:
            names: list[str] = []
            files = stats_of(folder)
            while batch := await in_thread(_some, files):
                for each in batch:
                    names.append(each.path)
                    await call.send(Packet(STAT, each))
            await call.send(Packet(STAT))
            await _answer(call, folder, names)


async def _answer(call: Call, folder: Path, names: list[str]) -> None:
    """Send what is asked for, until the client has all."""
    while (packet := await call.receive(Packet)) is not None:
        match packet.type:
            case kind if kind == REQ:
                if packet.id >= len(names):
                    raise InvalidArgument(f"the client asks for file {packet.id}, of which it was not told")
                await _send_file(call, folder / names[packet.id], packet.id)
            case kind if kind == FIN:
                await call.send(Packet(FIN))
                await call.finish()
            case kind if kind == ERR:
                raise Unavailable(
                    f"the client cannot write the result: {packet.data.decode(errors='replace')}"
                )


async def _send_file(call: Call, path: Path, number: int) -> None:
    file = await in_thread(path.open, "rb")
    with file:
        while piece := await in_thread(file.read, PIECE):
            await call.send(Packet(DATA, id=number, data=piece))
    await call.send(Packet(DATA, id=number))


def stats_of(folder: Path) -> Iterator[Stat]:
    """Yield every file below *folder* as clients expect it: sorted by folder and name, further links of a file as links."""
    return _below(os.fspath(folder), "", {})


def _below(folder: str, prefix: str, links: dict[int, str]) -> Iterator[Stat]:
    with os.scandir(folder) as scan:
        entries = sorted(scan, key=lambda entry: entry.name)
    for entry in entries:
        status, path = entry.stat(follow_symlinks=False), prefix + entry.name
        linkname = ""
        if stat.S_ISLNK(status.st_mode):
            linkname = os.readlink(entry.path)
        elif stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
            first = links.setdefault(status.st_ino, path)
            linkname = "" if first == path else first
        has_content = stat.S_ISREG(status.st_mode) and not linkname
        yield Stat(
            path,
            go_mode(status.st_mode),
            status.st_uid,
            status.st_gid,
            status.st_size if has_content else 0,
            status.st_mtime_ns,
            linkname,
        )
        if stat.S_ISDIR(status.st_mode):
            yield from _below(entry.path, f"{path}/", links)


def go_mode(mode: int) -> int:
    """Return the kernel's *mode* as Go has it; the inverse of `filesync.permissions` for what is no type."""
    found = stat.S_IMODE(mode) & 0o777 | _KINDS.get(stat.S_IFMT(mode), 0)
    for bit, flag in _BITS:
        found |= flag if mode & bit else 0
    return found


def _some(files: Iterator[Stat]) -> list[Stat]:
    return [each for _, each in zip(range(BATCH), files, strict=False)]


@contextmanager
def _told(session: Session) -> Iterator[None]:
    """Say what a client's refusal, or its end, means."""
    if not session.offers(SEND):
        raise Unimplemented("the client takes no results: it offers nowhere to write them")
    try:
        yield
    except GrpcError as error:
        raise Unavailable(f"the client cannot write the result: {error.status.message}") from error
    except ConnectionError as gone:
        raise Unavailable(f"the client's session ended before it had the result: {gone}") from gone
