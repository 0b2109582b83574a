"""`yurt compose ps`, `images`, `port`, `top` and `ls`: what is there."""

from __future__ import annotations

import json

from yurt.cli import output
from yurt.cli.commands.compose import project as begin
from yurt.cli.failure import Failure
from yurt.cli.flags import Options, command
from yurt.compose import labels
from yurt.compose.lifecycle import chosen
from yurt.compose.observe import containers, from_listed

TYPE_CHECKING = False  # `typing` alone would cost a fifth of the start-up
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from re import Pattern
    from typing import Any

    from yurt.cli.session import Session
    from yurt.compose.observed import Observed, ObservedContainer

PS_TITLES = {
    "Name": "NAME",
    "Image": "IMAGE",
    "Command": "COMMAND",
    "Service": "SERVICE",
    "RunningFor": "CREATED",
    "Status": "STATUS",
    "Ports": "PORTS",
    "ID": "ID",
    "State": "STATE",
    "Health": "HEALTH",
    "ExitCode": "EXIT CODE",
    "Project": "PROJECT",
    "Publishers": "PUBLISHERS",
    "CreatedAt": "CREATED AT",
    "Labels": "LABELS",
    "Names": "NAMES",
}
PS_SHOWN = ("Name", "Image", "Command", "Service", "RunningFor", "Status", "Ports")


@command(
    "ps [OPTIONS] [SERVICE...]",
    "List the project's containers",
    flags=begin.flags(
        """
    -a, --all                   Stopped ones too
    -q, --quiet                 Only their IDs
    --services                  Only the services' names
    --status STATUS…            Only those: running, exited, created, paused, restarting
    --filter FILTER             Only those: status=running
    --format FORMAT             table, json or a template
    --no-trunc                  Commands in full
    --orphans                   Those too that the file no longer has (default: true)
    """
    ),
    example="yurt compose ps -a --format json",
)
def ps(session: Session, options: Options) -> int:
    project, name = begin.project_or_name(session, options, options.arguments)
    found = chosen_containers(containers(session.client, name), options)
    if project is not None and not options.flag("orphans", default=True):
        found = [each for each in found if each.service in project.services]
    if options.flag("services"):
        for service in dict.fromkeys(each.service for each in found):
            session.print(service)
        return 0
    if options.flag("quiet"):
        for each in found:
            session.print(each.id)
        return 0
    rows = [_row(each, name, full=options.flag("no-trunc")) for each in found]
    if options.text("format") == "json":
        for row in rows:
            session.print(json.dumps(dict(sorted(row.items())), separators=(",", ":")))
        return 0
    for line in output.listing(rows, PS_TITLES, PS_SHOWN, options, width=session.width()):
        session.print(line.rstrip())
    return 0


def chosen_containers(found: Iterable[ObservedContainer], options: Options) -> list[ObservedContainer]:
    states = set(options.all("status"))
    if wanted := options.text("filter"):
        key, mark, value = wanted.partition("=")
        if key != "status" or not mark:
            raise options.invalid("filter", wanted, "expected status=STATE")
        states.add(value)
    services = set(options.arguments)
    result = [
        each
        for each in found
        if not each.oneoff
        and (not services or each.service in services)
        and (each.state in states if states else options.flag("all") or each.is_running)
    ]
    return sorted(result, key=lambda each: each.name)


def _row(each: ObservedContainer, project: str, *, full: bool) -> dict[str, Any]:
    command_line = json.dumps(
        each.command if full else output.shortened(each.command, 20), ensure_ascii=False
    )
    return {
        "Command": command_line,
        "CreatedAt": output.local_time(each.created),
        "ExitCode": each.exit_code or 0,
        "Health": each.health,
        "ID": each.id[:12],
        "Image": each.image,
        "Labels": ",".join(f"{key}={value}" for key, value in sorted(each.labels.items())),
        "Name": each.name,
        "Names": each.name,
        "Ports": ports(each.ports),
        "Project": project,
        "Publishers": [
            {
                "URL": port.get("IP") or "",
                "TargetPort": port.get("PrivatePort") or 0,
                "PublishedPort": port.get("PublicPort") or 0,
                "Protocol": port.get("Type") or "tcp",
            }
            for port in each.ports
        ],
        "RunningFor": output.age(each.created),
        "Service": each.service,
        "State": each.state,
        "Status": each.status,
    }


