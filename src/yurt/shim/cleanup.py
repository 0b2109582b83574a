"""What the OCI runtime leaves behind when a container ended: its cgroups and its state folder.

Done here, without another run of the runtime (``runc delete`` costs as much as a start), right after the exit.
"""

import contextlib
import errno
import json
import os
import shutil
import signal
import time

_PATIENCE = 2.0  # seconds for processes that share the cgroup to die


class Cleanup:
    """The leftovers described by ``state.json`` in *state_directory*."""

    def __init__(self, state_directory: str) -> None:
        self._directory = state_directory
        self._cgroups: dict[str, str] = {}
        # The state can be missing: the container was deleted by other means, and nothing is left to do.
        state = os.path.join(state_directory, "state.json")
        with contextlib.suppress(FileNotFoundError, ValueError), open(state, "rb") as file:
            self._cgroups = json.load(file).get("cgroup_paths") or {}

    def out_of_memory(self) -> bool:
        """Return whether the kernel killed something in this container for want of memory."""
        candidates = []
        if "memory" in self._cgroups:  # cgroup v1: a path for each controller
            candidates.append(os.path.join(self._cgroups["memory"], "memory.oom_control"))
        if "" in self._cgroups:  # cgroup v2: one path
            candidates.append(os.path.join(self._cgroups[""], "memory.events"))
        for path in candidates:
            with contextlib.suppress(OSError), open(path, encoding="ascii") as lines:
                for line in lines:
                    key, _space, value = line.partition(" ")
                    if key == "oom_kill" and int(value):
                        return True
        return False

    def run(self) -> None:
        """Remove all of it. A cgroup that cannot be removed stays for the engine's next sweep."""
        for path in set(self._cgroups.values()):
            with contextlib.suppress(OSError):
                remove_cgroup(path)
        shutil.rmtree(self._directory, ignore_errors=True)


def remove_cgroup(path: str) -> None:
    """Remove the cgroup at *path* and those below it, ending who lives there; raise OSError if that takes too long."""
    deadline = time.monotonic() + _PATIENCE
    pause = 0.001
    while True:
        try:
            os.rmdir(path)
            return
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno not in (errno.EBUSY, errno.ENOTEMPTY) or time.monotonic() > deadline:
                raise
        # Someone lives here still, or has made groups below: end them, inner ones first.
        for folder, _folders, _files in os.walk(path, topdown=False):
            _kill_all(folder)
            if folder != path:
                with contextlib.suppress(OSError):
                    os.rmdir(folder)
        time.sleep(pause)
        pause = min(pause * 2, 0.1)


def _kill_all(cgroup: str) -> None:
    members = os.path.join(cgroup, "cgroup.procs")
    with contextlib.suppress(OSError), open(members, encoding="ascii") as pids:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
