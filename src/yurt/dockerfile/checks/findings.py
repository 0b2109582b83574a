"""Rules by name, what they found, and which of them a Dockerfile asks for."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from yurt.dockerfile.location import Location
from yurt.errors import InvalidArgument

ARGUMENT = "BUILDKIT_DOCKERFILE_CHECK"
"""The build argument that outranks the Dockerfile's own ``# check=`` directive."""

_ABOUT = "https://docs.docker.com/go/dockerfile/rule/"

RULES: Mapping[str, str] = {
    "StageNameCasing": "Names of stages are written in lower case",
    "FromAsCasing": "FROM and AS are written in the same case",
    "NoEmptyContinuation": "No empty line stands inside a continued instruction",
    "ConsistentInstructionCasing": "All instructions are written in the same case",
    "DuplicateStageName": "Each name of a stage is given once",
    "ReservedStageName": "No stage has a name that means something else",
    "JSONArgsRecommended": "CMD and ENTRYPOINT are lists, so that the program itself gets signals",
    "MaintainerDeprecated": "A label names the author, not MAINTAINER",
    "UndefinedArgInFrom": "Variables in FROM are declared by an ARG before the first FROM",
    "UndefinedVar": "Variables are declared before they are used",
    "MultipleInstructionsDisallowed": "CMD, ENTRYPOINT and HEALTHCHECK stand once in a stage",
    "WorkdirRelativePath": "The first WORKDIR of a stage is an absolute path",
    "LegacyKeyValueFormat": "ENV and LABEL are written with an equals sign",
    "RedundantTargetPlatform": "The target's platform is the default and need not be named",
    "SecretsUsedInArgOrEnv": "Secrets stay out of ARG and ENV, which anyone can read in the image",
    "InvalidDefaultArgInFrom": "FROM names an image also when no build argument is given",
    "FromPlatformFlagConstDisallowed": "The platform of a stage is not fixed",
    "CopyIgnoredFile": "What is copied is not left out by .dockerignore",
    "InvalidDefinitionDescription": "A comment before FROM … AS or ARG begins with the name it describes",
    "ExposeProtoCasing": "Protocols in EXPOSE are written in lower case",
    "ExposeInvalidFormat": "EXPOSE names ports of the container and nothing else",
}
"""What each rule asks for, by its name."""

EXPERIMENTAL = frozenset({"CopyIgnoredFile", "InvalidDefinitionDescription"})
"""Rules that look only where ``# check=experimental=`` asks for them; ``skip`` does not count for these."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What *rule* found at *where*."""

    rule: str
    where: Location
    message: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.message} (line {self.where.first})"

    @property
    def url(self) -> str:
        return _ABOUT + re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", self.rule).lower() + "/"


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """Which rules look, and whether what they find is an error. Names of rules, or ``all``."""

    skip: frozenset[str] = frozenset()
    experimental: frozenset[str] = frozenset()
    error: bool = False

    @classmethod
    def parse(cls, text: str, where: Location) -> Self:
        """Return the options in *text* (``skip=A,B;error=true``); raise InvalidArgument at *where*."""
        skip: frozenset[str] = frozenset()
        experimental: frozenset[str] = frozenset()
        error = False
        for part in text.split(";"):
            name, equals, value = (piece.strip() for piece in part.partition("="))
            if not name and not equals:
                continue
            if not equals:
                raise where.error(f"check option {name} has no value", hint="such as skip=StageNameCasing")
            names = frozenset(word.strip() for word in value.split(",") if word.strip())
            match name:
                case "skip":
                    skip = names
                case "experimental":
                    experimental = names
                case "error":
                    if value.lower() not in {"true", "false", "1", "0", "t", "f"}:
                        raise where.error(f"check option error={value}: expected true or false")
                    error = value.lower() in {"true", "1", "t"}
                case _:
                    raise where.error(
                        f"unknown check option {name!r}", hint="known are skip, experimental and error"
                    )
        return cls(skip, experimental, error)

    @classmethod
    def of(cls, directives: Mapping[str, str], given: Mapping[str, str | None], file: str) -> Self:
        """Return the options of a Dockerfile; the build argument, when it is given, counts instead of it all."""
        argument = given.get(ARGUMENT)
        if argument:
            try:
                return cls.parse(argument, Location(file, 1, 1))
            except InvalidArgument as bad:
                text = bad.message.partition(": ")[2]
                raise InvalidArgument(f"--build-arg {ARGUMENT}: {text}", hint=bad.hint) from bad
        line = 1 + list(directives).index("check") if "check" in directives else 1
        return cls.parse(directives.get("check", ""), Location(file, line, line))

    def wants(self, rule: str) -> bool:
        """Say whether *rule* looks."""
        if rule in EXPERIMENTAL:
            return not self.experimental.isdisjoint({"all", rule})
        return self.skip.isdisjoint({"all", rule})
