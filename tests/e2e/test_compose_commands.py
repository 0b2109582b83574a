"""The rest of `yurt compose`'s commands and keys against an engine: the same sentences hold on both."""

import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.e2e.cli_host import IMAGE
from tests.e2e.compose_host import Compose

PAIR = """
services:
  a: {image: IMAGE, command: sleep 300, stop_grace_period: 0s, deploy: {replicas: 2}}
  b: {image: IMAGE, command: sleep 300, stop_grace_period: 0s, volumes: ["data:/data"]}
volumes: {data: }
"""


@pytest.fixture
def pair(compose: Compose) -> Compose:
    compose.write(PAIR)
    done = compose("up", "-d")
    assert done.code == 0, done.err
    return compose


def test_pause(pair: Compose) -> None:
    """Paused containers are frozen until they are unpaused; others go on."""
    assert pair("pause", "a").code == 0
    states = [json.loads(line)["State"] for line in pair("ps", "--format", "json").out.splitlines()]
    assert sorted(states) == ["paused", "paused", "running"]
    assert pair("unpause").code == 0
    assert pair("ps", "--status", "paused", "-q").out == ""


def test_copy(pair: Compose) -> None:
    """A file goes to each container of a service, or to one; and comes back."""
    (pair.folder / "hello").write_text("hi")
    assert pair("cp", str(pair.folder / "hello"), "a:/tmp/hello").code == 0
    for index in ("1", "2"):
        assert pair("exec", "-T", "--index", index, "a", "cat", "/tmp/hello").out == "hi"
    assert pair("cp", "--index", "2", str(pair.folder / "hello"), "a:/tmp/second").code == 0
    assert pair("exec", "-T", "--index", "1", "a", "test", "-e", "/tmp/second").code == 1
    assert pair("cp", "a:/tmp/hello", str(pair.folder / "back")).code == 0
    assert (pair.folder / "back").read_text() == "hi"
    assert "one side must be a service" in pair("cp", "a:/x", "b:/y").err


def test_export_and_commit(pair: Compose) -> None:
    """A container's files as a tar, and as an image."""
    assert pair("exec", "-T", "b", "touch", "/made").code == 0
    assert pair("export", "-o", str(pair.folder / "b.tar"), "b").code == 0
    with tarfile.open(pair.folder / "b.tar") as tar:
        assert "made" in tar.getnames()
    done = pair("commit", "-m", "made", "b", f"{pair.name}-b:committed")
    assert (done.code, done.out.startswith("sha256:")) == (0, True)
    assert pair.command("run", "--rm", f"{pair.name}-b:committed", "test", "-e", "/made").code == 0
    pair.command("rmi", "-f", f"{pair.name}-b:committed")


def test_scale_and_volumes(pair: Compose) -> None:
    """scale makes and removes containers; volumes lists the project's; stats and top show each."""
    assert pair("scale", "a=1").code == 0
    assert set(pair.ids()) == {"a-1", "b-1"}
    assert pair("scale", "a=3", "--no-deps").code == 0
    assert set(pair.ids()) == {"a-1", "a-2", "a-3", "b-1"}
    assert pair("volumes").out.splitlines()[1].split() == ["local", f"{pair.name}_data"]
    assert pair("volumes", "-q", "a").out == ""
    rows = [
        json.loads(line) for line in pair("stats", "--no-stream", "--format", "json", "a").out.splitlines()
    ]
    assert {row["Name"] for row in rows} == {f"{pair.name}-a-{number}" for number in (1, 2, 3)}
    assert pair("top", "b").out.startswith(f"{pair.name}-b-1\n")


def test_ls(pair: Compose) -> None:
    """ls filters by name."""
    listed = json.loads(pair("ls", "--filter", f"name={pair.name}", "--format", "json").out)
    assert [project["Name"] for project in listed] == [pair.name]
    assert pair("ls", "-q", "--filter", "name=no-such").out == ""
    assert pair("ls", "--filter", "name=(").code == 125


