"""A throw-away user of this machine, and programs run as that user.

Run as a program, this enters a mount namespace of its own in which the user can reach this Python and this clone
wherever they lie, and /dev/net/tun, and becomes the user: ``python someone.py NAME COMMAND…``.
"""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

CLONE = Path(__file__).resolve().parents[2]


class Someone:
    """A user who is made, and removed with everything that was theirs. *subids*: whether further numbers belong to it."""

    def __init__(self, *, subids: bool = True) -> None:
        self.name = f"yt{os.urandom(4).hex()}"
        self.folder = Path(tempfile.mkdtemp(prefix="yurt-someone-"))
        self.home = self.folder / "home"
        subprocess.run(
            ["useradd", "--create-home", "--home-dir", self.home, "--shell", "/bin/sh", self.name],
            check=True,
            capture_output=True,
        )
        self.folder.chmod(0o755)
        if not subids:
            self.take_subids()
        self.uid = pwd.getpwnam(self.name).pw_uid
        self.runtime = self.folder / "run"
        self.runtime.mkdir(mode=0o700)
        os.chown(self.runtime, self.uid, self.uid)

    def __repr__(self) -> str:
        return f"<Someone {self.name} {self.uid}>"

    def take_subids(self) -> None:
        """Afterwards the user has the own numbers only, as useradd leaves it where login.defs says so."""
        for file in map(Path, ("/etc/subuid", "/etc/subgid")):
            kept = [
                line for line in file.read_text().splitlines(keepends=True) if line.split(":")[0] != self.name
            ]
            file.write_text("".join(kept))

    def command(
        self, *argv: str | Path, tun: bool = True, without: str = "", one_tree: bool = False
    ) -> list[str]:
        """Return the command that runs *argv* as this user.

        *tun*: it may open /dev/net/tun; *without*: programs that are hidden; *one_tree*: all cgroups are in v1's.
        """
        wishes = [
            "env",
            f"SOMEONE_TUN={'yes' if tun else ''}",
            f"SOMEONE_WITHOUT={without}",
            f"SOMEONE_ONE_TREE={'yes' if one_tree else ''}",
        ]
        return [*wishes, sys.executable, __file__, self.name, str(self.runtime), *map(str, argv)]

    def processes(self) -> list[int]:
        """Return what still runs as this user, or as one of its further numbers."""
        mine = {self.uid, *self._further()}
        found = []
        for name in os.listdir("/proc"):
            with contextlib.suppress(OSError):
                if name.isdecimal() and Path(f"/proc/{name}").stat().st_uid in mine:
                    state = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[0]
                    found += [int(name)] if state != "Z" else []
        return found

    def _further(self) -> set[int]:
        found: set[int] = set()
        for line in Path("/etc/subuid").read_text().splitlines():
            name, start, count = line.split(":")
            if name == self.name:
                found |= set(range(int(start), int(start) + int(count)))
        return found

    def remove(self) -> None:
        """Remove the user; what still runs as it is killed first."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        subprocess.run(["userdel", "--force", self.name], check=True, capture_output=True)
        self.take_subids()
        shutil.rmtree(self.folder, ignore_errors=True)


def _open_up(paths: list[Path]) -> None:
    """Have everyone reach *paths*, in this mount namespace only: a folder that lets nobody through is covered."""
    staged: list[tuple[Path, Path]] = []
    covers: set[Path] = set()
    stage = Path(tempfile.mkdtemp())
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", stage], check=True)
    for number, path in enumerate(paths):
        closed = [above for above in path.parents if not above.stat().st_mode & 0o001]
        if closed:
            place = stage / str(number)
            place.mkdir()
            subprocess.run(["mount", "--bind", path, place], check=True)
            staged.append((place, path))
            covers.add(closed[-1])
    for cover in covers:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", cover], check=True)
    for place, path in staged:
        path.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "--move", place, path], check=True)
    subprocess.run(["umount", "--lazy", stage], check=True)
    stage.rmdir()


def _open_tun() -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/dev/net"], check=True)
    os.mknod("/dev/net/tun", 0o020666, os.makedev(10, 200))
    os.chmod("/dev/net/tun", 0o666)


def _become(name: str, runtime: str, argv: list[str]) -> None:
    user = pwd.getpwnam(name)
    if os.environ.get("SOMEONE_INSIDE") != name:
        os.environ["SOMEONE_INSIDE"] = name
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "slave", sys.executable, *sys.argv])
    _open_up([Path(sys.base_prefix), Path(sys.prefix), CLONE])
    if os.environ["SOMEONE_TUN"]:
        _open_tun()
    if os.environ["SOMEONE_ONE_TREE"] and os.path.ismount("/sys/fs/cgroup/unified"):
        subprocess.run(["umount", "/sys/fs/cgroup/unified"], check=True)
    for program in os.environ["SOMEONE_WITHOUT"].split():
        if found := shutil.which(program):
            subprocess.run(["mount", "--bind", "/dev/null", found], check=True)
    os.initgroups(name, user.pw_gid)
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    os.chdir(user.pw_dir)
    kept = {key: value for key, value in os.environ.items() if key in {"LANG", "DOCKER_HOST"}}
    env = {
        **kept,
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": user.pw_dir,
        "USER": name,
        "XDG_RUNTIME_DIR": runtime,
    }
    os.execvpe(argv[0], argv, env)


if __name__ == "__main__":
    _become(sys.argv[1], sys.argv[2], sys.argv[3:])
