"""From created to gone: start, stop, restart, kill, pause, unpause, rm, wait, attach, update."""

from __future__ import annotations

from yurt.cli import values
from yurt.cli.failure import UsageError
from yurt.cli.flags import Options, command
from yurt.errors import NotModified, YurtError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from yurt.cli.session import Session


def _each(session: Session, options: Options, verb: str, query: Mapping[str, Any] | None = None) -> int:
    """POST *verb* for every container named, and print each name that it worked for."""

    def act(name: str) -> None:
        try:  # noqa: SIM105 - contextlib is a tenth of the start-up
            session.client.request("POST", f"/containers/{name}/{verb}", query=dict(query or {})).read()
        except NotModified:
            pass  # it is so already, which is what was asked for
        session.print(name)

    return session.for_each(options.arguments, act)


@command(
    "start [OPTIONS] CONTAINER [CONTAINER...]",
    "Start stopped containers",
    flags="""
    -a, --attach          Stay with its output, and leave with its exit code
    -i, --interactive     Pass stdin on
    --detach-keys KEYS    Keys that leave it running (default: ctrl-p,ctrl-q)
    --sig-proxy           Pass signals on to the container (default: true)
    """,
    example="yurt start -ai shell",
)
def start(session: Session, options: Options) -> int:
    if not (options.flag("attach") or options.flag("interactive")):
        return _each(session, options, "start")
    if len(options.arguments) > 1:
        raise UsageError("one container at a time can be attached to", hint="leave out -a and -i")
    name = options.arguments[0]
    return _attach(session, options, name, start=True, stdin=options.flag("interactive"))


@command(
    "attach [OPTIONS] CONTAINER",
    "Join a running container's stdin, stdout and stderr",
    flags="""
    --no-stdin            Do not pass stdin on
    --sig-proxy           Pass signals on to the container (default: true)
    --detach-keys KEYS    Keys that leave it running (default: ctrl-p,ctrl-q)
    """,
    example="yurt attach shell      (leave with ctrl-p ctrl-q)",
)
def attach(session: Session, options: Options) -> int:
    return _attach(session, options, options.arguments[0], start=False, stdin=not options.flag("no-stdin"))


def _attach(session: Session, options: Options, name: str, *, start: bool, stdin: bool) -> int:
    from yurt.cli.commands.run import exit_code
    from yurt.cli.failure import Failure
    from yurt.cli.interactive import attached, require_terminal

    client = session.client
    found = client.json("GET", f"/containers/{name}/json")
    config, state, identifier = found["Config"], found["State"], found["Id"]
    if not start and not state["Running"]:
        raise Failure(f"container {name} is not running", hint=f"start it: yurt start -a {name}")
    if not start and state["Paused"]:
        raise Failure(f"container {name} is paused", hint=f"unpause it first: yurt unpause {name}")
    tty, stdin = config["Tty"], stdin and config["OpenStdin"]
    if tty and stdin:
        require_terminal()
    place = f"/containers/{identifier}"
    keys = options.text("detach-keys")
    query = {"stream": True, "stdin": stdin, "stdout": True, "stderr": True, "detachKeys": keys or None}
    removed = found["HostConfig"].get("AutoRemove")
    condition = "removed" if removed else "next-exit" if start else "not-running"

    def begin() -> None:
        if start and not state["Running"]:
            client.request("POST", f"{place}/start").read()

    with (
        client.hijack("POST", f"{place}/attach", query=query) as stream,
        client.request("POST", f"{place}/wait", query={"condition": condition}) as waiting,
    ):
        proxied = options.flag("sig-proxy", default=True) and not (tty and stdin)
        if attached(
            session,
            stream,
            tty=tty,
            stdin=stdin,
            place=place,
            proxy=identifier if proxied else "",
            detach_keys=keys,
            started=begin,
        ):
            return 0
        return exit_code(waiting)


STOP_FLAGS = """
    -t, --timeout SECONDS   Seconds until it is killed (-1: never)
    --time SECONDS          The same
    -s, --signal SIGNAL     Signal to stop it with
    """


def _stop_query(options: Options) -> dict[str, Any]:
    timeout = options.text("timeout") or options.text("time")
    if timeout and not timeout.removeprefix("-").isdecimal():
        raise options.invalid("timeout", timeout, "expected seconds")
    return {"t": timeout or None, "signal": options.text("signal") or None}


