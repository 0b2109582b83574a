"""`yurt compose`: which verb runs what, and the flags that choose the project, before the verb or after it."""

from __future__ import annotations

from yurt.cli.failure import UsageError

TYPE_CHECKING = False  # `typing` alone would cost a fifth of the start-up
if TYPE_CHECKING:
    from collections.abc import Sequence

    from yurt.cli.session import Session

# verb → module in this folder, and the command in it (the verb itself, unless named)
VERBS = {
    "up": "up",
    "down": "lifecycle",
    "ps": "look",
    "logs": "logs",
    "build": "images",
    "exec": "process:exec_",
    "run": "process",
    "start": "lifecycle",
    "stop": "lifecycle",
    "restart": "lifecycle",
    "kill": "lifecycle",
    "rm": "lifecycle",
    "create": "up",
    "scale": "up",
    "pause": "lifecycle",
    "unpause": "lifecycle",
    "wait": "containers",
    "watch": "watch",
    "rollback": "rollback",
    "pull": "images",
    "push": "images",
    "images": "look",
    "port": "look",
    "top": "look",
    "ls": "look",
    "volumes": "look",
    "stats": "containers",
    "events": "containers",
    "attach": "containers",
    "cp": "containers",
    "export": "containers",
    "commit": "containers",
    "config": "config",
    "version": "config",
}

REFUSED = {
    "publish": ("Compose files are not kept in registries here", "`yurt compose push` sends the images"),
    "bridge": ("it runs Docker's converters, and Yurt is for one machine", "kompose converts Compose files"),
    "alpha": ("its commands are Docker's experiments", "see `yurt compose --help` for what there is"),
}
GLOBALS = {
    "-f": "file",
    "--file": "file",
    "-p": "project-name",
    "--project-name": "project-name",
    "--profile": "profile",
    "--env-file": "env-file",
    "--project-directory": "project-directory",
    "--workdir": "project-directory",
    "--ansi": "ansi",
    "--progress": "progress",
    "--parallel": "parallel",
}
SWITCHES = ("--dry-run", "--compatibility", "--all-resources", "--verbose")


def main(session: Session, words: Sequence[str]) -> int:
    """Run ``yurt compose WORDS``; returns the exit code."""
    chosen, rest = split(words)
    if not rest or rest[0] in ("--help", "-h", "help"):
        return _help(session, rest)
    verb = {"convert": "config"}.get(rest[0], rest[0])
    place = VERBS.get(verb)
    if place is None:
        if verb in REFUSED:
            raise UsageError(
                f"`yurt compose {verb}` is not supported: {REFUSED[verb][0]}", hint=REFUSED[verb][1]
            )
        from yurt.cli.help import unknown

        raise unknown("yurt compose", rest[0], VERBS)
    if "--help" in rest[1:2]:
        chosen = []
    from yurt.cli.main import load

    command = load(f"compose.{place}", verb)
    return command.invoke(session, f"yurt compose {verb}", [*chosen, *rest[1:]])


def split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the flags before the verb, in their long form with ``=``, and the rest."""
    chosen: list[str] = []
    position = 0
    while position < len(words):
        word = words[position]
        if not word.startswith("-") or word in ("--help", "-h"):
            break
        position += 1
        name, mark, value = word.partition("=")
        if word in SWITCHES:
            if word == "--dry-run":
                chosen.append(word)
            continue
        if name not in GLOBALS and word[:2] in ("-f", "-p") and len(word) > 2 and word[1] != "-":
            name, mark, value = word[:2], "=", word[2:]
        if name not in GLOBALS:
            raise UsageError(
                f"unknown flag {word} for `yurt compose`",
                hint="the flags before the command choose the project: see `yurt compose --help`",
            )
        if not mark:
            if position >= len(words):
                raise UsageError(f"{name} needs a value", hint="see `yurt compose --help`")
            value = words[position]
            position += 1
        chosen.append(f"--{GLOBALS[name]}={value}")
    return chosen, list(words[position:])


def _help(session: Session, words: Sequence[str]) -> int:
    from yurt.cli.main import load

    if len(words) > 1 and words[1] in VERBS:
        return load(f"compose.{VERBS[words[1]]}", words[1]).invoke(
            session, f"yurt compose {words[1]}", ["--help"]
        )
    session.print(
        "Bring up and look after the services of a Compose file\n\nUsage: yurt compose [OPTIONS] COMMAND\n"
    )
    width = max(map(len, VERBS))
    for verb, place in VERBS.items():
        session.print(f"  {verb:<{width}}  {load(f'compose.{place}', verb).summary}")
    session.print("""
Options, before the command or after it:
  -f, --file FILE…                 Compose files, later ones over earlier ones ("-": from the input)
  -p, --project-name NAME          The project's name (else COMPOSE_PROJECT_NAME, `name:` in the file, the folder)
      --profile NAME…              Services of this profile too ("*": all)
      --env-file FILE…             Variables for the file (default: .env)
      --project-directory DIR      What paths are relative to (default: the folder of the first file)

yurt compose COMMAND --help explains one.""")
    return 0
