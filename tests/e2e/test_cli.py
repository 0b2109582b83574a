"""The command line against an engine: the same sentences hold on the reference engine and on yurtd."""

import json
import re
import subprocess
import time

import pytest
from tests.e2e.cli_host import IMAGE, YURT


def test_run_passes_output_and_exit_code_on(yurt):
    """stdout and stderr stay apart, the exit code is the program's."""
    done = yurt("run", "--rm", IMAGE, "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.code, done.out, done.err) == (7, "out\n", "err\n")


def test_run_passes_stdin_on(yurt):
    """A pipe goes in, its end is seen, what comes back is whole."""
    data = bytes(range(256)) * 4096
    done = subprocess.run(
        ["yurt", "run", "--rm", "-i", IMAGE, "cat"],
        executable=YURT,
        input=data,
        capture_output=True,
        env=yurt.environ,
        check=True,
    )
    assert done.stdout == data


@pytest.mark.parametrize(("program", "code"), [("nosuch", 127), ("/etc", 126)])
def test_run_tells_why_a_program_did_not_start(yurt, program, code):
    """Not there is 127, not executable 126; nothing is left behind."""
    done = yurt("run", "--rm", IMAGE, program)
    assert done.code == code
    assert done.err.startswith("yurt: ")
    assert program in done.err


def test_run_of_an_unknown_image_is_125(yurt):
    """Neither here nor to be had."""
    done = yurt("run", "--rm", "--pull", "never", "cli-nosuch:1")
    assert done.code == 125
    assert "cli-nosuch:1" in done.err


def test_run_with_settings(yurt, name, tmp_path):
    """Environment, user, folder, host name, mounts and limits are as asked."""
    (tmp_path / "file").write_text("from the host")
    tmp_path.chmod(0o755)
    script = (
        'echo "$A $(id -u) $(pwd) $(hostname) $(cat /mnt/file)"; touch /mnt/x 2>&1; df -k /scratch | tail -1'
    )
    done = yurt(
        "run", "--rm", "--name", name, "-e", "A=b c", "-u", "1000", "-w", "/tmp", "-h", "box", "-v", f"{tmp_path}:/mnt:ro",
        "--tmpfs", "/scratch:size=1m", "-m", "64m", IMAGE, "sh", "-c", script,
    )  # fmt: skip
    lines = done.out.splitlines()
    assert lines[0] == "b c 1000 /tmp box from the host"
    assert "Read-only file system" in lines[1]
    assert lines[2].split()[1] == "1024"


def test_a_container_s_life(yurt, name):
    """create, start, pause, stop, restart, kill, rename, rm: each says the name, and ps the state."""
    created = yurt("create", "--name", name, "--label", "who=cli", IMAGE, "sleep", "60")
    assert re.fullmatch(r"[0-9a-f]{64}\n", created.out)

    def status() -> str:
        shown: str = yurt("ps", "-a", "--filter", f"name={name}", "--format", "{{.State}}").out
        return shown.strip()

    assert status() == "created"
    for words, expected in [
        (("start",), "running"),
        (("pause",), "paused"),
        (("unpause",), "running"),
        (("stop", "-t", "0"), "exited"),
        (("start",), "running"),
        (("restart", "-t", "0"), "running"),
        (("kill",), "exited"),
    ]:
        done = yurt(*words, name)
        assert (done.code, done.out, done.err) == (0, f"{name}\n", ""), words
        if words == ("kill",):
            assert yurt("wait", name).out == "137\n"
        assert status() == expected
    assert yurt("ps", "-aq", "--filter", "label=who=cli", "--no-trunc").out == created.out
    assert yurt("rename", name, f"{name}-2").code == 0
    assert yurt("rm", f"{name}-2").out == f"{name}-2\n"
    assert status() == ""


def test_a_running_container_is_not_removed_without_force(yurt, name):
    """The refusal says how to do it."""
    yurt("run", "-d", "--name", name, IMAGE, "sleep", "60")
    done = yurt("rm", name)
    assert done.code == 1
    assert f"yurt rm -f {name}" in done.err or "force" in done.err
    assert yurt("rm", "-f", name).out == f"{name}\n"


def test_what_does_not_exist_is_said(yurt):
    """Exit code 1, a sentence with the name, the others still done."""
    for verb in ("start", "stop", "kill", "rm", "logs", "port", "top", "inspect", "wait"):
        done = yurt(verb, "cli-nosuch")
        assert done.code == 1, verb
        assert "cli-nosuch" in done.err, verb
    assert yurt("exec", "cli-nosuch", "true").code == 1
    assert yurt("rm", "-f", "cli-nosuch").code in (0, 1)


def test_exec(yurt, name):
    """Output, input, environment, user, folder and exit code, and in the background."""
    yurt("run", "-d", "--name", name, IMAGE, "sleep", "60")
    done = yurt(
        "exec",
        "-e",
        "A=b",
        "-w",
        "/tmp",
        "-u",
        "alice",
        name,
        "sh",
        "-c",
        "echo $A $(pwd) $(id -u); echo e >&2; exit 5",
    )
    assert (done.code, done.out, done.err) == (5, "b /tmp 1000\n", "e\n")
    assert yurt("exec", "-i", name, "cat", input=b"hello").out == "hello"
    assert yurt("exec", "-d", name, "touch", "/tmp/done").code == 0
    _until(lambda: yurt("exec", name, "test", "-e", "/tmp/done").code == 0)
    assert yurt("exec", name, "nosuch").code in (126, 127)


def test_logs(yurt, name):
    """All, the last, with times, only warnings; streams stay apart."""
    records = [{"level": level, "n": n} for n, level in enumerate(["info", "warning", "error"])]
    script = "".join(f"echo '{json.dumps(record)}';" for record in records) + "echo err >&2"
    yurt("run", "--name", name, IMAGE, "sh", "-c", script)
    done = yurt("logs", name)
    assert [json.loads(line)["n"] for line in done.out.splitlines()] == [0, 1, 2]
    assert done.err == "err\n"
    assert [json.loads(line)["n"] for line in yurt("logs", "--level", "warning", name).out.splitlines()] == [
        1,
        2,
    ]
    stamped = yurt("logs", "-t", "--since", "10m", name).out.splitlines()[0]
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z \{", stamped)
    assert yurt("logs", "--until", "10m", name).out == ""
    last = yurt("logs", "-n", "1", name)
    assert len((last.out + last.err).splitlines()) == 1


def test_logs_follow_to_the_end(yurt, name):
    """-f shows what comes, and leaves when the container ends."""
    yurt("run", "-d", "--name", name, IMAGE, "sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.2; done")
    assert yurt("logs", "-f", name).out == "1\n2\n3\n"


def test_inspect_and_templates(yurt, name):
    """The whole, a field, JSON of a part, several kinds of things."""
    yurt("run", "-d", "--name", name, "-l", "a=b", "-p", "127.0.0.1::80", IMAGE, "sleep", "60")
    (whole,) = json.loads(yurt("inspect", name).out)
    assert whole["Name"] == f"/{name}"
    assert (
        yurt("inspect", "-f", "{{.State.Status}} {{json .Config.Labels}}", name).out == 'running {"a":"b"}\n'
    )
    port = yurt(
        "inspect", "-f", '{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}', name
    ).out.strip()
    assert yurt("port", name).out == f"80/tcp -> 127.0.0.1:{port}\n"
    assert yurt("port", name, "80").out == f"127.0.0.1:{port}\n"
    assert json.loads(yurt("inspect", IMAGE, "bridge").out)[0]["RepoTags"] == [IMAGE]
    assert "sleep 60" in yurt("top", name).out
    row = yurt("ps", "--filter", f"name={name}").out.splitlines()[1]
    assert f"127.0.0.1:{port}->80/tcp" in row


def test_images(yurt):
    """List, tag, history, save, load, remove."""
    assert yurt("tag", IMAGE, "cli-other:1").code == 0
    assert "cli-other:1\n" in yurt("images", "--format", "{{.Repository}}:{{.Tag}}").out
    assert yurt("images", "cli-other").out.splitlines()[0].split() == [
        "REPOSITORY",
        "TAG",
        "IMAGE",
        "ID",
        "CREATED",
        "SIZE",
    ]
    assert len(yurt("history", "-q", "cli-other:1").out.splitlines()) >= 1
    saved = subprocess.run(
        [YURT, "save", "cli-other:1"], capture_output=True, env=yurt.environ, check=True
    ).stdout
    assert "Untagged: cli-other:1" in yurt("rmi", "cli-other:1").out
    assert yurt("load", input=saved).out.splitlines()[-1] == "Loaded image: cli-other:1"
    assert yurt("rmi", "cli-other:1").code == 0
    assert yurt("rmi", "cli-other:1").code == 1


def test_build(yurt, tmp_path):
    """Steps are shown as they run; .dockerignore is honoured; -q prints the id alone."""
    (tmp_path / "Dockerfile").write_text(
        f"FROM {IMAGE}\nARG WHO=you\nCOPY . /src/\nRUN echo hello $WHO; find /src\n"
    )
    (tmp_path / ".dockerignore").write_text("**/*.log\n!keep.log\n")
    for file in ("a.txt", "b.log", "keep.log"):
        (tmp_path / file).write_text(file)
    done = yurt("build", "-t", "cli-built:1", "--build-arg", "WHO=me", str(tmp_path), timeout=120)
    assert done.code == 0, done.err
    assert "hello me" in done.out
    listed = yurt("run", "--rm", "cli-built:1", "ls", "/src").out.split()
    assert {"a.txt", "keep.log"} <= set(listed)
    assert "b.log" not in listed
    quiet = yurt("build", "-q", "-t", "cli-built:1", "--build-arg", "WHO=me", str(tmp_path), timeout=120)
    assert re.fullmatch(r"sha256:[0-9a-f]{64}\n", quiet.out)
    yurt("rmi", "-f", "cli-built:1")


def test_build_check(yurt, tmp_path):
    """Findings with their lines, exit code 1; what the base image sets is known; nothing is built."""
    (tmp_path / "Dockerfile").write_text(f"FROM {IMAGE} as base\nENV a=$PATH b=$NOPE\nRUN false\n")
    done = yurt("build", "--check", str(tmp_path))
    assert done.code == 1
    assert "Dockerfile:1: FromAsCasing: " in done.out
    assert "Dockerfile:2: UndefinedVar: the variable $NOPE is not set here" in done.out
    assert "     2 | ENV a=$PATH b=$NOPE" in done.out
    assert "2 findings in Dockerfile" in done.err
    skipped = "BUILDKIT_DOCKERFILE_CHECK=skip=FromAsCasing,UndefinedVar"
    done = yurt("build", "--check", "--build-arg", skipped, str(tmp_path))
    assert (done.code, done.out) == (0, "Dockerfile: no findings\n")
    done = yurt("build", "--check", "-", input=b"FROM scratch\nRUNN x\n")
    assert done.code == 1
    assert 'Dockerfile:2:1: unknown instruction "RUNN"' in done.err


def test_build_from_stdin(yurt, tmp_path):
    """A tar, compressed or not, is the context; anything else is a Dockerfile."""
    (tmp_path / "Dockerfile").write_text(f"FROM {IMAGE}\nCOPY a /a\nCMD cat /a")
    (tmp_path / "a").write_text("from the tar")
    tar = subprocess.run(["tar", "-cz", "."], cwd=tmp_path, capture_output=True, check=True).stdout
    for context, said in ((tar, "from the tar"), (f"FROM {IMAGE}\nCMD echo alone".encode(), "alone\n")):
        image = yurt("build", "-q", "-", input=context, timeout=120).out.strip()
        assert yurt("run", "--rm", image).out == said
        yurt("rmi", image)


def test_a_build_that_fails_says_where(yurt, tmp_path):
    """The step's output and its exit code; also when quiet."""
    (tmp_path / "Dockerfile").write_text(f"FROM {IMAGE}\nRUN echo before; exit 3\n")
    for quiet in ([], ["-q"]):
        done = yurt("build", *quiet, str(tmp_path), timeout=120)
        assert done.code == 1
        assert "before" in done.out + done.err
        assert "3" in done.err.splitlines()[-1] or "3" in done.err


def test_files(yurt, name, tmp_path):
    """cp both ways, a folder and a file; diff; export."""
    yurt("create", "--name", name, IMAGE, "cat", "/in/a.txt")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("copied")
    copied = yurt("cp", str(tmp_path / "in"), f"{name}:/in")
    if "is not part of the Engine API" in copied.err:
        pytest.xfail("this engine cannot copy files yet")
    assert copied.err == ""
    assert yurt("start", "-a", name).out == "copied"
    assert yurt("cp", f"{name}:/in/a.txt", str(tmp_path / "back.txt")).err == ""
    assert (tmp_path / "back.txt").read_text() == "copied"
    assert yurt("cp", f"{name}:/in", str(tmp_path / "folder")).err == ""
    assert (tmp_path / "folder" / "a.txt").read_text() == "copied"
    assert "A /in/a.txt" in yurt("diff", name).out.splitlines()
    assert yurt("cp", f"{name}:/nosuch", str(tmp_path)).code == 1


def test_volumes(yurt):
    """Create, list, inspect, use, remove; one in use is kept."""
    yurt("volume", "rm", "-f", "cli-data")
    assert yurt("volume", "create", "--label", "a=b", "cli-data").out == "cli-data\n"
    assert yurt("volume", "ls", "-q", "--filter", "name=cli-data").out == "cli-data\n"
    assert yurt("volume", "inspect", "-f", '{{index .Labels "a"}}', "cli-data").out == "b\n"
    yurt("run", "--rm", "-v", "cli-data:/data", IMAGE, "sh", "-c", "echo kept > /data/x")
    assert (
        yurt("run", "--rm", "--mount", "source=cli-data,target=/d,ro", IMAGE, "cat", "/d/x").out == "kept\n"
    )
    assert yurt("volume", "rm", "cli-data").out == "cli-data\n"
    assert yurt("volume", "rm", "cli-data").code == 1


def test_networks(yurt, name):
    """Containers on a network find each other by name and alias; connect and disconnect."""
    yurt("network", "rm", "cli-net")
    assert re.fullmatch(r"[0-9a-f]{64}\n", yurt("network", "create", "cli-net").out)
    try:
        yurt(
            "run", "-d", "--name", name, "--network", "cli-net", "--network-alias", "db", IMAGE, "sleep", "60"
        )
        done = yurt("run", "--rm", "--network", "cli-net", IMAGE, "ping", "-c", "1", "-W", "2", "db")
        assert "1 packets received" in done.out, done
        assert (
            yurt("network", "ls", "--filter", "name=cli-net", "--format", "{{.Name}} {{.Driver}}").out
            == "cli-net bridge\n"
        )
        assert yurt("network", "rm", "cli-net").code == 1
        assert yurt("network", "disconnect", "cli-net", name).code == 0
        assert yurt("network", "connect", "--alias", "other", "cli-net", name).code == 0
    finally:
        yurt("rm", "-f", name)
        assert yurt("network", "rm", "cli-net").out == "cli-net\n"


def test_events(yurt, name):
    """What happened is told with its time, kind, action and attributes."""
    begun = time.time() - 1
    yurt("run", "--rm", "--name", name, IMAGE, "true")
    done = yurt(
        "events", "--since", f"{begun:.0f}", "--until", f"{time.time() + 1:.0f}", "-f", f"container={name}"
    )
    actions = [line.split()[2] for line in done.out.splitlines()]
    assert [action for action in actions if action in ("create", "start", "die", "destroy")] == [
        "create",
        "start",
        "die",
        "destroy",
    ]


def test_about_the_engine(yurt):
    """version, info, df: text and fields."""
    assert "API version:" in yurt("version").out
    assert yurt("version", "-f", "{{.Client.Version}} {{.Server.ApiVersion}}").out.split()[0].count(".") == 2
    assert "Storage Driver:" in yurt("info").out
    assert yurt("info", "-f", "{{.NCPU}}").out.strip().isdecimal()
    assert yurt("system", "df").out.splitlines()[0].split() == [
        "TYPE",
        "TOTAL",
        "ACTIVE",
        "SIZE",
        "RECLAIMABLE",
    ]
    whole = json.loads(yurt("system", "df", "-v", "--format", "json").out)
    assert list(whole) == ["Images", "Containers", "Volumes", "BuildCache"]
    assert {"Containers", "SharedSize", "UniqueSize"} <= set(whole["Images"][0])
    assert "Build cache usage: " in yurt("system", "df", "-v").out


def test_a_reader_that_goes_away_is_no_traceback(yurt):
    """`yurt … | head` ends quietly."""
    done = subprocess.run(
        ["sh", "-c", f"{YURT} run --rm {IMAGE} sh -c 'yes | head -c 1000000' | head -1"],
        capture_output=True,
        env=yurt.environ,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == (b"y\n", b"")


def _until(holds, *, timeout: float = 10) -> None:
    give_up = time.monotonic() + timeout
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.05)
