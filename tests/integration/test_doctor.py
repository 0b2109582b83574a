"""`yurt doctor` on this machine, with an engine and without, as root and as a normal user."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import Needs
from tests.e2e.cli_host import CommandLine
from tests.integration.engine_host import EngineHost


@pytest.mark.root
def test_it_tells_of_the_engine_that_runs(engine: EngineHost) -> None:
    """This machine runs the tests: nothing needed is missing."""
    told = CommandLine(engine.host)("doctor", "--format", "json")
    assert told.code == 0, told.out
    findings = {each["name"]: each for each in json.loads(told.out)}
    assert findings["runtime"]["state"] == "ok"
    assert findings["engine"]["text"].startswith("Yurt ")
    assert findings["isolation"]["text"] == "root namespaces, with seccomp"


def test_an_engine_that_was_chosen_and_is_not_there(tmp_path: Path) -> None:
    """The exit code is 1 and the line says where it was sought."""
    told = CommandLine(f"unix://{tmp_path}/none")("doctor")
    assert (told.code, told.err) == (1, "")
    assert f"missing  engine           cannot reach the engine at unix://{tmp_path}/none" in told.out


@pytest.mark.root
def test_a_normal_user_may_ask(needs: Needs) -> None:
    """Without an engine none is started, and the advice says sudo."""
    needs.root()
    program = (
        "import os, sys; import yurt.cli.main as main, yurt.cli.session, yurt.cli.commands.doctor as doctor\n"
        "import json, yurt.cli.diagnosis, yurt.cli.host, yurt.client.sync\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "sys.exit(main.run(['doctor', '--format', 'json'], {'HOME': '/nonexistent', 'PATH': '/usr/bin:/bin'}))"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    findings = {each["name"]: each for each in json.loads(told.stdout)}
    assert findings["runtime"]["state"] == "ok", told.stderr
    assert findings["engine"]["remedy"] == "yurt ps"
