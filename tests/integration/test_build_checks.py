"""Build checks: rule by rule the same findings on the same lines as the reference's BuildKit, asked by its own client."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import pytest
from tests.conftest import Needs
from tests.integration.engine_host import EngineHost, having_busybox

pytestmark = [pytest.mark.root, pytest.mark.docker, pytest.mark.parity]

IMAGE = "yurt-parity/checked:1"


@dataclass(frozen=True)
class Case:
    """A Dockerfile; BASE in it is an image of both engines. *broken*: it cannot be built."""

    text: str
    files: Mapping[str, str] = field(default_factory=dict)
    words: tuple[str, ...] = ()
    broken: bool = False


IGNORE = "*.log\n!keep.log\nd\n!d/keep\n"
CASES = {
    "stage names": Case("FROM scratch AS Base\nFROM scratch AS SECOND\nFROM scratch AS ok\n"),
    "from as": Case(
        "FROM scratch as a\nfrom scratch AS b\nfrom scratch as c\nFrom scratch As d\nFROM scratch aS e\n"
    ),
    "gaps": Case(
        "FROM BASE\nRUN echo a \\\n\n  b\nRUN echo a \\\n# c\n  b\nRUN echo \\\n   \n\n  b\nRUN a && \\\n\n# x\n\nb\n"
        "EXPOSE \\\n\n80\n"
    ),
    "a gap at the end": Case("FROM BASE\nRUN echo a \\\n\n"),
    "a here-document is no gap": Case("FROM BASE\nRUN <<EOF\na \\\n\nb\nEOF\nRUN a \\\n \nRUN b\n"),
    "mostly upper": Case("FROM scratch\ncopy a b\nENV a=b\nEnV e=f\nonbuild env q=r\n"),
    "mostly lower": Case("from scratch\ncopy a b\nENV a=b\n"),
    "mixed": Case("From scratch\nCopy a b\nEnv a=b\n"),
    "a tie": Case("from scratch\nENV a=b\n"),
    "arguments before FROM do not count": Case("ARG X=1\nARG Y=2\nfrom scratch\nenv a=b\n"),
    "same name": Case("FROM scratch AS a\nFROM scratch AS A\nFROM scratch AS a\n"),
    "reserved": Case("FROM scratch AS context\nFROM scratch AS Scratch\nFROM scratch AS context\n"),
    "text commands": Case("FROM BASE\nENTRYPOINT a b\nCMD ['a']\nHEALTHCHECK CMD x\nRUN x\n"),
    "an empty command": Case("FROM BASE\nCMD\n"),
    "text commands with a shell": Case(
        'FROM BASE AS a\nSHELL ["/bin/sh","-c"]\nCMD a\nFROM a\nENTRYPOINT q\nFROM BASE\nCMD a\nSHELL ["x"]\n'
    ),
    "maintainer": Case("FROM scratch\nMAINTAINER me\n"),
    "undeclared in FROM": Case("ARG A=1\nFROM scratch$NOPE\nFROM scratch${NOPE:-}\nFROM ${B:-scratch}\n"),
    "an empty name": Case("ARG VERSION=1\nFROM $VERSIO\n", broken=True),
    "arguments of a stage": Case("FROM scratch AS a\nARG Q=scratch\nFROM $Q\n", broken=True),
    "an empty platform": Case("FROM --platform=$BUILDPLATFOR scratch\n", broken=True),
    "proxies in FROM": Case("FROM scratch${HTTP_PROXY}${http_proxy}\n"),
    "undefined": Case(
        "ARG o=1\nFROM BASE\nENV a=$b c=${d:-x} e=${f:+x} g=${h+x}\nLABEL a=$i $j=1\nCOPY $k /$l\nADD a $m/\n"
        'WORKDIR /$n\nUSER u$o\nVOLUME /$p\nEXPOSE 80$q\nSTOPSIGNAL 9$r\nARG s=$t\nCMD ["$u"]\nSHELL ["$v"]\n'
        "HEALTHCHECK CMD $w\nONBUILD ENV x=$y\nRUN echo $z\n"
    ),
    "undefined in words": Case(
        "FROM scratch\nENV a=\"$b\" c='$d' e=\\$f g=$1 h=$@ i=${j%x} k=${l/a/b} m=${n#x}\nENV o=${p:-$q} r=${s:+$t}\n"
        "ENV u=${v#$w} x=${y/$z/$aa}\nENV bb=${cc:-${dd:-$ee}}\n"
    ),
    "undefined in here-documents": Case("FROM scratch\nCOPY <<EOF /x\n$foo\nEOF\nCOPY <<'EOF' /x\n$foo\nEOF\n"),
    "undefined in mounts": Case(
        "FROM BASE\nRUN --mount=type=bind,target=/x,source=$q <<EOF\n$foo\nEOF\nRUN --mount=type=cache,target=/a$w,id=$i a\n"
    ),
    "undefined in flags": Case(
        "FROM BASE\nCOPY --chown=1$u a b\nCOPY --chmod=7$m a b\nCOPY --exclude=$x a b\nADD --checksum=$c http://x/y /\n"
    ),
    "defined": Case(
        "ARG g=1\nFROM BASE AS x\nARG a\nENV b=1\nARG TARGETARCH\nENV c=$a$b$PATH$TARGETARCH\nFROM x\nENV d=$a$b$c\nARG g\nENV e=$g\n"
    ),
    "defined elsewhere": Case(
        "ARG g=1\nFROM scratch AS x\nENV foo=1\nFROM scratch\nENV a=$foo b=$g c=$TARGETOS d=$HTTP_PROXY e=$SOURCE_DATE_EPOCH\n"
    ),
    "in its own line": Case("FROM scratch\nENV a=1 d=$a\nENV b=$b\nENV c=$b\n"),
    "several of a kind": Case(
        'FROM BASE AS a\nCMD ["a"]\nCMD ["b"]\nENTRYPOINT ["a"]\nHEALTHCHECK NONE\nENTRYPOINT ["b"]\nHEALTHCHECK CMD b\nCMD ["c"]\n'
        'FROM a\nCMD ["a"]\n'
    ),
    "relative folders": Case(
        "FROM scratch\nWORKDIR a\nWORKDIR b\nFROM scratch AS x\nARG D=y\nWORKDIR $D\nFROM scratch\nWORKDIR /x\nWORKDIR a\n"
        "FROM x\nWORKDIR z\nFROM BASE\nWORKDIR w\n"
    ),
    "old forms": Case(
        "FROM scratch\nENV a b=c\nLABEL c d \\\n e\nENV f=g\nONBUILD ENV a b\nENV x\ty\nLABEL a\\ b=c\n"
    ),
    "target platform": Case(
        "FROM --platform=$TARGETPLATFORM scratch\nFROM --platform=${TARGETPLATFORM:-linux/amd64} scratch AS a\n"
        "FROM --platform=$TARGETOS/$TARGETARCH scratch\nFROM --platform=$BUILDPLATFORM scratch\n"
    ),
    "fixed platforms": Case(
        "FROM --platform=linux/amd64 scratch\nFROM --platform=linux/amd64 scratch AS build_amd64\n"
        "FROM --platform=linux/arm64 scratch AS b-arm\nFROM --platform=linux/arm64/v8 scratch AS v8\n"
        "FROM --platform=linux/amd64 scratch AS linux_x\nFROM --platform=linux scratch AS q\nFROM scratch\n"
    ),
    "secrets": Case(
        "ARG GITHUB_TOKEN=x\nFROM scratch\nARG PASSWORD\nENV API_KEY=x apikey=1 MYKEY=2 MY_SECRET=3\nENV PUBLIC_KEY=1\n"
        "ENV GPG_KEY=4\nENV passwd=5\nENV pword=6\nENV pass=7\nENV SECRETS=1 authx=1 KEYRING=2 SSHKEY=3 TOKEN_PUBLIC=1\n"
        "ENV AUTH_URL=1\nENV KEY_PATH=1\nENV x_credential_y=2\nENV credentials=1\nLABEL password=1\nARG GITHUB_TOKEN\nENV Auth=1\n"
    ),
    "default arguments": Case("ARG TAG\nARG X=1\nFROM scratch$TAG\nFROM BASE$TAG\n"),
    "no default": Case("ARG TAG\nFROM busybox:$TAG\n", broken=True),
    "a default in upper case": Case("ARG TAG=Upper\nFROM UPPER$TAG\n", broken=True),
    "a default that is given": Case("ARG N\nFROM scratch$N\nFROM ${N}scratch\n", words=("--build-arg", "N=")),
    "ports": Case(
        "FROM scratch\nEXPOSE 80/TCP 82/udp 83\nEXPOSE 127.0.0.1:80:80\nEXPOSE 80:80/TCP\nARG P=80/Tcp\nEXPOSE $P\nEXPOSE 1-2:3-4\n"
        "EXPOSE [::1]:1:2\nEXPOSE 127.0.0.1::80/udp\n"
    ),
    "descriptions": Case(
        "# check=experimental=all\n# foo this\nFROM scratch AS foo\n# x y\nARG FOO=bar\n# FOO is\nARG FOO BAR\n# x\n# BAR y\n"
        "ARG FOO BAR\n# hm\n\nARG Q\n##  Q x\nARG Q\n#\nARG Q\n# Q: x\nARG Q\nRUN \\\n# foo\nx\nARG Q\n# z\nFROM scratch\n"
    ),
    "descriptions, not asked for": Case("# bar this\nFROM scratch AS foo\n"),
    "no description above": Case("# check=experimental=InvalidDefinitionDescription\nFROM scratch AS foo\n"),
    "ignored": Case(
        "# check=experimental=CopyIgnoredFile\nFROM BASE AS q\nFROM scratch\nCOPY --from=q a.log x\nADD http://x/a.log /\n"
        "COPY ./a.log /\nCOPY /a.log /\nCOPY keep.log d/ /\nCOPY d/x /\nCOPY d/keep /\nCOPY <<a.log /\na.log\nARG X=a.log\n"
        "COPY $X /\nADD *.log /\nCOPY . /\n",
        {".dockerignore": IGNORE},
    ),
    "ignored, not asked for": Case("FROM scratch\nCOPY a.log x\n", {".dockerignore": "*.log\n"}),
    "one skipped": Case("# check=skip=StageNameCasing\nFROM scratch as Base\n"),
    "all skipped": Case("# check=skip=all\nFROM scratch as Base\n"),
    "two skipped": Case("# check=skip=StageNameCasing,FromAsCasing;error=true\nFROM scratch as Base\n"),
    "skipped, twice": Case("# check=skip=StageNameCasing;skip=FromAsCasing\nFROM scratch as B\n"),
    "skipped and experimental": Case("# check=skip=all;experimental=all\n#x\nFROM scratch as B\n"),
    "an error": Case("# check=error=true\nFROM scratch as Base\n", broken=True),
    "an unknown rule": Case("# check=skip=nonexisting\nFROM scratch as Base\n"),
    "a rule in other case": Case("# check = skip=stagenamecasing ; error=false\nFROM scratch as Base\n"),
    "an unknown option": Case("# check=bogus=true\nFROM scratch as Base\n", broken=True),
    "an option without a value": Case("# check=skip\nFROM scratch as Base\n", broken=True),
    "no truth": Case("# check=error=maybe\nFROM scratch as Base\n", broken=True),
    "by argument": Case(
        "# check=error=true\nFROM scratch as Base\n",
        words=("--build-arg", "BUILDKIT_DOCKERFILE_CHECK=skip=FromAsCasing"),
    ),
    "an error by argument": Case(
        "FROM scratch as Base\n", words=("--build-arg", "BUILDKIT_DOCKERFILE_CHECK=error=true"), broken=True
    ),
    "stages that nothing needs": Case(
        "FROM scratch AS a\nENV x=$y\nWORKDIR q\nCMD x\nEXPOSE 1/TCP\nFROM scratch\n"
    ),
    "another target": Case(
        "FROM scratch AS a\nENV x=$y\nFROM scratch\nENV z=$y\n", words=("--target", "a")
    ),
    "no instruction": Case("FROM scratch as a\nfrom scratch as B\nENV x y\nFOO\nMAINTAINER x\n", broken=True),
    "no flag": Case("FROM scratch as a\nCOPY --nope a b\n", broken=True),
    "nothing at all": Case("# nothing\n", broken=True),
}  # fmt: skip


@pytest.fixture(scope="module")
def hosts(engine: EngineHost, needs: Needs) -> Iterator[tuple[str, str]]:
    """The addresses of both engines: ours, the reference. Both have IMAGE."""
    needs.program("docker")
    both = engine.host, needs.reference()
    with having_busybox(IMAGE, both):
        yield both


def build(host: str, folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["docker", "build", *words, str(folder)],
        env=os.environ | {"DOCKER_HOST": host, "BUILDKIT_PROGRESS": "plain"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def write(case: Case, folder: Path) -> None:
    (folder / "Dockerfile").write_text(case.text.replace("BASE", IMAGE))
    for name, text in case.files.items():
        (folder / name).write_text(text)


def asked(host: str, folder: Path, question: str, *words: str) -> Any:
    done = build(host, folder, f"--call={question},format=json", *words)
    assert done.stdout, done.stderr
    return json.loads(done.stdout) | {"code": done.returncode}


def lines(location: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(each["start"]["line"] for each in location["ranges"])


def found(answer: Mapping[str, Any]) -> set[tuple[str, tuple[int, ...]]]:
    return {(each["ruleName"], lines(each["location"])) for each in answer.get("warnings") or ()}


@pytest.mark.parametrize("name", CASES)
def test_findings_are_those_of_the_reference(name: str, hosts: tuple[str, str], tmp_path: Path) -> None:
    """Rules, lines, whether it is an error, and the exit code."""
    case = CASES[name]
    write(case, tmp_path)
    with ThreadPoolExecutor() as both:
        ours, theirs = both.map(lambda host: asked(host, tmp_path, "lint", *case.words), hosts)
    assert found(ours) == found(theirs)
    assert ("buildError" in ours) == ("buildError" in theirs) == case.broken
    assert ours["code"] == theirs["code"]
    by_rule = {each["ruleName"]: each["url"] for each in theirs.get("warnings") or ()}
    assert {each["ruleName"]: each["url"] for each in ours.get("warnings") or ()} == by_rule


OUTLINED = """\
# GLOBAL is a version
ARG GLOBAL=1
ARG UNUSED=2
# base the base stage
FROM BASE AS base
# FOO the foo
ARG FOO=bar
ARG GLOBAL
ARG NODEF
RUN --mount=type=secret,id=tok,required --mount=type=ssh --mount=type=cache,target=/c true
FROM scratch AS other
ARG OTHER=x
RUN --mount=type=secret,id=tok2 true
# final is it
FROM base AS final
ARG LAST=${FOO}x
ARG TARGETARCH
RUN --mount=type=secret,target=/run/secrets/tok3,env=X --mount=type=ssh,id=deploy,required=true true
FROM scratch
COPY --from=final / /
ARG FOO=mine
"""


@pytest.mark.parametrize("question", ["outline", "targets"])
@pytest.mark.parametrize(
    "words", [(), ("--target", "final"), ("--target", "base", "--build-arg", "FOO=q"), ("--target", "other")]
)
def test_outline_and_targets_are_those_of_the_reference(
    question: str, words: tuple[str, ...], hosts: tuple[str, str], tmp_path: Path
) -> None:
    """Names, descriptions, values, requirements and places."""
    write(Case(OUTLINED), tmp_path)
    ours, theirs = (asked(host, tmp_path, question, *words) for host in hosts)
    assert ours == theirs


def test_a_build_warns_and_goes_on(hosts: tuple[str, str], tmp_path: Path) -> None:
    """The warnings of the stages that are built, in the progress and again at its end."""
    write(Case("FROM scratch AS a\nENV x=$y\nFROM scratch as B\nWORKDIR q\n"), tmp_path)
    done = build(hosts[0], tmp_path)
    assert done.returncode == 0, done.stderr
    assert "#1 WARN: StageNameCasing: the stage name B is not in lower case (line 3)" in done.stderr
    assert "3 warnings found" in done.stderr
    assert "UndefinedVar" not in done.stderr  # a stage that is not built


def test_a_build_is_refused_when_findings_are_errors(hosts: tuple[str, str], tmp_path: Path) -> None:
    """The directive and the build argument, in the words that people look for."""
    write(Case("# check=error=true\nFROM scratch as B\n"), tmp_path)
    for host in hosts:
        done = build(host, tmp_path)
        assert done.returncode == 1
        assert "lint violation found for rules: " in done.stderr
        assert "StageNameCasing" in done.stderr
        done = build(host, tmp_path, "--build-arg", "BUILDKIT_DOCKERFILE_CHECK=skip=all")
        assert done.returncode == 0, done.stderr


def test_check_prints_what_it_finds(hosts: tuple[str, str], tmp_path: Path) -> None:
    """`docker build --check`: the exit code, and the line."""
    write(Case("FROM scratch as b\n"), tmp_path)
    done = build(hosts[0], tmp_path, "--check")
    assert done.returncode == 1
    assert "Check complete, 1 warning has been found!" in done.stdout
    assert "   1 | >>> FROM scratch as b" in done.stdout
    write(Case("FROM scratch AS b\n"), tmp_path)
    done = build(hosts[0], tmp_path, "--check")
    assert (done.returncode, done.stdout) == (0, "Check complete, no warnings found.\n")


def test_a_question_that_is_none_is_refused(hosts: tuple[str, str], tmp_path: Path) -> None:
    """By name, with those that there are."""
    write(Case("FROM scratch\n"), tmp_path)
    done = build(hosts[0], tmp_path, "--call=nonsense")
    assert done.returncode == 1
    assert "frontend.nonsense cannot be asked" in done.stderr


def test_the_classic_protocol_warns(hosts: tuple[str, str], tmp_path: Path) -> None:
    """A line of output for each; none when only the id is asked for."""
    write(Case("FROM scratch as b\n"), tmp_path)
    environ = os.environ | {"DOCKER_HOST": hosts[0], "DOCKER_BUILDKIT": "0"}
    words = ["docker", "build", str(tmp_path)]
    done = subprocess.run(words, env=environ, capture_output=True, text=True, check=True)
    assert "[Warning] FromAsCasing: FROM and as are written in different cases (line 1)\n" in done.stdout
    done = subprocess.run([*words, "-q"], env=environ, capture_output=True, text=True, check=True)
    assert "Warning" not in done.stdout


def test_arguments_are_inherited_from_the_stage_below(hosts: tuple[str, str], tmp_path: Path) -> None:
    """What an ARG holds counts in the stages on top, in RUN as in ENV."""
    write(Case('FROM BASE AS x\nARG foo=1\nFROM x\nRUN test "$foo" = 2\nENV a=$foo\n'), tmp_path)
    for host in hosts:
        done = build(host, tmp_path, "-q", "--build-arg", "foo=2")
        assert done.returncode == 0, done.stderr
        with closing(docker.DockerClient(base_url=host)) as client:
            image = client.images.get(done.stdout.strip())
            assert "a=2" in image.attrs["Config"]["Env"]


def test_ports_of_the_host_are_left_out(hosts: tuple[str, str], tmp_path: Path) -> None:
    """An address or a port of the host is no error, and means nothing."""
    write(Case("FROM scratch\nEXPOSE 127.0.0.1:80:80 81:82/TCP 1-2:3-4 90/TCP [::1]:1:2\n"), tmp_path)
    exposed = []
    for host in hosts:
        done = build(host, tmp_path, "-q")
        with closing(docker.DockerClient(base_url=host)) as client:
            exposed.append(client.images.get(done.stdout.strip()).attrs["Config"]["ExposedPorts"])
    assert exposed[0] == exposed[1]


def test_the_last_stage_of_a_name_is_meant(hosts: tuple[str, str], tmp_path: Path) -> None:
    """A name that is given twice is a finding, and no error."""
    write(Case("FROM scratch AS a\nENV x=1\nFROM scratch AS a\nENV x=2\nFROM a\n"), tmp_path)
    for host in hosts:
        for words in ((), ("--target", "a")):
            done = build(host, tmp_path, "-q", *words)
            assert done.returncode == 0, done.stderr
            with closing(docker.DockerClient(base_url=host)) as client:
                image = client.images.get(done.stdout.strip())
                assert "x=2" in image.attrs["Config"]["Env"]
