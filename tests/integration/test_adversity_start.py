"""An engine that cannot start, or not as asked, says why in one sentence, with the next step, and changes nothing."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import Needs
from tests.integration.engine_host import EngineHost

from yurt.linux.mount import unmount

pytestmark = pytest.mark.root
AS_NOBODY = (
    "import os, shutil, sys; import yurt.daemon.__main__ as m, yurt.daemon.config, yurt.daemon.lock;"
    "os.setgid(65534); os.setuid(65534); m.main()"
)


@pytest.fixture(autouse=True)
def _prerequisites(needs: Needs) -> None:
    needs.root()
    needs.program("runc")


@pytest.fixture
def host(tmp_path: Path) -> Iterator[EngineHost]:
    made = EngineHost(tmp_path)
    yield made
    if made.pid:
        made.dismantle()
    assert made.leftovers() == []
    made.destroy()


def refusal(command: list[str], *, environ: dict[str, str] | None = None) -> str:
    """Run a yurtd that must not start; return the one line that it says before it ends with status 1."""
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30, env=environ)
    assert done.returncode == 1, done
    assert "Traceback" not in done.stderr, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("yurtd: ")]
    assert len(lines) == 1, done.stderr
    return lines[0].removeprefix("yurtd: ")


def test_with_the_home_of_another_it_says_so(host: EngineHost) -> None:
    """Who is not root and has root's home is told what to do, and no file is made."""
    home = host.root.parent / "home"
    home.mkdir(mode=0o700)
    environ = {**os.environ, "HOME": str(home)}
    said = refusal([sys.executable, "-c", AS_NOBODY, *host.command()[3:]], environ=environ)
    assert said == (
        f"cannot look for the settings {home}/.config/yurt/yurt.toml: Permission denied; "
        "set HOME to a folder of yours, or name a file with --config"
    )
    assert not host.root.exists()


STARTED_BY_NOBODY = """
import os, yurt.cli.engine_start as engine_start
os.setuid(65534)
try:
    engine_start.start({"YURT_ROOT": "/root/yurt"}, "/root/yurt.sock", tell=print)
except engine_start.Unavailable as error:
    print(error.message, error.hint, sep="; ")
"""


def test_the_command_line_without_root_says_so() -> None:
    """No engine answers, and this user cannot start one there: it advises to choose a folder of one's own."""
    command = [sys.executable, "-c", STARTED_BY_NOBODY]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30)
    assert done.stdout.startswith(
        "cannot start the engine: /root/yurt cannot be written: Permission denied; "
    )
    assert "set YURT_ROOT to a folder of yours" in done.stdout


def test_a_second_engine_is_refused(host: EngineHost) -> None:
    """One root has one engine; the first goes on."""
    host.start()
    said = refusal([*host.command()[:-1], f"unix://{host.socket}2"])
    assert said == (
        f"another yurtd (pid {host.pid}) already works on {host.root}; "
        "stop it, or choose another folder with --root"
    )
    assert host.answers()


def test_a_live_socket_is_not_taken_over(host: EngineHost, tmp_path: Path) -> None:
    """Another root at the same address is refused, and the first engine goes on answering."""
    host.start()
    other = EngineHost(tmp_path / "other")
    said = refusal([*other.command()[:-1], host.host])
    assert said.startswith(f"cannot listen on {host.socket}: another engine answers there; ")
    assert host.answers()
    assert other.leftovers() == []
    other.destroy()


def test_a_stale_socket_is_replaced(host: EngineHost) -> None:
    """What an engine left that was killed is in nobody's way."""
    host.start()
    host.kill()
    assert host.socket.exists()
    host.start()


def test_a_file_in_the_socket_s_place_stays(host: EngineHost) -> None:
    """It is not ours to remove."""
    host.socket.write_text("precious")
    said = refusal(host.command())
    assert said == f"cannot listen on {host.socket}: a file that is no socket is in the way"
    assert host.socket.read_text() == "precious"


def test_a_socket_in_a_folder_that_cannot_be_is_refused(host: EngineHost, tmp_path: Path) -> None:
    """A file where the folder should be."""
    (tmp_path / "file").touch()
    said = refusal([*host.command()[:-1], f"unix://{tmp_path}/file/s"])
    assert said.startswith(f"cannot listen on {tmp_path}/file/s: ")


