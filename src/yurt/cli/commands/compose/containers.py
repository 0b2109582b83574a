"""`yurt compose attach`, `cp`, `export`, `commit`, `stats`, `events`, `wait`: what `yurt` does with one container."""

from __future__ import annotations

import json

from yurt.cli.commands.compose import project as begin
from yurt.cli.commands.compose.look import one_container, snapshot
from yurt.cli.failure import Failure, UsageError
from yurt.cli.flags import Options, command
from yurt.compose import labels
from yurt.compose.lifecycle import chosen

TYPE_CHECKING = False  # `typing` alone would cost a fifth of the start-up
if TYPE_CHECKING:
    from typing import Any

    from yurt.cli.session import Session
    from yurt.compose.observed import ObservedContainer

INDEX = """
    --index NUMBER              The container with this number (default: the first)
"""


def _container(
    session: Session, options: Options, service: str, *, stopped: bool = False
) -> ObservedContainer:
    """Return the container that a service's name and ``--index`` mean."""
    _, name = begin.project_or_name(session, options, [service])
    if not stopped:
        return one_container(session, name, service, options.number("index"))
    found = _of(session, name, service, options.number("index"), oneoff=False)
    return found[0]


def _of(session: Session, name: str, service: str, index: int, *, oneoff: bool) -> list[ObservedContainer]:
    found = chosen(snapshot(session, name), [service], oneoff=oneoff)
    matching = [each for each in found if not index or each.number == index]
    if not matching:
        which = (
            f"no container {index} of service {service}" if index else f"service {service} has no container"
        )
        raise Failure(which, hint=f"make one: yurt compose up -d {service}")
    return matching


@command(
    "attach [OPTIONS] SERVICE",
    "Join a running container's stdin, stdout and stderr",
    flags=begin.flags(
        INDEX
        + """
    --no-stdin                  Do not pass stdin on
    --sig-proxy                 Pass signals on to the container (default: true)
    --detach-keys KEYS          Keys that leave it running (default: ctrl-p,ctrl-q)
    """
    ),
    example="yurt compose attach web",
)
def attach(session: Session, options: Options) -> int:
    from yurt.cli.commands.lifecycle import attach as attach_one

    container = _container(session, options, options.arguments[0])
    return attach_one.function(session, options.on(container.name)) or 0


@command(
    "cp [OPTIONS] SERVICE:PATH|PATH SERVICE:PATH|PATH",
    "Copy files between the containers of a service and here",
    flags=begin.flags(
        INDEX
        + """
    --all                       Those too that `run` has made
    -a, --archive               With owners
    -L, --follow-link           Follow a link at the source
    """
    ),
    example="""
    yurt compose cp web:/etc/nginx/nginx.conf .
    yurt compose cp ./site web:/usr/share/nginx/html
    """,
)
def cp(session: Session, options: Options) -> int:
    from yurt.cli.commands.files import cp as copy_one
    from yurt.cli.commands.files import split_place

    source, target = (split_place(text) for text in options.arguments)
    if bool(source[0]) == bool(target[0]):
        raise UsageError(
            "one side must be a service, the other must not",
            hint="yurt compose cp SERVICE:PATH PATH, or the reverse",
        )
    service = source[0] or target[0]
    _, name = begin.project_or_name(session, options, [service])
    found = _of(session, name, service, options.number("index"), oneoff=options.flag("all"))
    if source[0]:
        copy_one.function(session, options.on(f"{found[0].name}:{source[1]}", options.arguments[1]))
        return 0
    for each in found:
        if options.flag("dry-run"):
            session.print(f"copy {source[1]} to {each.name}:{target[1]}")
        else:
            copy_one.function(session, options.on(options.arguments[0], f"{each.name}:{target[1]}"))
    return 0


@command(
    "export [OPTIONS] SERVICE",
    "Write the files of a service's container as a tar",
    flags=begin.flags(INDEX + "    -o, --output FILE           To a file, not to stdout\n"),
    example="yurt compose export -o web.tar web",
)
def export(session: Session, options: Options) -> int:
    from yurt.cli.commands.files import export as export_one

    container = _container(session, options, options.arguments[0], stopped=True)
    export_one.function(session, options.on(container.name))
    return 0


@command(
    "commit [OPTIONS] SERVICE [REPOSITORY[:TAG]]",
    "Make an image of the changes of a service's container",
    flags=begin.flags(
        INDEX
        + """
    -a, --author NAME           Author
    -m, --message TEXT          For its history
    -c, --change INSTRUCTION…   A Dockerfile instruction: 'CMD ["sh"]'
    -p, --pause                 Pause it meanwhile (default: true)
    """
    ),
    example="yurt compose commit web web:debug",
)
def commit(session: Session, options: Options) -> int:
    from yurt.cli.commands.files import commit as commit_one

    service, *image = options.arguments
    container = _container(session, options, service, stopped=True)
    commit_one.function(session, options.on(container.name, *image))
    return 0


