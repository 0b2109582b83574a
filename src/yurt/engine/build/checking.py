"""Checks of a Dockerfile with what the engine knows beside it: base images and .dockerignore."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from yurt.dockerfile.checks.check import ImageFacts, Surroundings, check, check_broken, options_of
from yurt.dockerfile.checks.findings import CheckOptions, Finding
from yurt.dockerfile.excerpt import line_of
from yurt.dockerfile.instructions import Dockerfile
from yurt.dockerfile.lexer import Source, lex
from yurt.dockerfile.parser import parse_source
from yurt.engine.build.layout import Base, Layout, is_stage, lay_out
from yurt.engine.build.model import BuildRequest
from yurt.engine.build.steps import SCRATCH
from yurt.errors import InvalidArgument
from yurt.oci.config import ImageConfig
from yurt.oci.reference import Reference


@dataclass(frozen=True, slots=True)
class Examined:
    """A Dockerfile that was read and checked. *error* says why it cannot be built as far as that is seen in it."""

    text: bytes
    findings: tuple[Finding, ...] = ()
    dockerfile: Dockerfile | None = None
    error: InvalidArgument | None = None


def warned(
    layout: Layout, images: Mapping[str, Base], request: BuildRequest, platform: str
) -> tuple[Finding, ...]:
    """Return what the checks find in the stages that are built.

    Raises InvalidArgument when there is something and the Dockerfile says that it is an error then.
    """

    def facts(reference: str) -> ImageFacts | None:
        base = images.get(reference)
        return facts_of(base.config) if base is not None else None

    about = Surroundings(
        given=request.build_args,
        platform=platform,
        target=request.target,
        image=facts,
        is_image_name=is_image_name,
    )
    indexes = [stage.index for stage in layout.stages]
    return check(layout.dockerfile, about, stages=indexes)


def refusal(findings: tuple[Finding, ...], options: CheckOptions) -> InvalidArgument | None:
    """Return the error that *findings* are when *options* want them to be one."""
    if not findings or not options.error:
        return None
    rules = ", ".join(dict.fromkeys(finding.rule for finding in findings))
    return findings[0].where.error(
        f"lint violation found for rules: {rules}",  # BuildKit's words, which people's scripts look for
        hint="the directive `# check=error=true` makes what checks find an error",
    )


def examined(
    text: bytes,
    request: BuildRequest,
    *,
    platform: str,
    image: Callable[[str], ImageConfig | None],
    ignores: Callable[[str], bool],
) -> Examined:
    """Check all stages of the Dockerfile in *text*, those included that nothing needs."""

    def facts(reference: str) -> ImageFacts | None:
        config = image(reference)
        return None if config is None else facts_of(config)

    about = Surroundings(request.build_args, platform, request.target, facts, is_image_name, ignores)
    source: Source | None = None
    try:
        source = lex(text, file=request.dockerfile)
        dockerfile = parse_source(source)
        findings = check(dockerfile, about, stages=_targeted(dockerfile, about))
    except InvalidArgument as bad:
        line = line_of(bad.message, request.dockerfile)
        known = () if source is None else _before(source, about, line or 1)
        return Examined(text, known, None, bad)
    error = refusal(findings, options_of(source, request.build_args))
    return Examined(text, findings, dockerfile, error or _unnamed(dockerfile, about))


def _targeted(dockerfile: Dockerfile, about: Surroundings) -> list[int] | None:
    """Return the stages that a target needs; None, which is all, when none is asked for."""
    if not about.target:
        return None
    layout = lay_out(dockerfile, target=about.target, given=about.given, platform=about.platform)
    return [stage.index for stage in layout.stages]


def _unnamed(dockerfile: Dockerfile, about: Surroundings) -> InvalidArgument | None:
    """Return what is wrong with the names of the base images."""
    try:
        layout = lay_out(dockerfile, target=about.target, given=about.given, platform=about.platform)
    except InvalidArgument as bad:
        return bad
    for stage in layout.stages:
        base = layout.bases[stage.index]
        if base == SCRATCH or is_stage(dockerfile.stages[: stage.index], base):
            continue
        try:
            Reference.parse(base)
        except InvalidArgument as bad:
            return stage.base.location.error(bad.message, hint=bad.hint)
    return None


def _before(source: Source, about: Surroundings, line: int) -> tuple[Finding, ...]:
    try:
        return check_broken(source, about, before=line)
    except InvalidArgument:  # it is the options that are broken
        return ()


def facts_of(config: ImageConfig) -> ImageFacts:
    environment = dict(entry.split("=", 1) for entry in config.env if "=" in entry)
    return ImageFacts(environment, has_shell=bool(config.shell), triggers=config.on_build)


def is_image_name(text: str) -> bool:
    """Say whether *text* can name an image."""
    try:
        Reference.parse(text)
    except InvalidArgument:
        return False
    return True