def test_wait_and_events(compose: Compose) -> None:
    """wait leaves with the code of what ended; events tell what happened to the project's containers."""
    compose.write("""
        services:
          job: {image: IMAGE, command: sh -c "while ! test -e /go; do sleep 0.05; done; exit 3", init: false}
          other: {image: IMAGE, command: sleep 300, stop_grace_period: 0s}
    """)
    compose("up", "-d")
    waiting = compose.start("wait", "job")
    assert compose("exec", "-T", "job", "touch", "/go").code == 0
    out, err = waiting.communicate(timeout=60)
    assert (waiting.returncode, "exited with status code 3" in out) == (3, True), err
    told = compose("events", "--json", "--since", "10m", "--until", "0s", "job").out.splitlines()
    actions = [(event["service"], event["action"]) for event in map(json.loads, told)]
    for action in ("create", "start", "die"):
        assert ("job", action) in actions
    assert not any(service == "other" for service, _ in actions)
    again = compose("wait", "job")  # one that has ended before is answered, too
    assert (again.code, "exited with status code 3" in again.out) == (3, True), again.err
    compose("rm", "-f", "job")
    assert "no container of job has been started" in compose("wait", "job").err


def test_wait_down(compose: Compose) -> None:
    """wait --down-project takes everything down when the first one stops."""
    compose.write("""
        services:
          job: {image: IMAGE, command: sh -c "while ! test -e /go; do sleep 0.05; done", init: false}
          other: {image: IMAGE, command: sleep 300, stop_grace_period: 0s}
    """)
    compose("up", "-d")
    waiting = compose.start("wait", "--down-project", "job")
    assert compose("exec", "-T", "job", "touch", "/go").code == 0
    _, err = waiting.communicate(timeout=60)
    assert waiting.returncode == 0, err
    assert compose.ids() == {}


def test_attach(compose: Compose, request: pytest.FixtureRequest) -> None:
    """attach joins a container's output until it ends, with its exit code."""
    compose.write("""
        services:
          job: {image: IMAGE, command: sh -c "read line; echo got $$line; exit 4", stdin_open: true, init: false}
    """)
    compose("up", "-d")
    done = compose("attach", "job", input=b"hello\n")
    # Docker's engine tells nothing more to a client whose input has ended.
    told = "" if request.node.callspec.id == "docker" else "got hello"
    assert (done.code, told in done.out) == (4, True), done.err


def test_hooks(compose: Compose) -> None:
    """post_start runs after each start and pre_stop before each stop; a failing post_start fails up."""
    text = """
        services:
          web:
            image: IMAGE
            command: sleep 300
            user: alice
            stop_grace_period: 0s
            volumes: ["./out:/out"]
            post_start:
              - {command: sh -c "echo started $$A by $$(id -un) >> /out/log", user: root, environment: {A: "1"}}
            pre_stop:
              - {command: ["sh", "-c", "echo stopping >> /out/log"], user: root}
    """
    (compose.folder / "out").mkdir()
    compose.write(text)
    assert compose("up", "-d").code == 0
    assert compose("restart").code == 0
    assert compose("stop").code == 0
    lines = (compose.folder / "out" / "log").read_text().splitlines()
    assert lines == ["started 1 by root", "stopping", "started 1 by root", "stopping"]
    compose.write(text.replace("echo started", "echo oh no; exit 5; echo"))
    failed = compose("up", "-d")
    assert (failed.code, "post_start of" in failed.err, "oh no" in failed.err) == (1, True, True), failed.err


def test_configs_and_secrets(compose: Compose) -> None:
    """They come from files, variables and content, with owners and modes; a change makes the container anew."""
    text = """
        services:
          web:
            image: IMAGE
            command: sleep 300
            stop_grace_period: 0s
            configs: [plain, {source: made, target: /etc/deep/made.conf, uid: "1000", mode: 0440}]
            secrets: [token, {source: key, target: /key}]
        configs: {plain: {file: ./plain.txt}, made: {content: "hello ${WHO}"}}
        secrets: {token: {environment: TOKEN}, key: {file: ./key.txt}}
    """
    (compose.folder / ".env").write_text("WHO=world\nTOKEN=s3cret\n")
    (compose.folder / "plain.txt").write_text("plain")
    (compose.folder / "key.txt").write_text("key")
    compose.write(text)
    done = compose("up", "-d")
    assert done.code == 0, done.err
    script = "cat /plain /etc/deep/made.conf /run/secrets/token /key; stat -c ' %u %a' /etc/deep/made.conf"
    assert compose("exec", "-T", "web", "sh", "-c", script).out == "plainhello worlds3cretkey 1000 440\n"
    assert compose("run", "--rm", "-T", "web", "cat", "/run/secrets/token").out == "s3cret"
    before = compose.ids()
    assert "nothing to do" in compose("up", "-d").err
    (compose.folder / ".env").write_text("WHO=world\nTOKEN=other\n")
    assert compose("up", "-d").code == 0
    assert compose.ids() != before
    assert "s3cret" not in compose("config").out