@command(
    "stats [OPTIONS] [SERVICE]",
    "Show what the project's containers use of processor, memory, network and disk",
    flags=begin.flags(
        """
    -a, --all                   Also those that do not run
    --no-stream                 Once, not again and again
    --no-trunc                  Show ids in full
    --format FORMAT             table, json or a template
    """
    ),
    example="yurt compose stats --no-stream",
)
def stats(session: Session, options: Options) -> int:
    from yurt.cli.commands.containers import stats as show

    _, name = begin.project_or_name(session, options, options.arguments)
    found = chosen(snapshot(session, name), options.arguments)
    wanted = [each.name for each in found if options.flag("all") or each.is_running]
    if not wanted:
        raise Failure(f"{name} has no running containers", hint="`yurt compose up -d` starts them")
    show.function(session, options.on(*wanted))
    return 0


@command(
    "events [OPTIONS] [SERVICE...]",
    "Show what happens to the project's containers, as it happens",
    flags=begin.flags(
        """
    --json                      One JSON object a line
    --since TIME                From this time on, also of the past
    --until TIME                Up to this time, and end
    """
    ),
    example="yurt compose events --json",
)
def events(session: Session, options: Options) -> int:
    from yurt.api import filters
    from yurt.cli.commands.compose.logs import moment

    _, name = begin.project_or_name(session, options, options.arguments)
    query = {
        "filters": filters.encode({"type": ["container"], "label": [f"{labels.PROJECT}={name}"]}),
        "since": moment(options, "since") or None,
        "until": moment(options, "until") or None,
    }
    with session.client.request("GET", "/events", query=query) as response:
        for line in response.lines():
            if line.strip():
                _tell(session, options, json.loads(line))
    return 0


def _tell(session: Session, options: Options, event: dict[str, Any]) -> None:
    from datetime import UTC, datetime

    actor = event.get("Actor") or {}
    marks = actor.get("Attributes") or {}
    service = marks.get(labels.SERVICE, "")
    if marks.get(labels.ONEOFF) == "True" or (options.arguments and service not in options.arguments):
        return
    shown = {key: value for key, value in sorted(marks.items()) if not key.startswith("com.docker.compose.")}
    nanoseconds = int(event.get("timeNano") or 0)
    then = datetime.fromtimestamp(nanoseconds // 10**9, UTC)
    if options.flag("json"):
        told = {
            "action": event.get("Action"),
            "attributes": shown,
            "id": actor.get("ID"),
            "service": service,
            "time": f"{then:%Y-%m-%dT%H:%M:%S}.{nanoseconds % 10**9:09d}Z",
            "type": event.get("Type"),
        }
        session.print(json.dumps(told, separators=(",", ":")))
    else:
        words = ", ".join(f"{key}={value}" for key, value in shown.items())
        time = f"{then.astimezone():%Y-%m-%d %H:%M:%S}.{nanoseconds % 10**9 // 1000:06d}"
        session.print(f"{time} {event.get('Type')} {event.get('Action')} {actor.get('ID')} ({words})")
    session.out.flush()


@command(
    "wait [OPTIONS] SERVICE [SERVICE...]",
    "Wait until the containers of services stop; leaves with the first one's exit code that is not 0",
    flags=begin.flags(
        """
    --down-project              Take the project down when the first one stops
    """
    ),
    example="yurt compose wait migrate",
)
def wait(session: Session, options: Options) -> int:
    from functools import partial
    from threading import Lock

    from yurt.compose.threads import together

    _, name = begin.project_or_name(session, options, options.arguments)
    found = chosen(snapshot(session, name), options.arguments)
    running = [each for each in found if each.is_running]
    # Whoever starts a service and then waits for it may come after its end: its code is the answer all the same.
    ended = [each for each in found if each.state in ("exited", "dead")] if not running else []
    if not running and not ended:
        raise Failure(
            f"no container of {', '.join(options.arguments)} has been started",
            hint="see `yurt compose ps -a`",
        )
    first = Lock()

    def one(container: ObservedContainer) -> int:
        code = None if container.is_running else container.exit_code
        if code is None:
            code = int(session.client.json("POST", f"/containers/{container.id}/wait")["StatusCode"])
        session.print(f'container "{container.id}" exited with status code {code}')
        if options.flag("down-project") and first.acquire(blocking=False):
            _down(session, options)
        return code

    codes = together([partial(one, each) for each in running or ended], limit=64)
    return next((code for code in codes if code), 0)


def _down(session: Session, options: Options) -> None:
    from yurt.cli.commands.compose.lifecycle import down

    down.function(session, options.on())
