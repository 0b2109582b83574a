"""Help, by example; and the nearest word for a mistyped one. Imported only when somebody asks or errs."""

from __future__ import annotations

from difflib import get_close_matches
from textwrap import wrap
from typing import TYPE_CHECKING

from yurt.cli.failure import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from yurt.cli.flags import Command
    from yurt.cli.session import Session

NARROWEST = 40  # columns for a sentence and the space before it; with fewer it is left to the terminal

OVERVIEW = """\
Containers, images and Compose projects on one machine, nothing else installed.

  yurt compose up --wait                   bring up the project in this folder
  yurt run -it --rm debian bash            a shell in a fresh container
  yurt run -d --name db -p 5432:5432 -e POSTGRES_PASSWORD=secret postgres
  yurt ps · yurt logs -f db · yurt exec -it db psql -U postgres · yurt stop db

{Containers}
  run create start stop restart kill rm exec attach
  pause unpause rename update wait
{Look inside}
  ps logs top stats port inspect diff cp export commit events
{Images}
  images build pull push search tag rmi history save load import
  catalog ls · builder du prune
{Projects}
  compose up down ps logs build exec run stop start restart config
{The rest}
  volume network container image system
  info version login logout doctor completion

Every command explains itself: yurt COMMAND --help
Before it: -H, --host ADDRESS (else YURT_HOST, else DOCKER_HOST) · -D, --debug
  --tlsverify, --tlscacert, --tlscert, --tlskey (else DOCKER_TLS_VERIFY) · -v
"""

GROUP_SUMMARIES = {
    "volume": "Folders that outlive their containers",
    "network": "Networks on which containers find each other by name",
    "container": "Everything about containers; the same verbs stand at the top level",
    "image": "Everything about images; most of it stands at the top level",
    "system": "The engine as a whole",
    "catalog": "Base images that need no registry",
    "builder": "The build cache",
}


def show(session: Session, words: Sequence[str]) -> int:
    """Show the overview, or the help of the command that *words* name."""
    from yurt.cli.main import COMMANDS, GROUPS, compose, load

    if not words:
        text = OVERVIEW
        for title in ("Containers", "Look inside", "Images", "Projects", "The rest"):
            text = text.replace("{" + title + "}", session.paint("1", title, session.out))
        session.print(text.rstrip("\n"))
        return 0
    if list(words[:2]) == ["build", "history"]:
        words = ["build history", *words[2:]]
    word = words[0]
    if word not in (*COMMANDS, *GROUPS):
        raise unknown("yurt", word, COMMANDS)
    if word == "compose":
        return compose(session, [*words[1:], "--help"])
    if word in GROUPS:
        verbs = GROUPS[word]
        if len(words) == 1:
            return show_group(session, word, verbs)
        if words[1] not in verbs:
            raise unknown(f"yurt {word}", words[1], verbs)
        show_command(session, f"yurt {word} {words[1]}", load(verbs[words[1]], words[1]))
        return 0
    show_command(session, f"yurt {word}", load(COMMANDS[word], word))
    return 0


def show_group(session: Session, group: str, verbs: Mapping[str, str]) -> int:
    """Show the verbs of a group, one line each."""
    from yurt.cli.main import load

    session.print(f"{GROUP_SUMMARIES.get(group, '')}\n\nUsage: yurt {group} COMMAND\n")
    width = max(len(verb) for verb in verbs)
    for verb, place in verbs.items():
        session.print(f"  {verb:<{width}}  {load(place, verb).summary}")
    session.print(f"\nyurt {group} COMMAND --help explains one.")
    return 0


def show_command(session: Session, path: str, command: Command) -> None:
    """Show one command: what it does, an example, its flags."""
    _, _, arguments = command.usage.partition(" ")
    session.print(f"{command.summary}\n\nUsage: {path} {arguments}".rstrip())
    if command.example:
        session.print("\nExamples:")
        for line in command.example.strip().splitlines():
            session.print(f"  {line.strip()}")
    lines = [line.strip() for line in command.flags_text.splitlines() if line.strip()]
    if lines:
        session.print("\nOptions:")
        pairs = [(left, text.strip()) for left, _, text in (line.partition("  ") for line in lines)]
        pairs = [(left if not left.startswith("--") else f"    {left}", text) for left, text in pairs]
        for line in columns(pairs, session.width()):
            session.print(line)


def columns(pairs: Sequence[tuple[str, str]], width: int | None) -> list[str]:
    """Lay out flags and what they do, which goes on below itself where the terminal is narrower than its sentence.

    *width* is the terminal's, None: there is none, and each pair is one line.
    """
    first = min(34, max(len(left) for left, _ in pairs))
    if width is None or width - first < NARROWEST:
        return [f"  {left:<{first}}  {text}".rstrip() for left, text in pairs]
    lines = []
    for left, text in pairs:
        start = f"  {left:<{first}}  "
        lines += wrap(
            text,
            width,
            initial_indent=start,
            subsequent_indent=" " * (first + 4),
            break_long_words=False,
            break_on_hyphens=False,
        ) or [start.rstrip()]
    return lines


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that *word* was probably meant to be. Of short ones half the letters are enough."""
    cutoff = 0.5 if len(word) == 2 else 0.6
    close = get_close_matches(word, list(known), n=3, cutoff=cutoff)
    swapped = (one for one in close if sorted(one) == sorted(word))
    return next(swapped, next(iter(close), None))


def unknown(path: str, word: str, known: Iterable[str]) -> UsageError:
    """Return the error for a command that does not exist."""
    close = nearest(word, known)
    return UsageError(
        f"unknown command `{path} {word}`",
        hint=f"did you mean `{path} {close}`?" if close else f"`{path} --help` lists the commands",
    )
