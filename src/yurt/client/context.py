"""A folder as the tar stream that ``POST /build`` takes, without what ``.dockerignore`` leaves out.

Shared by `yurt build` and `yurt compose build`. Names are sorted and owners are root, so that the same folder
gives the same stream; nothing is read before it is sent.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from yurt.dockerfile.ignore import IgnoreRules
from yurt.errors import Conflict, InvalidArgument, NotFound, translated

PIECE = 1 << 18
BLOCK = tarfile.BLOCKSIZE
COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd")  # gzip, bzip2, xz, zstd


@dataclass(frozen=True, slots=True)
class BuildContext:
    """A folder to be built: where it is, and where in it (or outside) the Dockerfile."""

    directory: str
    dockerfile: str  # its name in the stream
    content: bytes | None  # of a Dockerfile that is not in the folder
    rules: IgnoreRules
    known_as: str = ""  # what the user calls a Dockerfile that is not in the folder
    within: str = ""  # the folder of the stream that it is, ending with a slash; empty: all of it

    @classmethod
    def find(cls, directory: str, *, dockerfile: str = "", inline: str = "") -> BuildContext:
        """Return the context of *directory*.

        *dockerfile* is a path relative to *directory*, or absolute, also outside of it; *inline* is a
        Dockerfile's text instead. Raises NotFound when a file is missing, InvalidArgument for a bad .dockerignore.
        """
        if not os.path.isdir(directory):
            if not os.path.exists(directory):
                raise NotFound(f"cannot build {directory}: no such folder")
            raise InvalidArgument(f"cannot build {directory}: not a folder")
        if inline:
            content = inline.encode()
            return cls(directory, _outside_name(content), content, _rules(directory, ""), "inline Dockerfile")
        path = os.path.normpath(os.path.join(directory, dockerfile or "Dockerfile"))
        if not os.path.isfile(path):
            hint = None if dockerfile else "name it with -f, or create it"
            raise NotFound(f"cannot build {directory}: no {dockerfile or 'Dockerfile'} there", hint=hint)
        relative = os.path.relpath(path, os.path.normpath(directory))
        rules = _rules(directory, path)
        if relative.startswith(".."):
            with translated({OSError: InvalidArgument}, f"cannot read {path}"), open(path, "rb") as file:
                content = file.read()
            return cls(directory, _outside_name(content), content, rules, _from_here(path))
        return cls(directory, relative, None, rules)

    def dockerfile_text(self) -> bytes:
        """Return the Dockerfile's bytes."""
        if self.content is not None:
            return self.content
        path = os.path.join(self.directory, self.dockerfile)
        with translated({OSError: InvalidArgument}, f"cannot read {path}"), open(path, "rb") as file:
            return file.read()

    def in_users_words(self, text: str) -> str:
        """Return what the engine said with the user's name of the Dockerfile for the one it has in the stream."""
        return text.replace(self.dockerfile, self.known_as) if self.known_as else text

    @classmethod
    def further(cls, directory: str, number: int) -> BuildContext:
        """Return a further context: *directory*, which is the folder `further_folder` of the stream."""
        if not os.path.isdir(directory):
            raise NotFound(f"cannot take {directory} as a build context: no such folder")
        rules = _rules(directory, "")
        return cls(directory, "", None, rules, within=f"{further_folder(number)}/")

    def stream(self, further: Sequence[BuildContext] = ()) -> Iterator[bytes]:
        """Yield the tar, piece by piece; *further* contexts lie in it, too."""
        yield from self._folder(self.directory, "")
        if self.content is not None:
            yield from _whole(self.dockerfile, self.content)
        yield from further_stream(further)

    def _is_left_out(self, path: str) -> bool:
        return path not in (self.dockerfile, ".dockerignore") and self.rules.ignores(path)

    def _folder(self, folder: str, prefix: str) -> Iterator[bytes]:
        with translated({OSError: InvalidArgument}, f"cannot read {folder}"):
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        for entry in entries:
            path = prefix + entry.name
            name = self.within + path
            left_out = self._is_left_out(path)
            with translated({FileNotFoundError: Conflict}, f"{path} vanished while it was read"):
                info = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(info.st_mode):
                if not left_out:
                    yield _member(name, mode=info.st_mode, mtime=info.st_mtime, kind=tarfile.DIRTYPE)
                if not (left_out and self._prunes(path)):
                    yield from self._folder(entry.path, f"{path}/")
            elif left_out:
                continue
            elif stat.S_ISLNK(info.st_mode):
                target = os.readlink(entry.path)
                yield _member(name, mode=0o777, mtime=info.st_mtime, kind=tarfile.SYMTYPE, target=target)
            elif stat.S_ISREG(info.st_mode):
                yield from self._file(entry.path, name, info)

    def _prunes(self, path: str) -> bool:
        return self.rules.prunes(path) and not self.dockerfile.startswith(f"{path}/")

    def _file(self, source: str, path: str, info: os.stat_result) -> Iterator[bytes]:
        with translated({OSError: InvalidArgument}, f"cannot read {path}"):
            file = open(source, "rb", buffering=0)  # noqa: SIM115 - closed just below
        with file:
            yield _member(path, mode=info.st_mode, mtime=info.st_mtime, size=info.st_size)
            left = info.st_size
            while left:
                data = file.read(min(PIECE, left))
                if not data:
                    raise Conflict(f"{path} became shorter while it was read", hint="build again")
                left -= len(data)
                yield data
            if padding := -info.st_size % BLOCK:
                yield bytes(padding)


