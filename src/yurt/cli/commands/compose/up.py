"""`yurt compose up` and `create`."""

from __future__ import annotations

from yurt.cli.commands.compose import project as begin
from yurt.cli.failure import UsageError
from yurt.cli.flags import Options, command
from yurt.compose import up as upping
from yurt.compose.execute import How
from yurt.compose.reconcile import UpOptions
from yurt.compose.watch import Watch

TYPE_CHECKING = False  # `typing` alone would cost a fifth of the start-up
if TYPE_CHECKING:
    from yurt.cli.session import Session
    from yurt.compose.model import Project
    from yurt.compose.plan import Plan

MAKING = """
    --build                     Build images first
    --no-build                  Never build, even if an image is missing
    --pull POLICY               Pull images: always, missing or never
    --force-recreate            Recreate containers that did not change
    --no-recreate               Keep containers that did change
    -V, --renew-anon-volumes    Do not carry anonymous volumes over to new containers
    --remove-orphans            Remove containers of services that the file no longer has
    --scale SERVICE=NUMBER…     So many containers of a service
    --quiet-pull                Accepted for Docker Compose's sake
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
    --exit-code-from SERVICE    Leave with the exit code of this service (implies the former)
    --no-attach SERVICE…        Do not show this service's log
    --attach SERVICE…           Show only this service's log
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
    wanted = up_options(options, services)
    if options.flag("dry-run"):
        session.print(str(upping.prospect(session.client, project, wanted)))
        return 0
    detached = options.flag("detach") or options.flag("wait") or wanted.no_start
    if detached and (options.flag("abort-on-container-exit") or options.has("exit-code-from")):
        raise UsageError("--abort-on-container-exit and --exit-code-from contradict -d and --wait")
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
        bring_up(session, options, project, up_options(options, services, no_start=True), watch)
    return 0


def up_options(options: Options, services: tuple[str, ...], *, no_start: bool = False) -> UpOptions:
    if options.flag("build") and options.flag("no-build"):
        raise UsageError("--build and --no-build contradict each other")
    if options.flag("force-recreate") and options.flag("no-recreate"):
        raise UsageError("--force-recreate and --no-recreate contradict each other")
    pull = options.text("pull")
    if pull not in ("", "always", "missing", "never", "build"):
        raise options.invalid("pull", pull, "expected always, missing or never")
    return UpOptions(
        services=services,
        build=options.flag("build"),
        no_build=options.flag("no-build"),
        pull=pull,
        force_recreate=options.flag("force-recreate"),
        no_recreate=options.flag("no-recreate"),
        remove_orphans=options.flag("remove-orphans"),
        no_deps=options.flag("no-deps"),
        no_start=no_start or options.flag("no-start"),
        renew_anonymous=options.flag("renew-anon-volumes"),
        scale=begin.scale(options),
    )


def bring_up(session: Session, options: Options, project: Project, wanted: UpOptions, watch: Watch) -> Plan:
    """Do what `up` does, with its progress shown."""
    return upping.up(
        session.client,
        project,
        wanted,
        watch=watch,
        progress=lambda: begin.progress(session, options),
        how=How(stop_timeout=begin.seconds(options, "timeout")),
        notice=session.warn,
    )


def tell_nothing(session: Session, project: Project, wanted: UpOptions) -> None:
    services = project.selection(wanted.services, dependencies=not wanted.no_deps)
    count = sum(wanted.scale.get(service.name, service.replicas) for service in services)
    session.note(f"{project.name}: nothing to do, {count} container{'s' * (count != 1)} up to date")
