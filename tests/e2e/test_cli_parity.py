"""The same command, asked of Docker's own command line and of ours, on the same engine: the same text."""

from collections.abc import Iterator

import pytest
from tests.conftest import Needs
from tests.e2e.cli_host import IMAGE, CommandLine, Result

pytestmark = [pytest.mark.docker, pytest.mark.parity]
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
        ("exec", "-u", "alice", "-w", "/tmp", "-e", "A=1", NAME, "sh", "-c", "id -un; pwd; echo $A"),
        ("run", "--rm", IMAGE, "sh", "-c", "exit 9"),
        ("container", "ls", *ONLY),
        ("image", "ls", "--format", r"table {{.Repository}}\t{{.ID}}", IMAGE),
        ("image", "inspect", "-f", "{{.Id}} {{.Architecture}} {{json .Config.Env}}", IMAGE),
        ("network", "inspect", "host"),
        ("network", "inspect", "-f", "{{.Name}} {{.Driver}} {{len .Options}}", "host", "none"),
        ("volume", "ls", "-q", *ONLY),
        ("logs", "--tail", "1", "--details", NAME),
        ("top", NAME, "-o", "pid,comm"),
        ("cp", f"{NAME}:/etc/passwd", "-"),
        ("events", "--since", "1h", "--until", "0s", "--filter", f"container={NAME}", "--filter", "event=create", "--format", "{{.Action}} {{.Actor.Attributes.name}}"),
        ("info", "--format", "{{.ServerVersion}} {{.Driver}} {{.NCPU}}"),
        ("system", "df", "--format", "{{.Type}}"),
        ("tag", IMAGE, IMAGE),
        ("update", "--cpu-shares", "512", NAME),
        ("kill", "-s", "WINCH", NAME),
        ("start", NAME),
    ],
    ids=" ".join,
)  # fmt: skip
def test_the_text_is_docker_s(both: tuple[CommandLine, str], words: tuple[str, ...]) -> None:
    """Columns, widths, words of ages, templates, streams and exit codes are the same."""
    yurt, docker = both
    for _ in range(6):  # a second may pass between the two
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
        ("nosuch",),
        ("image", "nosuch"),
        ("run",),
        ("run", "--nosuch", IMAGE),
        ("exec", NAME),
        ("unpause", NAME),
        ("port", NAME, "99"),
        ("rename", NAME, NAME),
        ("update", "--memory", "1", NAME),
        ("inspect", "cli-nosuch"),
        ("attach", "cli-nosuch"),
        ("commit", "cli-nosuch"),
        ("cp", "cli-nosuch:/x", "."),
        ("create", "--name", NAME, IMAGE),
        ("diff", "cli-nosuch"),
        ("export", "cli-nosuch"),
        ("history", "cli-nosuch"),
        ("import", "/nosuch"),
        ("load", "-i", "/nosuch"),
        ("network", "create", "host"),
        ("network", "inspect", "cli-nosuch"),
        ("pause", "cli-nosuch"),
        ("push", "127.0.0.1:9/none"),
        ("restart", "cli-nosuch"),
        ("save", "-o", "/nosuch/x", IMAGE),
        ("start", "cli-nosuch"),
        ("stats", "--no-stream", "cli-nosuch"),
        ("stop", "cli-nosuch"),
        ("tag", "cli-nosuch", "x"),
        ("top", "cli-nosuch"),
        ("volume", "inspect", "cli-nosuch"),
        ("wait", "cli-nosuch"),
    ],
    ids=" ".join,
)
def test_exit_codes_of_failures_are_docker_s(both: tuple[CommandLine, str], words: tuple[str, ...]) -> None:
    """Scripts see the same code."""
    yurt, docker = both
    theirs: Result = yurt(*words, program=docker)
    assert yurt(*words).code == theirs.code
