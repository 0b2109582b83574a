"""The same command, asked of Docker's own command line and of ours, on the same engine: the same text."""

from collections.abc import Iterator

import pytest
from tests.conftest import Needs
from tests.e2e.cli_host import IMAGE, CommandLine, Result

pytestmark = pytest.mark.docker
NAME = "cli-parity"
ONLY = ("--filter", f"name={NAME}")


@pytest.fixture(scope="module")
def both(needs: Needs) -> Iterator[tuple[CommandLine, str]]:
    """A container with everything that shows; the command line, and Docker's own."""
    needs.file("/bin/busybox")
    docker = needs.program("docker")
    yurt = CommandLine(needs.reference())
    yurt.import_busybox()
    yurt("rm", "-f", "-v", NAME)
    script = "for i in 1 2 3; do echo line $i; done; exec sleep 300"
    started = yurt(
        "run", "-d", "--name", NAME, "-p", "18123-18124:80-81", "-p", "18125:18125", "--expose", "90-92", "-l", "a=b",
        "-v", f"{NAME}:/data", IMAGE, "sh", "-c", script,
    )  # fmt: skip
    assert started.code == 0, started.err
    yield yurt, docker
    yurt("rm", "-f", "-v", NAME)
    yurt("volume", "rm", "-f", NAME)


@pytest.mark.parametrize(
    "words",
    [
        ("ps", *ONLY),
        ("ps", "-s", "--no-trunc", *ONLY),
        ("ps", "-aq", *ONLY),
        ("ps", *ONLY, "--format", r'{{.Image}}\t{{.Label "a"}} {{.Mounts}} {{.Networks}} {{.LocalVolumes}} {{.Ports}}'),
        ("ps", *ONLY, "--format", r"table {{.ID}}\t{{.Names}}\t{{.Status}}"),
        ("ps", *ONLY, "--format", "json"),
        ("ps", *ONLY, "--format", "{{json .}}"),
        ("ps", *ONLY, "--format", '{{upper .Names}} {{title .State}} {{pad .Names 2 3}}| {{truncate .Image 4}} {{join (split .Image ":") "/"}}'),
        ("ps", *ONLY, "--format", '{{if eq .State "running"}}R{{else}}X{{end}} {{println .Names}}'),
        ("images", IMAGE),
        ("images", "--format", "json", IMAGE),
        ("images", "--digests", "--no-trunc", IMAGE),
        ("images", "-q", IMAGE),
        ("history", "--no-trunc", IMAGE),
        ("history", "--human=false", "--no-trunc", IMAGE),
        ("history", "--format", "json", IMAGE),
        ("volume", "ls", *ONLY),
        ("volume", "ls", *ONLY, "--format", "json"),
        ("volume", "inspect", NAME),
        ("network", "ls", "--filter", "driver=host"),
        ("network", "ls", "--filter", "driver=host", "--format", "json"),
        ("stats", "--no-stream", "--format", "{{.Name}} {{.Container}} {{.ID}} {{.PIDs}}", NAME),
        ("version", "--format", "{{.Server.APIVersion}} {{.Server.Version}} {{.Client.Os}}"),
        ("port", NAME),
        ("port", NAME, "80"),
        ("top", NAME),
        ("logs", NAME),
        ("logs", "-t", "-n", "2", NAME),
        ("diff", NAME),
        ("inspect", NAME),
        ("inspect", "-f", "{{.State.Status}} {{json .Config.Labels}} {{.Config.Cmd}} {{len .Mounts}}", NAME),
        ("inspect", "-f", "{{range $p, $b := .NetworkSettings.Ports}}{{$p}}{{range $b}} {{.HostPort}}{{end}};{{end}}", NAME),
        ("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", NAME),
        ("exec", NAME, "sh", "-c", "echo out; echo err >&2; exit 3"),
        ("run", "--rm", IMAGE, "sh", "-c", "exit 9"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_the_text_is_docker_s(both: tuple[CommandLine, str], words: tuple[str, ...]) -> None:
    """Columns, widths, words of ages, templates, streams and exit codes are the same."""
    yurt, docker = both
    for _ in range(3):  # a second may pass between the two
        ours, theirs = yurt(*words), yurt(*words, program=docker)
        if ours == theirs:
            break
    assert ours == theirs


@pytest.mark.parametrize(
    "words",
    [
        ("rm", "cli-nosuch"),
        ("ps", "--nosuch"),
        ("run", "--rm", IMAGE, "nosuch"),
        ("run", "--rm", IMAGE, "/etc"),
        ("exec", NAME, "nosuch"),
        ("logs", "cli-nosuch"),
        ("rmi", "cli-nosuch"),
        ("update", NAME),
        ("kill", "-s", "NOSUCH", NAME),
        ("exec", "cli-nosuch", "true"),
        ("run", "--rm", "--name", NAME, IMAGE, "true"),
        ("run", "--rm", "--network", "cli-nosuch", IMAGE, "true"),
        ("cp", f"{NAME}:/nosuch", "."),
        ("network", "rm", "host"),
        ("volume", "rm", NAME),
    ],
    ids=" ".join,
)
def test_exit_codes_of_failures_are_docker_s(both: tuple[CommandLine, str], words: tuple[str, ...]) -> None:
    """Scripts see the same code."""
    yurt, docker = both
    theirs: Result = yurt(*words, program=docker)
    assert yurt(*words).code == theirs.code
