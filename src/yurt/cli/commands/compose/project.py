"""The project that a command's flags mean, and how its progress is shown: what every verb begins with."""

from __future__ import annotations

import os
import sys

from yurt.cli.failure import UsageError
from yurt.compose import project as projects
from yurt.errors import NotFound

TYPE_CHECKING = False  # `typing` alone would cost a fifth of the start-up
if TYPE_CHECKING:
    from collections.abc import Iterable

    from yurt.cli.flags import Options
    from yurt.cli.session import Session
    from yurt.compose.model import Project
    from yurt.compose.progress import Progress

FLAGS = """
    -f, --file FILE…            Compose files
    -p, --project-name NAME     The project's name
    --profile NAME…             Services of this profile too
    --env-file FILE…            Variables for the file (default: .env)
    --project-directory DIR     What paths are relative to
    --ansi MODE                 never, always or auto
    --progress MODE             auto, tty, plain or quiet
    --parallel NUMBER           How many requests at once (default: 12; -1: no limit)
    --dry-run                   Show the plan, do nothing
"""


def flags(own: str) -> str:
    """Return the flags of a verb: those that choose the project, then its *own*, which win over short letters."""
    taken = {
        word for line in own.splitlines() for word in line.replace(",", " ").split()[:2] if word[:1] == "-"
    }
    lines = []
    for line in FLAGS.strip().splitlines():
        short, comma, rest = line.strip().partition(", ")
        long_name = (rest if comma else short).split()[0]
        if long_name in taken:
            continue
        lines.append(rest if comma and short in taken else line.strip())
    return "\n".join([*lines, *(line.strip() for line in own.strip().splitlines())])


def chosen(options: Options) -> projects.Options:
    return projects.Options(
        files=tuple(options.all("file")),
        name=options.text("project-name"),
        profiles=tuple(name for given in options.all("profile") for name in given.split(",") if name),
        env_files=tuple(options.all("env-file")),
        directory=options.text("project-directory"),
    )


def location(session: Session, options: Options) -> projects.Location:
    return projects.locate(
        chosen(options), cwd=os.getcwd(), environ=session.environ, read_stdin=sys.stdin.buffer.read
    )


def project(session: Session, options: Options, services: Iterable[str] = ()) -> Project:
    """Return the project; *services* are on even if no profile says so. Raises NotFound for one it does not have."""
    services = tuple(services)
    found = projects.load_project(location(session, options), warn=session.warn).enabling(services)
    for name in services:
        found.service(name)
    return found


def project_or_name(
    session: Session, options: Options, services: Iterable[str] = ()
) -> tuple[Project | None, str]:
    """Return the project and its name; without a file here, a name that was chosen is enough."""
    try:
        found = project(session, options, services)
    except NotFound:
        name = projects.chosen_name(chosen(options), session.environ)
        if not name or options.has("file") or _has_file(session, options):
            raise
        return None, name
    return found, found.name


def _has_file(session: Session, options: Options) -> bool:
    try:
        location(session, options)
    except NotFound:
        return False
    return True


def is_on(session: Session, name: str) -> bool:
    """Return whether the variable *name* says yes, as Docker Compose reads it."""
    return session.environ.get(name, "").lower() in ("1", "true", "t", "yes", "y")


def at_once(session: Session, options: Options) -> int:
    """Return how many requests may be under way, by ``--parallel`` or ``COMPOSE_PARALLEL_LIMIT``."""
    from yurt.compose.execute import AT_ONCE

    given = options.text("parallel") or session.environ.get("COMPOSE_PARALLEL_LIMIT", "")
    if not given:
        return AT_ONCE
    if given == "-1":
        return 1 << 16
    if not given.isdigit() or given == "0" or len(given) > 6:
        raise options.invalid("parallel", given, "expected a number of requests, or -1")
    return int(given)


def progress(session: Session, options: Options, *, in_place: bool = True) -> Progress:
    """Return what shows progress on the terminal's error stream; not *in_place* where other lines come between."""
    from yurt.compose.progress import Lines, Silent
    from yurt.compose.progress import chosen as fitting

    mode = options.text("progress") or session.environ.get("COMPOSE_PROGRESS") or "auto"
    if mode == "quiet":
        return Silent()
    if mode not in ("auto", "tty", "plain", "rawjson", "json"):
        raise options.invalid("progress", mode, "expected auto, tty, plain or quiet")
    ansi = options.text("ansi") or session.environ.get("COMPOSE_ANSI")
    never = not in_place or ansi == "never" or session.environ.get("TERM") == "dumb"
    return Lines(session.err) if mode == "plain" or never else fitting(session.err)


def seconds(options: Options, name: str) -> int | None:
    """Return a timeout in seconds, None if it was not given."""
    if not options.has(name):
        return None
    value = options.number(name)
    if value < 0:
        raise options.invalid(name, str(value), "expected seconds")
    return value


def scale(options: Options) -> dict[str, int]:
    """Return ``--scale SERVICE=NUMBER`` as counts."""
    found = {}
    for given in options.all("scale"):
        name, mark, count = given.partition("=")
        if not mark or not name or not count.isdigit() or len(count) > 4:
            raise options.invalid("scale", given, "expected SERVICE=NUMBER")
        found[name] = int(count)
    return found


def assigned(options: Options, name: str, environ: dict[str, str]) -> dict[str, str]:
    """Return ``NAME=value`` flags; a name alone takes its value from *environ*."""
    found = {}
    for given in options.all(name):
        key, mark, value = given.partition("=")
        if not key:
            raise UsageError(f"invalid value {given!r} for --{name}: expected NAME=value")
        if mark:
            found[key] = value
        elif key in environ:
            found[key] = environ[key]
    return found
