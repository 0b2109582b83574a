"""Images as files: save, load, import."""

from __future__ import annotations

import os
import sys

from yurt.cli.failure import Failure
from yurt.cli.flags import Options, command
from yurt.cli.progress import Progress, split_reference
from yurt.cli.pump import write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from yurt.cli.session import Session
    from yurt.client.sync import Response

PIECE = 1 << 18


@command(
    "save [OPTIONS] IMAGE [IMAGE...]",
    "Write images to a tar file",
    flags="""
    -o, --output FILE    To a file, not to stdout
    --platform PLATFORM  os/architecture
    """,
    example="yurt save -o shop.tar shop:1.2",
)
def save(session: Session, options: Options) -> None:
    path = options.text("output")
    refuse_terminal(session, path, "-o FILE")
    query = {"names": options.arguments, "platform": options.text("platform") or None}
    with session.client.request("GET", "/images/get", query=query) as answer:
        write(answer, path)


@command(
    "load [OPTIONS]",
    "Read images from a tar file",
    flags="""
    -i, --input FILE     From a file, not from stdin
    -q, --quiet          No progress
    --platform PLATFORM  os/architecture
    """,
    example="yurt load -i shop.tar",
)
def load(session: Session, options: Options) -> None:
    path = options.text("input")
    if not path and sys.stdin.isatty():
        raise Failure("nothing to load: stdin is a terminal", hint="yurt load -i FILE, or yurt load < FILE")
    quiet = options.flag("quiet") or not session.out.isatty()
    query = {"quiet": quiet or None, "platform": options.text("platform") or None}
    headers = {"Content-Type": "application/x-tar"}
    lines = session.client.lines("POST", "/images/load", query=query, body=pieces(path), headers=headers)
    Progress(session.out).follow(lines)


@command(
    "import [OPTIONS] FILE [REPOSITORY[:TAG]]",
    "Make an image of one layer from the tar of a root file system",
    flags="""
    -c, --change INSTRUCTION…  A Dockerfile instruction: 'CMD ["sh"]'
    -m, --message TEXT         For its history
    --platform PLATFORM        os/architecture
    """,
    example="tar -C rootfs -c . | yurt import - mine:1",
)
def import_(session: Session, options: Options) -> None:
    source, *name = options.arguments
    repository, tag = split_reference(name[0]) if name else ("", "")
    remote = source.startswith(("http://", "https://"))
    query = {
        "fromSrc": source if remote else "-",
        "repo": repository or None,
        "tag": tag or None,
        "changes": options.all("change") or None,
        "message": options.text("message") or None,
        "platform": options.text("platform") or None,
    }
    body = None if remote else pieces("" if source == "-" else source)
    Progress(session.out).follow(session.client.lines("POST", "/images/create", query=query, body=body))


def refuse_terminal(session: Session, path: str, hint: str) -> None:
    """Raise Failure if a tar would be written to a terminal."""
    if not path and session.out.isatty():
        raise Failure("a tar file is not written to a terminal", hint=f"{hint}, or redirect the output")


def pieces(path: str) -> Iterator[bytes]:
    """Return the bytes of the file at *path* ("": of stdin), piece by piece; a missing file is told at once."""
    if not path:
        return _read(0)
    try:
        return _read(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as failed:
        raise Failure(f"cannot read {path}: {failed.strerror}") from failed


def _read(fd: int) -> Iterator[bytes]:
    while data := os.read(fd, PIECE):
        yield data
    if fd:
        os.close(fd)


def write(answer: Response, path: str) -> None:
    """Write the answer's body to *path* ("": to stdout). A file appears whole or not at all."""
    if not path:
        for data in answer.chunks():
            write_all(1, data)
        return
    unfinished = f"{path}.part"
    try:
        with open(unfinished, "wb") as file:
            for data in answer.chunks():
                file.write(data)
        os.replace(unfinished, path)
    except OSError as failed:
        raise Failure(f"cannot write {path}: {failed.strerror}") from failed
    finally:
        if os.path.exists(unfinished):
            os.unlink(unfinished)
