"""What may come next on a command line, as a value."""

import pytest

from yurt.cli import main
from yurt.cli.completion import FILES, FOLDERS, of_command

HAVE = {
    "containers": ["web", "db"],
    "running": ["web"],
    "stopped": ["db"],
    "images": ["debian", "shop:2"],
    "catalog": ["debian", "python:3.13"],
    "volumes": ["data"],
    "networks": ["bridge", "back"],
}


@pytest.fixture
def after():
    """Return a function: the words of a line, the last being typed → candidates."""

    def complete(*words: str) -> list[str]:
        verb, *before, current = words
        place = main.COMMANDS[verb]
        if place.endswith(":"):
            group, verb, before = verb, before[0], before[1:]
            place = main.GROUPS[group][verb]
        command = main.load(place, verb)
        return [word for word, _ in of_command(command, verb, before, current, lambda kind: HAVE[kind])]

    return complete


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["logs", ""], ["web", "db"]),
        (["logs", "-f", "w"], ["web"]),
        (["logs", "web", ""], []),
        (["rm", "-f", "web", ""], ["db"]),
        (["stop", ""], ["web"]),
        (["start", ""], ["db"]),
        (["exec", "-it", ""], ["web"]),
        (["exec", "web", ""], []),
        (["run", "--rm", ""], ["debian", "shop:2", "python:3.13"]),
        (["run", "shop:"], ["shop:2"]),
        (["rmi", "s"], ["shop:2"]),
        (["run", "--network", ""], ["bridge", "back"]),
        (["run", "--network=ba"], ["--network=back"]),
        (["run", "-itv", ""], ["data:", FOLDERS]),
        (["run", "--restart", "on"], ["on-failure"]),
        (["run", "--env-file", "x"], [FILES]),
        (["run", "--pull="], ["--pull=always", "--pull=missing", "--pull=never"]),
        (["run", "debian", "--", "-"], []),
        (["run", "debian", "ls", "--a"], []),
        (["kill", "-s", "US"], ["USR1", "USR2"]),
        (["inspect", "b"], ["bridge", "back"]),
        (["cp", "we"], ["web:", FILES]),
        (["volume", "rm", ""], ["data"]),
        (["network", "connect", ""], ["bridge", "back"]),
        (["network", "connect", "back", "d"], ["db"]),
        (["completion", ""], ["bash", "zsh", "fish"]),
        (["tag", "--nope", "x", "shop:2", ""], []),
    ],
    ids=" ".join,
)
def test_names_fit_the_place(after, words, expected):
    """Each argument and each flag's value is completed with what can stand there, and nothing else."""
    assert after(*words) == expected


def test_flags_are_those_of_the_command_that_are_not_there_yet(after):
    """A flag that may be given many times stays."""
    found = after("run", "--rm", "-e", "A=1", "--")
    assert "--rm" not in found
    assert {"--env", "--detach", "--help"} <= set(found)
    assert after("run", "--rm", "--deta") == ["--detach", "--detach-keys"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], ["run", "create"]),
        (["ru"], ["run"]),
        (["--v"], ["--version"]),
        (["-H", "unix:///nonexistent", "netw"], ["network"]),
        (["volume", "in"], ["inspect\tShow all that is known of volumes"]),
        (["compose", "pu"], ["pull"]),
        (["compose", "-p", "x", "up", "--wai"], ["--wait\tWait until all", "--wait-timeout\tGive up"]),
        (["help", "completi"], ["completion"]),
        (["logs", ""], []),
        (["nope", ""], []),
        (["-H", ""], []),
        (["compose", "--nope", ""], []),
        (["--", ""], []),
    ],
    ids=" ".join,
)
def test_the_shells_ask_a_hidden_command(capsys, words, expected):
    """Its lines are candidates and what they are. Whatever is wrong completes nothing, without a word."""
    code = main.run(["__complete", *words], {"YURT_HOST": "unix:///nonexistent"})
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert (captured.err, code in (0, 1)) == ("", True)
    assert len(lines) >= len(expected)
    assert bool(lines) == bool(expected)
    assert all(line.startswith(start) for line, start in zip(lines, expected, strict=False))


def test_no_engine_is_started_for_it(tmp_path, capsys):
    """A press of the tab key leaves the machine as it is."""
    root = tmp_path / "root"
    assert main.run(["__complete", "logs", ""], {"YURT_ROOT": str(root)}) == 1
    assert capsys.readouterr() == ("", "")
    assert not root.exists()


@pytest.mark.parametrize(
    "words",
    [
        ["-f", "{}", "logs", "w"],
        ["logs", "--file={}", "--follow", "w"],
        ["exec", "-f", "{}", "-T", "w"],
        ["-f{}", "up", "--exit-code-from", "w"],
    ],
    ids=" ".join,
)
def test_services_are_the_project_s(tmp_path, capsys, words):
    """They come from the Compose file, up or not, wherever on the line it is chosen."""
    file = tmp_path / "stack.yaml"
    file.write_text("services: {web: {image: x}, worker: {image: x}, db: {image: x}}\n")
    main.run(["__complete", "compose", *(word.format(file) for word in words)], {})
    assert capsys.readouterr().out == "web\nworker\n"


def test_a_shell_that_has_none_is_told_those_that_have(capsys):
    """tcsh has none."""
    assert main.run(["completion", "tcsh"], {}) == 1
    assert "bash, zsh, fish" in capsys.readouterr().err
