"""Files of containers: cp, diff, export; and a container as an image: commit."""

from __future__ import annotations

import io
import json
import os
from typing import TYPE_CHECKING

from yurt.cli.commands.archives import pieces, refuse_terminal, write
from yurt.cli.failure import Failure, UsageError
from yurt.cli.flags import Options, command
from yurt.cli.progress import split_reference
from yurt.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from _typeshed import WriteableBuffer as Buffer

    from yurt.cli.session import Session
    from yurt.client.sync import Response

CHANGES = {0: "C", 1: "A", 2: "D"}


@command(
    "diff CONTAINER", "Show what a container changed: A added, C changed, D deleted", example="yurt diff web"
)
def diff(session: Session, options: Options) -> None:
    for change in session.client.json("GET", f"/containers/{options.arguments[0]}/changes") or ():
        session.print(f"{CHANGES[change['Kind']]} {change['Path']}")


@command(
    "export [OPTIONS] CONTAINER",
    "Write a container's files as a tar",
    flags="    -o, --output FILE    To a file, not to stdout",
    example="yurt export -o web.tar web",
)
def export(session: Session, options: Options) -> None:
    path = options.text("output")
    refuse_terminal(session, path, "-o FILE")
    with session.client.request("GET", f"/containers/{options.arguments[0]}/export") as answer:
        write(answer, path)


@command(
    "commit [OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
    "Make an image of a container's changes",
    flags="""
    -a, --author NAME          Author
    -m, --message TEXT         For its history
    -c, --change INSTRUCTION…  A Dockerfile instruction: 'CMD ["sh"]'
    -p, --pause                Pause it meanwhile (default: true)
    """,
    example="yurt commit web web:debug",
)
def commit(session: Session, options: Options) -> None:
    container, *name = options.arguments
    repository, tag = split_reference(name[0]) if name else ("", "")
    query = {
        "container": container,
        "repo": repository or None,
        "tag": tag or None,
        "author": options.text("author") or None,
        "comment": options.text("message") or None,
        "changes": options.all("change") or None,
        "pause": options.flag("pause", default=True),
    }
    session.print(session.client.json("POST", "/commit", query=query)["Id"])


@command(
    "cp [OPTIONS] CONTAINER:PATH|PATH CONTAINER:PATH|PATH",
    "Copy files between a container and here; - is a tar on stdin or stdout",
    flags="""
    -a, --archive        With owners
    -L, --follow-link    Follow a link at the source
    -q, --quiet          Say nothing
    """,
    example="""
    yurt cp web:/etc/nginx/nginx.conf .
    yurt cp ./site web:/usr/share/nginx/html
    """,
)
def cp(session: Session, options: Options) -> None:
    source, target = (split_place(text) for text in options.arguments)
    if bool(source[0]) == bool(target[0]):
        raise UsageError(
            "one side must be a container, the other must not",
            hint="yurt cp CONTAINER:PATH PATH, or the reverse",
        )
    if source[0]:
        _from_container(session, source[0], source[1], target[1], follow=options.flag("follow-link"))
    else:
        _to_container(session, source[1], target[0], target[1], options)


def split_place(text: str) -> tuple[str, str]:
    """Return (container, path); a path that begins like one (``./a:b``, ``/a:b``) is a path."""
    container, mark, path = text.partition(":")
    if not mark or text.startswith((".", "/")):
        return "", text
    return container, path


def _stat(session: Session, container: str, path: str) -> dict[str, Any] | None:
    """Return what the engine knows of a path in a container; None if there is nothing."""
    import base64

    try:
        answer = session.client.request("HEAD", f"/containers/{container}/archive", query={"path": path})
    except NotFound as missing:
        session.client.request("GET", f"/containers/{container}/json").read()  # no such container: say that
        if "page not found" in missing.message:
            raise
        return None
    with answer:
        found: dict[str, Any] = json.loads(base64.b64decode(answer.headers["x-docker-container-path-stat"]))
        return found


def _from_container(session: Session, container: str, path: str, target: str, *, follow: bool) -> None:
    import tarfile

    found = _stat(session, container, path)
    if found is None:
        raise NotFound(f"no {path} in container {container}")
    if follow and found.get("linkTarget"):
        path = found["linkTarget"]
    with session.client.request("GET", f"/containers/{container}/archive", query={"path": path}) as answer:
        if target == "-":
            refuse_terminal(session, "", "redirect it")
            write(answer, "")
            return
        into, renamed = target, None
        if not os.path.isdir(target):
            into, renamed = os.path.split(target.rstrip("/"))
            if not os.path.isdir(into or "."):
                raise NotFound(f"cannot copy to {target}: no folder {into}")
        contents = path.endswith("/.")
        with tarfile.open(fileobj=io.BufferedReader(_Body(answer)), mode="r|") as archive:
            for member in archive:
                first, _, rest = member.name.removeprefix("./").partition("/")
                name = (renamed if renamed is not None else first) + (f"/{rest}" if rest else "")
                if contents and renamed is None:
                    name = rest or "."
                moved = member.replace(name=name, deep=False)
                archive.extract(moved, into or ".", set_attrs=True, filter="tar")


def _to_container(session: Session, source: str, container: str, path: str, options: Options) -> None:
    query: dict[str, Any] = {"copyUIDGID": options.flag("archive") or None}
    place = f"/containers/{container}/archive"
    headers = {"Content-Type": "application/x-tar"}
    if source == "-":
        session.client.request(
            "PUT", place, query=query | {"path": path}, body=pieces(""), headers=headers
        ).read()
        return
    if not os.path.lexists(source):
        raise NotFound(f"cannot copy {source}: no such file")
    found = _stat(session, container, path)
    is_folder = bool(found) and bool((found or {})["mode"] >> 31 & 1)
    into, name = path, os.path.basename(os.path.abspath(source))
    if source.endswith("/.") and is_folder:
        name = ""
    elif not is_folder:
        if path.endswith("/") and not os.path.isdir(source):
            raise NotFound(f"no folder {path} in container {container}")
        into, name = os.path.split(path.rstrip("/"))
    body = _packed(source, name, follow=options.flag("follow-link"), owners=options.flag("archive"))
    session.client.request(
        "PUT", place, query=query | {"path": into or "/"}, body=body, headers=headers
    ).read()


def _packed(source: str, name: str, *, follow: bool, owners: bool) -> Iterator[bytes]:
    """Yield the tar of *source*, called *name* in it ("": only what is in it)."""
    import tarfile
    import tempfile

    def cleaned(member: tarfile.TarInfo) -> tarfile.TarInfo:
        if not owners:
            member.uid = member.gid = 0
            member.uname = member.gname = ""
        return member

    with tempfile.TemporaryFile() as spool:
        with tarfile.open(fileobj=spool, mode="w", dereference=False) as archive:
            real = os.path.realpath(source) if follow else source
            try:
                archive.add(real, arcname=name or ".", filter=cleaned)
            except OSError as failed:
                raise Failure(f"cannot read {failed.filename or source}: {failed.strerror}") from failed
        spool.seek(0)
        while data := spool.read(1 << 18):
            yield data


class _Body(io.RawIOBase):
    """The body of an answer as a file to read."""

    def __init__(self, answer: Response) -> None:
        self._chunks = answer.chunks()
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer)
        self._rest = self._rest or next(self._chunks, b"")
        count = min(len(view), len(self._rest))
        view[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count