def test_a_read_only_disk_is_named(host: EngineHost, tmp_path: Path) -> None:
    """The root's file system cannot be written, before the first start and after."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "yurt-test", disk], check=True)
    try:
        there = EngineHost(disk)
        said = refusal(there.command())
        assert said.startswith(f"cannot use {there.root}: ")
        assert "Read-only file system" in said
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
        there.log = tmp_path / "yurtd.log"
        there.start()
        there.dismantle()
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        said = refusal(there.command())
        assert said.startswith(f"cannot use {there.root}: ")
        assert "Read-only file system" in said
    finally:
        unmount(disk, lazy=True)


def test_a_root_that_is_a_file_is_refused(host: EngineHost) -> None:
    """And stays what it is."""
    host.root.write_text("precious")
    assert refusal(host.command()).startswith(f"cannot use {host.root}: ")
    assert host.root.read_text() == "precious"


def test_a_broken_database_is_named(host: EngineHost) -> None:
    """The file is named and left as it is: it may be all there is of someone's state."""
    host.root.mkdir()
    database = host.root / "engine.db"
    database.write_bytes(b"this is no database" * 100)
    assert str(database) in refusal(host.command())
    assert database.read_bytes() == b"this is no database" * 100


def test_a_broken_configuration_is_named(host: EngineHost, tmp_path: Path) -> None:
    """File, line, what was expected."""
    config = tmp_path / "yurt.toml"
    config.write_text("debug = maybe\n")
    said = refusal([*host.command(), "--config", str(config)])
    assert said.startswith(f"{config}: ")
    assert "line 1" in said


def test_without_a_runtime_it_names_the_package(host: EngineHost) -> None:
    """No runc, no engine."""
    said = refusal(host.command(), environ=os.environ | {"PATH": "/nonexistent"})
    assert said == "no OCI runtime on this host: runc is not installed; apt-get install runc"


def test_without_nftables_it_names_the_package(host: EngineHost, needs: Needs) -> None:
    """Its library is hidden from this one process."""
    library = next(Path("/usr/lib").glob("*/libnftables.so.1"))
    script = 'mount --bind /dev/null "$0" && exec "$@"'
    said = refusal([needs.program("unshare"), "-m", "sh", "-c", script, str(library), *host.command()])
    assert "libnftables.so.1" in said
    assert said.endswith("; apt-get install libnftables1")


def test_without_the_bootstrapper_a_pull_names_the_package(
    host: EngineHost, needs: Needs, tmp_path: Path
) -> None:
    """A base image needs mmdebstrap; all else works without. It is hidden from this engine by an overlay."""
    (tmp_path / "upper").mkdir()
    hiding = (
        'mount -t tmpfs none "$0" && mkdir "$0/u" "$0/w" &&'
        ' mount -t overlay -o "lowerdir=/usr/bin,upperdir=$0/u,workdir=$0/w" none /usr/bin &&'
        ' rm -f /usr/bin/mmdebstrap && exec "$@"'
    )
    host.within = [needs.program("unshare"), "-m", "sh", "-c", hiding, str(tmp_path / "upper")]
    host.start()
    done = yurt(host, "pull", "debian:12")
    assert done.returncode == 1
    assert "mmdebstrap" in done.stderr
    assert "apt-get install mmdebstrap" in done.stderr
    assert "Traceback" not in done.stderr
    assert yurt(host, "images", "-q").stdout == ""


def test_a_signal_while_it_starts_ends_it(host: EngineHost) -> None:
    """SIGTERM at an early moment ends it at once, and the next start is as usual."""
    for _attempt in range(3):
        process = subprocess.Popen(host.command(), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        assert process.stderr is not None
        process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)
        assert process.returncode in {0, -signal.SIGTERM}
    host.start()


def yurt(host: EngineHost, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [Path(sys.executable).with_name("yurt"), *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"YURT_HOST": host.host, "NO_COLOR": "1"},
    )


def test_a_port_of_another_process_is_refused(host: EngineHost) -> None:
    """The port is named, the container stays created, and starts when the port is free."""
    host.start()
    host.load_busybox()
    with socket.socket() as foreign:
        foreign.bind(("127.0.0.1", 0))
        foreign.listen()
        port = foreign.getsockname()[1]
        done = yurt(
            host, "run", "-d", "--name", "web", "-p", f"127.0.0.1:{port}:80", "busybox:test", "sleep", "100"
        )
        assert done.returncode == 125
        assert f"127.0.0.1:{port}" in done.stderr
        assert "already" in done.stderr
        assert done.stdout in {"", yurt(host, "ps", "-aq", "--no-trunc").stdout}
        assert yurt(host, "inspect", "-f", "{{.State.Status}}", "web").stdout == "created\n"
    assert yurt(host, "start", "web").stdout == "web\n"
    second = yurt(host, "run", "-d", "--name", "second", "-p", f"127.0.0.1:{port}:80", "busybox:test", "true")
    assert second.returncode == 125
    assert f"Bind for 127.0.0.1:{port} failed: port is already allocated" in second.stderr
    taken = yurt(host, "run", "--name", "web", "busybox:test", "true")
    assert taken.returncode == 125
    assert 'The container name "/web" is already in use' in taken.stderr
    assert yurt(host, "port", "web").stdout == f"80/tcp -> 127.0.0.1:{port}\n"
