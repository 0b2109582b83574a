import subprocess
import sys

import pytest

from yurt.cli import main
from yurt.cli.flags import Command, parse_flags

HEAVY = {
    "aiohttp", "argparse", "asyncio", "contextlib", "dataclasses", "enum", "http", "inspect", "json", "logging", "msgspec",
    "pathlib", "re", "rich", "shutil", "socket", "subprocess", "tempfile", "typing", "urllib", "yaml",
}  # fmt: skip


@pytest.fixture
def yurt(capsys):
    """Run a command line here; returns (exit code, stdout, stderr)."""

    def run(*words, **environ):
        code = main.run(words, {"YURT_HOST": "unix:///nonexistent.sock"} | environ)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def every_command():
    for word, place in main.COMMANDS.items():
        if not place.endswith(":"):
            yield f"yurt {word}", place, word
    for group, verbs in main.GROUPS.items():
        for verb, place in verbs.items():
            yield f"yurt {group} {verb}", place, verb


@pytest.mark.parametrize(
    ("path", "place", "word"), list(every_command()), ids=lambda value: value if " " in value else ""
)
def test_every_command_is_there_and_explains_itself(yurt, path, place, word):
    """Each word leads to a command with a summary, flags that are all explained, and help."""
    found = main.load(place, word)
    assert isinstance(found, Command)
    assert found.summary[0].isupper()
    assert all(flag.help for flag in parse_flags(found.flags_text).values())
    code, out, _ = yurt(*path.split()[1:], "--help")
    assert code == 0
    assert f"Usage: {path}" in out


@pytest.mark.parametrize("words", [[], ["--help"], ["help"], ["-h"]])
def test_help_is_short_and_by_example(yurt, words):
    """One screen, examples first."""
    code, out, _ = yurt(*words)
    assert code == 0
    assert "yurt run -it --rm debian bash" in out
    assert len(out.splitlines()) <= 24


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["rum"], "unknown command `yurt rum`", "did you mean `yurt rm`?"),
        (["xyzzy"], "unknown command `yurt xyzzy`", "`yurt --help` lists the commands"),
        (["volume", "lss"], "unknown command `yurt volume lss`", "did you mean `yurt volume ls`?"),
        (["tag", "x"], "`yurt tag` needs 2 arguments, got 1", "usage: yurt tag IMAGE NAME"),
        (
            ["ps"],
            "cannot reach the engine at unix:///nonexistent.sock: No such file or directory",
            "is it running?",
        ),
        (["-H", "what://x", "ps"], "invalid engine address 'what://x'", "use unix:///run/yurt/yurt.sock"),
    ],
)
def test_errors_are_a_sentence_and_a_hint(yurt, words, message, hint):
    """Without colour when it is no terminal, never a traceback."""
    code, out, err = yurt(*words)
    assert code == 1
    assert out == ""
    assert err.splitlines()[0] == f"yurt: {message}"
    assert err.splitlines()[1].startswith(f"hint: {hint}")


def test_a_wrong_flag_is_docker_s_125(yurt):
    """Scripts tell a wrong call from a failed command."""
    assert yurt("run", "--nope", "x")[0] == 125


def test_what_nobody_expected_is_a_sentence_too(yurt, monkeypatch):
    """A defect shows itself as one sentence, and as a traceback when asked for."""

    def fail(_place, _word):
        raise RuntimeError("boom")

    monkeypatch.setattr(main, "load", fail)
    code, _, err = yurt("ps")
    assert code == 1
    assert err.startswith(
        "yurt: something unexpected happened: RuntimeError: boom\nhint: run it again with YURT_DEBUG=1"
    )
    assert "Traceback" in yurt("ps", YURT_DEBUG="1")[2]


def test_an_interrupt_is_130(yurt, monkeypatch):
    """Ctrl-C leaves without a word."""

    def interrupt(_place, _word):
        raise KeyboardInterrupt

    monkeypatch.setattr(main, "load", interrupt)
    assert yurt("ps") == (130, "", "")


def test_version(yurt):
    """The version needs no engine."""
    assert yurt("--version")[1].startswith("yurt 0.")


@pytest.mark.parametrize("module", ["run", "containers", "exec", "lifecycle", "logs", "images", "completion"])
def test_short_commands_import_nothing_heavy(module):
    """Start-up is the budget: none of these modules is on the way of a short command."""
    program = (
        "import sys; before = set(sys.modules); import yurt.cli.main, yurt.cli.session, yurt.client.sync, "
        f"yurt.cli.interactive, yurt.cli.completion, yurt.cli.commands.{module}; print(*sorted(set(sys.modules) - before))"
    )
    command = [sys.executable, "-c", program]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert not {name.partition(".")[0] for name in found} & HEAVY
