"""Looking at containers: ps, inspect, port, top, stats; and their names: rename."""

from __future__ import annotations

from yurt.cli import columns, output
from yurt.cli.failure import Failure
from yurt.cli.flags import Options, command
from yurt.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from yurt.cli.session import Session


def filters(options: Options) -> str | None:
    """Return the ``filters`` of the query from ``--filter name=value``; None when there are none."""
    given: dict[str, list[str]] = {}
    for text in options.all("filter"):
        name, mark, value = text.partition("=")
        if not mark:
            raise options.invalid("filter", text, "expected NAME=VALUE")
        given.setdefault(name.strip().lower(), []).append(value.strip())
    if not given:
        return None
    from yurt.api.filters import encode

    return encode(given)


@command(
    "ps [OPTIONS]",
    "List containers",
    flags="""
    -a, --all               Also those that do not run
    -q, --quiet             Only ids
    -n, --last NUMBER       The last created, running or not
    -l, --latest            The last one created
    -s, --size              With sizes
    -f, --filter NAME=VALUE…  status=, name=, label=, ancestor=, network=, volume=, health=, exited=, id=, …
    --format TEMPLATE       table, json, or a template: '{{.ID}} {{.Names}}'
    --no-trunc              Show everything in full
    """,
    example="""
    yurt ps -a --filter status=exited
    yurt ps --format '{{.Names}}\\t{{.Status}}'
    """,
)
def ps(session: Session, options: Options) -> None:
    last = 1 if options.flag("latest") else options.number("last", -1)
    template = options.text("format")
    shows_size = any(word in template for word in (".Size", "json .}}", "json . }}"))
    with_size = options.flag("size") or (not options.flag("quiet") and shows_size)
    query = {
        "all": options.flag("all") or None,
        "limit": last if last > 0 else None,
        "size": with_size or None,
        "filters": filters(options),
    }
    entries = session.client.json("GET", "/containers/json", query=query)
    full = options.flag("no-trunc")
    rows = [columns.container_row(entry, full=full) for entry in entries]
    shown = ["ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names"]
    shown += ["Size"] if options.flag("size") else []
    for line in output.listing(rows, columns.CONTAINER, shown, options, width=session.width()):
        session.print(line)


INSPECT_FLAGS = """
    -f, --format TEMPLATE   A template: '{{.State.Status}}', or json
    -s, --size              With sizes (containers)
    --type KIND             container, image, network or volume only
    """
PLACES = {
    "container": "/containers/{}/json",
    "image": "/images/{}/json",
    "network": "/networks/{}",
    "volume": "/volumes/{}",
}


@command(
    "inspect [OPTIONS] NAME [NAME...]",
    "Show all that is known of containers, images, networks or volumes",
    flags=INSPECT_FLAGS,
    example="yurt inspect -f '{{.NetworkSettings.IPAddress}}' web",
)
def inspect(session: Session, options: Options) -> int:
    kind = options.text("type")
    if kind and kind not in PLACES:
        raise options.invalid("type", kind, f"expected {', '.join(PLACES)}")
    return show_inspected(session, options, [kind] if kind else list(PLACES))


@command(
    "inspect [OPTIONS] CONTAINER [CONTAINER...]",
    "Show all that is known of containers",
    flags=INSPECT_FLAGS,
    example="yurt container inspect -f '{{.State.Status}}' web",
)
def inspect_container(session: Session, options: Options) -> int:
    return show_inspected(session, options, ["container"])


def show_inspected(session: Session, options: Options, kinds: list[str]) -> int:
    """Print each object named, the first of *kinds* that has it; the exit code tells if one was missing."""
    import json

    template = options.text("format")
    compiled = None
    if template and template != "json":
        from yurt.cli.template import Template

        compiled = Template.parse(template)
    found: list[Any] = []

    def act(name: str) -> None:
        thing = _inspect(session, name, kinds, size=options.flag("size"))
        if compiled:
            session.print(compiled.render(thing))
        elif template == "json":
            session.print(output.json_text(thing))
        else:
            found.append(thing)

    code = session.for_each(options.arguments, act)
    if not template:
        session.print(json.dumps(found, indent=4, ensure_ascii=False))
    return code