def ports(found: Iterable[Mapping[str, Any]]) -> str:
    """Return ports as tables show them: ``0.0.0.0:8000->80/tcp``."""
    shown = []
    for port in found:
        target = f"{port.get('PrivatePort')}/{port.get('Type') or 'tcp'}"
        address = port.get("IP") or "0.0.0.0"  # noqa: S104 - as the engine says it
        address = f"[{address}]" if ":" in address else address
        shown.append(f"{address}:{port['PublicPort']}->{target}" if port.get("PublicPort") else target)
    return ", ".join(sorted(shown))


@command(
    "images [OPTIONS] [SERVICE...]",
    "List the images that the project's containers were made from",
    flags=begin.flags(
        """
    -q, --quiet                 Only IDs
    --format FORMAT             table, json or a template
    """
    ),
    example="yurt compose images",
)
def images(session: Session, options: Options) -> int:
    _, name = begin.project_or_name(session, options, options.arguments)
    rows = []
    for each in chosen(snapshot(session, name), options.arguments):
        reference = each.image_id or each.image
        details = session.client.json("GET", f"/images/{reference}/json")
        repository, _, tag = (
            each.image.rpartition(":") if ":" in each.image.rpartition("/")[2] else (each.image, "", "latest")
        )
        rows.append(
            {
                "Container": each.name,
                "Repository": repository,
                "Tag": tag,
                "ID": output.short_id(details["Id"]),
                "Size": output.size(details.get("Size") or 0),
                "Platform": f"{details.get('Os', '')}/{details.get('Architecture', '')}",
                "Created": _age(details.get("Created")),
            }
        )
    titles = {key: key.upper() for key in ("Repository", "Tag", "Platform", "Size", "Created")}
    titles |= {"Container": "CONTAINER", "ID": "IMAGE ID"}
    shown = ("Container", "Repository", "Tag", "Platform", "ID", "Size", "Created")
    for line in output.listing(rows, titles, shown, options, width=session.width()):
        session.print(line.rstrip())
    return 0


def _age(moment: str | None) -> str:
    from datetime import datetime

    try:
        return output.age(datetime.fromisoformat(f"{(moment or '')[:19]}+00:00").timestamp())
    except ValueError:
        return moment or ""


def snapshot(session: Session, name: str) -> Observed:
    """Return what is there of the project *name*, containers only."""
    from yurt.compose.observed import Observed

    return Observed(containers=containers(session.client, name))


def one_container(session: Session, name: str, service: str, index: int) -> ObservedContainer:
    """Return a running container of *service*: the first, or the one numbered *index*; Failure if there is none."""
    found = chosen(snapshot(session, name), [service])
    matching = [each for each in found if each.is_running and (not index or each.number == index)]
    if not matching:
        which = f"no container {index} of service {service}" if index else f"service {service}"
        raise Failure(f"{which} is not running", hint=f"start it: yurt compose up -d {service}")
    return matching[0]


@command(
    "port [OPTIONS] SERVICE PORT",
    "Show where a port of a service is published",
    flags=begin.flags(
        """
    --index NUMBER              Of the container with this number
    --protocol NAME             tcp or udp (default: tcp)
    """
    ),
    example="yurt compose port web 8000",
)
def port(session: Session, options: Options) -> int:
    service, private = options.arguments
    private, _, protocol = private.partition("/")
    _, name = begin.project_or_name(session, options, [service])
    container = one_container(session, name, service, options.number("index"))
    wanted = protocol or options.text("protocol", "tcp")
    for each in container.ports:
        if str(each.get("PrivatePort")) == private and each.get("Type") == wanted and each.get("PublicPort"):
            session.print(f"{each.get('IP')}:{each['PublicPort']}")
            return 0
    raise Failure(
        f"port {private}/{wanted} of {container.name} is not published", hint="see `yurt compose ps`"
    )


