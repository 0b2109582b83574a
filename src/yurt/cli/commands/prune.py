"""Removing what nothing uses: containers, images, volumes, networks, the build cache. Asks before it does."""

from __future__ import annotations

import sys

from yurt.cli import output
from yurt.cli.commands.containers import filters
from yurt.cli.failure import Failure
from yurt.cli.flags import Options, command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from yurt.cli.session import Session

FLAGS = """
    -f, --force             Do not ask
    --filter NAME=VALUE…    label=, until=
    """


def sure(session: Session, options: Options, what: str) -> bool:
    """Ask, unless told not to; raises Failure where nobody can answer."""
    if options.flag("force"):
        return True
    if not sys.stdin.isatty():
        raise Failure(f"this would remove {what}", hint="nobody is there to ask: add -f if you mean it")
    session.err.write(f"This removes {what}. Go on? [y/N] ")
    session.err.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def removed(session: Session, kind: str, query: dict[str, str | None], title: str, field: str) -> int:
    """Prune one kind, print what went, and return the bytes it freed."""
    answer = session.client.json("POST", f"/{kind}/prune", query=query) or {}
    gone = answer.get(field) or ()
    if gone:
        session.print(f"Deleted {title}:")
        for entry in gone:
            for word, what in entry.items() if isinstance(entry, dict) else (("", entry),):
                session.print(f"{word.lower()}: {what}" if word else what)
        session.print("")
    return int(answer.get("SpaceReclaimed") or 0)


def _told(session: Session, freed: int) -> int:
    session.print(f"Total reclaimed space: {output.size(freed)}")
    return 0


@command("prune [OPTIONS]", "Remove all stopped containers", flags=FLAGS, example="yurt container prune -f")
def prune_containers(session: Session, options: Options) -> int:
    if not sure(session, options, "all stopped containers"):
        return 1
    query = {"filters": filters(options)}
    return _told(session, removed(session, "containers", query, "Containers", "ContainersDeleted"))


@command(
    "prune [OPTIONS]",
    "Remove images without a name, with -a all that no container uses",
    flags="    -a, --all               Every image that no container uses" + FLAGS,
    example="yurt image prune -a -f",
)
def prune_images(session: Session, options: Options) -> int:
    every = options.flag("all")
    if not sure(
        session, options, "all images that no container uses" if every else "all images without a name"
    ):
        return 1
    chosen = options.adding("filter", f"dangling={'false' if every else 'true'}")
    return _told(session, removed(session, "images", {"filters": filters(chosen)}, "Images", "ImagesDeleted"))


def prune_volumes(session: Session, options: Options) -> int:
    every = options.flag("all")
    what = "all volumes that no container uses" if every else "all anonymous volumes that no container uses"
    if not sure(session, options, what):
        return 1
    chosen = options.adding("filter", "all=true") if every else options
    return _told(
        session, removed(session, "volumes", {"filters": filters(chosen)}, "Volumes", "VolumesDeleted")
    )


def prune_networks(session: Session, options: Options) -> int:
    if not sure(session, options, "all networks that no container uses"):
        return 1
    removed(session, "networks", {"filters": filters(options)}, "Networks", "NetworksDeleted")
    return 0


@command(
    "prune [OPTIONS]",
    "Remove everything that nothing uses",
    flags="""
    -a, --all               Also images with a name
    --volumes               Also anonymous volumes
    """
    + FLAGS,
    example="yurt system prune -a -f",
)
def prune_system(session: Session, options: Options) -> int:
    every, volumes = options.flag("all"), options.flag("volumes")
    images = "images that no container uses" if every else "images without a name"
    parts = ["stopped containers", "networks that no container uses", images, "the build cache"]
    if not sure(session, options, ", ".join([*parts, *(["anonymous volumes"] if volumes else [])])):
        return 1
    chosen = {"filters": filters(options)}
    freed = removed(session, "containers", chosen, "Containers", "ContainersDeleted")
    removed(session, "networks", chosen, "Networks", "NetworksDeleted")
    if volumes:
        freed += removed(session, "volumes", chosen, "Volumes", "VolumesDeleted")
    dangling = {"filters": filters(options.adding("filter", f"dangling={'false' if every else 'true'}"))}
    freed += removed(session, "images", dangling, "Images", "ImagesDeleted")
    freed += removed(
        session, "build", {"all": "1" if every else None}, "build cache objects", "CachesDeleted"
    )
    return _told(session, freed)
