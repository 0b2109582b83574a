"""The engine as a service of systemd: the unit as text, and asking systemd.

Containers live in the engine's unit but are not the engine: KillMode leaves them alone, Delegate leaves their
control groups to the engine.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from yurt.errors import Conflict, Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

UNIT_FOLDER = "/etc/systemd/system"
BOOTED = "/run/systemd/system"  # is there where systemd runs: sd_booted(3)


def is_running() -> bool:
    """Tell whether systemd looks after this machine."""
    return os.path.isdir(BOOTED)


def unit(command: Sequence[str]) -> str:
    """Return the unit that keeps *command* running."""
    return f"""\
# Made by `yurt system service install`; `yurt system service uninstall` removes it.
[Unit]
Description=Yurt, the container engine
Wants=network-online.target
After=network-online.target nftables.service

[Service]
Type=exec
ExecStart={" ".join(_quoted(word) for word in command)}
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


def engine_command(python: str = sys.executable) -> tuple[str, ...]:
    """Return what starts the `yurtd` of this installation."""
    program = os.path.join(os.path.dirname(python), "yurtd")
    return (program,) if os.access(program, os.X_OK) else (python, "-m", "yurt.daemon")


def systemctl(*words: str) -> str:
    """Run ``systemctl WORDS`` and return what it says; raises Conflict with its words when it refuses."""
    try:
        done = subprocess.run(["systemctl", *words], capture_output=True, text=True, check=False)
    except FileNotFoundError as missing:
        raise Unavailable("systemctl is not installed", hint="apt-get install systemd") from missing
    if done.returncode:
        told = done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}"
        raise Conflict(f"systemctl {' '.join(words)}: {told}", hint="journalctl -u yurt shows its log")
    return done.stdout.strip()


def _quoted(word: str) -> str:
    """Return *word* as ExecStart reads it: % and $ mean something there, so do blanks and quotes."""
    plain = word.replace("%", "%%").replace("$", "$$")
    if not any(character in plain for character in " \t\"'\\;"):
        return plain
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'
