"""Which stages a step reads files of, beside the one that it stands in. Pure."""

from yurt.dockerfile.mounts import RunMount
from yurt.dockerfile.stages import find_stage
from yurt.engine.build.plan import Planner
from yurt.engine.build.steps import BuildPlan, CopyWork, RunWork, StagePlan, Step


def read_stages(plan: BuildPlan, planner: Planner, stage: StagePlan, step: Step) -> set[int]:
    """Return the indexes of the stages of *plan* whose files *step* of *stage* reads."""
    work = step.work
    if isinstance(work, CopyWork) and work.stage is not None:
        return {work.stage}
    if isinstance(work, RunWork):
        planned = {each.index for each in plan.stages}
        found = (stage_of_mount(planner, stage, mount) for mount in work.mounts if mount.origin)
        return {index for index in found if index in planned}
    return set()


def stage_of_mount(planner: Planner, stage: StagePlan, mount: RunMount) -> int | None:
    """Return the index of the stage that *mount* shows, None when it shows something else."""
    if not mount.origin or mount.origin in planner.images:
        return None
    found = find_stage(planner.layout.dockerfile.stages[: stage.index], mount.origin)
    return None if found is None else found.index
