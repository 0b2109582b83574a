"""`yurt build --output`: where the result goes, if it is not to stay as an image of the engine's.

Everything is asked of the Engine API, and so it works with Docker, too: an archive of the image, or the files of a
container that is made of it and never started.
"""

from __future__ import annotations

import io
import os
import tarfile
from dataclasses import dataclass

from yurt.cli.failure import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from yurt.cli.session import Session

FILES, ARCHIVES = ("local", "tar"), ("oci", "docker")
_STUBS = {  # what engines put into a container that they make, whatever is in its image
    ".dockerenv", "dev/console", "dev/pts", "dev/shm", "etc/hostname", "etc/hosts", "etc/mtab", "etc/resolv.conf",
    "dev", "proc", "sys",
}  # fmt: skip


@dataclass(frozen=True)
class Output:
    """One ``--output``: *kind* and where it goes; *place* ``-`` or empty: standard output."""

    kind: str
    place: str = ""

    @classmethod
    def parse(cls, text: str) -> Output:
        """Read ``type=KIND[,dest=PATH]``, or a folder, or ``-``."""
        if text == "-":
            return cls("tar", "-")
        if "=" not in text:
            return cls("local", text)
        given: dict[str, str] = {}
        for part in text.split(","):
            name, equals, value = part.partition("=")
            if not equals or name not in {"type", "dest"}:
                raise Failure(f"--output {text}: {part!r} is not type= or dest=")
            given[name] = value
        kind, place = given.get("type", ""), given.get("dest", "")
        if kind not in {*FILES, *ARCHIVES, "image"}:
            raise Failure(
                f"--output {text}: unknown type {kind or 'nothing'}",
                hint=f"known are image, {', '.join((*FILES, *ARCHIVES))}",
            )
        if kind == "local" and not place:
            raise Failure(f"--output {text}: a folder is missing", hint="add dest=FOLDER")
        if kind == "image" and place:
            raise Failure(
                f"--output {text}: an image stays with the engine", hint="leave dest out, or type=docker"
            )
        return cls(kind, place)

    @property
    def to_terminal(self) -> bool:
        """Whether it would go to standard output."""
        return self.kind != "image" and self.place in {"", "-"}


def deliver(session: Session, output: Output, image: str, tags: list[str]) -> None:
    """Bring *image*, named *tags*, to where *output* says."""
    from yurt.cli.commands.archives import write

    if output.kind == "image":
        return
    place = "" if output.to_terminal else output.place
    if output.kind in ARCHIVES:
        # Asked for by name, the archive says the names.
        with session.client.request("GET", "/images/get", query={"names": tags or [image]}) as answer:
            write(answer, place)
        return
    made = session.client.json("POST", "/containers/create", json={"Image": image, "Cmd": ["none"]})
    try:
        with session.client.request("GET", f"/containers/{made['Id']}/export") as answer:
            if output.kind == "local":
                _unpack(answer.chunks(), place)
            else:
                _repack(answer.chunks(), place)
    finally:
        session.client.request(
            "DELETE", f"/containers/{made['Id']}", query={"force": True, "v": True}
        ).close()


def _entries(chunks: Iterator[bytes]) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """Yield the archive and each entry that is the image's."""
    with tarfile.open(fileobj=_Reading(chunks), mode="r|") as archive:
        for entry in archive:
            name = entry.name.strip("/").removeprefix("./")
            if name in {"", "."} or (name in _STUBS and not entry.size):
                continue
            yield archive, entry


def _unpack(chunks: Iterator[bytes], folder: str) -> None:
    try:
        os.makedirs(folder, exist_ok=True)
        for archive, entry in _entries(chunks):
            archive.extract(entry, folder, filter="tar", numeric_owner=True)
    except (OSError, tarfile.TarError) as failed:
        raise Failure(f"cannot write the result to {folder}: {failed}") from failed


def _repack(chunks: Iterator[bytes], path: str) -> None:
    unfinished = f"{path}.part"
    try:
        with (
            open(unfinished, "wb") if path else io.FileIO(1, "wb", closefd=False) as file,
            tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT) as result,
        ):
            for archive, entry in _entries(chunks):
                result.addfile(entry, archive.extractfile(entry) if entry.isreg() else None)
        if path:
            os.replace(unfinished, path)
    except (OSError, tarfile.TarError) as failed:
        raise Failure(f"cannot write the result to {path or 'stdout'}: {failed}") from failed
    finally:
        if path and os.path.exists(unfinished):
            os.unlink(unfinished)


class _Reading(io.RawIOBase):
    """Pieces of bytes as a file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        super().__init__()
        self._chunks = chunks
        self._rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        while size < 0 or len(self._rest) < size:
            piece = next(self._chunks, None)
            if piece is None:
                break
            self._rest += piece
        if size < 0:
            size = len(self._rest)
        data, self._rest = self._rest[:size], self._rest[size:]
        return data
