"""`yurt compose logs`."""

from __future__ import annotations

import sys

from yurt.cli.commands.compose import project as begin
from yurt.cli.flags import Options, command
from yurt.compose import levels
from yurt.compose.lifecycle import chosen
from yurt.compose.logs import Follower, LogOptions, Note, Printer, Source, merged, palette
from yurt.compose.observe import observe
from yurt.compose.watch import Watch

TYPE_CHECKING = False  # `typing` alone would cost a fifth of the start-up
if TYPE_CHECKING:
    from collections.abc import Iterable

    from yurt.cli.session import Session
    from yurt.compose.logs import Line


@command(
    "logs [OPTIONS] [SERVICE...]",
    "Show what the services have written, in order of time",
    flags=begin.flags(
        """
    -f, --follow                Go on with what they write
    -n, --tail NUMBER           Only so many last lines of each (default: all)
    -t, --timestamps            Show the time of each line
    --since TIME                Only since: a time, or an age such as 10m
    --until TIME                Only before: a time, or an age such as 10m
    --level LEVEL               Only this level and worse: debug, info, warning, error, critical
    --index NUMBER              Only the container of this number
    --no-log-prefix             No names before the lines
    --no-color                  No colours
    """
    ),
    example="""
    yurt compose logs -f web worker
    yurt compose logs --level warning --since 1h
    """,
)
def logs(session: Session, options: Options) -> int:
    project, name = begin.project_or_name(session, options, options.arguments)
    client = session.client
    wanted = LogOptions(
        follow=options.flag("follow"),
        tail=_tail(options),
        since=moment(options, "since"),
        until=moment(options, "until"),
        timestamps=options.flag("timestamps"),
        level=levels.parse(options.text("level")) if options.has("level") else 0,
    )
    index = options.number("index")
    containers = chosen(observe(client, name), options.arguments)
    sources = [
        Source(each.id, each.name.removeprefix(f"{name}-"), each.service)
        for each in containers
        if not index or each.number == index
    ]
    services = list(project.services) if project else sorted({each.service for each in containers})
    printer = Printer(
        max((len(source.name) for source in sources), default=0),
        palette(services),
        prefix=not options.flag("no-log-prefix"),
        colour=_colours(session, options),
        timestamps=wanted.timestamps,
    )
    if not wanted.follow:
        return _print(merged(client, sources, wanted), printer)
    with Watch(client, name) as watch:
        follower = Follower(client, wanted, ends_when_idle=True)
        services_wanted = set(options.arguments or services)
        prefix = f"{name}-"

        def accept(container: str) -> Source | None:
            label = container.removeprefix(prefix)
            service = label.rpartition("-")[0]
            return Source(container, label, service) if service in services_wanted else None

        follower.watch(watch, accept)
        for source in sources:
            follower.add(source)
        if not sources:
            follower.end()
        return _print(follower.lines(), printer)


def _print(lines: Iterable[Line | Note], printer: Printer) -> int:
    out = sys.stdout.buffer
    for item in lines:
        out.write(f"{item.text}\n".encode() if isinstance(item, Note) else printer.render(item))
        out.flush()
    return 0


def _colours(session: Session, options: Options) -> bool:
    if options.flag("no-color") or options.text("ansi") == "never" or session.environ.get("NO_COLOR"):
        return False
    return options.text("ansi") == "always" or sys.stdout.isatty()


def _tail(options: Options) -> str:
    text = options.text("tail")
    if text in ("", "all"):
        return ""
    if not text.isdigit():
        raise options.invalid("tail", text, "expected a number of lines, or all")
    return text


def moment(options: Options, name: str) -> str:
    """Return ``--since`` and ``--until`` as seconds since the epoch, which is what the engine takes."""
    text = options.text(name)
    if not text or text.replace(".", "", 1).isdigit():
        return text
    import time
    from datetime import datetime

    from yurt.compose.units import duration
    from yurt.errors import InvalidArgument

    try:
        return f"{time.time() - duration(text) / 1e9:.9f}"
    except InvalidArgument:
        pass
    try:
        return f"{datetime.fromisoformat(text).timestamp():.9f}"
    except ValueError:
        raise options.invalid(name, text, "expected 2026-11-24T08:00:00, or an age such as 10m") from None
