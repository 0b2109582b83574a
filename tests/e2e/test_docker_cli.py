"""Docker's own command line, Compose and Buildx by a context instead of DOCKER_HOST: what a person types."""

import json
import os
import subprocess
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.conftest import Needs
from tests.e2e.cli_host import IMAGE, CommandLine
from tests.e2e.sdk_host import until

pytestmark = [pytest.mark.docker, pytest.mark.parity]
Docker = Callable[..., "subprocess.CompletedProcess[str]"]
PROJECT = """
name: dockercli
services:
  db:
    image: IMAGE
    command: [sh, -c, "sleep 1; touch /data/up; exec sleep 300"]
    stop_signal: SIGKILL
    volumes: ["data:/data"]
    healthcheck: {test: [CMD, test, -e, /data/up], interval: 200ms, retries: 50}
  web:
    build: {context: web, args: {WORD: built}}
    environment: {DB: db}
    ports: ["127.0.0.1::80"]
    stop_signal: SIGKILL
    depends_on: {db: {condition: service_healthy}}
    develop:
      watch: [{path: web/files, target: /files, action: sync}]
networks: {default: {ipam: {config: [{subnet: SUBNET}]}}}
volumes: {data: }
"""


@pytest.fixture
def environ(yurt: CommandLine, needs: Needs, tmp_path: Path) -> dict[str, str]:
    """A person's configuration folder with Docker's plug-ins, and no DOCKER_HOST."""
    needs.program("docker")
    plugins = Path(os.environ.get("DOCKER_CONFIG", "~/.docker")).expanduser() / "cli-plugins"
    if not (plugins / "docker-compose").exists():
        needs.program("docker-compose")
    config = tmp_path / "config"
    config.mkdir()
    (config / "cli-plugins").symlink_to(plugins)
    kept = {key: value for key, value in yurt.environ.items() if not key.startswith(("DOCKER_", "BUILD"))}
    return kept | {"DOCKER_CONFIG": str(config), "HOME": str(tmp_path), "COMPOSE_PROGRESS": "plain"}


@pytest.fixture
def docker(yurt: CommandLine, environ: dict[str, str], tmp_path: Path) -> Docker:
    """The docker command with the context `felt`, in the test's folder; its exit status is checked."""

    def run(*words: str, code: int = 0, text: str = "") -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            ["docker", *words], env=environ, cwd=tmp_path, input=text, capture_output=True, text=True, timeout=120,
            check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return done

    run("context", "create", "felt", "--description", "a test", "--docker", f"host={yurt.host}")
    run("context", "use", "felt")
    return run


def test_contexts(yurt: CommandLine, docker: Docker, tmp_path: Path) -> None:
    """A context is made, used, shown, exported and imported; everything goes to its engine."""
    rows = [json.loads(line) for line in docker("context", "ls", "--format", "json").stdout.splitlines()]
    assert [(row["Name"], row["DockerEndpoint"]) for row in rows if row["Current"]] == [("felt", yurt.host)]
    assert docker("run", "--rm", IMAGE, "echo", "hello").stdout == "hello\n"
    name = docker("info", "--format", "{{.ID}}").stdout
    docker("context", "export", "felt", str(tmp_path / "felt.tar"))
    docker("context", "import", "other", str(tmp_path / "felt.tar"))
    assert docker("--context", "other", "info", "--format", "{{.ID}}").stdout == name
    docker("context", "rm", "other")
    (tmp_path / "Dockerfile").write_text(f"FROM {IMAGE}\nRUN echo x > /built\n")
    docker("buildx", "build", "--quiet", "-t", "dockercli-buildx:1", ".")
    assert docker("run", "--rm", "dockercli-buildx:1", "cat", "/built").stdout == "x\n"
    builders = docker("buildx", "ls", "--format", "{{.Name}} {{.DriverEndpoint}}").stdout
    assert "felt" in builders
    docker("rmi", "dockercli-buildx:1")


