"""`yurt completion`, which prints a shell's script, and `yurt __complete`, which that script asks for words."""

from __future__ import annotations

import os

from yurt.cli.flags import Options, command
from yurt.errors import YurtError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from yurt.cli.completion import Candidate
    from yurt.cli.flags import Command
    from yurt.cli.session import Session

SHELLS = ("bash", "zsh", "fish")
PATIENCE = 1.0  # seconds that an engine has for an answer: somebody waits at the prompt
STOPPED = ("created", "exited", "dead")


@command(
    "completion bash|zsh|fish",
    "Print the script that completes commands, flags and names in your shell",
    example="""
    source <(yurt completion bash)                                  # in ~/.bashrc
    source <(yurt completion zsh)                                   # in ~/.zshrc, after compinit
    yurt completion fish > ~/.config/fish/completions/yurt.fish
    """,
)
def completion(session: Session, options: Options) -> None:
    shell = options.arguments[0]
    if shell not in SHELLS:
        from yurt.cli.failure import UsageError

        raise UsageError(f"no completion for {shell!r}", hint=f"there is one for {', '.join(SHELLS)}")
    folder = os.path.join(os.path.dirname(os.path.dirname(__file__)), "shells")
    with open(os.path.join(folder, f"yurt.{shell}"), encoding="utf-8") as script:
        session.print(script.read().rstrip("\n"))


def complete(session: Session, words: Sequence[str]) -> int:
    """Print what may stand in the place of the last of *words* (those after `yurt`), one candidate a line.

    A tab parts a candidate from what it is; ``:files`` and ``:folders`` ask the shell for those. Whatever goes
    wrong completes nothing: a message would land in the middle of what is being typed.
    """
    try:
        for word, help_ in dict(_candidates(session, words)).items():
            session.print(f"{word}\t{help_}" if help_ else word)
    except (YurtError, OSError, KeyError):
        return 1
    return 0


def _candidates(session: Session, words: Sequence[str]) -> Iterator[Candidate]:
    from yurt.cli import completion as rules
    from yurt.cli.main import ALIASES, COMMANDS, GROUPS, _global_flags, load

    if not words:
        words = [""]
    *before, current = words
    if before and before[-1] in ("-H", "--host"):
        return
    session.owns_engine = False  # none is started by a press of the tab key
    before = list(_global_flags(session, before))
    if before[:1] == ["help"]:
        before = before[1:]
    if not before:
        known = (
            ("--debug", "--help", "--host", "--version") if current.startswith("-") else (*COMMANDS, "help")
        )
        yield from rules.of_words(known, current)
        return
    if before[:2] == ["build", "history"]:
        before = ["build history", *before[2:]]
    word, *rest = before
    if word == "compose":
        yield from _compose(session, rest, current)
        return
    place = COMMANDS.get(word)
    if word in GROUPS:
        verbs = GROUPS[word]
        if not rest:
            for verb, _ in rules.of_words(verbs, current):
                yield verb, load(verbs[verb], verb).summary
            return
        word = rest[0] if rest[0] in verbs else ALIASES.get(rest[0], rest[0])
        place = verbs.get(word)
        if place is None:
            return
        group, rest = before[0], rest[1:]
        found = load(place, word)
        if group in ("volume", "network") and found.usage.startswith("create"):
            return  # a new name, or flags, which nobody has yet
    elif place is None:
        return
    else:
        found = load(place, word)
    yield from rules.of_command(found, word, rest, current, lambda kind: _names(session, kind))


def _compose(session: Session, words: Sequence[str], current: str) -> Iterator[Candidate]:
    from yurt.cli import completion as rules
    from yurt.cli.commands.compose import GLOBALS, SWITCHES, VERBS, split
    from yurt.cli.main import load

    if words and words[-1] in GLOBALS and not split(words[:-1])[1]:
        if GLOBALS[words[-1]] in ("file", "env-file"):
            yield rules.FILES, ""
        elif GLOBALS[words[-1]] == "project-directory":
            yield rules.FOLDERS, ""
        return
    chosen, rest = split(words)
    if not rest:
        flags = (*(name for name in GLOBALS if name.startswith("--")), *SWITCHES, "--help")
        yield from rules.of_words(flags if current.startswith("-") else VERBS, current)
        return
    verb = {"convert": "config"}.get(rest[0], rest[0])
    if verb not in VERBS:
        return
    found = load(f"compose.{VERBS[verb]}", verb)

    def names(kind: str) -> Iterable[str]:
        return _services(session, [*chosen, *rest[1:]], found) if kind == "services" else ()

    yield from rules.of_command(found, f"compose {verb}", rest[1:], current, names)


def _services(session: Session, words: Sequence[str], command: Command) -> list[str]:
    """Return the services of the project that the flags among *words* mean, those before the verb first."""
    from yurt.cli.commands.compose import project
    from yurt.cli.flags import parse, parse_flags
    from yurt.compose.project import load_project

    # the last word stands for what is being typed: an argument, or the value that a flag waits for
    arguments, values = parse(
        parse_flags(command.flags_text), [*words, "x"], "yurt compose", program=command.program
    )
    options = Options(arguments or [], values, "yurt compose")
    return list(load_project(project.location(session, options), warn=lambda _: None).services)


def _names(session: Session, kind: str) -> Iterable[str]:
    """Return the names of what the engine has of a *kind*."""
    with session.new_client(timeout=PATIENCE) as client:
        if kind == "images":
            return list(_image_names(client.json("GET", "/images/json") or ()))
        if kind == "volumes":
            return [entry["Name"] for entry in client.json("GET", "/volumes").get("Volumes") or ()]
        if kind == "networks":
            return [entry["Name"] for entry in client.json("GET", "/networks") or ()]
        if kind == "catalog":
            return _catalog(client)
        states = {"running": ("running", "paused"), "paused": ("paused",), "stopped": STOPPED}.get(kind)
        return [
            entry["Names"][0].removeprefix("/")
            for entry in client.json("GET", "/containers/json", query={"all": True}) or ()
            if entry["Names"] and (states is None or entry["State"] in states)
        ]


def _image_names(entries: Iterable[dict[str, Any]]) -> Iterator[str]:
    for entry in entries:
        for name in entry.get("RepoTags") or ():
            if not name.startswith("<none>"):
                yield name.removesuffix(":latest")


def _catalog(client: Any) -> list[str]:
    """Return the base images that need no registry; Docker's engine has none."""
    from yurt.errors import NotFound

    try:
        return [entry["Reference"] for entry in client.json("GET", "/yurt/catalog")]
    except NotFound:
        return []
