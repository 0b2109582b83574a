"""What the checks find; that BuildKit finds the same is tested with it (tests/integration/test_build_checks.py)."""

import pytest

from yurt.dockerfile.checks.check import ImageFacts, Surroundings, check, check_broken
from yurt.dockerfile.checks.findings import RULES, CheckOptions, Finding
from yurt.dockerfile.lexer import lex
from yurt.dockerfile.location import Location
from yurt.dockerfile.outline import outline, targets
from yurt.dockerfile.parser import parse
from yurt.errors import InvalidArgument

BASE = ImageFacts({"PATH": "/bin", "BASE": "1"}, triggers=("ENV TRIGGERED=1",))


def about(**more: object) -> Surroundings:
    known = {"base": BASE, "shelled": ImageFacts(has_shell=True)}
    defaults: dict[str, object] = {"image": known.get, "is_image_name": lambda text: text.islower()}
    return Surroundings(**{**defaults, **more})  # type: ignore[arg-type]


def found(text: str, **more: object) -> list[str]:
    return [f"{each.where.first} {each.rule}" for each in check(parse(text.encode()), about(**more))]


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("FROM base AS Up", ["1 StageNameCasing"]),
        ("FROM base as up", ["1 FromAsCasing"]),
        ("FROM base\nRUN a \\\n\n b", ["4 NoEmptyContinuation"]),
        ("FROM base\nRUN a \\\n# b\n b", []),
        ("FROM base\nrun a", ["2 ConsistentInstructionCasing"]),
        ("FROM base AS a\nFROM base AS a", ["2 DuplicateStageName"]),
        ("FROM base AS context", ["1 ReservedStageName"]),
        ("FROM base\nCMD a", ["2 JSONArgsRecommended"]),
        ("FROM shelled\nCMD a", []),
        ("FROM base\nMAINTAINER a", ["2 MaintainerDeprecated"]),
        ("FROM base$A", ["1 UndefinedArgInFrom"]),
        ("FROM base\nENV a=$B b=$BASE c=$TRIGGERED", ["2 UndefinedVar"]),
        ("FROM unknown\nENV a=$B", []),
        ('FROM base\nCMD ["a"]\nCMD ["b"]', ["2 MultipleInstructionsDisallowed"]),
        ("FROM base\nWORKDIR a", ["2 WorkdirRelativePath"]),
        ("FROM base\nENV a b", ["2 LegacyKeyValueFormat"]),
        ("FROM --platform=$TARGETPLATFORM base", ["1 RedundantTargetPlatform"]),
        ("FROM base\nARG PASSWORD", ["2 SecretsUsedInArgOrEnv"]),
        ("ARG A\nFROM ${A}", ["2 InvalidDefaultArgInFrom"]),
        ("FROM --platform=linux/amd64 base", ["1 FromPlatformFlagConstDisallowed"]),
        ("# check=experimental=all\nFROM base\nCOPY a b", ["3 CopyIgnoredFile"]),
        ("# check=experimental=all\n# x\nFROM base AS a", ["3 InvalidDefinitionDescription"]),
        ("FROM base\nEXPOSE 80/TCP", ["2 ExposeProtoCasing"]),
        ("FROM base\nEXPOSE 1:80", ["2 ExposeInvalidFormat"]),
    ],
)
def test_each_rule_names_its_line(text: str, rules: list[str]) -> None:
    """One Dockerfile a rule, and what is not meant by it."""
    assert found(text, ignores=lambda path: path == "a") == rules


def test_every_rule_has_an_address() -> None:
    """As BuildKit's documentation has them."""
    where = Location("Dockerfile", 1, 1)
    addresses = {rule: Finding(rule, where, "").url.split("/")[-2] for rule in RULES}
    assert addresses["JSONArgsRecommended"] == "json-args-recommended"
    assert addresses["StageNameCasing"] == "stage-name-casing"
    assert addresses["UndefinedArgInFrom"] == "undefined-arg-in-from"
    assert addresses["SecretsUsedInArgOrEnv"] == "secrets-used-in-arg-or-env"


def test_a_finding_says_rule_sentence_and_line() -> None:
    """The nearest name is suggested."""
    (finding,) = check(parse(b"FROM base\nARG VERSION\nENV a=$VERSIO"), about())
    assert (
        str(finding) == "UndefinedVar: the variable $VERSIO is not set here (did you mean VERSION?) (line 3)"
    )


def test_options() -> None:
    """Skipped rules, experimental ones, and those by build argument instead."""
    text = "# check=skip=FromAsCasing\nFROM base as A"
    assert found(text) == ["2 StageNameCasing"]
    assert found(text, given={"BUILDKIT_DOCKERFILE_CHECK": "skip=all"}) == []
    where = Location("Dockerfile", 1, 1)
    options = CheckOptions.parse("skip=all;experimental=CopyIgnoredFile;error=true", where)
    assert options.error
    assert [rule for rule in RULES if options.wants(rule)] == ["CopyIgnoredFile"]


@pytest.mark.parametrize("options", ["bogus=1", "skip", "error=maybe", "=x"])
def test_broken_options_name_the_line(options: str) -> None:
    """That of the directive, which may not be the first; or the build argument."""
    with pytest.raises(InvalidArgument, match=r"^Dockerfile:2: "):
        check(parse(f"# syntax=x\n# check={options}\nFROM base".encode()), about())
    with pytest.raises(InvalidArgument, match=r"^--build-arg BUILDKIT_DOCKERFILE_CHECK: "):
        check(parse(b"FROM base"), about(given={"BUILDKIT_DOCKERFILE_CHECK": options}))


def test_what_stands_above_a_mistake_is_still_checked() -> None:
    """As far as it needs no understanding of the rest."""
    source = lex(b"FROM base as A\nNOPE\nMAINTAINER x\n")
    assert [each.rule for each in check_broken(source, about(), before=2)] == [
        "FromAsCasing",
        "StageNameCasing",
    ]


def test_only_the_wanted_stages_are_looked_into() -> None:
    """What they inherit counts all the same."""
    dockerfile = parse(b"FROM base AS a\nENV x=$y\nWORKDIR /w\nFROM a\nENV z=$x\nWORKDIR q")
    assert [each.where.first for each in check(dockerfile, about())] == [2]
    assert check(dockerfile, about(), stages=[1]) == ()


def test_outline_and_targets() -> None:
    """Comments that begin with a name describe it."""
    dockerfile = parse(
        b"# V which\nARG V=1\n# a the base\nFROM base AS a\nARG V\nFROM a\n"
        b"RUN --mount=type=secret,id=s,required --mount=type=ssh x\n"
    )
    assert [(each.name, each.description, each.is_default) for each in targets(dockerfile)] == [
        ("a", "the base", False),
        ("", "", True),
    ]
    about_it = outline(dockerfile, target="", given={"V": "2"}, predefined={})
    (argument,) = about_it.arguments
    assert (argument.name, argument.value, argument.description, argument.where.first) == (
        "V",
        "2",
        "which",
        2,
    )
    assert [(each.name, each.required) for each in (*about_it.secrets, *about_it.agents)] == [
        ("s", True),
        ("default", False),
    ]
