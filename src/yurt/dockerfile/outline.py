"""What a Dockerfile offers to who builds it: its targets, and each target's arguments, secrets and agents. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from yurt.dockerfile.checks.writing import description_of
from yurt.dockerfile.instructions import Arg, Dockerfile, Run
from yurt.dockerfile.lexer import Statement
from yurt.dockerfile.location import Location
from yurt.dockerfile.mounts import RunMount, parse_mount
from yurt.dockerfile.scope import Scope
from yurt.dockerfile.stages import named_stage, needed, target_stage
from yurt.errors import InvalidArgument


@dataclass(frozen=True, slots=True)
class Target:
    """A stage that can be built by name. *base* is what its FROM says."""

    name: str
    base: str
    where: Location
    description: str = ""
    platform: str = ""
    is_default: bool = False


@dataclass(frozen=True, slots=True)
class Parameter:
    """Something that a build takes: an argument with its *value*, or a secret or agent that may be *required*."""

    name: str
    where: Location
    description: str = ""
    value: str = ""
    required: bool = False


@dataclass(frozen=True, slots=True)
class Outline:
    """What building one target takes, each in the order of the Dockerfile."""

    name: str
    description: str = ""
    arguments: tuple[Parameter, ...] = ()
    secrets: tuple[Parameter, ...] = ()
    agents: tuple[Parameter, ...] = ()


def targets(dockerfile: Dockerfile) -> tuple[Target, ...]:
    """Return the stages that have a name, and the last one in any case."""
    last = dockerfile.stages[-1]
    heads = _heads(dockerfile)
    return tuple(
        Target(
            stage.name,
            stage.base.image,
            stage.base.location,
            description_of(heads[stage.index], stage.name) if stage.name else "",
            stage.base.platform,
            stage is last,
        )
        for stage in dockerfile.stages
        if stage.name or stage is last
    )


def outline(
    dockerfile: Dockerfile, *, target: str, given: Mapping[str, str | None], predefined: Mapping[str, str]
) -> Outline:
    """Return what *target* takes. *predefined* holds the arguments that are there without a declaration."""
    scope = Scope(given=given, escape=dockerfile.escape)
    scope = replace(scope, arguments=dict(predefined))
    for arg in dockerfile.arguments:
        scope = scope.declare(arg)
    bases = {stage.index: scope.expand(stage.base.image, stage.base.location) for stage in dockerfile.stages}
    asked = target_stage(dockerfile, target)
    comments = dict(_statements(dockerfile))
    arguments: dict[str, Parameter] = {}
    secrets: dict[str, Parameter] = {}
    agents: dict[str, Parameter] = {}
    scopes: dict[int, Scope] = {}
    for stage in needed(dockerfile, asked, bases):
        below = named_stage(dockerfile.stages[: stage.index], bases[stage.index])
        inner = Scope(given=given, outer=scope.arguments, escape=dockerfile.escape)
        inner = scopes[below.index] if below is not None else inner
        for instruction in stage.instructions:
            if isinstance(instruction, Arg):
                inner = inner.declare(instruction)
                for name, default in instruction.items:
                    if name in predefined and default is None:
                        continue
                    parameter = Parameter(
                        name,
                        instruction.location,
                        description_of(comments[instruction.location], name),
                        inner.arguments.get(name, ""),
                    )
                    arguments[name] = _declared_above(dockerfile, parameter, comments)
            elif isinstance(instruction, Run):
                for mount in _mounts(instruction, inner):
                    found = secrets if mount.kind == "secret" else agents
                    name = mount.secret_name if mount.kind == "secret" else mount.id or "default"
                    before = found.get(name)
                    required = mount.required or (before is not None and before.required)
                    found[name] = Parameter(
                        name, before.where if before else instruction.location, required=required
                    )
        scopes[stage.index] = inner
    head = _heads(dockerfile)[asked.index]
    return Outline(
        asked.name,
        description_of(head, asked.name) if asked.name else "",
        tuple(sorted(arguments.values(), key=lambda each: each.where)),
        tuple(secrets.values()),
        tuple(agents.values()),
    )


def _declared_above(
    dockerfile: Dockerfile, parameter: Parameter, comments: Mapping[Location, Statement]
) -> Parameter:
    """Return *parameter* as the ARG before the first FROM declares it, if one does."""
    for arg in dockerfile.arguments:
        if any(name == parameter.name for name, _ in arg.items):
            description = description_of(comments[arg.location], parameter.name)
            return replace(parameter, where=arg.location, description=parameter.description or description)
    return parameter


def _mounts(run: Run, scope: Scope) -> Iterator[RunMount]:
    for text in run.mounts:
        try:
            mount = parse_mount(scope.expand(text, run.location))
        except (ValueError, InvalidArgument):
            continue  # told when it is built
        if mount.kind in {"secret", "ssh"}:
            yield mount


def _heads(dockerfile: Dockerfile) -> list[Statement]:
    by_place = dict(_statements(dockerfile))
    return [by_place[stage.base.location] for stage in dockerfile.stages]


def _statements(dockerfile: Dockerfile) -> Iterator[tuple[Location, Statement]]:
    return ((statement.location, statement) for statement in dockerfile.source.statements)
