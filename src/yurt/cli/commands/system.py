"""The engine as a whole: version, info, events, system df, stop and restart."""

from __future__ import annotations

import json

from yurt.cli import columns, output
from yurt.cli.commands.containers import filters
from yurt.cli.flags import Options, command
from yurt.cli.session import answers
from yurt.errors import InvalidArgument, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from yurt.cli.session import Session

FORMAT = "    -f, --format TEMPLATE   json, or a template: '{{.Server.Version}}'"


def _formatted(session: Session, template: str, thing: Any) -> None:
    if template == "json":
        session.print(output.json_text(thing))
        return
    from yurt.cli.template import Template

    session.print(Template.parse(template).render(thing))


@command(
    "version [OPTIONS]", "Show the versions of Yurt and of the engine", flags=FORMAT, example="yurt version"
)
def version(session: Session, options: Options) -> None:
    import platform

    from yurt import __version__
    from yurt.api.version import LATEST

    client = {
        "Version": __version__,
        "ApiVersion": str(LATEST),
        "Python": platform.python_version(),
        "Os": platform.system().lower(),
        "Arch": platform.machine(),
    }
    if not options.text("format"):
        session.print("Client: Yurt")
        for name, value in (("Version", __version__), ("API version", LATEST), ("Python", client["Python"])):
            session.print(f" {name + ':':<18}{value}")
    server = session.client.json("GET", "/version")
    if options.text("format"):
        both: dict[str, dict[str, Any]] = {"Client": client, "Server": server}
        if options.text("format") != "json":  # a template knows the field by the name that it has in Go
            both = {side: facts | {"APIVersion": facts["ApiVersion"]} for side, facts in both.items()}
        _formatted(session, options.text("format"), both)
        return
    session.print(f"\nServer: {(server.get('Platform') or {}).get('Name') or session.host}")
    session.print(f" {'Version:':<18}{server['Version']}")
    session.print(
        f" {'API version:':<18}{server['ApiVersion']} (minimum version {server.get('MinAPIVersion')})"
    )
    session.print(f" {'OS/Arch:':<18}{server['Os']}/{server['Arch']}")
    session.print(f" {'Kernel:':<18}{server.get('KernelVersion')}")
    for part in server.get("Components") or ():
        if part["Name"] != "Engine":
            session.print(f" {part['Name'] + ':':<18}{part['Version']}")


@command(
    "info [OPTIONS]",
    "Show what the engine is, has and can do",
    flags=FORMAT.replace(".Server.Version", ".Driver"),
    example="yurt info",
)
def info(session: Session, options: Options) -> None:
    found = session.client.json("GET", "/info")
    if options.text("format"):
        _formatted(session, options.text("format"), found)
        return
    lines: list[tuple[str, Any]] = [
        ("Engine", session.host),
        ("Version", found.get("ServerVersion")),
        ("Containers", found.get("Containers")),
        (" Running", found.get("ContainersRunning")),
        (" Paused", found.get("ContainersPaused")),
        (" Stopped", found.get("ContainersStopped")),
        ("Images", found.get("Images")),
        ("Storage Driver", found.get("Driver")),
        ("Logging Driver", found.get("LoggingDriver")),
        ("Cgroup Driver", found.get("CgroupDriver")),
        ("Cgroup Version", found.get("CgroupVersion")),
        ("Runtimes", " ".join(found.get("Runtimes") or ())),
        ("Default Runtime", found.get("DefaultRuntime")),
        ("Security Options", ", ".join(found.get("SecurityOptions") or ())),
        ("Kernel Version", found.get("KernelVersion")),
        ("Operating System", found.get("OperatingSystem")),
        ("Architecture", found.get("Architecture")),
        ("CPUs", found.get("NCPU")),
        ("Total Memory", output.binary_size(found.get("MemTotal") or 0)),
        ("Name", found.get("Name")),
        ("Root Dir", found.get("DockerRootDir")),
    ]
    for name, value in lines:
        if value not in (None, ""):
            session.print(f"{name}: {value}")
    for warning in found.get("Warnings") or ():
        session.warn(warning.removeprefix("WARNING: "))