@pytest.fixture
def project(docker: Docker, tmp_path: Path) -> Iterator[Docker]:
    """A project of two services, one of them built, that is gone afterwards."""
    subnet = f"10.{150 + os.getpid() % 60}.77.0/24"
    text = textwrap.dedent(PROJECT).replace("IMAGE", IMAGE).replace("SUBNET", subnet)
    (tmp_path / "compose.yaml").write_text(text)
    (tmp_path / "web/files").mkdir(parents=True)
    (tmp_path / "web/files/page").write_text("first\n")
    (tmp_path / "web/Dockerfile").write_text(
        f"FROM {IMAGE}\nARG WORD\nRUN echo $WORD > /word\nCOPY files /files\n"
        'CMD ["sh", "-c", "echo serving; exec httpd -f -p 80 -h /files"]\n'
    )
    yield docker
    docker("compose", "down", "-v", "-t", "0", "--rmi", "local", "--remove-orphans")


def test_a_project_s_life(project: Docker, tmp_path: Path) -> None:
    """up with a build and a health check to wait for, and every command that looks at it or changes it."""
    compose = lambda *words, **more: project("compose", *words, **more)  # noqa: E731
    assert "condition: service_healthy" in compose("config").stdout
    assert set(compose("config", "--services").stdout.split()) == {"db", "web"}
    compose("up", "-d", "--build", "--wait")
    rows = [json.loads(line) for line in compose("ps", "--format", "json").stdout.splitlines()]
    assert {(row["Service"], row["State"], row["Health"]) for row in rows} == {
        ("db", "running", "healthy"), ("web", "running", ""),
    }  # fmt: skip
    assert "dockercli-web-1" in compose("ps").stdout
    assert "web-1  | serving\n" in compose("logs", "web").stdout
    assert compose("exec", "-T", "web", "sh", "-c", "cat /word; echo $DB").stdout == "built\ndb\n"
    assert compose("run", "--rm", "-T", "web", "wget", "-qO-", "http://web/page").stdout == "first\n"
    assert (
        compose("run", "--rm", "-T", "-e", "A=1", "web", "sh", "-c", "echo $A; exit 3", code=3).stdout
        == "1\n"
    )
    (tmp_path / "copied").write_text("copied\n")
    compose("cp", "copied", "web:/files/copied")
    compose("cp", "web:/files/copied", "back")
    assert (tmp_path / "back").read_text() == "copied\n"
    assert "httpd" in compose("top", "web").stdout
    assert "dockercli-db-1" in compose("stats", "--no-stream").stdout
    assert compose("port", "web", "80").stdout.startswith("127.0.0.1:")
    assert "dockercli" in compose("ls").stdout
    assert "dockercli-web" in compose("images").stdout
    healthy = project("events", "--since", "1h", "--until", "0s", "--filter", "event=health_status: healthy", "--format", "{{.Actor.Attributes.name}}")  # fmt: skip
    assert "dockercli-db-1" in healthy.stdout
    compose("pause", "web")
    compose("unpause", "web")
    compose("restart", "-t", "0", "web")
    compose("up", "-d", "--scale", "db=2", "--no-recreate")
    assert len(compose("ps", "-q", "db").stdout.split()) == 2
    compose("stop", "-t", "0")
    assert compose("ps", "-q").stdout == ""
    compose("start")
    compose("kill")
    compose("rm", "-f")
    assert compose("ps", "-aq").stdout == ""
    compose("down", "-v")
    assert "dockercli" not in project("volume", "ls", "-q").stdout.split()


def test_watch_and_events(project: Docker, environ: dict[str, str], tmp_path: Path) -> None:
    """A changed file comes into the container; what happens is told while it does."""
    project("compose", "up", "-d", "--build", "--wait")
    command = ["docker", "compose"]
    pipe = subprocess.PIPE
    with (
        subprocess.Popen(
            [*command, "watch", "--no-up"],
            env=environ,
            cwd=tmp_path,
            stdout=pipe,
            stderr=subprocess.STDOUT,
            text=True,
        ) as watch,
        subprocess.Popen(
            [*command, "events", "--json"], env=environ, cwd=tmp_path, stdout=pipe, text=True
        ) as events,
    ):
        try:
            assert watch.stdout is not None
            assert events.stdout is not None
            assert any("Watch enabled" in line for line in watch.stdout)
            (tmp_path / "web/files/page").write_text("second\n")
            page = ("compose", "exec", "-T", "web", "cat", "/files/page")
            until(lambda: project(*page).stdout == "second\n", seconds=30)
            project("compose", "kill", "web")
            assert any(json.loads(line)["action"] == "die" for line in events.stdout)
        finally:
            watch.terminate()
            events.terminate()
