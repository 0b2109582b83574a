"""What a plan looks like to the person who waits: its pieces of work, named as BuildKit names them. Pure."""

from collections.abc import Mapping

from yurt.engine.build.model import Activity
from yurt.engine.build.steps import SCRATCH, BuildPlan, CopyWork, StagePlan, Step
from yurt.oci.reference import Reference


def key_of(step: Step) -> str:
    """Return the key of the activity that carries *step* out."""
    return f"step {step.number}"


def activities(plan: BuildPlan, bases: Mapping[int, str]) -> tuple[Activity, ...]:
    """Return an activity for each step of *plan* that takes time, in order: base images, and what changes files.

    *bases* holds each stage's FROM as it was resolved, by index.
    """
    last: dict[int, str] = {}  # by stage: the activity that ends it
    found: list[Activity] = []
    for stage in plan.stages:
        working = working_steps(stage)
        before = last.get(stage.base, "") if isinstance(stage.base, int) else ""
        for place, step in enumerate(working, 1):
            work = step.work
            inputs = [before] if before else []
            if isinstance(work, CopyWork) and work.stage is not None and work.stage in last:
                inputs.append(last[work.stage])
            text = step.text if work is not None else f"FROM {named(bases[stage.index])}"
            found.append(Activity(key_of(step), f"[{_place(plan, stage, place)}] {text}", tuple(inputs)))
            before = key_of(step)
        last[stage.index] = before
    return tuple(found)


def working_steps(stage: StagePlan) -> tuple[Step, ...]:
    """Return the steps that have an activity. FROM has one when it names an image."""
    from_image = isinstance(stage.base, str) and stage.base != SCRATCH
    return tuple(
        step for step in stage.steps if step.work is not None or (from_image and step is stage.steps[0])
    )


def named(reference: str) -> str:
    """Return an image's name with nothing left out, as BuildKit shows it."""
    return Reference.parse(reference).tagged().canonical


def _place(plan: BuildPlan, stage: StagePlan, place: int) -> str:
    name = stage.name or (f"stage-{stage.index}" if len(plan.stages) > 1 else "")
    return f"{name} {place}/{len(working_steps(stage))}".lstrip()