@command(
    "events [OPTIONS]",
    "Show what happens in the engine, as it happens",
    flags="""
    --since TIME            From a moment, or so long ago: 10m
    --until TIME            Until a moment
    -f, --filter NAME=VALUE…  type=, event=, container=, image=, label=, …
    --format TEMPLATE       json, or a template: '{{.Type}} {{.Action}}'
    """,
    example="yurt events --since 10m -f type=container",
)
def events(session: Session, options: Options) -> None:
    from yurt.cli.commands.logs import moment

    query = {
        "since": moment(options, "since"),
        "until": moment(options, "until"),
        "filters": filters(options),
    }
    template = options.text("format")
    for line in session.client.lines("GET", "/events", query=query):
        event = json.loads(line)
        if template:
            _formatted(session, template, event)
        else:
            session.print(_event_text(event))
        session.out.flush()


def _event_text(event: dict[str, Any]) -> str:
    import time

    seconds, nanoseconds = divmod(event["timeNano"], 1_000_000_000)
    zone = time.strftime("%z", time.localtime(seconds))
    zone = "Z" if zone == "+0000" else f"{zone[:3]}:{zone[3:]}"
    moment = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.localtime(seconds))}.{nanoseconds:09d}{zone}"
    attributes = event["Actor"].get("Attributes") or {}
    pairs = ", ".join(f"{name}={value}" for name, value in sorted(attributes.items()))
    text = f"{moment} {event['Type']} {event['Action']} {event['Actor']['ID']}"
    return f"{text} ({pairs})" if pairs else text


DF = {"Type": "TYPE", "TotalCount": "TOTAL", "Active": "ACTIVE", "Size": "SIZE", "Reclaimable": "RECLAIMABLE"}


@command(
    "df [OPTIONS]",
    "Show what takes room on the disk",
    flags="""
    -v, --verbose       Thing by thing
    --format TEMPLATE   table, json, or a template: '{{.Type}} {{.Size}}'
    """,
    example="yurt system df",
)
def df(session: Session, options: Options) -> None:
    found = session.client.json("GET", "/system/df")
    images, containers = found.get("Images") or [], found.get("Containers") or []
    volumes, caches = found.get("Volumes") or [], found.get("BuildCache") or []
    if options.flag("verbose"):
        _verbose(session, options, found)
        return
    running = [entry for entry in containers if entry["State"] in ("running", "paused", "restarting")]
    used = [entry for entry in images if (entry.get("Containers") or 0) > 0]
    total = found.get("LayersSize") or 0
    kept = sum((entry.get("Size") or 0) - max(0, entry.get("SharedSize") or 0) for entry in used)
    sizes = [(entry.get("UsageData") or {}) for entry in volumes]
    rows = [
        _df_row("Images", len(images), len(used), total, max(0, total - kept)),
        _df_row(
            "Containers",
            len(containers),
            len(running),
            sum(entry.get("SizeRw") or 0 for entry in containers),
            sum(entry.get("SizeRw") or 0 for entry in containers if entry not in running),
        ),
        _df_row(
            "Local Volumes",
            len(volumes),
            sum((data.get("RefCount") or 0) > 0 for data in sizes),
            sum(max(0, data.get("Size") or 0) for data in sizes),
            sum(max(0, data.get("Size") or 0) for data in sizes if not data.get("RefCount")),
        ),
        _df_row(
            "Build Cache",
            len(caches),
            sum(bool(entry.get("InUse")) for entry in caches),
            sum(entry.get("Size") or 0 for entry in caches if not entry.get("Shared")),
            sum(
                entry.get("Size") or 0 for entry in caches if not (entry.get("InUse") or entry.get("Shared"))
            ),
        ),
    ]
    for line in output.listing(rows, DF, list(DF), options, key="Type", width=session.width()):
        session.print(line)


def _df_row(kind: str, count: int, active: int, size: int, reclaimable: int) -> dict[str, object]:
    share = f" ({reclaimable * 100 // size}%)" if size else ""
    return {
        "Type": kind,
        "TotalCount": str(count),
        "Active": str(active),
        "Size": output.size(size),
        "Reclaimable": output.size(reclaimable) + share,
    }