def test_run_flags(pair: Compose) -> None:
    """run takes capabilities, files of variables, and volumes of its own."""
    (pair.folder / "more.env").write_text("A=from file\nB='quoted'\n")
    done = pair("run", "--rm", "-T", "--no-deps", "-q", "--env-from-file", str(pair.folder / "more.env"),
                "-e", "B=over", "--cap-drop", "ALL", "b", "sh", "-c", "echo $A $B; chown alice /tmp")  # fmt: skip
    assert (done.code, done.out) == (1, "from file over\n")


def test_orphans_by_variable(compose: Compose) -> None:
    """COMPOSE_REMOVE_ORPHANS and COMPOSE_IGNORE_ORPHANS decide what happens to orphans."""
    both = "services: {a: {image: IMAGE, command: sleep 9, stop_grace_period: 0s}, b: {image: IMAGE, command: sleep 300, stop_grace_period: 0s}}"
    compose.write(both)
    compose("up", "-d")
    compose.write("services: {b: {image: IMAGE, command: sleep 300, stop_grace_period: 0s}}")
    environ = compose.command.environ
    try:
        environ["COMPOSE_IGNORE_ORPHANS"] = "1"
        assert "a-1" not in compose("up", "-d").err
        del environ["COMPOSE_IGNORE_ORPHANS"]
        environ["COMPOSE_REMOVE_ORPHANS"] = "true"
        compose("up", "-d")
        assert set(compose.ids()) == {"b-1"}
    finally:
        environ.pop("COMPOSE_IGNORE_ORPHANS", None)
        environ.pop("COMPOSE_REMOVE_ORPHANS", None)


def test_abort_on_failure(compose: Compose) -> None:
    """--abort-on-container-failure goes on when one ends well, and stops all when one fails."""
    compose.write("""
        services:
          good: {image: IMAGE, command: "true"}
          bad: {image: IMAGE, command: sh -c "sleep 0.5; exit 6", depends_on: [good]}
          rest: {image: IMAGE, command: sleep 300, stop_grace_period: 0s}
    """)
    done = compose("up", "--abort-on-container-failure")
    assert done.code == 6, done.err
    assert compose("ps", "-q").out == ""


def test_attach_selection(compose: Compose) -> None:
    """Logs are shown of the services named, or of all but those that do not want it."""
    compose.write("""
        services:
          quiet: {image: IMAGE, command: echo from quiet, attach: false}
          web: {image: IMAGE, command: echo from web, depends_on: [db]}
          db: {image: IMAGE, command: echo from db}
    """)
    shown = {
        ("up",): {"web", "db"},
        ("up", "web"): {"web"},
        ("up", "--attach-dependencies", "web"): {"web", "db"},
        ("up", "--attach", "quiet"): {"quiet"},
        ("up", "--no-attach", "db"): {"web"},
    }
    for words, names in shown.items():
        compose("down", "-t", "0")
        lines = compose(*words, "--no-color").out.splitlines()
        assert {line.split("from ")[1] for line in lines} == names, words


WATCHED = """
services:
  web:
    build: .
    command: sh -c "cat /app/conf; sleep 300"
    init: false
    stop_grace_period: 0s
    develop:
      watch:
        - {path: ./src, action: sync, target: /app, initial_sync: true}
        - {path: ./conf, action: sync+restart, target: /app/conf}
        - {path: ./cmd, action: sync+exec, target: /cmd, exec: {command: sh -c "cp /cmd/x /app/executed"}}
        - {path: ./Dockerfile, action: rebuild}
"""


@pytest.fixture
def watched(compose: Compose) -> Iterator[tuple[Compose, Callable[[str], str]]]:
    """A project that is watched, and what waits for a line of the watcher."""
    for name, text in {
        "src/a": "one",
        "conf": "first",
        "cmd/x": "x",
        "Dockerfile": f"FROM {IMAGE}\nCOPY conf /app/conf\n",
    }.items():
        (compose.folder / name).parent.mkdir(exist_ok=True)
        (compose.folder / name).write_text(text)
    compose.write(WATCHED)
    running = compose.start("watch")
    assert running.stderr is not None
    lines = running.stderr

    def told(text: str) -> str:
        seen = []
        for line in lines:
            seen.append(line)
            if text in line:
                return line
        raise AssertionError(f"{text!r} was not told; there was {seen}")

    yield compose, told
    running.terminate()
    running.communicate(timeout=30)


