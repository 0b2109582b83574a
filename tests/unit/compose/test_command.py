"""yurt.cli.commands.compose: the words of the command line."""

import io
import json
from pathlib import Path

import pytest

from yurt.cli.commands.compose import VERBS, main, split
from yurt.cli.commands.compose.project import flags
from yurt.cli.failure import UsageError
from yurt.cli.flags import parse_flags
from yurt.cli.main import load
from yurt.cli.session import Session


@pytest.mark.parametrize(
    ("words", "chosen", "rest"),
    [
        ("up -d", "", "up -d"),
        ("-f a.yaml -f b.yaml -p x up", "--file=a.yaml --file=b.yaml --project-name=x", "up"),
        ("-fa.yaml --profile=dev --env-file e up -f", "--file=a.yaml --profile=dev --env-file=e", "up -f"),
        (
            "--project-directory d --ansi never --dry-run ps",
            "--project-directory=d --ansi=never --dry-run",
            "ps",
        ),
        ("--compatibility up", "", "up"),
    ],
)
def test_split(words: str, chosen: str, rest: str) -> None:
    """The flags before the verb choose the project; the rest is the verb's."""
    assert split(words.split()) == (chosen.split(), rest.split())


@pytest.mark.parametrize("words", ["--frob up", "-f", "-x up"])
def test_unknown(words: str) -> None:
    """A flag that is not known, or lacks its value, is refused."""
    with pytest.raises(UsageError):
        split(words.split())


def test_short_letters() -> None:
    """A verb's own letters win: `logs -f` follows, `run -p` publishes, `ps -p` still chooses the project."""
    assert parse_flags(flags("-f, --follow   x"))["f"].name == "follow"
    assert parse_flags(flags("-f, --follow   x"))["file"].takes_value
    assert parse_flags(flags("--all   x"))["p"].name == "project-name"


@pytest.mark.parametrize("verb", VERBS)
def test_help(verb: str) -> None:
    """Every verb explains itself, with an example."""
    out = io.StringIO()
    session = Session({}, out=out)
    assert main(session, [verb, "--help"]) == 0
    command = load(f"compose.{VERBS[verb]}", verb)
    assert command.summary in out.getvalue()
    assert command.example
    assert f"yurt compose {verb}" in out.getvalue()


def test_overview() -> None:
    """Without a verb all verbs are listed."""
    out = io.StringIO()
    assert main(Session({}, out=out), []) == 0
    assert all(f"  {verb} " in out.getvalue() for verb in VERBS)


def test_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """config needs no engine; flags work before the verb and after it."""
    (tmp_path / "compose.yaml").write_text("services: {web: {image: 'shop:${TAG}'}, db: {image: postgres}}")
    monkeypatch.chdir(tmp_path)

    def told(*words: str) -> str:
        out = io.StringIO()
        assert main(Session({"TAG": "1"}, out=out), words) == 0
        return out.getvalue()

    assert told("config", "--services") == "web\ndb\n"
    assert told("config", "--images") == "shop:1\npostgres\n"
    assert json.loads(told("-p", "other", "config", "--format", "json"))["name"] == "other"
    assert json.loads(told("config", "--format", "json", "-p", "other"))["name"] == "other"
    assert len(told("config", "--hash", "web").split()[1]) == 64
    assert told("config", "-q") == ""
