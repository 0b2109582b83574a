"""Images that are here: images, rmi, tag, history, image inspect."""

from __future__ import annotations

from yurt.cli import columns, output
from yurt.cli.commands.containers import INSPECT_FLAGS, filters, show_inspected
from yurt.cli.flags import Options, command
from yurt.cli.progress import split_reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from yurt.cli.session import Session


@command(
    "images [OPTIONS] [REPOSITORY[:TAG]]",
    "List images",
    flags="""
    -a, --all               Also those that only others build on
    -q, --quiet             Only ids
    --digests               With digests
    -f, --filter NAME=VALUE…  reference=, dangling=, label=, before=, since=, until=
    --format TEMPLATE       table, json, or a template: '{{.Repository}}:{{.Tag}}'
    --no-trunc              Show everything in full
    """,
    example="yurt images --filter dangling=true -q",
)
def images(session: Session, options: Options) -> None:
    query = {"all": options.flag("all") or None, "filters": filters(_with_reference(options))}
    entries = session.client.json("GET", "/images/json", query=query)
    entries.sort(key=lambda entry: entry["Created"], reverse=True)
    full = options.flag("no-trunc")
    rows = [row for entry in entries for row in columns.image_rows(entry, full=full)]
    shown = ["Repository", "Tag", "ID", "CreatedSince", "Size"]
    if options.flag("digests"):
        shown.insert(2, "Digest")
    for line in output.listing(rows, columns.IMAGE, shown, options, width=session.width()):
        session.print(line)


def _with_reference(options: Options) -> Options:
    """Turn the argument into the filter that it is short for."""
    if not options.arguments:
        return options
    return options.adding("filter", f"reference={options.arguments[0]}")


@command(
    "rmi [OPTIONS] IMAGE [IMAGE...]",
    "Remove images",
    flags="""
    -f, --force    Also when a stopped container uses it or it has several names
    --no-prune     Keep parents without a name
    """,
    example="yurt rmi shop:old",
)
def rmi(session: Session, options: Options) -> int:
    query = {"force": options.flag("force") or None, "noprune": options.flag("no-prune") or None}

    def act(name: str) -> None:
        for step in session.client.json("DELETE", f"/images/{name}", query=query) or ():
            for kind, what in step.items():
                session.print(f"{kind}: {what}")

    return session.for_each(options.arguments, act)


@command("tag IMAGE NAME", "Give an image another name", example="yurt tag shop:latest shop:1.2")
def tag(session: Session, options: Options) -> None:
    image, name = options.arguments
    repository, word = split_reference(name)
    session.client.request("POST", f"/images/{image}/tag", query={"repo": repository, "tag": word}).read()


@command(
    "history [OPTIONS] IMAGE",
    "Show how an image was made",
    flags="""
    -q, --quiet             Only ids
    -H, --human             Sizes in words (default: true)
    --format TEMPLATE       table, json, or a template: '{{.CreatedBy}}'
    --no-trunc              Show everything in full
    """,
    example="yurt history shop",
)
def history(session: Session, options: Options) -> None:
    entries = session.client.json("GET", f"/images/{options.arguments[0]}/history")
    in_words = options.flag("human", default=True)
    rows = [columns.history_row(entry, full=options.flag("no-trunc"), in_words=in_words) for entry in entries]
    shown = ["ID", "CreatedSince" if in_words else "CreatedAt", "CreatedBy", "Size", "Comment"]
    for line in output.listing(rows, columns.HISTORY, shown, options, width=session.width()):
        session.print(line)


@command(
    "inspect [OPTIONS] IMAGE [IMAGE...]",
    "Show all that is known of images",
    flags=INSPECT_FLAGS,
    example="yurt image inspect -f '{{.Config.Cmd}}' python:3",
)
def inspect_image(session: Session, options: Options) -> int:
    return show_inspected(session, options, ["image"])
