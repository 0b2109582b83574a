"""What a target needs, before its base images are known: stages, and what each starts and copies from. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from yurt.dockerfile.instructions import Copy, Dockerfile, Instruction, Run, Stage
from yurt.dockerfile.location import Location
from yurt.dockerfile.mounts import parse_mount
from yurt.dockerfile.scope import Scope, platform_arguments
from yurt.dockerfile.stages import find_stage, named_stage, needed, target_stage
from yurt.engine.build.steps import SCRATCH
from yurt.oci.config import ImageConfig


@dataclass(frozen=True, slots=True)
class Base:
    """An image that a stage starts from, or that a COPY takes files from. *chain* names its file system."""

    id: str
    chain: str
    config: ImageConfig


@dataclass(frozen=True, slots=True)
class Layout:
    """What is known before base images are: the needed stages, and for each its FROM with variables expanded."""

    dockerfile: Dockerfile
    stages: tuple[Stage, ...]
    bases: Mapping[int, str]
    arguments: Mapping[str, str]  # before the first FROM, and the platform's

    def images(self) -> dict[str, Location]:
        """Return the images that must be here before planning, and the line that first names each."""
        found: dict[str, Location] = {}
        for stage in self.stages:
            earlier = self.dockerfile.stages[: stage.index]
            base = self.bases[stage.index]
            if base != SCRATCH and not is_stage(earlier, base):
                found.setdefault(base, stage.base.location)
            for instruction in stage.instructions:
                for origin in _origins(instruction):
                    if find_stage(earlier, origin) is None:
                        found.setdefault(origin, instruction.location)
        return found


def is_stage(stages: Sequence[Stage], reference: str) -> bool:
    """Say whether FROM *reference* means one of *stages*."""
    return named_stage(tuple(stages), reference) is not None


def _origins(instruction: Instruction) -> list[str]:
    if isinstance(instruction, Copy):
        return [instruction.origin] if instruction.origin else []
    if isinstance(instruction, Run):
        found = []
        for text in instruction.mounts:
            try:
                found.append(parse_mount(text).origin)
            except ValueError:
                continue  # told when the step is planned
        return [origin for origin in found if origin]
    return []


def lay_out(
    dockerfile: Dockerfile,
    *,
    target: str,
    given: Mapping[str, str | None],
    platform: str,
    contexts: Collection[str] = (),
) -> Layout:
    """Return which stages *target* needs and what they start from; a stage that is named as one of *contexts* is not meant."""
    hidden = set(contexts) - {target}
    dockerfile = replace(
        dockerfile,
        stages=tuple(
            replace(stage, base=replace(stage.base, name="")) if stage.name in hidden else stage
            for stage in dockerfile.stages
        ),
    )
    scope = Scope(given=given, outer={}, escape=dockerfile.escape)
    scope = replace(scope, arguments=platform_arguments(platform, stage=target))
    for arg in dockerfile.arguments:
        scope = scope.declare(arg)
    bases: dict[int, str] = {}
    for stage in dockerfile.stages:
        base = scope.expand(stage.base.image, stage.base.location)
        if not base:
            raise stage.base.location.error(
                f"FROM {stage.base.image} names no image: the variable is empty",
                hint="give the ARG before FROM a default, or pass --build-arg",
            )
        bases[stage.index] = base
        if stage.base.platform and not scope.expand(stage.base.platform, stage.base.location):
            raise stage.base.location.error(
                f"FROM --platform={stage.base.platform} names no platform: the variable is empty"
            )
    wanted = needed(dockerfile, target_stage(dockerfile, target), bases)
    return Layout(dockerfile, wanted, bases, scope.arguments)
