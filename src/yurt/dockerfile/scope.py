"""Variables while a Dockerfile is read: ARG and ENV, what each stage sees, and those that are always there.

Facts: https://docs.docker.com/reference/dockerfile/#scope. ENV wins over ARG of the same name; an ARG before
the first FROM counts in FROM lines, and inside a stage only once it is declared there again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from yurt.dockerfile.instructions import Arg
from yurt.dockerfile.location import Location
from yurt.dockerfile.shell import expand

PREDEFINED = frozenset(
    name
    for upper in ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
    for name in (upper, upper.lower())
)
"""Arguments that RUN sees without a declaration when the client gives them, and that no cache key holds."""


def platform_arguments(platform: str, *, stage: str = "") -> dict[str, str]:
    """Return BUILDPLATFORM, TARGETARCH and the rest for *platform* (``linux/amd64``)."""
    parts = [*platform.split("/"), "", ""][:3]
    values = {"PLATFORM": platform, "OS": parts[0], "ARCH": parts[1], "VARIANT": parts[2]}
    return {f"{side}{name}": value for side in ("BUILD", "TARGET") for name, value in values.items()} | {
        "TARGETSTAGE": stage or "default"
    }


@dataclass(frozen=True, slots=True)
class Scope:
    """What variables hold at one point of a stage.

    *given* came with the request (None: named without a value), *outer* holds the arguments before the first
    FROM and the platform's: they count here only once declared.
    """

    given: Mapping[str, str | None] = field(default_factory=dict)
    outer: Mapping[str, str] = field(default_factory=dict)
    arguments: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    escape: str = "\\"

    @property
    def variables(self) -> dict[str, str]:
        """What ``$name`` stands for."""
        return {**self.arguments, **self.environment}

    def declare(self, arg: Arg) -> Self:
        """Return the scope after *arg*."""
        scope = self
        for name, default in arg.items:
            value = scope.given.get(name)
            if value is None and name in scope.outer and default is None:
                value = scope.outer[name]
            if value is None and default is not None:
                value = scope.expand(default, arg.location)
            if value is not None:
                scope = replace(scope, arguments={**scope.arguments, name: value})
        return scope

    def with_environment(self, environment: Mapping[str, str]) -> Self:
        """Return the scope in which the image's variables are *environment*."""
        return replace(self, environment=dict(environment))

    def expand(self, text: str, where: Location) -> str:
        """Return *text* as one word; a mistake in it raises InvalidArgument at *where*."""
        try:
            return expand(text, self.variables, escape=self.escape)
        except ValueError as bad:
            raise where.error(str(bad)) from bad

    def run_arguments(self) -> dict[str, str]:
        """Return what RUN gets in its environment beside ENV: the declared arguments."""
        return {name: value for name, value in self.arguments.items() if name not in self.environment}

    def proxies(self) -> dict[str, str]:
        """Return the predefined arguments that the request gives and no one declared."""
        return {
            name: value
            for name, value in self.given.items()
            if name in PREDEFINED and value is not None and name not in self.arguments
        }