@command(
    "top [OPTIONS] [SERVICE...]",
    "Show the processes of running containers",
    flags=begin.flags(""),
    example="yurt compose top web",
)
def top(session: Session, options: Options) -> int:
    _, name = begin.project_or_name(session, options, options.arguments)
    for each in chosen(snapshot(session, name), options.arguments):
        if not each.is_running:
            continue
        answer = session.client.json("GET", f"/containers/{each.id}/top")
        session.print(each.name)
        for line in output.table([answer["Titles"], *(answer["Processes"] or ())]):
            session.print(line.rstrip())
        session.print("")
    return 0


def _name_patterns(options: Options) -> list[Pattern[str]]:
    import re

    found = []
    for given in options.all("filter"):
        key, mark, value = given.partition("=")
        if key != "name" or not mark:
            raise options.invalid("filter", given, "expected name=PATTERN")
        try:
            found.append(re.compile(value))
        except re.error:
            raise options.invalid("filter", given, "no regular expression") from None
    return found


@command(
    "ls [OPTIONS]",
    "List the projects that have containers",
    flags=begin.flags(
        """
    -a, --all                   Those too of which nothing runs
    --filter FILTER…            Only those: name=PATTERN
    -q, --quiet                 Only their names
    --format FORMAT             table, json or a template
    """
    ),
    example="yurt compose ls",
)
def ls(session: Session, options: Options) -> int:
    filters = json.dumps({"label": {labels.PROJECT: True}})
    listed = session.client.json("GET", "/containers/json", query={"all": True, "filters": filters})
    projects: dict[str, list[ObservedContainer]] = {}
    for each in map(from_listed, listed):
        if not each.oneoff:
            projects.setdefault(each.labels[labels.PROJECT], []).append(each)
    rows = []
    patterns = _name_patterns(options)
    for name, found in sorted(projects.items()):
        if patterns and not any(pattern.search(name) for pattern in patterns):
            continue
        states: dict[str, int] = {}
        for each in found:
            states[each.state] = states.get(each.state, 0) + 1
        if options.flag("all") or "running" in states:
            status = ", ".join(f"{state}({count})" for state, count in sorted(states.items()))
            rows.append(
                {"Name": name, "Status": status, "ConfigFiles": found[0].labels.get(labels.CONFIG_FILES, "")}
            )
    if options.text("format") == "json":  # one list, as Compose has it
        session.print(output.json_text(rows))
        return 0
    titles = {"Name": "NAME", "Status": "STATUS", "ConfigFiles": "CONFIG FILES"}
    for line in output.listing(
        rows, titles, ("Name", "Status", "ConfigFiles"), options, key="Name", width=session.width()
    ):
        session.print(line.rstrip())
    return 0


@command(
    "volumes [OPTIONS] [SERVICE...]",
    "List the project's volumes",
    flags=begin.flags(
        """
    -q, --quiet                 Only their names
    --format FORMAT             table, json or a template
    """
    ),
    example="yurt compose volumes",
)
def volumes(session: Session, options: Options) -> int:
    project, name = begin.project_or_name(session, options, options.arguments)
    filters = json.dumps({"label": [f"{labels.PROJECT}={name}"]})
    found = session.client.json("GET", "/volumes", query={"filters": filters}).get("Volumes") or ()
    if options.arguments and project is not None:
        keys = {m.source for s in options.arguments for m in project.service(s).mounts if m.type == "volume"}
        found = [each for each in found if (each.get("Labels") or {}).get(labels.VOLUME) in keys]
    rows = [
        {
            "Name": each["Name"],
            "Driver": each.get("Driver") or "local",
            "Mountpoint": each.get("Mountpoint") or "",
            "Scope": each.get("Scope") or "local",
            "Labels": ",".join(f"{key}={value}" for key, value in sorted((each.get("Labels") or {}).items())),
        }
        for each in sorted(found, key=lambda each: str(each["Name"]))
    ]
    titles = {
        "Driver": "DRIVER",
        "Name": "VOLUME NAME",
        "Mountpoint": "MOUNTPOINT",
        "Scope": "SCOPE",
        "Labels": "LABELS",
    }
    for line in output.listing(rows, titles, ("Driver", "Name"), options, key="Name", width=session.width()):
        session.print(line.rstrip())
    return 0
