"""The two engines that are compared: a yurtd in a throw-away root, and the reference Docker."""

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

BIN = Path(sys.executable).parent


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine's command and the environment that points the command at it."""

    cli: str
    env: Mapping[str, str]

    def run(self, *args: str, stdin: bytes | None = None, cwd: str | None = None) -> str:
        """Run one command to its end and return what it printed; raise CalledProcessError when it fails."""
        done = subprocess.run(
            [self.cli, *args], env=dict(self.env), input=stdin, capture_output=True, check=False, cwd=cwd
        )
        if done.returncode != 0:
            sys.stderr.write(done.stderr.decode(errors="replace")[-3000:])
            done.check_returncode()
        return done.stdout.decode()


@contextmanager
def yurt() -> Iterator[Engine]:
    """Run a yurtd for the block's time; afterwards nothing of it is left."""
    top = Path(tempfile.mkdtemp(prefix="yurt-bench-"))
    socket = top / "run/yurt.sock"
    # Without kept bytecode every start would compile Yurt anew, which no installation does.
    foreign = ("YURT_", "DOCKER_", "COMPOSE_", "PYTHONDONTWRITEBYTECODE")
    env = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
    env |= {"YURT_HOST": f"unix://{socket}", "PATH": f"{BIN}:{env['PATH']}"}
    with (top / "log").open("wb") as log:
        daemon = subprocess.Popen(
            [str(BIN / "yurtd"), "--root", str(top / "lib"), "--host", f"unix://{socket}"],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    engine = Engine(str(BIN / "yurt"), env)
    try:
        deadline = time.monotonic() + 30
        while not socket.exists():
            if daemon.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"yurtd did not start:\n{(top / 'log').read_text()[-2000:]}")
            time.sleep(0.02)
        yield engine
    finally:
        if leftover := subprocess.run(
            [engine.cli, "ps", "-aq"], env=env, capture_output=True, check=False
        ).stdout.split():
            subprocess.run(
                [engine.cli, "rm", "-f", "-v", *leftover], env=env, capture_output=True, check=False
            )
        networks = subprocess.run(
            [engine.cli, "network", "ls", "-q", "--filter", "type=custom"],
            env=env,
            capture_output=True,
            check=False,
        ).stdout.split()
        if networks:
            subprocess.run(
                [engine.cli, "network", "rm", *networks], env=env, capture_output=True, check=False
            )
        daemon.terminate()
        daemon.wait(timeout=20)
        shutil.rmtree(top, ignore_errors=True)


@contextmanager
def docker(script: Path) -> Iterator[Engine]:
    """Bring up the reference Docker with *script* and leave it as it was found: running or not."""
    subprocess.run(["bash", str(script), "up"], check=True, stdout=subprocess.DEVNULL)
    env = dict(os.environ)
    lines = subprocess.run(["bash", str(script), "env"], check=True, capture_output=True, text=True).stdout
    for word in shlex.split(lines):
        key, equals, value = word.partition("=")
        if equals:
            env[key] = value.replace("$PATH", env["PATH"])
    found = shutil.which("docker", path=env["PATH"])
    if found is None:
        raise RuntimeError("the reference engine has no docker command")
    yield Engine(found, env)
