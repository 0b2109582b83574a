"""Help, by example; and the nearest word for a mistyped one. Imported only when somebody asks or errs."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from yurt.cli.failure import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from yurt.cli.flags import Command
    from yurt.cli.session import Session

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
  images build pull push search tag rmi history save load import · catalog ls · builder du prune
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
        width = min(34, max(len(left) for left, _ in pairs))
        for left, text in pairs:
            session.print(f"  {left:<{width}}  {text}".rstrip())


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that *word* was probably meant to be."""
    return next(iter(get_close_matches(word, list(known), n=1, cutoff=0.6)), None)


def unknown(path: str, word: str, known: Iterable[str]) -> UsageError:
    """Return the error for a command that does not exist."""
    close = nearest(word, known)
    return UsageError(
        f"unknown command `{path} {word}`",
        hint=f"did you mean `{path} {close}`?" if close else f"`{path} --help` lists the commands",
    )