def _inspect(session: Session, name: str, kinds: list[str], *, size: bool) -> Any:
    for kind in kinds:
        query = {"size": True} if size and kind == "container" else None
        try:
            return session.client.json("GET", PLACES[kind].format(name), query=query)
        except NotFound as missing:
            if len(kinds) == 1:
                raise
            last = missing
    raise NotFound(
        f"no such object: {name}", hint="`yurt ps -a` and `yurt images` show what there is"
    ) from last


@command("rename CONTAINER NAME", "Give a container another name", example="yurt rename web web-old")
def rename(session: Session, options: Options) -> None:
    old, new = options.arguments
    session.client.request("POST", f"/containers/{old}/rename", query={"name": new}).read()


@command(
    "port CONTAINER [PORT]", "Show where a container's ports are published", example="yurt port web 80/tcp"
)
def port(session: Session, options: Options) -> None:
    name, *wanted = options.arguments
    found = session.client.json("GET", f"/containers/{name}/json")
    ports = (found.get("NetworkSettings") or {}).get("Ports") or {}
    if wanted:
        key = wanted[0] if "/" in wanted[0] else f"{wanted[0]}/tcp"
        if not ports.get(key):
            raise Failure(
                f"no public port {key!r} published for {name}", hint=f"`yurt port {name}` shows all"
            )
        for binding in ports[key]:
            session.print(_address(binding))
        return
    for key in sorted(ports, key=lambda text: (int(text.partition("/")[0]), text)):
        for binding in ports[key] or ():
            session.print(f"{key} -> {_address(binding)}")


def _address(binding: dict[str, str]) -> str:
    address = binding.get("HostIp") or "0.0.0.0"  # noqa: S104 - shown, not bound
    return f"[{address}]:{binding['HostPort']}" if ":" in address else f"{address}:{binding['HostPort']}"


@command(
    "top CONTAINER [ARG...]",
    "Show the processes of a container",
    example="yurt top web -eo pid,cmd",
    program=1,
)
def top(session: Session, options: Options) -> None:
    name, *words = options.arguments
    query = {"ps_args": " ".join(words) or None}
    found = session.client.json("GET", f"/containers/{name}/top", query=query)
    rows = [found["Titles"], *(found["Processes"] or ())]
    width = 20  # what Docker gives each column
    for row in rows:
        session.print("".join(cell.ljust(max(width, len(cell) + 1)) for cell in row[:-1]) + row[-1])


@command(
    "stats [OPTIONS] [CONTAINER...]",
    "Show what containers use of processor, memory, network and disk",
    flags="""
    -a, --all          Also those that do not run
    --no-stream        Once, not again and again
    --no-trunc         Show ids in full
    --format TEMPLATE  table, json, or a template: '{{.Name}} {{.MemUsage}}'
    """,
    example="yurt stats --no-stream",
)
def stats(session: Session, options: Options) -> None:
    import time

    client = session.client
    moving = session.out.isatty()
    while True:
        names = options.arguments or [
            entry["Id"]
            for entry in client.json("GET", "/containers/json", query={"all": options.flag("all") or None})
        ]
        rows = [
            columns.stats_row(
                client.json("GET", f"/containers/{name}/stats", query={"stream": False}),
                asked=name if options.arguments else "",
            )
            for name in names
        ]
        shown = ["ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs"]
        lines = output.listing(rows, columns.STATS, shown, options, width=session.width())
        if moving and not options.flag("no-stream"):
            session.out.write("\x1b[H\x1b[J")
        for line in lines:
            session.print(line)
        session.out.flush()
        if options.flag("no-stream"):
            return
        time.sleep(1)
