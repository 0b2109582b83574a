"""`yurt build history`: past builds, with how long they took, what came from the cache, and their logs."""

from __future__ import annotations

from yurt.cli import output
from yurt.cli.failure import Failure
from yurt.cli.flags import Options, command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from yurt.cli.session import Session

COLUMNS = {
    "ID": "BUILD ID", "Name": "NAME", "Status": "STATUS", "CreatedAt": "CREATED AT", "CreatedSince": "CREATED",
    "Duration": "DURATION", "Steps": "STEPS", "CachedSteps": "CACHED STEPS", "CacheRate": "CACHED",
    "Warnings": "WARNINGS", "Image": "IMAGE", "Error": "ERROR",
}  # fmt: skip
SHOWN = ("ID", "Name", "Status", "CreatedSince", "Duration", "CacheRate")
WIDTH = 32  # of a name in the table


@command(
    "ls [OPTIONS]",
    "List past builds, the newest first",
    flags="""
    -q, --quiet         Only the ids
    --format TEMPLATE   table, json, or a template: '{{.Name}} {{.Duration}}'
    --no-trunc          Do not shorten ids and names
    """,
    example="yurt build history ls",
)
def ls(session: Session, options: Options) -> None:
    rows = [
        _row(entry, whole=options.flag("no-trunc")) for entry in session.client.json("GET", "/yurt/builds")
    ]
    for line in output.listing(rows, COLUMNS, SHOWN, options, key="ID", width=session.width()):
        session.print(line)


@command(
    "logs [OPTIONS] [BUILD]",
    "Print what a build said (without BUILD: the latest one)",
    flags="""
    --progress KIND   plain or rawjson
    """,
    example="yurt build history logs",
)
def logs(session: Session, options: Options) -> None:
    from yurt.cli.build_view import PlainTrace, RawTrace

    kind = options.text("progress", "plain")
    if kind not in ("plain", "rawjson"):
        raise options.invalid("progress", kind, "expected plain or rawjson")
    printing = RawTrace(session.out) if kind == "rawjson" else PlainTrace(session.out)
    with printing:
        printing.follow(session.client.lines("GET", f"/yurt/builds/{_chosen(options)}/log"))


@command(
    "inspect [OPTIONS] [BUILD]",
    "Show what is known of a build (without BUILD: of the latest one)",
    flags="""
    --format TEMPLATE   json, or a template: '{{.Status}}'
    """,
    example="yurt build history inspect --format json",
)
def inspect(session: Session, options: Options) -> None:
    entry: dict[str, Any] = session.client.json("GET", f"/yurt/builds/{_chosen(options)}")
    if (template := options.text("format")) == "json":
        import json

        session.print(json.dumps(entry, indent=2, ensure_ascii=False))
        return
    row = _row(entry, whole=True)
    if template:
        from yurt.cli.template import Template

        session.print(Template.parse(template).render(row))
        return
    told = {
        "Name": row["Name"], "Build": row["ID"], "Status": row["Status"], "Created": row["CreatedAt"],
        "Duration": row["Duration"], "Cached": f"{row['CachedSteps']} of {row['Steps']} steps",
        "Dockerfile": entry["Dockerfile"], "Target": entry["Target"], "Platform": entry["Platform"],
        "Warnings": entry["Warnings"] or "", "Image": entry["Image"], "Error": entry["Error"],
    }  # fmt: skip
    for name, value in told.items():
        if value != "":
            session.print(f"{name + ':':<12}{value}")


@command(
    "rm [OPTIONS] [BUILD…]",
    "Forget builds: their records and logs; images and the build cache stay",
    flags="""
    -a, --all   All that do not run
    """,
    example="yurt build history rm --all",
)
def rm(session: Session, options: Options) -> None:
    if options.flag("all"):
        removed = session.client.json("DELETE", "/yurt/builds")
        session.print(f"Removed {removed['Removed']} builds")
        return
    if not options.arguments:
        raise Failure("which build?", hint="name its id, or --all")
    for ref in options.arguments:
        session.print(session.client.json("DELETE", f"/yurt/builds/{_quoted(ref)}")["ID"])


def _chosen(options: Options) -> str:
    return _quoted(options.arguments[0]) if options.arguments else "latest"


def _quoted(ref: str) -> str:
    from urllib.parse import quote

    return quote(ref, safe="")


def _row(entry: dict[str, Any], *, whole: bool) -> dict[str, object]:
    from datetime import datetime

    created = datetime.fromisoformat(entry["CreatedAt"][:19] + "+00:00").timestamp()
    steps, cached, error = entry["Steps"], entry["CachedSteps"], entry["Error"]
    return {
        "ID": entry["ID"] if whole else entry["ID"][:12],
        "Name": entry["Name"] if whole else output.shortened(entry["Name"], WIDTH),
        "Status": entry["Status"],
        "CreatedAt": entry["CreatedAt"],
        "CreatedSince": output.age(created),
        "Duration": f"{entry['Duration'] / 1e9:.1f}s" if entry["Status"] != "cut short" else "",
        "Steps": steps,
        "CachedSteps": cached,
        "CacheRate": f"{round(100 * cached / steps)}%" if steps else "",
        "Warnings": entry["Warnings"],
        "Image": entry["Image"],
        "Error": error,
    }
