"""The graph of stages: which a target needs, in which order they are built."""

import difflib

from yurt.dockerfile.instructions import Copy, Dockerfile, Run, Stage
from yurt.dockerfile.location import Location
from yurt.dockerfile.mounts import parse_mount
from yurt.errors import InvalidArgument


def find_stage(stages: tuple[Stage, ...], reference: str) -> Stage | None:
    """Return the last stage of that name, or of that number; None when it must be an image."""
    if (named := named_stage(stages, reference)) is not None:
        return named
    if reference.isdecimal() and reference.isascii() and len(reference) < 6 and int(reference) < len(stages):
        return stages[int(reference)]
    return None


def named_stage(stages: tuple[Stage, ...], name: str) -> Stage | None:
    """Return the last of *stages* that FROM *name* means; None when that is an image.

    FROM 0 is an image called 0: numbers count in --from only.
    """
    return next((stage for stage in reversed(stages) if stage.name and stage.name == name.lower()), None)


def target_stage(dockerfile: Dockerfile, target: str) -> Stage:
    """Return the stage that is asked for: *target*, or the last one. Unknown raises InvalidArgument."""
    if not target:
        return dockerfile.stages[-1]
    if (found := find_stage(dockerfile.stages, target)) is not None:
        return found
    names = [stage.name for stage in dockerfile.stages if stage.name]
    close = difflib.get_close_matches(target, names, n=1, cutoff=0.5)
    if close:
        hint = f"did you mean {close[0]}?"
    else:
        hint = f"stages are {', '.join(names)}" if names else "no stage has a name (FROM … AS name)"
    raise InvalidArgument(f"{dockerfile.file}: target stage {target} is not there", hint=hint)


def needed(dockerfile: Dockerfile, target: Stage, bases: dict[int, str]) -> tuple[Stage, ...]:
    """Return *target* and all that it needs, each after what it needs itself.

    *bases* holds each stage's FROM after expansion, by index. A stage may name only stages before it; a later
    one, or itself, raises InvalidArgument.
    """
    pending = [target]
    wanted: set[int] = set()
    while pending:
        stage = pending.pop()
        if stage.index in wanted:
            continue
        wanted.add(stage.index)
        pending.extend(dependencies(dockerfile, stage, bases[stage.index]))
    # Stages look back only, so their own order will do.
    return tuple(dockerfile.stages[index] for index in sorted(wanted))


def dependencies(dockerfile: Dockerfile, stage: Stage, base: str) -> tuple[Stage, ...]:
    """Return the stages that *stage* reads from: FROM, COPY --from, RUN --mount=from."""
    found: dict[int, Stage] = {}

    def note(reference: str, where: Location) -> None:
        earlier = dockerfile.stages[: stage.index]
        if (other := find_stage(earlier, reference)) is not None:
            found[other.index] = other
        elif (later := find_stage(dockerfile.stages[stage.index :], reference)) is not None and later.name:
            raise where.error(
                f"stage {reference} is used before it is there",
                hint=f"move it above (it starts at {later.base.location})",
            )

    if (below := named_stage(dockerfile.stages[: stage.index], base)) is not None:
        found[below.index] = below
    for instruction in stage.instructions:
        if isinstance(instruction, Copy) and instruction.origin:
            note(instruction.origin, instruction.location)
        elif isinstance(instruction, Run):
            for text in instruction.mounts:
                try:
                    mount = parse_mount(text)
                except ValueError:
                    continue  # told when the step is planned, variables expanded
                if mount.origin:
                    note(mount.origin, instruction.location)
    return tuple(found[index] for index in sorted(found))
