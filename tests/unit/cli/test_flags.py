import pytest

from yurt.cli.failure import UsageError
from yurt.cli.flags import Flag, command, parse, parse_flags

FLAGS = """
    -a, --all             Everything
    -i, --interactive     Keep stdin open
    -t, --tty             A terminal
    -e, --env NAME=VALUE…  A variable
    -n, --last NUMBER     The last
    -h, --hostname NAME   Host name
    --rm                  Remove
"""


@pytest.mark.parametrize(
    ("line", "arguments", "values"),
    [
        ("", [], {}),
        ("-a x", ["x"], {"all": ["true"]}),
        ("x -a", ["x"], {"all": ["true"]}),
        ("-it x", ["x"], {"interactive": ["true"], "tty": ["true"]}),
        ("--all=false", [], {"all": ["false"]}),
        ("-n 3", [], {"last": ["3"]}),
        ("-n3", [], {"last": ["3"]}),
        ("-n=3", [], {"last": ["3"]}),
        ("-itn 3", [], {"interactive": ["true"], "tty": ["true"], "last": ["3"]}),
        ("--last 3 --last=4", [], {"last": ["3", "4"]}),
        ("-e A=1 -eB=2 --env C", [], {"env": ["A=1", "B=2", "C"]}),
        ("-n -1", [], {"last": ["-1"]}),
        ("-h web", [], {"hostname": ["web"]}),
        ("-- -a", ["-a"], {}),
        ("-", ["-"], {}),
    ],
)
def test_docker_s_spellings_are_read(line, arguments, values):
    """Clusters, attached and separate values, repetition, negation and -- mean what they mean to Docker."""
    assert parse(parse_flags(FLAGS), line.split(), "yurt x") == (arguments, values)


def test_after_the_first_argument_words_are_the_program_s():
    """Flags after the image belong to the command that runs in it."""
    assert parse(parse_flags(FLAGS), ["-i", "bb", "sh", "-c", "-a"], "yurt run", program=1) == (
        ["bb", "sh", "-c", "-a"],
        {"interactive": ["true"]},
    )


@pytest.mark.parametrize("line", ["--help", "x --help", "-a --help y"])
def test_help_wins(line):
    """Asking for help anywhere asks for nothing else."""
    arguments, _ = parse(parse_flags(FLAGS), line.split(), "yurt x")
    assert arguments is None


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("--al", "unknown flag --al for `yurt x`", "did you mean --all?"),
        ("-z", "unknown flag -z for `yurt x`", "see `yurt x --help`"),
        ("-az", "unknown flag -z in -az for `yurt x`", "see `yurt x --help`"),
        ("-n", "-n, --last needs a value", "see `yurt x --help`"),
        ("--rm=maybe", "invalid value 'maybe' for --rm: expected true or false", "see `yurt x --help`"),
    ],
)
def test_mistakes_are_told_with_the_way_out(line, message, hint):
    """A mistyped flag names the nearest; the exit code is Docker's 125."""
    with pytest.raises(UsageError) as caught:
        parse(parse_flags(FLAGS), line.split(), "yurt x")
    assert (caught.value.message, caught.value.hint, caught.value.code) == (message, hint, 125)


def test_a_flag_is_what_its_line_says():
    """The help line is the declaration."""
    flag = Flag("    -e, --env NAME=VALUE…  A variable")
    assert (flag.name, flag.short, flag.takes_value, flag.repeats, flag.help) == (
        "env",
        "e",
        True,
        True,
        "A variable",
    )
    assert repr(flag) == "<Flag -e, --env NAME=VALUE…>"


@pytest.mark.parametrize(
    ("usage", "words", "message"),
    [
        ("rm [OPTIONS] X [X...]", [], "`yurt rm` needs at least 1 argument, got 0"),
        ("ps [OPTIONS]", ["a"], "`yurt ps` takes no arguments, got 1"),
        ("tag A B", ["a"], "`yurt tag` needs 2 arguments, got 1"),
        ("port A [B]", ["a", "b", "c"], "`yurt port` needs 1 to 2 arguments, got 3"),
        ("create [OPTIONS] [A]", ["a", "b"], "`yurt create` takes at most 1 argument, got 2"),
    ],
)
def test_the_usage_says_how_many_arguments_there_are(usage, words, message):
    """Too few or too many are refused with the usage as the hint."""
    declared = command(usage, "Do it")(lambda _session, _options: None)
    with pytest.raises(UsageError) as caught:
        declared.parse(f"yurt {usage.split()[0]}", words)
    assert caught.value.message == message
    assert caught.value.hint == f"usage: yurt {usage}"
    assert caught.value.code == 1


def test_options_are_asked_by_kind(typed):
    """Flags, texts, lists and numbers come as such; a wrong number names its flag."""
    options = typed(FLAGS, "-a -n 3 -e A -e B x")
    assert options.flag("all")
    assert not options.flag("rm")
    assert options.flag("rm", default=True)
    assert options.number("last") == 3
    assert options.all("env") == ["A", "B"]
    assert options.text("hostname", "none") == "none"
    with pytest.raises(UsageError, match="invalid value 'x' for --last: expected a whole number"):
        typed(FLAGS, "-n x").number("last")
