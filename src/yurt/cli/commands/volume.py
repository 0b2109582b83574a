"""`yurt volume`: folders that outlive their containers."""

from __future__ import annotations

from yurt.cli import columns, output
from yurt.cli.commands.containers import filters, show_inspected
from yurt.cli.flags import Options, command
from yurt.cli.values import pairs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from yurt.cli.session import Session


@command(
    "ls [OPTIONS]",
    "List volumes",
    flags="""
    -q, --quiet             Only names
    -f, --filter NAME=VALUE…  dangling=, driver=, label=, name=
    --format TEMPLATE       table, json, or a template: '{{.Name}}'
    """,
    example="yurt volume ls -f dangling=true",
)
def ls(session: Session, options: Options) -> None:
    answer = session.client.json("GET", "/volumes", query={"filters": filters(options)})
    entries = sorted(answer.get("Volumes") or (), key=lambda entry: entry["Name"])
    rows = [columns.volume_row(entry) for entry in entries]
    for line in output.listing(
        rows, columns.VOLUME, ["Driver", "Name"], options, key="Name", width=session.width()
    ):
        session.print(line)


@command(
    "create [OPTIONS] [NAME]",
    "Create a volume",
    flags="""
    -d, --driver DRIVER    Driver (default: local)
    -l, --label NAME=VALUE…  Set a label
    -o, --opt NAME=VALUE…  Option of the driver
    --name NAME            The same as the argument
    """,
    example="yurt volume create shop-data",
)
def create(session: Session, options: Options) -> None:
    name = options.arguments[0] if options.arguments else options.text("name")
    body = {
        "Name": name,
        "Driver": options.text("driver", "local"),
        "DriverOpts": pairs(options.all("opt")),
        "Labels": pairs(options.all("label")),
    }
    session.print(session.client.json("POST", "/volumes/create", json=body)["Name"])


@command(
    "inspect [OPTIONS] VOLUME [VOLUME...]",
    "Show all that is known of volumes",
    flags="    -f, --format TEMPLATE   A template: '{{.Mountpoint}}', or json",
    example="yurt volume inspect shop-data",
)
def inspect(session: Session, options: Options) -> int:
    return show_inspected(session, options, ["volume"])


@command(
    "rm [OPTIONS] VOLUME [VOLUME...]",
    "Remove volumes, and what is in them",
    flags="    -f, --force   None of that name is no error",
    example="yurt volume rm shop-data",
)
def rm(session: Session, options: Options) -> int:
    def act(name: str) -> None:
        query = {"force": options.flag("force") or None}
        session.client.request("DELETE", f"/volumes/{name}", query=query).read()
        session.print(name)

    return session.for_each(options.arguments, act)


@command(
    "prune [OPTIONS]",
    "Remove volumes that no container uses",
    flags="""
    -a, --all               Also those with a name
    -f, --force             Do not ask
    --filter NAME=VALUE…    label=
    """,
    example="yurt volume prune -f",
)
def prune(session: Session, options: Options) -> int:
    from yurt.cli.commands.prune import prune_volumes

    return prune_volumes(session, options)
