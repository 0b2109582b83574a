"""The OCI runtime: which one works on this host, and its command lines. The shim runs them; only `delete` runs here."""

import asyncio
import contextlib
import json
import logging
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yurt.errors import Internal, Unavailable
from yurt.linux import cgroup, process
from yurt.linux.mount import mounted_below, unmount
from yurt.shim.cleanup import remove_cgroup

log = logging.getLogger(__name__)

# Names of the files that a shim's working folder holds for the runtime.
PID_FILE = "pid"
LOG_FILE = "runtime.log"
CONSOLE_SOCKET = "console.sock"

# The file in which each runtime keeps what it knows of a container.
STATE_FILES = {"crun": "status", "runc": "state.json"}

_LOGGED = re.compile(r'level=error msg="(.*)"')
_NOT_FOUND = re.compile(r"executable file `(?P<name>.*)` not found in \$PATH(: .*)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Runtime:
    """A runtime and where it keeps its state. *root* is below /run: it does not outlive a boot."""

    name: str  # runc or crun
    program: str  # its path
    root: Path

    @classmethod
    def probe(cls, root: Path, preferred: str | None = None) -> "Runtime":
        """Choose the runtime for this host; raise Unavailable when there is none."""
        names = [preferred] if preferred else _in_order(root)
        for name in names:
            if program := shutil.which(name):
                root.mkdir(mode=0o700, parents=True, exist_ok=True)
                log.info("runtime %s at %s, cgroup %s", name, program, cgroup.mode())
                return cls(os.path.basename(name), program, root)
        raise Unavailable(
            f"no OCI runtime on this host: {' or '.join(names)} is not installed",
            hint=f"apt-get install {os.path.basename(names[-1])}",
        )

    def environ(self) -> dict[str, str]:
        """Return the variables that the runtime works best with.

        runc is over before its garbage collector can save anything, and has nothing to do on two processors at once.
        """
        return {"GOMAXPROCS": "1", "GOGC": "off"} if self.name == "runc" else {}

    def _common(self) -> list[str]:
        return [*self._itself(), "--log", LOG_FILE, "--log-format", "json"]

    def _itself(self) -> list[str]:
        """Runc finds out by itself that there are no cgroups for it to make, crun has to be told."""
        without = ["--cgroup-manager", "disabled"] if self.name == "crun" and not cgroup.is_usable() else []
        return [self.program, "--root", str(self.root), *without]

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
            key = "pid" if self.name == "crun" else "init_process_pid"
            file = self.state_directory(container_id) / STATE_FILES.get(self.name, "state.json")
            return int(json.loads(file.read_bytes())[key])
        return 0

    def complaint(self, text: str) -> str:
        """Return why a process was not started as runc words it: clients tell by these words what was wrong."""
        if self.name != "crun":
            return text
        if missing := _NOT_FOUND.fullmatch(text):
            name = missing["name"]
            found = (
                f"stat {name}: no such file or directory"
                if "/" in name
                else "executable file not found in $PATH"
            )
            reason = f'exec: "{name}": {found}'
        elif text.startswith("open executable: "):
            reason = "exec: permission denied"
        else:
            said, colon, error = text.rpartition(": ")
            reason = (
                f"{said}{colon}{error[:1].lower()}{error[1:]}"  # the C library's words begin with a capital
            )
        return f"crun run failed: unable to start container process: {reason}"

    async def update(self, container_id: str, resources: dict[str, Any], *, parent: str = "") -> None:
        """Set other limits for a running container; *parent* as in --cgroup-parent."""
        if self.name == "crun" and resources.get("pids") == {"limit": -1}:
            # crun writes the number as it is, which the kernel refuses.
            cgroup.Cgroup(container_id, parent=parent).lift_pids_limit()
            resources = {name: value for name, value in resources.items() if name != "pids"}
        argv = [*self._itself(), "update", "--resources", "-", container_id]
        done = await process.run(argv, input=json.dumps(resources).encode(), check=False)
        if done.returncode != 0:
            lines = done.stderr.decode(errors="replace").strip().splitlines() or ["it says nothing"]
            said = _LOGGED.search(lines[-1])
            raise Internal(
                f"{self.name} did not terminate successfully: exit status {done.returncode}: "
                f"{said[1] if said else lines[-1]}"
            )

    async def delete(self, container_id: str, *, parent: str = "") -> None:
        """Kill the container if it runs; afterwards neither its processes, cgroups nor the runtime's state are there.

        *parent* as in --cgroup-parent.
        """
        for _attempt in range(2):  # a runtime that is killed leaves it to the next
            if not self.state_directory(container_id).exists():
                break
            argv = [*self._itself(), "delete", "--force", container_id]
            await process.run(argv, check=False)
        # Another process held a cgroup that moment, or the state was lost with the cgroups still there.
        group = cgroup.Cgroup(container_id, parent=parent)
        for path in group.folders():
            with contextlib.suppress(OSError):
                await asyncio.to_thread(remove_cgroup, str(path))
        # Of one that it was killed over before it had written it down the runtime knows nothing but the name.
        if not group.pids():
            await asyncio.to_thread(_remove_state, self.state_directory(container_id))


def _remove_state(folder: Path) -> None:
    """Remove a container's state; runc mounts itself there for a moment, and may be killed in it."""
    if not folder.exists():
        return
    for point in mounted_below(folder):
        with contextlib.suppress(OSError):
            unmount(point, lazy=True)
    shutil.rmtree(folder, ignore_errors=True)


def _in_order(root: Path) -> list[str]:
    """Return the runtimes that work here, the best first.

    Containers that run belong to the runtime that started them: no other can read its state. Else crun is the
    quicker one, but no version of it starts anything where controllers are in both trees of cgroups; runc does.
    """
    for name, state in STATE_FILES.items():
        if any(root.glob(f"*/{state}")):
            return [name]
    return ["runc"] if cgroup.is_split() else ["crun", "runc"]


def available() -> tuple[str, ...]:
    """Return the names of the runtimes installed on this host."""
    return tuple(name for name in ("runc", "crun") if shutil.which(name))
