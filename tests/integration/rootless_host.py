"""A yurtd of a throw-away user, where it is when nobody says otherwise; and what it left behind."""

import contextlib
import subprocess
import sys
from pathlib import Path

from tests.integration.engine_host import EngineHost, remove_containers
from tests.integration.someone import Someone


class RootlessHost(EngineHost):
    """The engine of *someone*, which may be ended and started again."""

    def __init__(
        self, someone: Someone, *flags: str, tun: bool = True, without: str = "", one_tree: bool = False
    ) -> None:
        super().__init__(someone.folder)
        self.someone = someone
        self.root = someone.home / ".local/share/yurt"
        self.run = someone.runtime / "yurt"
        self.socket = self.run / "yurt.sock"
        self.host = f"unix://{self.socket}"
        self.flags = flags
        self.tun = tun
        self.without = without
        self.one_tree = one_tree

    def command(self, *more: str) -> list[str]:
        """Return the command of a yurtd that is told no places."""
        return self.as_someone(sys.executable, "-m", "yurt.daemon", *self.flags, *more)

    def as_someone(self, *argv: str) -> list[str]:
        return self.someone.command(*argv, tun=self.tun, without=self.without, one_tree=self.one_tree)

    def cli(self, *argv: str) -> str:
        """Return what the docker command prints to the user."""
        command = ["env", f"DOCKER_HOST={self.host}", *self.as_someone("docker", *argv)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def keeper(self) -> int:
        """Return the pid of the keeper."""
        for pid in self.someone.processes():
            with contextlib.suppress(OSError):
                if b"yurt.linux.rootless.keeper" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    return pid
        raise AssertionError("there is no keeper")

    def dismantle(self) -> None:
        """Remove all containers, end yurtd, its keeper and its namespaces."""
        if self._process is None:
            self.start()
        remove_containers(self.client())
        self.stop()
        for open_client in self._clients:
            open_client.close()
        subprocess.run(self.command("--dismantle"), check=True, capture_output=True, timeout=60)

    def leftovers(self) -> list[str]:
        """Return the processes that the user still has: namespaces and all in them end with those."""
        return [
            f"process {pid}: {Path(f'/proc/{pid}/cmdline').read_bytes()!r}"
            for pid in self.someone.processes()
        ]
