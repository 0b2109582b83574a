"""Completion as its users have it: keys pressed in real shells, names from a real engine."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from tests.conftest import Needs
from tests.e2e.cli_host import YURT, Terminal
from tests.integration.engine_host import IMAGE, EngineHost

BIN = str(Path(YURT).parent)
NETWORK = "completion-net"


def environ(host: str) -> dict[str, str]:
    known = {"YURT_HOST": host, "PATH": f"{BIN}:{os.environ['PATH']}", "TERM": "dumb", "HISTFILE": ""}
    return {**os.environ, **known}


@pytest.fixture
def named(engine: EngineHost, client: docker.DockerClient) -> Iterator[str]:
    """The address of an engine that has a container, a network and a volume of known names."""
    client.containers.create(IMAGE, "true", name="completion-web")
    client.networks.create(NETWORK)
    client.volumes.create("completion-data")
    yield engine.host
    client.containers.get("completion-web").remove()
    client.networks.get(NETWORK).remove()
    client.volumes.get("completion-data").remove()


@pytest.fixture
def bash(named: str, needs: Needs, tmp_path: Path) -> Iterator[Terminal]:
    """An interactive bash with the completion loaded, in a folder with one file."""
    (tmp_path / "settings.env").touch()
    start = tmp_path / "bashrc"
    start.write_text(f"PS1='$ '; source <(yurt completion bash); cd {tmp_path}\nbind 'set bell-style none'\n")
    terminal = Terminal(
        [needs.program("bash"), "--noprofile", "--rcfile", str(start), "-i"],
        environ(named) | {"INPUTRC": "/dev/null"},
    )
    terminal.resize(24, 200)
    terminal.wait_for(b"$ ")
    yield terminal
    terminal.type(b"\x15exit 0\n")
    assert terminal.exit_code() == 0


@pytest.mark.root
@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("netw\t", "network "),
        ("rm completion-w\t", "rm completion-web "),
        ("start -a completion-w\t", "start -a completion-web "),
        ("volume inspect comp\t", "volume inspect completion-data "),
        ("run --network=completion-n\t", f"run --network={NETWORK} "),
        ("run --network completion-n\t", f"run --network {NETWORK} "),
        ("run -v completion-d\t", "run -v completion-data:"),
        ("rmi busyb\t", f"rmi {IMAGE} "),
        ("run busybox:te\t", f"run {IMAGE} "),
        ("run --env-file set\t", "run --env-file settings.env "),
        ("run --env-file=set\t", "run --env-file=settings.env "),
        ("run --detach-k\t", "run --detach-keys "),
        ("cp completion-w\t", "cp completion-web:"),
    ],
    ids=lambda value: value.strip() if "\t" in value else "",
)
def test_a_tab_in_bash_finishes_the_word(bash: Terminal, typed: str, line: str) -> None:
    """The line that readline holds afterwards, read back by having bash print it."""
    bash.type(b"yurt " + typed.encode())
    bash.type(b"\x01echo '<\x05>'\n")  # to the start and the end of the line
    bash.wait_for(f"\n<yurt {line}>".encode())


@pytest.mark.parametrize(
    ("shell", "check"), [("bash", ("-n",)), ("zsh", ("-n",)), ("fish", ("--no-execute",))], ids=lambda x: x
)
def test_every_script_is_sound(needs: Needs, tmp_path: Path, shell: str, check: tuple[str, ...]) -> None:
    """The shell itself reads it without complaint."""
    program = needs.program(shell)
    script = tmp_path / f"yurt.{shell}"
    script.write_bytes(subprocess.run([YURT, "completion", shell], check=True, capture_output=True).stdout)
    told = subprocess.run([program, *check, str(script)], capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr) == (0, "")


@pytest.mark.root
def test_a_tab_in_zsh_finishes_the_word(named: str, needs: Needs, tmp_path: Path) -> None:
    """The same as in bash; verbs of a group are listed with what they do."""
    (tmp_path / ".zshrc").write_text(
        "autoload -U compinit; compinit -u -D; source <(yurt completion zsh); PS1='ready%% '\n"
    )
    terminal = Terminal([needs.program("zsh"), "-i"], environ(named) | {"ZDOTDIR": str(tmp_path)})
    terminal.resize(24, 200)
    terminal.wait_for(b"ready% ")
    for typed, line in (
        ("rm completion-w", "rm completion-web"),  # the space after it goes when the line does
        ("rmi busyb", f"rmi {IMAGE}"),
        ("run --network=completion-n", f"run --network={NETWORK}"),
        ("cp completion-w", "cp completion-web:"),
    ):
        terminal.type(f"yurt {typed}\t\x01echo '<\x05>'\n".encode())
        terminal.wait_for(f"\n<yurt {line}>".encode())
        terminal.wait_for(b"ready% ")
    terminal.type(b"yurt volume \t")
    terminal.wait_for(b"Remove volumes that no container uses")
    terminal.type(b"\x15exit 0\n")
    assert terminal.exit_code() == 0


@pytest.mark.root
def test_fish_completes(named: str, needs: Needs) -> None:
    """Fish can be asked without a terminal; names come with what they are."""
    ask = "yurt completion fish | source; complete --do-complete 'yurt {}'"
    fish = needs.program("fish")

    def completions(line: str) -> str:
        command = [fish, "--no-config", "-c", ask.format(line)]
        return subprocess.run(command, env=environ(named), check=True, capture_output=True, text=True).stdout

    assert completions("rm completion-") == "completion-web\n"
    assert "run\n" in completions("ru")
    assert "inspect\tShow all that is known of volumes\n" in completions("volume insp")


@pytest.mark.root
def test_a_silent_engine_does_not_hold_the_prompt(tmp_path: Path) -> None:
    """Somebody listens and never answers: nothing is completed, in about a second."""
    import socket

    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "s"))
        silent.listen()
        begun = time.monotonic()
        told = subprocess.run(
            [sys.executable, "-m", "yurt.cli.main", "__complete", "rm", ""],
            env={**os.environ, "YURT_HOST": f"unix://{tmp_path}/s"},
            capture_output=True,
            check=False,
        )
        assert (told.stdout, told.stderr) == (b"", b"")
        assert time.monotonic() - begun < 5
