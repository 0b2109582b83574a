"""`yurt system restart`: another engine, the same containers."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.conftest import Needs
from tests.e2e.cli_host import CommandLine
from tests.integration.engine_host import IMAGE, EngineHost

pytestmark = pytest.mark.root


def test_containers_go_on_and_the_new_engine_is_started_as_the_old_was(
    new_engine: Callable[[], EngineHost],
) -> None:
    """Same root, same socket, another process; the container keeps its process, its log and its exit code."""
    host = new_engine()
    yurt = CommandLine(host.host)
    yurt(
        "run",
        "-d",
        "--name",
        "survivor",
        IMAGE,
        "sh",
        "-c",
        "echo before; while ! test -e /go; do sleep 0.1; done; exit 7",
    )
    process = yurt("inspect", "-f", "{{.State.Pid}}", "survivor").out.strip()
    old = host.pid
    told = yurt("system", "restart")
    assert told.code == 0, told.err
    assert told.out.startswith(f"the engine was restarted (pid {old} before, ")
    try:
        new = int(told.out.split()[7])
        assert new != old
        arguments = os.fsencode("\0".join(host.command("--debug")))
        with open(f"/proc/{new}/cmdline", "rb") as words:
            assert words.read().rstrip(b"\0") == arguments
        assert (
            yurt("inspect", "-f", "{{.State.Status}} {{.State.Pid}}", "survivor").out
            == f"running {process}\n"
        )
        yurt("exec", "survivor", "touch", "/go")
        assert yurt("wait", "survivor").out == "7\n"
        assert yurt("logs", "survivor").out == "before\n"
    finally:
        assert host.end(signal.SIGTERM) == 0, "the first ended in order"
        yurt("system", "stop")
    host.start()


def test_where_no_engine_runs(tmp_path: Path) -> None:
    """An engine that was chosen is not invented."""
    told = CommandLine(f"unix://{tmp_path}/none")("system", "restart")
    assert told.code == 1
    assert "no engine runs at unix://" in told.err


def test_one_that_a_command_started(needs: Needs, tmp_path: Path) -> None:
    """Where none runs, Yurt's own is started; where it runs, it is another afterwards; quickly."""
    needs.root()
    yurt = CommandLine("")
    yurt.environ = {name: value for name, value in yurt.environ.items() if not name.endswith("_HOST")}
    yurt.environ["YURT_ROOT"] = str(tmp_path / "root")
    try:
        told = yurt("system", "restart")
        assert told.out.startswith("no engine ran; one runs now (pid "), told.err
        begun = time.monotonic()
        assert yurt("system", "restart").code == 0
        assert time.monotonic() - begun < 10
        assert yurt("version", "-f", "{{.Server.ApiVersion}}").code == 0
    finally:
        yurt("system", "stop")
        command = [sys.executable, "-m", "yurt.daemon", "--root", yurt.environ["YURT_ROOT"], "--dismantle"]
        subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def group() -> Iterator[Path]:
    """A control group with the name that systemd would give the engine's."""
    mount = Path("/sys/fs/cgroup")
    folder = (mount if (mount / "cgroup.controllers").exists() else mount / "pids") / "yurt.service"
    folder.mkdir()
    yield folder
    folder.rmdir()


def test_one_of_systemd_s_is_restarted_by_systemd(engine: EngineHost, group: Path, tmp_path: Path) -> None:
    """Else there would be two that start engines. (This systemctl only writes down what it is told.)"""
    systemctl = tmp_path / "systemctl"
    systemctl.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n')
    systemctl.chmod(0o755)
    home = next(
        line.split(":", 2)[2]
        for line in Path(f"/proc/{engine.pid}/cgroup").read_text().splitlines()
        if line.split(":")[1] in ("pids", "")
    )
    (group / "cgroup.procs").write_text(str(engine.pid))
    try:
        yurt = CommandLine(engine.host)
        yurt.environ["PATH"] = f"{tmp_path}:{yurt.environ['PATH']}"
        told = yurt("system", "restart")
        assert told.out.startswith(f"the engine was restarted (pid {engine.pid} before, "), told.err
        assert (tmp_path / "calls").read_text() == "restart yurt.service\n"
        assert engine.answers()
    finally:
        Path(f"{group.parent}{home}/cgroup.procs").write_text(str(engine.pid))
