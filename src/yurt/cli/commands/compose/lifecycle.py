"""`yurt compose down`, `stop`, `start`, `restart`, `kill` and `rm`: what happens to containers that are there."""

from __future__ import annotations

from yurt.cli.commands.compose import project as begin
from yurt.cli.failure import UsageError
from yurt.cli.flags import Options, command
from yurt.compose import lifecycle as plans
from yurt.compose.execute import Executor, How
from yurt.compose.observe import observe
from yurt.compose.watch import Watch

TYPE_CHECKING = False  # `typing` alone would cost a fifth of the start-up
if TYPE_CHECKING:
    from yurt.cli.session import Session
    from yurt.compose.model import Project
    from yurt.compose.observed import Observed
    from yurt.compose.plan import Plan

TIMEOUT = """
    -t, --timeout SECONDS       How long a container may take to stop before it is killed
"""


def _do(
    session: Session,
    options: Options,
    project: Project | None,
    observed: Observed,
    plan: Plan,
    *,
    how: How,
    watch: Watch | None = None,
) -> int:
    """Do *plan* with its progress shown, or only print it."""
    if options.flag("dry-run"):
        session.print(str(plan))
        return 0
    for text in plan.notices:
        session.warn(text)
    if not plan:
        return 0
    shown = begin.progress(session, options)
    try:
        Executor(session.client, project, observed, watch=watch, progress=shown, how=how).run(plan)
    finally:
        shown.close()
    return 0


@command(
    "down [OPTIONS] [SERVICE...]",
    "Stop and remove containers and networks; volumes stay unless -v is given",
    flags=begin.flags(
        TIMEOUT
        + """
    -v, --volumes               Remove the project's volumes too
    --rmi WHICH                 Remove images: local (built without a name of their own) or all
    --remove-orphans            Remove containers of services that the file no longer has
    """
    ),
    example="yurt compose down -v",
)
def down(session: Session, options: Options) -> int:
    services = tuple(options.arguments)
    project, name = begin.project_or_name(session, options, services)
    images = options.text("rmi")
    if images not in ("", "local", "all"):
        raise options.invalid("rmi", images, "expected local or all")
    references = [service.image for service in (project.services.values() if project else ()) if images]
    observed = observe(session.client, name, images=references)
    if project is not None:
        project = project.enabling(project.disabled)  # what a profile started goes too
    wanted = plans.DownOptions(services, options.flag("volumes"), images, options.flag("remove-orphans"))
    plan = plans.plan_down(project, name, observed, wanted)
    if not plan:
        session.note(f"{name}: nothing to remove")
    return _do(
        session, options, project, observed, plan, how=How(stop_timeout=begin.seconds(options, "timeout"))
    )


@command(
    "stop [OPTIONS] [SERVICE...]",
    "Stop containers, those first that depend on others",
    flags=begin.flags(TIMEOUT),
    example="yurt compose stop worker",
)
def stop(session: Session, options: Options) -> int:
    project, name = begin.project_or_name(session, options, options.arguments)
    observed = observe(session.client, name)
    plan = plans.plan_stop(observed, options.arguments)
    return _do(
        session, options, project, observed, plan, how=How(stop_timeout=begin.seconds(options, "timeout"))
    )


@command(
    "pause [OPTIONS] [SERVICE...]",
    "Freeze every process of running containers",
    flags=begin.flags(""),
    example="yurt compose pause worker",
)
def pause(session: Session, options: Options) -> int:
    return _paused(session, options, undo=False)


@command(
    "unpause [OPTIONS] [SERVICE...]",
    "Let paused containers go on",
    flags=begin.flags(""),
    example="yurt compose unpause worker",
)
def unpause(session: Session, options: Options) -> int:
    return _paused(session, options, undo=True)


def _paused(session: Session, options: Options, *, undo: bool) -> int:
    project, name = begin.project_or_name(session, options, options.arguments)
    observed = observe(session.client, name)
    plan = plans.plan_pause(observed, options.arguments, undo=undo)
    return _do(session, options, project, observed, plan, how=How())


@command(
    "kill [OPTIONS] [SERVICE...]",
    "Send a signal to running containers",
    flags=begin.flags(
        """
    -s, --signal SIGNAL         Which one (default: SIGKILL)
    --remove-orphans            Kill containers of services that the file no longer has, too
    """
    ),
    example="yurt compose kill -s HUP web",
)
def kill(session: Session, options: Options) -> int:
    project, name = begin.project_or_name(session, options, options.arguments)
    observed = observe(session.client, name)
    plan = plans.plan_stop(observed, options.arguments, kill=True)
    return _do(
        session, options, project, observed, plan, how=How(kill_signal=options.text("signal", "SIGKILL"))
    )


@command(
    "start [OPTIONS] [SERVICE...]",
    "Start containers that exist, dependencies first",
    flags=begin.flags(
        """
    --wait                      Wait until all are running and healthy
    --wait-timeout SECONDS      Give up waiting after so long
    """
    ),
    example="yurt compose start",
)
def start(session: Session, options: Options) -> int:
    return _started(session, options, restart=False)


@command(
    "restart [OPTIONS] [SERVICE...]",
    "Stop and start containers, as they are",
    flags=begin.flags(TIMEOUT + "    --no-deps                   Accepted for Docker Compose's sake\n"),
    example="yurt compose restart worker",
)
def restart(session: Session, options: Options) -> int:
    return _started(session, options, restart=True)


def _started(session: Session, options: Options, *, restart: bool) -> int:
    project = begin.project(session, options, options.arguments)
    observed = observe(session.client, project.name)
    missing = [name for name in options.arguments if not observed.of(name)]
    if missing or not observed.containers:
        what = f"service {missing[0]} has no container" if missing else f"{project.name} has no containers"
        raise UsageError(what, hint="`yurt compose up` makes and starts them")
    plan = plans.plan_start(project, observed, options.arguments, restart=restart)
    how = How(stop_timeout=begin.seconds(options, "timeout"))
    with Watch(session.client, project.name) as watch:
        _do(session, options, project, observed, plan, how=how, watch=watch)
        if options.flag("wait"):
            from yurt.compose.reconcile import UpOptions
            from yurt.compose.up import wait_until_up

            wanted = UpOptions(services=tuple(options.arguments))
            timeout = begin.seconds(options, "wait-timeout")
            wait_until_up(session.client, watch, project, wanted, timeout=timeout)
    return 0


@command(
    "rm [OPTIONS] [SERVICE...]",
    "Remove stopped containers",
    flags=begin.flags(
        """
    -f, --force                 Do not ask
    -s, --stop                  Stop them first
    -v, --volumes               Remove their anonymous volumes too
    """
    ),
    example="yurt compose rm -fs worker",
)
def rm(session: Session, options: Options) -> int:
    project, name = begin.project_or_name(session, options, options.arguments)
    observed = observe(session.client, name)
    plan = plans.plan_remove(
        observed, options.arguments, stop=options.flag("stop"), volumes=options.flag("volumes")
    )
    if not plan:
        session.note(f"{name}: no stopped containers")
        return 0
    if not options.flag("force") and not options.flag("dry-run"):
        names = ", ".join(dict.fromkeys(action.name for action in plan.actions))
        session.err.write(f"remove {names}? [y/N] ")
        session.err.flush()
        import sys

        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            return 1
    return _do(session, options, project, observed, plan, how=How())
