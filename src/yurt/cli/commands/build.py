"""`yurt build`: an image from a Dockerfile."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import dataclass

from yurt.cli.failure import Failure
from yurt.cli.flags import Options, command
from yurt.cli.values import pairs
from yurt.errors import YurtError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any, TextIO

    from yurt.cli.build_view import BuildProgress
    from yurt.cli.session import Session
    from yurt.client.context import BuildContext

EPOCH = "SOURCE_DATE_EPOCH"


@command(
    "build [OPTIONS] CONTEXT",
    "Build an image from a Dockerfile, in a folder, behind a URL or from stdin (-)",
    flags="""
    -t, --tag NAME…             Name of the image
    -f, --file FILE             The Dockerfile (default: CONTEXT/Dockerfile; -: stdin; or a URL)
    --build-arg NAME=VALUE…     Value of an ARG; NAME alone takes yours
    --build-context NAME=WHERE…  A further context: a folder, docker-image://IMAGE, oci-layout://FOLDER, an address
    --target STAGE              Build up to this stage
    --no-cache                  Do not use what was built before
    --cache-from CACHE…         Take steps from IMAGE, type=registry,ref=NAME or type=local,src=FOLDER
    --cache-to CACHE…           Keep steps for others: type=registry,ref=NAME, type=local,dest=FOLDER or
                                type=inline (in the image); mode=max has those of all stages
    --compress                  Accepted and without meaning: the engine is near
    --pull                      Look for newer base images
    -q, --quiet                 Only the image's id; the output if it fails
    -l, --label NAME=VALUE…     Set a label
    --platform PLATFORM         os/architecture
    --network MODE              Network of RUN
    --add-host NAME:ADDRESS…    A line in /etc/hosts of RUN
    --shm-size SIZE             Size of /dev/shm of RUN
    -m, --memory SIZE           Limit of memory of RUN
    --rm                        Remove intermediate containers (default: true)
    --force-rm                  Also those of a failed build
    --ulimit LIMIT…             Of RUN: nofile=1024:2048
    --secret SECRET…            Shown to RUN --mount=type=secret: id=NAME,src=FILE or id=NAME,env=VARIABLE
    --ssh AGENT…                Shown to RUN --mount=type=ssh: default, or ID=SOCKET
    --allow RIGHT…              What steps may have: security.insecure, network.host
    --no-cache-filter STAGE…    Make these stages anew
    -o, --output WHERE…         A folder, - (a tar), or type=local|tar|oci|docker|image,dest=PATH
    --iidfile FILE              Write the image's id to a file
    --metadata-file FILE        Write what the result is to a file, as JSON
    --check                     Check the Dockerfile for likely mistakes, and build nothing
    --progress KIND             auto, tty (a live view), plain, rawjson or quiet
    """,
    example="""
    yurt build -t shop .
    yurt build -t shop:test --target test --build-arg PYTHON=3.13 -f deploy/Dockerfile .
    yurt build --secret id=token,env=TOKEN --ssh default -o dist .
    yurt build -t shop https://git.example.com/shop.git#v2:backend
    tar -cz . | yurt build -t shop -
    """,
)
def build(session: Session, options: Options) -> None:
    from yurt.cli import build_extras
    from yurt.cli.build_output import Output, deliver
    from yurt.cli.credentials import header_of_all
    from yurt.client.named_contexts import named_contexts

    if options.flag("check"):
        _check(session, options)
        return
    outputs = [Output.parse(text) for text in options.all("output")]
    for each in outputs:
        if each.to_terminal and session.out.isatty():
            raise Failure(
                "the result is not written to a terminal", hint="add dest=FILE, or redirect the output"
            )
    extras = build_extras.headers(session, options)
    is_near = session.host.startswith("unix://")
    named = named_contexts(pairs(options.all("build-context")), is_near=is_near)
    context = _context(options.arguments[0], options.text("file"), named.folders)
    to_stdout = any(each.to_terminal for each in outputs)
    progress = _progress(session, options, session.err if to_stdout else session.out)
    quiet = progress.kept is not None
    query = _query(options, session.environ, context) | ({"trace": "1"} if progress.is_traced else {})
    query |= _caches(options, is_near=is_near)
    if named.told:
        query["contexts"] = json.dumps(named.told)
    try:
        with progress:
            progress.follow(
                session.client.lines(
                    "POST",
                    "/build",
                    query=query,
                    body=context.body,
                    headers={"Content-Type": "application/x-tar"} | header_of_all(session.environ) | extras,
                )
            )
    except YurtError as failed:
        if progress.kept is not None:
            session.err.write(progress.kept.getvalue())
        if not progress.has_begun:
            session.err.write(context.excerpt(failed.message))
        raise Failure(f"the build failed: {context.in_words(failed.message)}", hint=failed.hint) from failed
    identifier = next((str(aux["ID"]) for aux in reversed(progress.aux) if aux.get("ID")), "")
    if quiet and not to_stdout:
        session.print(identifier)
    for each in outputs:
        deliver(session, each, identifier, options.all("tag"))
    if options.text("iidfile"):
        _write(options.text("iidfile"), identifier)
    if options.text("metadata-file"):
        document = {"containerimage.digest": identifier, "containerimage.config.digest": identifier}
        if options.has("tag"):
            document["image.name"] = ",".join(options.all("tag"))
        _write(options.text("metadata-file"), json.dumps(document, indent=2) + "\n")


def _progress(session: Session, options: Options, stream: TextIO) -> BuildProgress:
    """Return what shows how the build goes, on *stream* unless that is for something else."""
    from yurt.cli.build_view import BuildProgress, LiveView, RawTrace

    kind = options.text("progress", session.environ.get("BUILDKIT_PROGRESS") or "auto")
    if options.flag("quiet") or kind == "quiet":
        return BuildProgress(io.StringIO(), keep=True)
    if kind == "rawjson":
        return RawTrace(session.err)
    if kind == "plain" or (kind == "auto" and not stream.isatty()):
        return BuildProgress(stream)
    if kind not in ("auto", "tty"):
        raise options.invalid("progress", kind, "expected auto, tty, plain, rawjson or quiet")
    if not stream.isatty():
        raise Failure("--progress tty needs a terminal", hint="take --progress plain")
    return LiveView(stream, colours=not session.environ.get("NO_COLOR"))


def _write(path: str, text: str) -> None:
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as failed:
        raise Failure(f"cannot write {path}: {failed.strerror}") from failed


def _check(session: Session, options: Options) -> None:
    """Check the Dockerfile that would be built."""
    from yurt.cli.build_check import check_and_print
    from yurt.client.context import is_archive
    from yurt.dockerfile.ignore import IgnoreRules
    from yurt.dockerfile.remote import is_remote

    path, file = options.arguments[0], options.text("file")
    rules = IgnoreRules()
    if is_remote(path):
        raise Failure(f"cannot check {path}: it is not here", hint="fetch it, and check the folder")
    if path == "-":
        text, known_as = sys.stdin.buffer.read(), "Dockerfile"
        if is_archive(text):
            raise Failure("cannot check a Dockerfile in an archive", hint="unpack it, and check the folder")
    else:
        context = _local_context(path, file)
        text, rules = context.dockerfile_text(), context.rules
        known_as = context.known_as or context.dockerfile
    check_and_print(
        session,
        text,
        file=known_as,
        given=_arguments(options, session.environ),
        platform=options.text("platform"),
        target=options.text("target"),
        ignores=rules.ignores,
    )


@dataclass(frozen=True)
class _Context:
    """What is built: *body* is a tar, unless the engine fetches the context from *remote*. *dockerfile* lies in it."""

    body: Iterator[bytes] | None
    dockerfile: str = ""
    remote: str = ""
    title: str = ""
    local: BuildContext | None = None

    def in_words(self, text: str) -> str:
        """Return what the engine said with the names that the user knows."""
        return self.local.in_users_words(text) if self.local else text

    def excerpt(self, message: str) -> str:
        """Return the lines of the Dockerfile that *message* is about; empty when it is not here."""
        from yurt.dockerfile.excerpt import excerpt, line_of

        if self.local is None or (line := line_of(message, self.dockerfile)) is None:
            return ""
        return excerpt(self.local.dockerfile_text(), line, file=self.local.known_as or self.dockerfile)


def _context(path: str, dockerfile: str, further: Sequence[BuildContext] = ()) -> _Context:
    from yurt.client.context import further_stream
    from yurt.dockerfile.remote import is_remote

    if is_remote(path):
        if dockerfile == "-" or is_remote(dockerfile):
            raise Failure(
                f"cannot take the Dockerfile from {dockerfile} and the context from {path}",
                hint="name a Dockerfile that lies in the context, or fetch it and build the folder",
            )
        return _Context(further_stream(further) if further else None, dockerfile, path)
    if path == "-":
        if dockerfile == "-":
            raise Failure("context and Dockerfile cannot both come from stdin")
        if further:
            raise Failure(
                "a context from stdin cannot have further folders", hint="unpack it, and build the folder"
            )
        return _Context(_standard_input(), dockerfile)
    context = _local_context(path, dockerfile)
    return _Context(context.stream(further), context.dockerfile, title=_name_of(path), local=context)


def _name_of(path: str) -> str:
    import os

    return os.path.basename(os.path.abspath(path))


def _local_context(path: str, dockerfile: str) -> BuildContext:
    from yurt.client.context import BuildContext
    from yurt.dockerfile.remote import is_remote

    if dockerfile == "-":
        return BuildContext.find(path, inline=sys.stdin.read())
    if is_remote(dockerfile):
        return BuildContext.find(path, inline=_fetched(dockerfile))
    return BuildContext.find(path, dockerfile=_relative(dockerfile, path))


def _standard_input() -> Iterator[bytes]:
    """Yield the context that comes on stdin: an archive as it is, or one made for a Dockerfile alone."""
    from yurt.client.context import BLOCK, PIECE, dockerfile_alone, is_archive

    reading = sys.stdin.buffer
    head = reading.read(BLOCK)
    if not is_archive(head):
        yield from dockerfile_alone(head + reading.read())
        return
    yield head
    while piece := reading.read(PIECE):
        yield piece


def _fetched(url: str) -> str:
    import urllib.request

    if not url.startswith(("http://", "https://")):
        raise Failure(f"cannot take the Dockerfile from {url}", hint="name a file, or an https:// address")
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - http only, see above
            return str(answer.read().decode(errors="replace"))
    except OSError as error:
        raise Failure(f"cannot fetch the Dockerfile {url}: {error}") from error


def _relative(dockerfile: str, path: str) -> str:
    """Return ``-f`` as the context wants it: the flag is relative to where one stands, not to the context."""
    import os

    if not dockerfile:
        return ""
    if os.path.exists(dockerfile) or not os.path.exists(os.path.join(path, dockerfile)):
        return os.path.abspath(dockerfile)
    return dockerfile


def _arguments(options: Options, environ: Mapping[str, str]) -> dict[str, str | None]:
    arguments: dict[str, str | None] = {}
    for text in options.all("build-arg"):
        name, mark, value = text.partition("=")
        arguments[name] = value if mark else environ.get(name)
    if environ.get(EPOCH):
        arguments.setdefault(EPOCH, environ[EPOCH])  # as Buildx does
    return arguments


def _caches(options: Options, *, is_near: bool) -> dict[str, str]:
    from yurt.client.build_cache import sent

    return {
        name.replace("-", ""): json.dumps(
            [sent(text, flag=f"--{name}", is_near=is_near) for text in options.all(name)]
        )
        for name in ("cache-from", "cache-to")
        if options.has(name)
    }


def _query(options: Options, environ: Mapping[str, str], context: _Context) -> dict[str, Any]:
    from yurt.cli import values

    arguments = _arguments(options, environ)
    labels = pairs(options.all("label"))
    return {
        "version": "1",
        "t": options.all("tag") or None,
        "dockerfile": context.dockerfile or None,
        "remote": context.remote or None,
        "target": options.text("target") or None,
        "nocache": options.flag("no-cache") or None,
        "pull": options.flag("pull") or None,
        "rm": options.flag("rm", default=True),
        "forcerm": options.flag("force-rm") or None,
        "buildargs": json.dumps(arguments) if arguments else None,
        "labels": json.dumps(labels) if labels else None,
        "platform": options.text("platform") or None,
        "networkmode": options.text("network") or None,
        "extrahosts": ",".join(options.all("add-host")) or None,
        "shmsize": values.size(options.text("shm-size")) if options.has("shm-size") else None,
        "ulimits": json.dumps([values.ulimit(text) for text in options.all("ulimit")])
        if options.has("ulimit")
        else None,
        "allow": options.all("allow") or None,
        "nocachefilter": options.all("no-cache-filter") or None,
        "title": None if options.has("tag") else context.title or None,  # Yurt's own: for its history
        "memory": values.size(options.text("memory")) if options.has("memory") else None,
    }