@command(
    "stop [OPTIONS] CONTAINER [CONTAINER...]",
    "Stop running containers",
    flags=STOP_FLAGS,
    example="yurt stop web db",
)
def stop(session: Session, options: Options) -> int:
    return _each(session, options, "stop", _stop_query(options))


@command(
    "restart [OPTIONS] CONTAINER [CONTAINER...]",
    "Stop and start containers",
    flags=STOP_FLAGS,
    example="yurt restart web",
)
def restart(session: Session, options: Options) -> int:
    return _each(session, options, "restart", _stop_query(options))


@command(
    "kill [OPTIONS] CONTAINER [CONTAINER...]",
    "Send a signal to running containers",
    flags="    -s, --signal SIGNAL     Signal to send (default: KILL)",
    example="yurt kill -s HUP web",
)
def kill(session: Session, options: Options) -> int:
    return _each(session, options, "kill", {"signal": options.text("signal") or "KILL"})


@command("pause CONTAINER [CONTAINER...]", "Freeze every process of containers", example="yurt pause web")
def pause(session: Session, options: Options) -> int:
    return _each(session, options, "pause")


@command("unpause CONTAINER [CONTAINER...]", "Let paused containers go on", example="yurt unpause web")
def unpause(session: Session, options: Options) -> int:
    return _each(session, options, "unpause")


@command(
    "rm [OPTIONS] CONTAINER [CONTAINER...]",
    "Remove containers",
    flags="""
    -f, --force     Also running ones (they are killed), and none at all is no error
    -v, --volumes   With their anonymous volumes
    """,
    example="yurt rm -f web",
)
def rm(session: Session, options: Options) -> int:
    query = {"force": options.flag("force") or None, "v": options.flag("volumes") or None}

    def act(name: str) -> None:
        try:
            session.client.request("DELETE", f"/containers/{name}", query=query).read()
        except YurtError as failed:
            from yurt.errors import Conflict, NotFound

            if isinstance(failed, NotFound) and options.flag("force"):
                return
            if isinstance(failed, Conflict) and failed.hint is None and not options.flag("force"):
                failed.hint = f"stop it first, or remove it with yurt rm -f {name}"
            raise
        session.print(name)

    return session.for_each(options.arguments, act)


@command(
    "wait CONTAINER [CONTAINER...]",
    "Wait until containers stop, and print their exit codes",
    example="yurt wait job",
)
def wait(session: Session, options: Options) -> int:
    def act(name: str) -> None:
        answer = session.client.json("POST", f"/containers/{name}/wait")
        session.print(str(answer["StatusCode"]))

    return session.for_each(options.arguments, act)


@command(
    "update [OPTIONS] CONTAINER [CONTAINER...]",
    "Change limits and the restart policy of containers",
    flags="""
    --restart POLICY              no, always, unless-stopped, on-failure[:TIMES]
    -m, --memory SIZE             Limit of memory
    --memory-swap SIZE            Limit of memory and swap together
    --memory-reservation SIZE     Soft limit of memory
    --cpus NUMBER                 Number of processors
    -c, --cpu-shares NUMBER       Relative weight of processor time
    --cpu-period MICROSECONDS     Length of a scheduling period
    --cpu-quota MICROSECONDS      Processor time per period
    --cpu-rt-period MICROSECONDS  Length of a real-time period
    --cpu-rt-runtime MICROSECONDS  Real-time processor time per period
    --cpuset-cpus LIST            Which processors
    --cpuset-mems LIST            Which memory nodes
    --blkio-weight NUMBER         Relative weight of block I/O
    --pids-limit NUMBER           Limit of processes
    """,
    example="yurt update --memory 1g --restart unless-stopped web",
)
def update(session: Session, options: Options) -> int:
    from yurt.cli.container_request import limits

    body = limits(options)
    if options.has("restart"):
        body["RestartPolicy"] = values.restart_policy(options.text("restart"))
    if not body:
        raise UsageError("nothing to change was named", hint=f"see `{options.path} --help`")

    def act(name: str) -> None:
        answer = session.client.json("POST", f"/containers/{name}/update", json=body)
        for warning in (answer or {}).get("Warnings") or ():
            session.warn(warning)
        session.print(name)

    return session.for_each(options.arguments, act)
