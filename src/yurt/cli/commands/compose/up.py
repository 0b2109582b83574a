"""`yurt compose up` and `create`."""

from __future__ import annotations

from yurt.cli.commands.compose import project as begin
from yurt.cli.failure import UsageError
from yurt.cli.flags import Options, command
from yurt.compose import up as upping
from yurt.compose.execute import How
from yurt.compose.plan import Verb
from yurt.compose.reconcile import UpOptions
from yurt.compose.watch import Watch
from yurt.values import replace

TYPE_CHECKING = False  # `typing` alone would cost a fifth of the start-up
if TYPE_CHECKING:
    from yurt.cli.session import Session
    from yurt.compose.model import Project
    from yurt.compose.plan import Plan

_QUIET = {Verb.PULL: "quiet-pull", Verb.BUILD: "quiet-build"}
MAKING = """
    --build                     Build images first
    --no-build                  Never build, even if an image is missing
    --pull POLICY               Pull images: always, missing or never
    --force-recreate            Recreate containers that did not change
    --always-recreate-deps      Recreate, too, what the services named depend on
    --no-recreate               Keep containers that did change
    -V, --renew-anon-volumes    Do not carry anonymous volumes over to new containers
    --remove-orphans            Remove containers of services that the file no longer has
    --scale SERVICE=NUMBER…     So many containers of a service
    --quiet-pull                Say nothing of pulls
    --quiet-build               Say nothing of builds
    -y, --yes                   Accepted for Docker Compose's sake
"""


@command(
    "up [OPTIONS] [SERVICE...]",
    "Bring the project up: build or pull, create, start; only what changed is touched",
    flags=begin.flags(
        """
    -d, --detach                Leave the containers running in the background
    --wait                      Wait until all are running and healthy (implies -d)
    --wait-timeout SECONDS      Give up waiting after so long
    --no-deps                   Leave the services alone that these depend on
    --no-start                  Create the containers only
    -t, --timeout SECONDS       How long a container may take to stop
    --abort-on-container-exit   Stop all when one stops
    --abort-on-container-failure  Stop all when one fails
    --exit-code-from SERVICE    Leave with the exit code of this service (implies the former)
    --no-attach SERVICE…        Do not show this service's log
    --attach SERVICE…           Show only this service's log
    --attach-dependencies       Show the logs, too, of what the services named depend on
    --menu                      Accepted for Docker Compose's sake: there are no keys to press
    -w, --watch                 Watch the files, as `yurt compose watch` does
    --rollover                  Replace changed services without downtime: new ones serve before old ones stop
    --no-color                  No colours in the logs
    --no-log-prefix             No names before the lines of the logs
    --timestamps                Show the time of each line
    """
        + MAKING
    ),
    example="""
    yurt compose up --build --wait
    yurt compose up -d --scale worker=3
    yurt compose up --dry-run
    """,
)
def up(session: Session, options: Options) -> int:
    services = tuple(options.arguments)
    project = begin.project(session, options, services)
    wanted = up_options(session, options, services)
    if options.flag("dry-run"):
        session.print(str(upping.prospect(session.client, project, wanted)))
        return 0
    detached = options.flag("detach") or options.flag("wait") or wanted.no_start
    aborting = ("abort-on-container-exit", "abort-on-container-failure", "exit-code-from")
    if detached and any(options.has(name) for name in aborting):
        raise UsageError("--abort-on-container-exit and --exit-code-from contradict -d and --wait")
    if wanted.always_recreate_deps and wanted.no_recreate:
        raise UsageError("--always-recreate-deps and --no-recreate contradict each other")
    if options.flag("attach-dependencies") and options.has("attach"):
        raise UsageError("--attach and --attach-dependencies contradict each other")
    if options.flag("watch") and detached:
        raise UsageError("--watch needs the foreground", hint="leave out -d and --wait")
    with Watch(session.client, project.name) as watch:
        if not detached:
            from yurt.cli.commands.compose.foreground import foreground

            return foreground(session, options, project, wanted, watch)
        plan = bring_up(session, options, project, wanted, watch)
        if options.flag("wait"):
            timeout = begin.seconds(options, "wait-timeout")
            upping.wait_until_up(session.client, watch, project, wanted, timeout=timeout)
        if not plan:
            tell_nothing(session, project, wanted)
    return 0


