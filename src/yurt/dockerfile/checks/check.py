"""All rules on one Dockerfile."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from yurt.dockerfile.checks.bases import base_scope, check_bases
from yurt.dockerfile.checks.findings import CheckOptions, Finding
from yurt.dockerfile.checks.stages import Reach, StageCheck
from yurt.dockerfile.checks.writing import (
    check_casing,
    check_descriptions,
    check_stage_names,
    check_statements,
)
from yurt.dockerfile.instructions import Dockerfile, Stage
from yurt.dockerfile.lexer import Source, Statement
from yurt.dockerfile.parser import parse_trigger
from yurt.dockerfile.scope import Scope
from yurt.dockerfile.stages import named_stage
from yurt.errors import InvalidArgument

SCRATCH = "scratch"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What of a base image counts for the stages on it."""

    environment: Mapping[str, str] = field(default_factory=dict)
    has_shell: bool = False
    triggers: tuple[str, ...] = ()


def _no_image(_reference: str) -> ImageFacts | None:
    return None


def _nothing(_path: str) -> bool:
    return False


def _anything(text: str) -> bool:
    return bool(text)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known beside the Dockerfile.

    *image* returns what is known of a base image, None for nothing: then no variable is called undefined on it.
    *is_image_name* says whether a text can name an image at all; *ignores* whether .dockerignore leaves a path out.
    """

    given: Mapping[str, str | None] = field(default_factory=dict)
    platform: str = "linux/amd64"
    target: str = ""
    image: Callable[[str], ImageFacts | None] = _no_image
    is_image_name: Callable[[str], bool] = _anything
    ignores: Callable[[str], bool] = _nothing


def options_of(source: Source, given: Mapping[str, str | None]) -> CheckOptions:
    """Return which rules count for *source*; raise InvalidArgument for options that make no sense."""
    return CheckOptions.of(source.directives, given, source.file)


def check(
    dockerfile: Dockerfile, about: Surroundings, *, stages: Iterable[int] | None = None
) -> tuple[Finding, ...]:
    """Return what the wanted rules find, by line. *stages* are the indexes of those looked into; None: all."""
    options = options_of(dockerfile.source, about.given)
    looked_into = set(range(len(dockerfile.stages)) if stages is None else stages)
    return _sorted(_found(dockerfile, about, looked_into), options)


def check_broken(source: Source, about: Surroundings, *, before: int) -> tuple[Finding, ...]:
    """Return what can be found in the statements above line *before*, where the Dockerfile stops making sense."""
    whole = [statement for statement in source.statements if statement.location.first < before]
    return _sorted(check_statements(whole), options_of(source, about.given))


def _sorted(findings: Iterable[Finding], options: CheckOptions) -> tuple[Finding, ...]:
    wanted = dict.fromkeys(finding for finding in findings if options.wants(finding.rule))
    return tuple(sorted(wanted, key=lambda finding: (finding.where.first, finding.rule)))


def _found(dockerfile: Dockerfile, about: Surroundings, looked_into: set[int]) -> Iterator[Finding]:
    statements = dockerfile.source.statements
    before = len(dockerfile.arguments)
    heads = [stage.base for stage in dockerfile.stages]
    instructions = [
        *dockerfile.arguments,
        *(each for stage in dockerfile.stages for each in (stage.base, *stage.instructions)),
    ]
    yield from check_statements(statements)
    yield from check_descriptions(list(zip(statements, instructions, strict=True)))
    yield from check_casing(statements[before:])
    yield from check_stage_names(heads)
    yield from check_bases(
        dockerfile,
        given=about.given,
        platform=about.platform,
        target=about.target,
        is_image_name=about.is_image_name,
    )
    reached: dict[int, Reach] = {}
    for stage, own in _with_statements(dockerfile, before):
        looking = StageCheck(_start(dockerfile, stage, about, reached), about.ignores)
        found = list(looking.check(stage, own))
        reached[stage.index] = looking.reach
        if stage.index in looked_into:
            yield from found


def _with_statements(dockerfile: Dockerfile, first: int) -> Iterator[tuple[Stage, tuple[Statement, ...]]]:
    for stage in dockerfile.stages:
        end = first + 1 + len(stage.instructions)
        yield stage, dockerfile.source.statements[first + 1 : end]
        first = end


def _start(dockerfile: Dockerfile, stage: Stage, about: Surroundings, reached: Mapping[int, Reach]) -> Reach:
    """Return what counts behind the FROM of *stage*."""
    outer = base_scope(dockerfile, about.given, about.platform, about.target)
    scope = Scope(given=about.given, outer=outer.arguments, escape=dockerfile.escape)
    try:
        reference = outer.expand(stage.base.image, stage.base.location)
    except InvalidArgument:  # told when it is built
        return Reach(scope, is_known=False)
    if (below := named_stage(dockerfile.stages[: stage.index], reference)) is not None:
        return reached[below.index]
    facts = ImageFacts() if reference == SCRATCH else about.image(reference)
    if facts is None:
        return Reach(scope, is_known=False)
    reach = Reach(replace(scope, environment={"PATH": PATH, **facts.environment}), has_shell=facts.has_shell)
    for trigger in facts.triggers:
        try:
            reach = reach.after(parse_trigger(trigger))
        except InvalidArgument:
            continue
    return reach
