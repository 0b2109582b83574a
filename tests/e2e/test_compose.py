"""`yurt compose` against an engine: the same sentences hold on the reference engine and on yurtd."""

import json
import signal
import subprocess
from urllib.request import urlopen

import pytest
from tests.conftest import Needs
from tests.e2e.cli_host import IMAGE
from tests.e2e.compose_host import Compose

SHOP = """
services:
  web:
    image: IMAGE
    command: sh -c "echo served by $$(hostname); sleep 300"
    init: false
    stop_grace_period: 0s
    depends_on:
      db: {condition: service_healthy}
      migrate: {condition: service_completed_successfully}
  migrate:
    image: IMAGE
    command: sh -c "test -f /data/ready && echo migrated > /data/migrated"
    volumes: ["data:/data"]
    depends_on: {db: {condition: service_healthy}}
  db:
    image: IMAGE
    command: sh -c "sleep 0.2; touch /data/ready; sleep 300"
    stop_grace_period: 0s
    volumes: ["data:/data"]
    healthcheck: {test: "test -f /data/ready", interval: 1s, start_period: 10s, start_interval: 100ms}
volumes: {data: }
"""


def test_up_twice_and_down(compose: Compose) -> None:
    """Up waits for health and completion; a second up does nothing and says so; volumes outlive down."""
    compose.write(SHOP)
    done = compose("up", "--wait")
    assert done.code == 0, done.err
    assert done.err.index("db-1  Healthy") < done.err.index("migrate-1  Started")
    assert done.err.index("migrate-1  Exited") < done.err.index("web-1  Started")
    before = compose.ids()
    again = compose("up", "--wait")
    assert (again.code, again.err) == (0, f"{compose.name}: nothing to do, 3 containers up to date\n")
    assert compose.ids() == before
    assert compose("down").code == 0
    assert compose.ids() == {}
    assert compose("up", "-d").code == 0
    assert compose("exec", "-T", "db", "cat", "/data/migrated").out == "migrated\n"
    assert compose("down", "-v").err.count("Volume") == 1


def test_only_what_changed(compose: Compose) -> None:
    """Only the service that changed gets a new container."""
    compose.write(SHOP)
    compose("up", "-d")
    before = compose.ids()
    compose.write(
        SHOP.replace('command: sh -c "echo served', 'environment: {NEW: 1}\n    command: sh -c "echo served')
    )
    dry = compose("up", "--dry-run")
    assert "configuration changed" in dry.out
    assert compose.ids() == before
    done = compose("up", "-d")
    assert done.code == 0, done.err
    after = compose.ids()
    assert after["db-1"] == before["db-1"]
    assert after["web-1"] != before["web-1"]
    assert set(after) == set(before)


NAMED = """
services:
  web:
    image: IMAGE
    command: sh -c "mkdir -p /www; echo hello $${WHO} > /www/index.html; exec httpd -f -p 8000 -h /www"
    environment: {WHO: "${WHO:?}"}
    ports: ["127.0.0.1::8000"]
    networks: {net: {aliases: [shop]}}
    stop_grace_period: 0s
    healthcheck:
      test: wget -qO- http://127.0.0.1:8000/
      interval: 1s
      start_period: 10s
      start_interval: 100ms
  other:
    image: IMAGE
    command: sleep 300
    stop_grace_period: 0s
    networks: [net]
    depends_on: {web: {condition: service_healthy}}
networks: {net: {ipam: {config: [{subnet: 10.89.7.0/24}]}}}
"""


def test_names_and_networks(compose: Compose) -> None:
    """Services find each other by name and alias; environment, .env and ports arrive."""
    (compose.folder / ".env").write_text("WHO='the world'\n")
    compose.write(NAMED)
    done = compose("up", "-d")
    assert done.code == 0, done.err
    for name in ("web", "shop", f"{compose.name}-web-1"):
        fetched = compose("exec", "-T", "other", "wget", "-qO-", f"http://{name}:8000/")
        assert fetched.out == "hello the world\n", fetched.err
    address = compose("port", "web", "8000").out.strip()
    with urlopen(f"http://{address}/", timeout=10) as answer:
        assert answer.read() == b"hello the world\n"


TALKING = """
services:
  web:
    image: IMAGE
    entrypoint: [printf]
    command: ['{"level": "info"}\\n{"level": "error"}\\n']
  worker:
    image: IMAGE
    command: sh -c "sleep 0.3; echo WARNING slow; echo fine"
    depends_on: [web]
"""


