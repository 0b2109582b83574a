"""`yurt builder`: what the build cache keeps, and what of it is removed."""

from __future__ import annotations

from yurt.cli import output, values
from yurt.cli.commands.containers import filters
from yurt.cli.commands.prune import removed, sure
from yurt.cli.flags import Options, command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from yurt.cli.session import Session

DU = {
    "ID": "ID", "Type": "TYPE", "Size": "SIZE", "LastUsedSince": "LAST USED", "UsageCount": "USES", "InUse": "IN USE",
    "Shared": "SHARED", "Description": "DESCRIPTION",
}  # fmt: skip


@command(
    "du [OPTIONS]",
    "Show what the build cache keeps, the most recently used first",
    flags="""
    --format TEMPLATE   table, json, or a template: '{{.ID}} {{.Size}}'
    --no-trunc          Do not shorten descriptions
    """,
    example="yurt builder du",
)
def du(session: Session, options: Options) -> None:
    answer = session.client.json("GET", "/system/df", query={"type": "build-cache"})
    entries: list[dict[str, Any]] = answer.get("BuildCache") or []
    entries.sort(key=lambda entry: entry.get("LastUsedAt") or "", reverse=True)
    rows = [_row(entry, whole=options.flag("no-trunc")) for entry in entries]
    for line in output.listing(rows, DU, list(DU), options, key="ID", width=session.width()):
        session.print(line)
    if options.text("format", "table").startswith("table"):
        total = sum(entry.get("Size") or 0 for entry in entries)
        idle = sum(
            entry.get("Size") or 0 for entry in entries if not (entry.get("InUse") or entry.get("Shared"))
        )
        session.print(f"Total: {output.size(total)}, of which pruning frees {output.size(idle)}")


def _row(entry: dict[str, Any], *, whole: bool) -> dict[str, object]:
    text = entry.get("Description") or ""
    return {
        "ID": entry["ID"],
        "Type": entry["Type"],
        "Size": output.size(entry.get("Size") or 0),
        "LastUsedSince": output.age(output.moment(entry.get("LastUsedAt") or "")),
        "UsageCount": str(entry.get("UsageCount") or 0),
        "InUse": str(bool(entry.get("InUse"))).lower(),
        "Shared": str(bool(entry.get("Shared"))).lower(),
        "Description": text if whole or len(text) <= 50 else text[:49] + "…",
    }


@command(
    "prune [OPTIONS]",
    "Remove the build cache, or what of it was not used for the longest time",
    flags="""
    -a, --all               Accepted and without meaning: all that is not in use goes
    -f, --force             Do not ask
    --filter NAME=VALUE…    until=24h: not used since
    --max-used-space SIZE   As much as it takes for the cache to have at most so much
    --reserved-space SIZE   Leave that much in any case
    --keep-storage SIZE     The same, by its old name
    --min-free-space SIZE   As much as it takes for the disk to have so much free
    """,
    example="yurt builder prune -f --filter until=168h --max-used-space 10GB",
)
def prune(session: Session, options: Options) -> int:
    names = ("max-used-space", "reserved-space", "keep-storage", "min-free-space")
    limits = {name: str(values.size(options.text(name))) for name in names if options.has(name)}
    what = (
        "what of the build cache the limits name"
        if limits or options.has("filter")
        else "the whole build cache"
    )
    if not sure(session, options, what):
        return 1
    query = {"filters": filters(options), "all": "1" if options.flag("all") else None, **limits}
    freed = removed(session, "build", query, "build cache objects", "CachesDeleted")
    session.print(f"Total reclaimed space: {output.size(freed)}")
    return 0