def further_folder(number: int) -> str:
    """Return the folder of the stream that the further context *number* has."""
    return f".yurt-build-contexts/{number}"


def further_stream(further: Sequence[BuildContext]) -> Iterator[bytes]:
    """Yield the tar of *further* contexts alone, to its end."""
    for context in further:
        yield from context._folder(context.directory, "")
    yield bytes(2 * BLOCK)


def dockerfile_alone(content: bytes) -> Iterator[bytes]:
    """Yield the tar of a context that holds a Dockerfile and nothing else."""
    yield from _whole("Dockerfile", content)
    yield bytes(2 * BLOCK)


def is_archive(head: bytes) -> bool:
    """Say whether a stream that starts with *head* (512 bytes, if there are so many) is a tar, plain or compressed."""
    return head.startswith(COMPRESSED) or head[257:262] == b"ustar"


def _whole(name: str, content: bytes) -> Iterator[bytes]:
    yield _member(name, mode=0o644, size=len(content))
    yield content + bytes(-len(content) % BLOCK)


def _rules(directory: str, dockerfile: str) -> IgnoreRules:
    """Return the rules of the Dockerfile's own .dockerignore, else of the folder's."""
    own = f"{dockerfile}.dockerignore"
    for path in ([own] if dockerfile else []) + [os.path.join(directory, ".dockerignore")]:
        if os.path.isfile(path):
            with (
                translated(
                    {OSError: InvalidArgument, UnicodeDecodeError: InvalidArgument}, f"cannot read {path}"
                ),
                open(path, encoding="utf-8") as file,
            ):
                return IgnoreRules.parse(file.read(), file=path)
    return IgnoreRules()


def _from_here(path: str) -> str:
    relative = os.path.relpath(path)
    return os.path.abspath(path) if relative.startswith("..") else relative


def _outside_name(content: bytes) -> str:
    return f".dockerfile.{hashlib.sha256(content).hexdigest()[:20]}"


def _member(
    name: str, *, mode: int, mtime: float = 0, size: int = 0, kind: bytes = tarfile.REGTYPE, target: str = ""
) -> bytes:
    member = tarfile.TarInfo(name)
    member.mode = stat.S_IMODE(mode)
    member.mtime = int(mtime)
    member.size = size
    member.type = kind
    member.linkname = target
    member.uname = member.gname = ""
    return member.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
