"""The OCI runtime: which one works on this host, and its command lines. The shim runs them; only `delete` runs here."""

import asyncio
import contextlib
import json
import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yurt.errors import Unavailable
from yurt.linux import cgroup, process
from yurt.shim.cleanup import remove_cgroup

log = logging.getLogger(__name__)

# Names of the files that a shim's working folder holds for the runtime.
PID_FILE = "pid"
LOG_FILE = "runtime.log"
CONSOLE_SOCKET = "console.sock"


@dataclass(frozen=True, slots=True)
class Runtime:
    """A runtime and where it keeps its state. *root* is below /run: it does not outlive a boot."""

    name: str  # runc or crun
    program: str  # its path
    root: Path

    @classmethod
    def probe(cls, root: Path, preferred: str | None = None) -> "Runtime":
        """Choose the runtime for this host; raise Unavailable when there is none.

        crun is the quicker one, but refuses hosts that mount cgroup v1; runc works everywhere.
        """
        names = [preferred] if preferred else ["runc"]
        if preferred is None and cgroup.mode() is cgroup.Mode.V2:
            names.insert(0, "crun")
        for name in names:
            if program := shutil.which(name):
                root.mkdir(mode=0o700, parents=True, exist_ok=True)
                log.info("runtime %s at %s, cgroup %s", name, program, cgroup.mode())
                return cls(os.path.basename(name), program, root)
        raise Unavailable(
            f"no OCI runtime on this host: {' or '.join(names)} is not installed",
            hint=f"apt-get install {os.path.basename(names[-1])}",
        )

    def _common(self) -> list[str]:
        return [self.program, "--root", str(self.root), "--log", LOG_FILE, "--log-format", "json"]

    def run_argv(self, container_id: str, *, tty: bool) -> list[str]:
        """Return the command that starts the bundle in the working folder and leaves at once."""
        console = ["--console-socket", CONSOLE_SOCKET] if tty else []
        return [
            *self._common(),
            "run",
            "--detach",
            "--pid-file",
            PID_FILE,
            *console,
            "--bundle",
            ".",
            container_id,
        ]

    def exec_argv(self, container_id: str, process_file: str, *, tty: bool) -> list[str]:
        """Return the command that starts *process_file* in a running container and leaves at once."""
        console = ["--console-socket", CONSOLE_SOCKET] if tty else []
        return [
            *self._common(),
            "exec",
            "--detach",
            "--pid-file",
            PID_FILE,
            *console,
            "--process",
            process_file,
            container_id,
        ]

    def state_directory(self, container_id: str) -> Path:
        """Return where the runtime keeps what it knows of the container."""
        return self.root / container_id

    def init_pid(self, container_id: str) -> int:
        """Return the host's number of the container's first process, 0 when the runtime does not know the container."""
        with contextlib.suppress(OSError, ValueError, KeyError):
            if self.name == "crun":
                return int(json.loads((self.state_directory(container_id) / "status").read_bytes())["pid"])
            state = json.loads((self.state_directory(container_id) / "state.json").read_bytes())
            return int(state["init_process_pid"])
        return 0

    async def update(self, container_id: str, resources: dict[str, Any]) -> None:
        """Set other limits for a running container."""
        argv = [self.program, "--root", str(self.root), "update", "--resources", "-", container_id]
        await process.run(argv, input=json.dumps(resources).encode())

    async def delete(self, container_id: str, *, parent: str = "") -> None:
        """Kill the container if it runs; afterwards neither its processes, cgroups nor the runtime's state are there.

        *parent* as in --cgroup-parent.
        """
        if self.state_directory(container_id).exists():
            argv = [self.program, "--root", str(self.root), "delete", "--force", container_id]
            await process.run(argv, check=False)
        # Another process held a cgroup that moment, or the state was lost with the cgroups still there.
        for path in cgroup.Cgroup(container_id, parent=parent).folders():
            with contextlib.suppress(OSError):
                await asyncio.to_thread(remove_cgroup, str(path))


def available() -> tuple[str, ...]:
    """Return the names of the runtimes installed on this host."""
    return tuple(name for name in ("runc", "crun") if shutil.which(name))
