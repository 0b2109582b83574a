"""The engine's unit, as text."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from yurt.cli import main, systemd

UNIT = """\
# Made by `yurt system service install`; `yurt system service uninstall` removes it.
[Unit]
Description=Yurt, the container engine
Wants=network-online.target
After=network-online.target nftables.service

[Service]
Type=exec
ExecStart=/opt/yurt/bin/yurtd --root "/srv/my data"
Restart=on-failure
RestartSec=1
# Containers go on when the engine ends, is restarted or upgraded.
KillMode=process
# The control groups below this unit are the engine's own business.
Delegate=yes
OOMScoreAdjust=-500
LimitNOFILE=1048576
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity

[Install]
WantedBy=multi-user.target
"""


def test_the_unit():
    """The whole of it."""
    assert systemd.unit(["/opt/yurt/bin/yurtd", "--root", "/srv/my data"]) == UNIT


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="a machine without systemd")
def test_systemd_understands_it(tmp_path):
    """Its own check has nothing to say."""
    unit = tmp_path / "yurt.service"
    unit.write_text(systemd.unit([sys.executable, "-c", "print('50% $HOME')"]))
    told = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    assert (told.returncode, told.stdout, told.stderr) == (0, "", "")


def test_what_means_something_to_systemd_is_quoted():
    """Percent signs, dollars, quotes and backslashes stay themselves."""
    line = systemd.unit(["/a%b", "$HOME", 'say "x"', "back\\slash"]).splitlines()[8]
    assert line == r'ExecStart=/a%%b $$HOME "say \"x\"" "back\\slash"'


def test_it_starts_the_engine_of_this_installation(tmp_path):
    """The program beside this Python; the module where there is none."""
    python = str(tmp_path / "python")
    assert systemd.engine_command(python) == (python, "-m", "yurt.daemon")
    program = tmp_path / "yurtd"
    program.touch(mode=0o755)
    assert systemd.engine_command(python) == (str(program),)


@pytest.mark.parametrize("verb", ["install", "uninstall", "status"])
def test_where_systemd_does_not_run_it_is_refused(capsys, monkeypatch, tmp_path, verb):
    """Nothing is written, and the hint says that none is needed."""
    monkeypatch.setattr(systemd, "BOOTED", str(tmp_path / "none"))
    monkeypatch.setattr(systemd, "UNIT_FOLDER", str(tmp_path))
    assert main.run(["system", "service", verb], {}) == 1
    told = capsys.readouterr()
    assert told.err.startswith("yurt: systemd does not run here")
    assert "the first command starts the engine" in told.err
    assert os.listdir(tmp_path) == []


def test_the_unit_can_be_seen_first(capsys):
    """Also without systemd; a root that is given or in the environment is the service's."""
    assert main.run(["system", "service", "install", "--print"], {}) == 0
    assert "--root" not in capsys.readouterr().out
    assert main.run(["system", "service", "install", "--print", "--root", "/srv/x"], {}) == 0
    assert "yurtd --root /srv/x\n" in capsys.readouterr().out
    main.run(["system", "service", "install", "--print"], {"YURT_ROOT": "/srv/y"})
    assert "yurtd --root /srv/y --host unix:///srv/y/yurt.sock\n" in capsys.readouterr().out
    assert main.run(["system", "service", "install", "--print", "--root", "x"], {}) == 1


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with a systemd that writes down what it is told, and answers `show` with a text."""
    calls = tmp_path / "calls"
    program = tmp_path / "systemctl"
    program.write_text(f'#!/bin/sh\necho "$@" >> {calls}\n[ "$1" != show ] || cat {tmp_path}/state\n')
    program.chmod(0o755)
    (tmp_path / "state").write_text("0\n")
    units = tmp_path / "units"
    units.mkdir()
    monkeypatch.setattr(systemd, "BOOTED", str(tmp_path))
    monkeypatch.setattr(systemd, "UNIT_FOLDER", str(units))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    calls.touch()
    return tmp_path


@pytest.mark.root
def test_install_and_uninstall(machine: Path, capsys, needs) -> None:
    """The unit is written whole, enabled and started; afterwards nothing of it is there."""
    needs.root()
    environ = {"YURT_ROOT": str(machine / "root")}
    assert main.run(["system", "service", "install"], environ) == 0, capsys.readouterr().err
    (unit,) = (machine / "units").iterdir()
    assert (unit.name, "KillMode=process" in unit.read_text()) == ("yurt.service", True)
    assert (machine / "calls").read_text().splitlines() == [
        "daemon-reload",
        "show -P MainPID yurt.service",
        "enable yurt.service",
        "restart yurt.service",
    ]
    assert main.run(["system", "service", "uninstall"], environ) == 0
    assert list((machine / "units").iterdir()) == []
    assert main.run(["system", "service", "uninstall"], environ) == 0
    assert capsys.readouterr().out.endswith("no service is installed\n")


@pytest.mark.parametrize(
    ("state", "code", "text"),
    [
        (
            "LoadState=not-found\nActiveState=inactive\nUnitFileState=\nMainPID=0",
            1,
            "no service is installed\n",
        ),
        (
            "LoadState=loaded\nActiveState=active\nUnitFileState=enabled\nMainPID=7",
            0,
            "yurt.service: active, enabled, pid 7\n",
        ),
        (
            "LoadState=loaded\nActiveState=failed\nUnitFileState=enabled\nMainPID=0",
            1,
            "yurt.service: failed, enabled, pid 0\n",
        ),
    ],
)
def test_status(machine: Path, capsys, state, code, text):
    """One line; the exit code is 0 only if it runs."""
    (machine / "state").write_text(state + "\n")
    assert main.run(["system", "service", "status"], {}) == code
    assert capsys.readouterr().out == text
