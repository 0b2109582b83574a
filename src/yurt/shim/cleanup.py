"""What the OCI runtime leaves behind when a container ended: its cgroups and its state folder.

Done here, without another run of the runtime (``runc delete`` costs as much as a start), right after the exit.
"""

import contextlib
import ctypes
import errno
import json
import os
import shutil
import signal
import time
from typing import Any

_PATIENCE = 2.0  # seconds for processes that share the cgroup to die
_MNT_DETACH = 2
_libc = ctypes.CDLL(None)


class Cleanup:
    """The leftovers described in *state_directory*: by runc in ``state.json``, by crun in ``status``."""

    def __init__(self, state_directory: str, *, mount: str = "/sys/fs/cgroup") -> None:
        self._directory = state_directory
        self._cgroups: dict[str, str] = {}  # controller, "" on cgroup v2 → folder
        # The state can be missing: the container was deleted by other means, and nothing is left to do.
        if (paths := _cgroup_paths(os.path.join(state_directory, "state.json"))) is not None:
            self._cgroups = paths
        elif path := _document(os.path.join(state_directory, "status")).get("cgroup-path"):
            self._cgroups = _folders(mount, path)

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
        if os.path.exists(self._directory):
            # runc mounts itself on a file there for a moment of each exec, and was killed in it.
            for name in os.listdir(self._directory):
                _libc.umount2(os.fsencode(os.path.join(self._directory, name)), _MNT_DETACH)
            shutil.rmtree(self._directory, ignore_errors=True)


def _cgroup_paths(path: str) -> dict[str, str] | None:
    """Return the cgroups that runc's state names; None without such a state. The specification in it is passed over."""
    with contextlib.suppress(FileNotFoundError, ValueError), open(path, "rb") as file:
        # A quotation mark inside a string of JSON has a backslash before it: only a key ends so.
        _before, key, after = file.read().rpartition(b'"cgroup_paths":')
        if key:
            found, _end = json.JSONDecoder().raw_decode(after.decode().lstrip())
            return found if isinstance(found, dict) else {}
    return None


def _document(path: str) -> dict[str, Any]:
    with contextlib.suppress(FileNotFoundError, ValueError), open(path, "rb") as file:
        found = json.load(file)
        if isinstance(found, dict):
            return found
    return {}


def _folders(mount: str, path: str) -> dict[str, str]:
    """Return where the cgroup *path* is; crun notes it as the kernel does, without the mount."""
    inside = path.lstrip("/")
    if os.path.exists(os.path.join(mount, "cgroup.controllers")):
        return {"": os.path.join(mount, inside)}
    return {
        name: folder
        for name in os.listdir(mount)
        if os.path.isdir(folder := os.path.join(mount, name, inside))
    }


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
            if error.errno == errno.ENOTEMPTY:
                # The kernel says EBUSY of a cgroup. This is a plain folder, and the number in it anyone's by now:
                # beside v1, crun makes one in place of a v2 tree that is mounted elsewhere.
                shutil.rmtree(path)
                return
            if error.errno != errno.EBUSY or time.monotonic() > deadline:
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