def test_logs(compose: Compose) -> None:
    """Logs come in order of time with their names; --level leaves out what is less."""
    compose.write(TALKING)
    done = compose("up", "-d")
    assert done.code == 0, done.err
    followed = compose("logs", "-f", "--no-color").out.splitlines()
    lines = compose("logs", "--no-color").out.splitlines()
    assert lines == [
        'web-1     | {"level": "info"}',
        'web-1     | {"level": "error"}',
        "worker-1  | WARNING slow",
        "worker-1  | fine",
    ]
    assert sorted(followed) == sorted(lines)
    loud = compose("logs", "--level", "warning", "--no-log-prefix").out.splitlines()
    assert loud == ['{"level": "error"}', "WARNING slow"]
    assert compose("logs", "--tail", "1", "worker", "--no-log-prefix").out == "fine\n"


def test_foreground(compose: Compose) -> None:
    """In the foreground every line of every service is shown; an interrupt stops them all."""
    compose.write("""
        services:
          a: {image: IMAGE, command: sh -c "echo from a; sleep 300", stop_grace_period: 0s, init: false}
          b: {image: IMAGE, command: sh -c "echo from b", depends_on: [a]}
    """)
    running = compose.start("up")
    assert running.stdout is not None
    lines = {running.stdout.readline(), running.stdout.readline()}
    assert lines == {"a-1  | from a\n", "b-1  | from b\n"}
    running.send_signal(signal.SIGINT)
    _, told = running.communicate(timeout=30)
    assert running.returncode == 130
    assert "b-1 exited with code 0" in told
    assert told.count("a-1  Stopped\n") == 1
    assert compose("ps", "-q").out == ""


def test_exit_code_from(compose: Compose) -> None:
    """--exit-code-from leaves with that service's code, and stops the others."""
    compose.write("""
        services:
          test: {image: IMAGE, command: sh -c "echo testing; exit 4", depends_on: [db]}
          db: {image: IMAGE, command: sleep 300, stop_grace_period: 0s}
    """)
    done = compose("up", "--exit-code-from", "test")
    assert (done.code, "testing" in done.out) == (4, True)
    assert compose("ps", "-q").out == ""


def test_run_and_exec(compose: Compose) -> None:
    """run starts what is needed and passes input, output and exit code on; --rm leaves nothing."""
    compose.write(SHOP)
    done = compose(
        "run", "--rm", "-T", "-e", "A=1", "web", "sh", "-c", "read line; echo $line $A; exit 5", input=b"hi\n"
    )
    assert (done.code, done.out) == (5, "hi 1\n")
    assert set(compose.ids()) == {"db-1", "migrate-1"}
    assert compose("exec", "-T", "db", "sh", "-c", "exit 3").code == 3
    missing = compose("exec", "web", "true")
    assert (missing.code, "service web is not running" in missing.err) == (1, True)


def test_stop_start_restart(compose: Compose) -> None:
    """stop, start, restart and kill do what they say, with the containers there were."""
    compose.write(SHOP)
    compose("up", "-d")
    before = compose.ids()
    assert compose("stop").code == 0
    assert compose("ps", "-q").out == ""
    assert compose("start").code == 0
    assert sorted(compose("ps", "--services").out.split()) == ["db", "web"]
    assert compose("restart", "web", "-t", "0").code == 0
    assert compose("kill", "web").code == 0
    assert compose("ps", "--services").out == "db\n"
    assert compose.ids() == before
    assert compose("rm", "-f").code == 0
    assert set(compose.ids()) == {"db-1"}


def test_scale(compose: Compose) -> None:
    """--scale makes and removes containers of one service."""
    compose.write("services: {web: {image: IMAGE, command: sleep 300, stop_grace_period: 0s}}")
    assert compose("up", "-d", "--scale", "web=3").code == 0
    assert set(compose.ids()) == {"web-1", "web-2", "web-3"}
    assert compose("up", "-d", "--scale", "web=1").code == 0
    assert set(compose.ids()) == {"web-1"}


def test_build(compose: Compose) -> None:
    """A service is built from its folder, without what .dockerignore names; a change makes its container anew."""
    folder = compose.folder / "app"
    folder.mkdir()
    (folder / "Dockerfile").write_text(
        f"FROM {IMAGE}\nARG WHO\nCOPY . /app\nRUN echo built for $WHO > /who\n"
    )
    (folder / ".dockerignore").write_text("*.secret\n")
    (folder / "a.txt").write_text("one\n")
    (folder / "key.secret").write_text("no\n")
    compose.write("""
        services:
          web:
            build: {context: app, args: {WHO: me}}
            command: sh -c "cat /who /app/a.txt; ls /app; sleep 300"
            stop_grace_period: 0s
    """)
    done = compose("up", "-d", "--build")
    assert done.code == 0, done.err
    said = compose("logs", "--no-log-prefix").out.splitlines()
    assert said == ["built for me", "one", "Dockerfile", "a.txt"]
    before = compose.ids()
    assert "nothing to do" in compose("up", "-d", "--build").err
    assert compose.ids() == before
    (folder / "a.txt").write_text("two\n")
    assert compose("up", "-d", "--build").code == 0
    assert compose.ids() != before


