"""`yurt compose rollback`."""

from __future__ import annotations

from yurt.cli.commands.compose import project as begin
from yurt.cli.flags import Options, command

TYPE_CHECKING = False  # `typing` alone would cost a fifth of the start-up
if TYPE_CHECKING:
    from yurt.cli.session import Session


@command(
    "rollback [OPTIONS] [SERVICE...]",
    "Go back to the images and configuration before the last `up --rollover`, without downtime",
    flags=begin.flags(
        """
    -t, --timeout SECONDS       How long a container may take to stop before it is killed
    """
    ),
    example="yurt compose rollback web",
)
def rollback(session: Session, options: Options) -> int:
    from yurt.compose.execute import How
    from yurt.compose.observe import observe
    from yurt.compose.rollback import RollbackExecutor, kept, plan_rollback
    from yurt.compose.rollover import can_succeed
    from yurt.compose.watch import Watch

    client = session.client
    project, name = begin.project_or_name(session, options, options.arguments)
    observed = observe(client, name)
    bodies = kept(observed, options.arguments)
    plan = plan_rollback(observed, bodies, moves_ports=can_succeed(client))
    if options.flag("dry-run"):
        session.print(str(plan))
        return 0
    for text in plan.notices:
        session.warn(text)
    how = How(stop_timeout=begin.seconds(options, "timeout"))
    with Watch(client, name) as watch:
        shown = begin.progress(session, options)
        try:
            RollbackExecutor(
                client, name, project, observed, bodies, watch=watch, progress=shown, how=how
            ).run(plan)
        finally:
            shown.close()
    return 0
