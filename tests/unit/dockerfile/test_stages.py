import pytest

from yurt.dockerfile.instructions import Arg
from yurt.dockerfile.location import Location
from yurt.dockerfile.parser import parse
from yurt.dockerfile.scope import Scope, platform_arguments
from yurt.dockerfile.stages import needed, target_stage
from yurt.errors import InvalidArgument

FILE = b"""\
FROM base AS deps
RUN one
FROM deps AS unused
RUN two
FROM other AS build
RUN --mount=type=bind,from=deps,target=/deps three
FROM scratch
COPY --from=build /a /b
COPY --from=nginx /c /d
"""


def test_only_the_stages_that_a_target_needs_are_built() -> None:
    """FROM, COPY --from and --mount=from draw stages in; others stay out."""
    dockerfile = parse(FILE)
    bases = {stage.index: stage.base.image for stage in dockerfile.stages}
    assert [stage.index for stage in needed(dockerfile, target_stage(dockerfile, ""), bases)] == [0, 2, 3]
    assert [stage.index for stage in needed(dockerfile, target_stage(dockerfile, "unused"), bases)] == [0, 1]


def test_an_unknown_target_suggests_one() -> None:
    """The hint names the stage that was probably meant."""
    with pytest.raises(InvalidArgument) as caught:
        target_stage(parse(FILE), "biuld")
    assert caught.value.hint == "did you mean build?"


def test_a_stage_cannot_read_from_a_later_one() -> None:
    """The complaint says where the stage starts."""
    dockerfile = parse(b"FROM a AS x\nCOPY --from=y /1 /2\nFROM b AS y\n")
    with pytest.raises(InvalidArgument) as caught:
        needed(dockerfile, dockerfile.stages[0], {0: "a", 1: "b"})
    assert caught.value.message == "Dockerfile:2: stage y is used before it is there"


def arg(name: str, default: str | None = None) -> Arg:
    return Arg(items=((name, default),), location=Location("Dockerfile", 1, 1), original="")


def test_arguments_count_once_declared() -> None:
    """An outer argument, a given one and a default each have their place; ENV wins."""
    scope = Scope(given={"given": "g", "late": "l"}, outer={"outer": "o"})
    assert scope.variables == {}
    scope = scope.declare(arg("given", "default")).declare(arg("outer")).declare(arg("x", "$given-x"))
    assert scope.variables == {"given": "g", "outer": "o", "x": "g-x"}
    assert scope.with_environment({"x": "env"}).variables["x"] == "env"
    assert scope.with_environment({"x": "env"}).run_arguments() == {"given": "g", "outer": "o"}


def test_proxies_need_no_declaration() -> None:
    """The predefined arguments reach RUN when the client gives them, unless declared (then they are ordinary)."""
    scope = Scope(given={"http_proxy": "http://p", "other": "x"})
    assert scope.proxies() == {"http_proxy": "http://p"}
    assert scope.declare(arg("http_proxy")).proxies() == {}


def test_platform_arguments_are_split() -> None:
    """TARGETARCH and friends come from the platform."""
    values = platform_arguments("linux/arm/v7")
    assert (values["TARGETARCH"], values["TARGETVARIANT"], values["BUILDOS"]) == ("arm", "v7", "linux")
