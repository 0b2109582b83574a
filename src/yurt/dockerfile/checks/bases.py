"""Rules about FROM: its arguments, its platform, and what it names."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from yurt.dockerfile.checks.findings import Finding
from yurt.dockerfile.checks.names import Looked, meant
from yurt.dockerfile.instructions import Dockerfile, From
from yurt.dockerfile.scope import Scope, platform_arguments
from yurt.dockerfile.shell import expand
from yurt.errors import InvalidArgument

TARGET = "TARGETPLATFORM"


def check_bases(
    dockerfile: Dockerfile,
    *,
    given: Mapping[str, str | None],
    platform: str,
    target: str,
    is_image_name: Callable[[str], bool],
) -> Iterator[Finding]:
    """Yield what is odd about the FROM lines. *is_image_name* says whether a text can name an image."""
    scopes = [base_scope(dockerfile, each, platform, target) for each in (given, {})]
    declared = {name for arg in dockerfile.arguments for name, _ in arg.items}
    predefined = platform_arguments(platform, stage=target)
    known = [*predefined, *sorted(declared)]
    for stage in dockerfile.stages:
        base = stage.base
        yield from _undefined(base, base.image, scopes[0], known)
        yield from _undefined(base, base.platform, scopes[0], known)
        default = _expanded(base.image, Looked(scopes[1].variables), dockerfile.escape)
        if default is not None and not is_image_name(default):
            yield Finding(
                "InvalidDefaultArgInFrom",
                base.location,
                f"{base.image} names no image when its arguments have their defaults",
            )
        if base.platform:
            yield from _platform(base, scopes[0], predefined[TARGET])


def base_scope(dockerfile: Dockerfile, given: Mapping[str, str | None], platform: str, target: str) -> Scope:
    """Return what variables stand for in FROM lines."""
    scope = Scope(given=given, escape=dockerfile.escape)
    scope = replace(scope, arguments=platform_arguments(platform, stage=target))
    for arg in dockerfile.arguments:
        try:
            scope = scope.declare(arg)
        except InvalidArgument:
            continue  # told when it is built
    return scope


def _expanded(text: str, variables: Looked, escape: str) -> str | None:
    try:
        return expand(text, variables, escape=escape)
    except ValueError:
        return None  # told when it is built


def _undefined(base: From, text: str, scope: Scope, known: Sequence[str]) -> Iterator[Finding]:
    looked = Looked(scope.variables)
    _expanded(text, looked, scope.escape)
    for name in looked.missed:
        if name not in known:
            yield Finding(
                "UndefinedArgInFrom",
                base.location,
                f"no ARG before the first FROM declares {name}{meant(name, known)}",
            )


def _platform(base: From, scope: Scope, target: str) -> Iterator[Finding]:
    looked = Looked(scope.variables)
    value = _expanded(base.platform, looked, scope.escape)
    if value is None:
        return
    if not looked.found and not looked.missed:
        words = value.lower().split("/")
        # A stage of that name is one of several, chosen by the platform that is built for.
        if not any(word in base.name for word in words[:2] if word):
            yield Finding(
                "FromPlatformFlagConstDisallowed",
                base.location,
                f"the stage is for {value} whatever platform is built for: use $BUILDPLATFORM or $TARGETPLATFORM",
            )
    elif list(looked.found) == [TARGET] and not looked.missed and value == target:
        yield Finding(
            "RedundantTargetPlatform",
            base.location,
            f"--platform={base.platform} is the default: leave it out",
        )
