"""`yurt catalog`: base images that need no registry."""

from __future__ import annotations

from yurt.cli import output
from yurt.cli.flags import Options, command
from yurt.errors import NotFound, Unimplemented

TYPE_CHECKING = False
if TYPE_CHECKING:
    from yurt.cli.session import Session

COLUMNS = {"Reference": "IMAGE", "Suite": "SUITE", "Description": "WHAT IT IS"}


@command(
    "ls [OPTIONS]",
    "List the base images that can be had without a registry",
    flags="""
    -q, --quiet             Only names
    --format TEMPLATE       table, json, or a template: '{{.Reference}}'
    """,
    example="yurt catalog ls",
)
def ls(session: Session, options: Options) -> None:
    try:
        entries = session.client.json("GET", "/yurt/catalog")
    except NotFound as missing:
        raise Unimplemented(
            f"the engine at {session.host} has no catalog",
            hint="only Yurt's own engine has one: unset YURT_HOST and DOCKER_HOST",
        ) from missing
    for line in output.listing(
        entries, COLUMNS, list(COLUMNS), options, key="Reference", width=session.width()
    ):
        session.print(line)
