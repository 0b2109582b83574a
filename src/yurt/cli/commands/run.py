"""`yurt run` and `yurt create`. The shortest way: create, attach, wait, start; two connections beside the stream."""

from __future__ import annotations

import os

from yurt.cli.container_request import FLAGS, container_body
from yurt.cli.failure import Failure, UsageError
from yurt.cli.flags import Options, command
from yurt.errors import NotFound, NotModified, YurtError

TYPE_CHECKING = False  # `typing` alone would cost a fifth of the start-up
if TYPE_CHECKING:
    from typing import Any

    from yurt.cli.session import Session
    from yurt.client.sync import Response

FAILED = 125  # the engine could not do it
NOT_EXECUTABLE = 126
NOT_FOUND = 127


@command(
    "run [OPTIONS] IMAGE [COMMAND] [ARG...]",
    "Run a command in a new container",
    flags="    -d, --detach                  Leave it running and print its id\n"
    + FLAGS
    + """    --sig-proxy                   Pass signals on to the container (default: true)
    --detach-keys KEYS            Keys that leave it running (default: ctrl-p,ctrl-q)
    """,
    example="""
    yurt run -it --rm debian bash
    yurt run -d --name web -p 8080:80 -v "$PWD/site:/usr/share/nginx/html:ro" nginx
    """,
    program=1,
)
def run(session: Session, options: Options) -> int:
    detached = options.flag("detach")
    if detached and options.flag("rm") and options.has("attach"):
        raise UsageError("-d and -a contradict each other", code=FAILED)
    tty, stdin = options.flag("tty"), options.flag("interactive") and not detached
    if tty and stdin:
        from yurt.cli.interactive import require_terminal

        require_terminal()
    try:
        identifier = _create(session, options, detached=detached)
    except (Failure, KeyboardInterrupt):
        raise
    except YurtError as failed:
        raise Failure(failed.message, hint=failed.hint, code=FAILED) from failed
    if detached:
        _start(session, identifier)
        session.print(identifier)
        return 0
    return _run_attached(session, options, identifier, tty=tty, stdin=stdin)


@command(
    "create [OPTIONS] IMAGE [COMMAND] [ARG...]",
    "Create a container without starting it",
    flags=FLAGS,
    example="yurt create --name web -p 8080:80 nginx",
    program=1,
)
def create(session: Session, options: Options) -> None:
    session.print(_create(session, options, detached=False))


def _run_attached(session: Session, options: Options, identifier: str, *, tty: bool, stdin: bool) -> int:
    from yurt.cli.interactive import attached

    streams = [name.lower() for name in options.all("attach")] or ["stdout", "stderr"]
    client, place = session.client, f"/containers/{identifier}"
    keys = options.text("detach-keys")
    query = {"stream": True, "stdin": stdin, **dict.fromkeys(streams, True)}
    if keys:
        query["detachKeys"] = keys  # type: ignore[assignment]
    with client.hijack("POST", f"{place}/attach", query=query) as stream:
        condition = "removed" if options.flag("rm") else "next-exit"
        waiting = client.request("POST", f"{place}/wait", query={"condition": condition})
        try:
            left = attached(
                session,
                stream,
                tty=tty,
                stdin=stdin,
                place=place,
                proxy=identifier if options.flag("sig-proxy", default=True) and not (tty and stdin) else "",
                detach_keys=keys,
                started=lambda: _start(session, identifier),
            )
        except BaseException:
            waiting.close()
            raise
        if left:
            waiting.close()
            return 0
        return exit_code(waiting)


def exit_code(waiting: Response) -> int:
    """Return the exit code that a ``/wait`` answers; raises Failure when the engine could not wait."""
    answer: dict[str, Any] = waiting.json()
    if error := (answer.get("Error") or {}).get("Message"):
        raise Failure(f"waiting for the container failed: {error}", code=FAILED)
    return int(answer["StatusCode"])


def _start(session: Session, identifier: str) -> None:
    """Start the container; the exit code of a failure tells whether its program was the reason."""
    try:
        session.client.request("POST", f"/containers/{identifier}/start").read()
    except NotModified:
        return
    except YurtError as failed:
        raise Failure(failed.message, hint=failed.hint, code=_code_of(failed.message)) from failed


def _code_of(message: str) -> int:
    lowered = message.lower()
    if "executable file not found" in lowered or "no such file or directory" in lowered:
        return NOT_FOUND
    if "permission denied" in lowered or "is a directory" in lowered or "exec format error" in lowered:
        return NOT_EXECUTABLE
    return FAILED


def _create(session: Session, options: Options, *, detached: bool) -> str:
    """Create the container, pulling its image if need be; returns its id."""
    body = container_body(options, session.environ, detached=detached)
    image, pull = options.arguments[0], options.text("pull", "missing")
    if pull not in ("missing", "always", "never"):
        raise options.invalid("pull", pull, "expected missing, always or never")
    cidfile = options.text("cidfile")
    if cidfile and os.path.exists(cidfile):
        raise Failure(
            f"the id file {cidfile} exists already",
            hint="another container may own it: remove it",
            code=FAILED,
        )
    query = {"name": options.text("name") or None, "platform": options.text("platform") or None}
    if pull == "always":
        _pull(session, image, options)
    try:
        created = session.client.json("POST", "/containers/create", query=query, json=body)
    except NotFound as missing:
        if pull == "never" or "o such image" not in missing.message:
            raise
        session.note(f"Image {image!r} is not here yet")
        _pull(session, image, options)
        created = session.client.json("POST", "/containers/create", query=query, json=body)
    for warning in created.get("Warnings") or ():
        session.warn(warning)
    identifier: str = created["Id"]
    if cidfile:
        with open(cidfile, "w", encoding="utf-8") as file:
            file.write(identifier)
    return identifier


def _pull(session: Session, image: str, options: Options) -> None:
    from yurt.cli.credentials import header
    from yurt.cli.progress import pull

    pull(
        session,
        image,
        platform=options.text("platform"),
        quiet=options.flag("quiet"),
        stream=session.err,
        auth=lambda name: header(session.environ, name),
    )