@command(
    "create [OPTIONS] [SERVICE...]",
    "Create the project's containers without starting them",
    flags=begin.flags(MAKING),
    example="yurt compose create --build",
)
def create(session: Session, options: Options) -> int:
    services = tuple(options.arguments)
    project = begin.project(session, options, services)
    with Watch(session.client, project.name) as watch:
        bring_up(session, options, project, up_options(session, options, services, no_start=True), watch)
    return 0


@command(
    "scale [OPTIONS] SERVICE=NUMBER [SERVICE=NUMBER...]",
    "Have so many containers of a service",
    flags=begin.flags(
        """
    --no-deps                   Leave the services alone that these depend on
    """
    ),
    example="yurt compose scale worker=3",
)
def scale(session: Session, options: Options) -> int:
    for given in options.arguments:
        options = options.adding("scale", given)
    counts = begin.scale(options)
    services = tuple(counts)
    project = begin.project(session, options, services)
    wanted = replace(up_options(session, options.adding("no-recreate", "true"), services), scale=counts)
    if options.flag("dry-run"):
        session.print(str(upping.prospect(session.client, project, wanted)))
        return 0
    with Watch(session.client, project.name) as watch:
        bring_up(session, options, project, wanted, watch)
    return 0


def up_options(
    session: Session, options: Options, services: tuple[str, ...], *, no_start: bool = False
) -> UpOptions:
    if options.flag("build") and options.flag("no-build"):
        raise UsageError("--build and --no-build contradict each other")
    if options.flag("force-recreate") and options.flag("no-recreate"):
        raise UsageError("--force-recreate and --no-recreate contradict each other")
    pull = options.text("pull")
    if pull not in ("", "always", "missing", "never", "build"):
        raise options.invalid("pull", pull, "expected always, missing or never")
    rolls = options.has("rollover") and options.flag("rollover")
    if rolls:
        from yurt.compose.rollover import can_succeed
    return UpOptions(
        services=services,
        build=options.flag("build"),
        no_build=options.flag("no-build"),
        pull=pull,
        force_recreate=options.flag("force-recreate"),
        no_recreate=options.flag("no-recreate"),
        always_recreate_deps=options.flag("always-recreate-deps"),
        remove_orphans=options.flag("remove-orphans", default=begin.is_on(session, "COMPOSE_REMOVE_ORPHANS")),
        ignore_orphans=begin.is_on(session, "COMPOSE_IGNORE_ORPHANS"),
        no_deps=options.flag("no-deps"),
        no_start=no_start or options.flag("no-start"),
        renew_anonymous=options.flag("renew-anon-volumes"),
        scale=begin.scale(options),
        rollover=rolls,
        moves_ports=rolls and can_succeed(session.client),
    )


def bring_up(session: Session, options: Options, project: Project, wanted: UpOptions, watch: Watch) -> Plan:
    """Do what `up` does, with its progress shown."""
    return upping.up(
        session.client,
        project,
        wanted,
        watch=watch,
        progress=lambda: begin.progress(session, options),
        how=How(
            stop_timeout=begin.seconds(options, "timeout"),
            at_once=begin.at_once(session, options),
            quiet=frozenset(verb for verb in (Verb.PULL, Verb.BUILD) if options.flag(_QUIET[verb])),
        ),
        notice=session.warn,
    )


def tell_nothing(session: Session, project: Project, wanted: UpOptions) -> None:
    services = project.selection(wanted.services, dependencies=not wanted.no_deps)
    count = sum(wanted.scale.get(service.name, service.replicas) for service in services)
    session.note(f"{project.name}: nothing to do, {count} container{'s' * (count != 1)} up to date")
