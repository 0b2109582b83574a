"""Moving processes into cgroups without the wait that the first move after a quiet time costs.

A move takes a lock that every fork and exit reads. Reading is kept so cheap that who writes first must let an RCU
grace period pass, some 8 to 16 ms in which nothing happens; for about as long after a move, others pass at once
(cgroup_attach_lock in kernel/cgroup, rcu_sync_enter in kernel/rcu/sync.c). A runtime moves each process that it
starts, a dozen milliseconds after a client has said that it will want one. So the wait begins when the client
says it, and is over when the runtime comes.
"""

import logging
import os
import threading
from pathlib import Path

from yurt.linux import cgroup, isolation

log = logging.getLogger(__name__)

RENEWALS = 2
PAUSE = 0.01  # seconds between them: within the time in which the lock stays ready
MEMBERSHIP = Path("/proc/self/cgroup")
LONGEST = 1 << 16  # bytes of that list
PROCS = "cgroup.procs"


class Migration:
    """Makes moves ready: moves this process to where it is, which changes nothing but takes the lock.

    Does so in a thread of its own, started by the first announcement. Where that cannot be done (no cgroups, a kernel
    or a container that forbids it) nothing happens: starts wait as they did before.
    """

    def __init__(self, *, mount: Path = cgroup.MOUNT, membership: Path = MEMBERSHIP) -> None:
        self._group = OwnGroup(mount, membership)
        self._announced = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()

    def announce(self) -> None:
        """Say that a process will be moved within some 40 ms. Returns at once."""
        if self._thread is None:
            with self._lock:
                if self._closing.is_set() or isolation.is_rootless():
                    return
                if self._thread is None:
                    self._thread = threading.Thread(target=self._work, name="migration", daemon=True)
                    self._thread.start()
        self._announced.set()

    def close(self) -> None:
        """End the thread. Idempotent."""
        self._closing.set()
        self._announced.set()
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()

    def _work(self) -> None:
        try:
            while self._announced.wait():
                self._group.enter()
                for _ in range(RENEWALS):
                    if self._closing.wait(PAUSE):
                        return
                    self._group.enter()
                # Those of meanwhile are served too: the lock stays ready for a while.
                self._announced.clear()
                if self._closing.is_set():
                    return
        except OSError as error:
            log.info("moves to cgroups are not made ready: %s", error)
        finally:
            self._group.close()


class OwnGroup:
    """A cgroup that this process is in already; of one thread. *membership* lists them as cgroups(7) says, *mount* shows them."""

    def __init__(self, mount: Path = cgroup.MOUNT, membership: Path = MEMBERSHIP) -> None:
        self._mount = mount
        self._membership = membership
        self._list = self._procs = -1
        self._listed = b""

    def enter(self) -> None:
        """Move this process to the group. Afterwards all is as before.

        Where the process is, is looked up each time: whoever put it elsewhere meanwhile finds it there still.
        OSError: its groups cannot be seen, or may not be written to.
        """
        if self._list < 0:
            self._list = os.open(self._membership, os.O_RDONLY | os.O_CLOEXEC)
        listed = os.pread(self._list, LONGEST, 0)
        if self._procs < 0 or listed != self._listed:
            self._leave()
            self._procs = os.open(self._find(listed.decode()) / PROCS, os.O_WRONLY | os.O_CLOEXEC)
            self._listed = listed
        os.write(self._procs, b"0")  # the one who writes

    def close(self) -> None:
        """Let go of the files. Idempotent."""
        self._leave()
        if self._list >= 0:
            os.close(self._list)
        self._list = -1

    def _leave(self) -> None:
        if self._procs >= 0:
            os.close(self._procs)
        self._procs = -1

    def _find(self, listed: str) -> Path:
        """Return the folder of a group; FileNotFoundError when none is shown.

        The list is as this process's cgroup namespace has it, which need not be how the mount shows it:
        only a folder in which this process is counts.
        """
        for line in listed.splitlines():
            _number, controllers, path = line.split(":", 2)
            tree = self._mount / controllers.removeprefix("name=") if controllers else self._unified()
            folder = tree / path.lstrip("/")
            if ".." not in folder.parts and _lists_us(folder / PROCS):
                return folder
        raise FileNotFoundError(f"none of this process's cgroups is below {self._mount}")

    def _unified(self) -> Path:
        return self._mount if cgroup.mode(self._mount) is cgroup.Mode.V2 else self._mount / "unified"


def _lists_us(procs: Path) -> bool:
    try:
        return str(os.getpid()) in procs.read_text().split()
    except OSError:
        return False