def test_failing_build(compose: Compose) -> None:
    """A step that fails ends the command with its output and code; nothing is started."""
    (compose.folder / "Dockerfile").write_text(f"FROM {IMAGE}\nRUN echo so far; exit 7\n")
    compose.write("services: {web: {build: .}}")
    done = compose("up", "-d")
    assert done.code == 1
    assert "so far" in done.err
    assert "7" in done.err.splitlines()[-1] + done.err.splitlines()[-2]
    assert compose.ids() == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bad: {image: IMAGE, command: sh -c 'echo oh no; exit 3'}", "service bad failed: container"),
        ("bad: {image: IMAGE, command: sleep 300, healthcheck: {test: 'exit 1', interval: 200ms, retries: 1}}",
         "is unhealthy"),
        ("bad: {image: IMAGE, command: [no-such-program]}", "cannot start"),
    ],
)  # fmt: skip
def test_failures(compose: Compose, text: str, message: str) -> None:
    """up --wait fails with one clear error that names what failed."""
    compose.write(
        f"services: {{{text}, after: {{image: IMAGE, command: 'true', depends_on: {{bad: {{condition: CONDITION}}}}}}}}".replace(
            "CONDITION", "service_healthy" if "healthcheck" in text else "service_completed_successfully"
        )
    )
    done = compose("up", "--wait")
    assert done.code == 1
    assert message in done.err
    assert "Traceback" not in done.err
    if "oh no" in text:
        assert "exited (3); its last lines:\n    oh no\n" in done.err


def test_port_taken(compose: Compose) -> None:
    """A port that is taken is one clear error, and the container that could not start is not left."""
    compose.write("""
        services:
          a: {image: IMAGE, command: sleep 300, ports: ["127.0.0.1:48219:80"], stop_grace_period: 0s}
          b: {image: IMAGE, command: sleep 300, ports: ["127.0.0.1:48219:80"], depends_on: [a]}
    """)
    done = compose("up", "-d")
    assert done.code == 1
    assert "port is already allocated" in done.err
    assert set(compose.ids()) == {"a-1"}


def test_profiles_and_orphans(compose: Compose) -> None:
    """A profile's service comes when it is asked for; what the file loses is told of, and removed when asked."""
    text = "services: {{web: {{image: IMAGE, command: sleep 300, stop_grace_period: 0s}}, tool: {{image: IMAGE, command: sleep 300, stop_grace_period: 0s{}}}}}"
    compose.write(text.format(", profiles: [dev]"))
    compose("up", "-d")
    assert set(compose.ids()) == {"web-1"}
    compose("--profile", "dev", "up", "-d")
    assert set(compose.ids()) == {"web-1", "tool-1"}
    compose.write("services: {web: {image: IMAGE, command: sleep 300, stop_grace_period: 0s}}")
    assert "tool-1; --remove-orphans removes them" in compose("up", "-d").err
    compose("up", "-d", "--remove-orphans")
    assert set(compose.ids()) == {"web-1"}


@pytest.mark.docker
def test_known_to_docker_compose(compose: Compose, needs: Needs) -> None:
    """Docker's own Compose sees the project as its own."""
    docker = needs.program("docker")
    if subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        needs.program("docker-compose")
    compose.write(SHOP)
    compose("up", "-d")
    seen = compose.command("compose", "-p", compose.name, "ps", "--format", "json", program=docker)
    rows = [json.loads(line) for line in seen.out.splitlines()]
    assert {row["Service"] for row in rows} == {"db", "web"}
    assert {row["Project"] for row in rows} == {compose.name}
    done = compose.command("compose", "-p", compose.name, "down", "-t", "0", program=docker)
    assert done.code == 0, done.err
    assert compose.ids() == {}


def test_terminal(compose: Compose) -> None:
    """On a terminal progress is a live table, and exec gives a terminal."""
    compose.write("services: {web: {image: IMAGE, command: sleep 300, stop_grace_period: 0s}}")
    where = ["-f", str(compose.folder / "compose.yaml"), "-p", compose.name]
    terminal = compose.command.terminal("compose", *where, "up", "-d")
    terminal.wait_for(b"Started")
    assert terminal.exit_code() == 0
    terminal = compose.command.terminal(
        "compose", *where, "exec", "web", "sh", "-c", "test -t 0 && echo tty; read x; echo got $x"
    )
    terminal.wait_for(b"tty")
    terminal.type(b"hi\r")
    terminal.wait_for(b"got hi")
    assert terminal.exit_code() == 0