def _verbose(session: Session, options: Options, found: dict[str, Any]) -> None:
    whole = options.text("format") == "json"
    things: dict[str, list[Any]] = {
        "Images": [row for entry in found.get("Images") or () for row in _image_rows(entry, full=whole)],
        "Containers": [columns.container_row(entry, full=whole) for entry in found.get("Containers") or ()],
        "Volumes": [_volume_row(entry) for entry in found.get("Volumes") or ()],
        "BuildCache": [columns.cache_row(entry, full=whole) for entry in found.get("BuildCache") or ()],
    }
    if whole:
        session.print(output.json_text(things))
        return
    image = ["Repository", "Tag", "ID", "CreatedSince", "Size", "SharedSize", "UniqueSize", "Containers"]
    container = ["ID", "Image", "Command", "LocalVolumes", "Size", "RunningFor", "Status", "Names"]
    cache = ["ID", "CacheType", "Size", "CreatedSince", "LastUsedSince", "UsageCount", "Shared"]
    used = sum(entry.get("Size") or 0 for entry in found.get("BuildCache") or () if not entry.get("Shared"))
    for headline, kind, titles, shown in (
        ("Images space usage:", "Images", columns.IMAGE, image),
        ("Containers space usage:", "Containers", columns.CONTAINER, container),
        ("Local Volumes space usage:", "Volumes", columns.VOLUME, ["Name", "Links", "Size"]),
        (f"Build cache usage: {output.size(used)}", "BuildCache", columns.CACHE, cache),
    ):
        session.print(f"{headline}\n")
        for line in output.listing(things[kind], titles, shown, options, width=session.width()):
            session.print(line)
        session.print("")


def _image_rows(entry: dict[str, Any], *, full: bool) -> list[columns.Row]:
    shared = max(0, entry.get("SharedSize") or 0)
    rows = columns.image_rows(entry, full=full)
    for row in rows:
        row["SharedSize"] = output.size(shared)
        row["UniqueSize"] = output.size(max(0, entry["Size"] - shared))
    return rows


def _volume_row(entry: dict[str, Any]) -> columns.Row:
    usage = entry.get("UsageData") or {}
    row = columns.volume_row(entry)
    row["Links"], row["Size"] = str(usage.get("RefCount") or 0), output.size(max(0, usage.get("Size") or 0))
    return row


@command(
    "stop",
    "End the engine; containers go on, and the next command starts it again",
    example="yurt system stop",
)
def stop(session: Session, _options: Options) -> None:
    from yurt.cli.engine_stop import stop as end

    pid = end(_own_socket(session))
    session.print(f"the engine (pid {pid}) has ended; containers that run go on" if pid else "no engine runs")


def _own_socket(session: Session) -> str:
    """Return the path of the socket of Yurt's engine on this machine; raises InvalidArgument for any other."""
    if not session.host.startswith("unix://"):
        raise InvalidArgument(
            f"the engine at {session.host} is not on this machine",
            hint="end it or restart it where it runs",
        )
    path = session.host.removeprefix("unix://")
    if not session.owns_engine and answers(path):
        name = (session.client.json("GET", "/version").get("Platform") or {}).get("Name") or "another engine"
        if not name.startswith("Yurt "):
            raise InvalidArgument(
                f"{session.host} is {name}, not Yurt's engine", hint="use its own tools to end or restart it"
            )
    return path


@command(
    "restart",
    "End the engine and start it again as it was, for example upgraded; containers go on",
    example="pip install -U yurt && yurt system restart",
)
def restart(session: Session, _options: Options) -> None:
    from yurt.cli import engine_start, engine_stop

    path = _own_socket(session)
    before = engine_stop.running(path)
    if before is None:
        if not session.owns_engine:
            raise Unavailable(f"no engine runs at {session.host}", hint="start it: yurtd --host, --root")
        _ = session.client  # which starts it
        session.print(f"no engine ran; one runs now (pid {engine_stop.listener(path)})")
        return
    if before.supervised:
        from yurt.cli.systemd import systemctl

        systemctl("restart", engine_stop.UNIT)
        engine_start.await_answer(path)
    else:
        root = session.client.json("GET", "/info")["DockerRootDir"]
        session.client.close()
        engine_stop.stop(path)
        engine_start.start_again(
            before.command, root=root, socket=path, environ=before.environ, cwd=before.cwd
        )
    session.print(
        f"the engine was restarted (pid {before.pid} before, {engine_stop.listener(path)} now); "
        "containers that run went on"
    )