def test_watch(watched: tuple[Compose, Callable[[str], str]]) -> None:
    """Changed files are copied in, removed, restarted for, executed for, and rebuilt for."""
    compose, told = watched

    def inside(script: str) -> str:
        return compose("exec", "-T", "web", "sh", "-c", script).out

    def until(script: str) -> None:
        done = compose(
            "exec",
            "-T",
            "web",
            "sh",
            "-c",
            f"n=0; until {script}; do n=$((n+1)); test $n -lt 200 || exit 1; sleep 0.1; done",
        )
        assert done.code == 0, script

    told("Watch enabled")
    assert inside("cat /app/a") == "one"
    (compose.folder / "src" / "a").write_text("two")
    told("Syncing service web")
    until("grep -q two /app/a")
    (compose.folder / "src" / "a").unlink()
    told("Syncing service web")
    until("! test -e /app/a")
    (compose.folder / "cmd" / "x").write_text("done")
    told("Syncing service web")
    until("grep -q done /app/executed")
    (compose.folder / "conf").write_text("second\n")
    told("service web restarted")
    assert "second" in compose("logs", "--no-log-prefix").out
    before = compose.ids()
    with (compose.folder / "Dockerfile").open("a") as file:
        file.write("RUN echo rebuilt > /rebuilt\n")
    told("successfully built")
    assert compose.ids() != before
    assert inside("cat /rebuilt") == "rebuilt\n"


def test_nothing_to_watch(pair: Compose) -> None:
    """Without a rule, watch says so."""
    done = pair("watch", "--no-up")
    assert (done.code, "no service here has anything to watch" in done.err) == (1, True)


def test_config_listings(compose: Compose) -> None:
    """config lists what it is asked for, and shows the files as written or as one."""
    compose.write("""
        services:
          web: {image: "IMAGE${SUFFIX:-}", profiles: [x], environment: {A: "${A?needed}", B: "${B:+b}"}}
          db: {image: IMAGE}
    """)
    (compose.folder / ".env").write_text("A=1\n")
    rows = [line.split() for line in compose("config", "--variables").out.splitlines()[1:]]
    assert rows == [["SUFFIX", "false"], ["A", "true"], ["B", "false", "b"]]
    assert "${A?needed}" in compose("config", "--no-interpolate").out
    assert compose("config", "--profiles").out == "x\n"
    assert compose("config", "--networks").out == "default\n"
    assert compose("config", "--models").out == ""
    shown = json.loads(compose("--profile", "x", "config", "--format", "json").out)
    assert shown["services"]["web"]["environment"] == {"A": "1", "B": ""}
    refused = compose("config", "--format", "toml")
    assert refused.code == 125


def test_refused_commands(compose: Compose) -> None:
    """What Docker Compose has and Yurt has not is refused with its reason."""
    compose.write(PAIR)
    for words in (("publish", "x"), ("bridge", "convert"), ("build", "--sbom", "true"), ("build", "--print")):
        done = compose(*words)
        assert done.code, words
        assert "Traceback" not in done.err
        assert "hint:" in done.err


def test_push(compose: Compose, tmp_path: Path) -> None:
    """push names the images that services build; one that has nowhere to go is told of, or passed over."""
    compose.write("services: {web: {build: ., image: 'localhost:1/none/web'}, db: {image: IMAGE}}")
    assert compose("push", "--dry-run").out == "push image localhost:1/none/web: asked for\n"
    failed = compose("push", "-q")
    assert failed.code == 1
    assert "localhost:1/none/web" in failed.err


def test_looks(pair: Compose) -> None:
    """images, version and pull say what there is, and what they would do."""
    rows = [json.loads(line) for line in pair("images", "--format", "json").out.splitlines()]
    assert {row["Container"] for row in rows} == {f"{pair.name}-{name}" for name in ("a-1", "a-2", "b-1")}
    assert pair("version", "--short").out.strip() == json.loads(pair("version", "-f", "json").out)["version"]
    assert pair("pull", "--policy", "missing", "--dry-run").out == "nothing to do\n"
    assert "pull image" in pair("pull", "--dry-run").out
