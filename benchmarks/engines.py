"""The engines that are compared: a yurtd in a throw-away root, the reference Docker, and Podman with a store of its own."""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import Work, command
from yurt.linux import cgroup

BIN = Path(sys.executable).parent
FOREIGN = ("YURT_", "DOCKER_", "COMPOSE_", "CONTAINERS_", "PYTHONDONTWRITEBYTECODE")
# crun refuses cgroup controllers in both trees; an engine that does not see the v2 tree can use it all the same.
ONE_TREE = ("unshare", "--mount", "sh", "-c", 'umount /sys/fs/cgroup/unified && exec "$@"', "sh")


@dataclass(frozen=True, slots=True, eq=False)
class Engine:
    """An engine's command, the environment that points the command at it, and its address if it has a daemon."""

    cli: str
    env: Mapping[str, str]
    address: str = ""

    def run(self, *args: str, stdin: bytes | None = None, cwd: str | None = None) -> str:
        """Run one command to its end and return what it printed; raise CalledProcessError when it fails."""
        done = subprocess.run(
            [self.cli, *args], env=dict(self.env), input=stdin, capture_output=True, check=False, cwd=cwd
        )
        if done.returncode != 0:
            sys.stderr.write(done.stderr.decode(errors="replace")[-3000:])
            done.check_returncode()
        return done.stdout.decode()

    def work(self, *args: str, discard: bool = False) -> Work:
        """Return the work of one command; see `command`."""
        return command([self.cli, *args], self.env, discard=discard)


@dataclass(frozen=True, slots=True)
class Engines:
    """Who takes part. *crun* is a second engine of ours, on crun where the first is on runc, if crun is installed."""

    ours: Engine
    theirs: Engine
    podman: Engine | None = None
    crun: Engine | None = None

    @property
    def all(self) -> tuple[Engine, ...]:
        return tuple(one for one in (self.ours, self.theirs, self.podman, self.crun) if one is not None)


def environment() -> dict[str, str]:
    """Return this process's environment without what would lead a client elsewhere.

    Nor without kept bytecode: every start would compile Yurt anew, which no installation does.
    """
    return {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)}


@contextmanager
def yurt(runtime: str) -> Iterator[Engine]:
    """Run a yurtd for the block's time; afterwards nothing of it is left."""
    top = Path(tempfile.mkdtemp(prefix="yurt-bench-"))
    socket = top / "run/yurt.sock"
    env = environment() | {"YURT_HOST": f"unix://{socket}"}
    env["PATH"] = f"{BIN}:{env['PATH']}"
    (top / "yurt.toml").write_text(f'runtime = "{runtime}"\n')
    within = ONE_TREE if runtime == "crun" and cgroup.is_split() else ()
    yurtd = [str(BIN / "yurtd"), "--root", str(top / "lib"), "--host", f"unix://{socket}"]
    with (top / "log").open("wb") as log:
        daemon = subprocess.Popen(
            [*within, *yurtd, "--config", str(top / "yurt.toml")],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    engine = Engine(str(BIN / "yurt"), env, f"unix://{socket}")
    try:
        deadline = time.monotonic() + 30
        while not socket.exists():
            if daemon.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"yurtd did not start:\n{(top / 'log').read_text()[-2000:]}")
            time.sleep(0.02)
        yield engine
    finally:
        _remove_all(engine)
        daemon.terminate()
        daemon.wait(timeout=20)
        subprocess.run([*yurtd, "--dismantle"], env=env, capture_output=True, check=False)
        shutil.rmtree(top, ignore_errors=True)


@contextmanager
def docker(script: Path) -> Iterator[Engine]:
    """Bring up the reference Docker with *script* and leave it as it was found: running or not."""
    subprocess.run(["bash", str(script), "up"], check=True, stdout=subprocess.DEVNULL)
    env = environment()
    lines = subprocess.run(["bash", str(script), "env"], check=True, capture_output=True, text=True).stdout
    for word in shlex.split(lines):
        key, equals, value = word.partition("=")
        if equals:
            env[key] = value.replace("$PATH", env["PATH"])
    found = shutil.which("docker", path=env["PATH"])
    if found is None:
        raise RuntimeError("the reference engine has no docker command")
    yield Engine(found, env, env["DOCKER_HOST"])


@contextmanager
def podman() -> Iterator[tuple[Engine, str]]:
    """Give Podman a store of its own for the block's time; also tell which runtime it uses.

    It is Debian's, as it comes, but for what a machine without systemd and CAP_SYS_RESOURCE lacks: cgroups are made
    by Podman itself, events go to a file, and limits stay as they are. Where its default runtime refuses this
    machine's cgroups, it gets runc.
    """
    top = Path(tempfile.mkdtemp(prefix="yurt-bench-podman-"))
    settings, storage = top / "containers.conf", top / "storage.conf"
    env = environment() | {"CONTAINERS_CONF": str(settings), "CONTAINERS_STORAGE_CONF": str(storage)}
    storage.write_text(f'[storage]\ndriver = "overlay"\ngraphroot = "{top}/graph"\nrunroot = "{top}/run"\n')
    runtime = 'runtime = "runc"\n' if cgroup.is_split() else ""
    settings.write_text(
        "[containers]\ndefault_ulimits = []\n"
        f'[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n{runtime}'
        f'[network]\nnetwork_backend = "netavark"\nnetwork_config_dir = "{top}/networks"\n'
    )
    engine = Engine("podman", env)
    try:
        yield engine, engine.run("info", "--format", "{{.Host.OCIRuntime.Name}}").strip()
    finally:
        _remove_all(engine)
        # Its store is mounted over itself.
        subprocess.run(["umount", "--lazy", str(top / "graph/overlay")], capture_output=True, check=False)
        shutil.rmtree(top, ignore_errors=True)


def _remove_all(engine: Engine) -> None:
    """Remove what an interrupted case left."""
    for found, remove in (
        (["ps", "-aq"], ["rm", "-f", "-v"]),
        (["network", "ls", "-q", "--filter", "type=custom"], ["network", "rm"]),
    ):
        listed = subprocess.run([engine.cli, *found], env=dict(engine.env), capture_output=True, check=False)
        if names := listed.stdout.decode().split():
            subprocess.run(
                [engine.cli, *remove, *names], env=dict(engine.env), capture_output=True, check=False
            )
