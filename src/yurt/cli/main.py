"""The `yurt` command: which word runs what. Imports almost nothing; a command's module is imported when it is run.

Start-up is the budget: a short command is mostly Python's own start, so whatever is imported here or by
`session` and `flags` is paid by every command. `python -X importtime -m yurt.cli.main ps` shows the bill.
"""

from __future__ import annotations

import os
import sys

from yurt.errors import YurtError

TYPE_CHECKING = False  # `typing` alone would cost a fifth of the start-up
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from yurt.cli.flags import Command
    from yurt.cli.session import Session

INTERRUPTED = 130

# word → module in yurt.cli.commands, and the command in it ("module" alone: the word itself, "-" as "_")
COMMANDS = {
    "run": "run",
    "create": "run",
    "exec": "exec:exec_",
    **dict.fromkeys(("ps", "rename", "port", "top", "inspect", "stats"), "containers"),
    **dict.fromkeys(
        ("start", "stop", "restart", "kill", "rm", "pause", "unpause", "wait", "attach", "update"),
        "lifecycle",
    ),
    **dict.fromkeys(("cp", "diff", "commit", "export"), "files"),
    "logs": "logs",
    **dict.fromkeys(("images", "rmi", "tag", "history"), "images"),
    **dict.fromkeys(("pull", "push", "login", "logout", "search"), "registry"),
    **dict.fromkeys(("save", "load"), "archives"),
    "import": "archives:import_",
    "build": "build",
    "builder": "builder:",
    **dict.fromkeys(("events", "info", "version"), "system"),
    "volume": "volume:",
    "network": "network:",
    "container": "container:",
    "image": "image:",
    "system": "system:",
    "catalog": "catalog:",
    "compose": "compose:",
    "doctor": "doctor",
    "completion": "completion",
}

# groups: word → verbs (the same notation); a module that is a group has its verbs in it
GROUPS: dict[str, dict[str, str]] = {
    "volume": dict.fromkeys(("ls", "create", "inspect", "rm", "prune"), "volume"),
    "network": dict.fromkeys(("ls", "create", "inspect", "rm", "prune", "connect", "disconnect"), "network"),
    "container": {
        "ls": "containers:ps",
        "list": "containers:ps",
        "ps": "containers:ps",
        "prune": "prune:prune_containers",
        "inspect": "containers:inspect_container",
        **{
            word: place
            for word, place in COMMANDS.items()
            if place in ("run", "lifecycle", "files", "logs", "exec:exec_")
        },
        **dict.fromkeys(("rename", "port", "top", "stats"), "containers"),
    },
    "image": {
        "ls": "images:images",
        "list": "images:images",
        "rm": "images:rmi",
        "prune": "prune:prune_images",
        "inspect": "images:inspect_image",
        "tag": "images",
        "history": "images",
        "pull": "registry",
        "push": "registry",
        "save": "archives",
        "load": "archives",
        "import": "archives:import_",
        "build": "build",
    },
    "build history": dict.fromkeys(("ls", "logs", "inspect", "rm"), "build_history"),
    "builder": {"build": "build", **dict.fromkeys(("du", "prune"), "builder")},
    "system": {
        "info": "system",
        "events": "system",
        "df": "system",
        "stop": "system",
        "restart": "system",
        "service": "service",
        "prune": "prune:prune_system",
    },
    "catalog": {"ls": "catalog"},
}
FLAGS_WITH_VALUE = {  # before the command
    **dict.fromkeys(("-H", "--host"), "an address, for example unix:///run/yurt/yurt.sock"),
    **dict.fromkeys(("--tlscacert", "--tlscert", "--tlskey"), "a file in PEM"),
}
ALIASES = {"list": "ls", "remove": "rm", "delete": "rm"}


def main() -> None:
    """Be the program: run the command line of this process and leave with its exit code."""
    _open_closed_streams()
    code = run(sys.argv[1:], os.environ)
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        code = code or 1
    os._exit(code)  # nothing is left to undo: tearing the interpreter down would cost a millisecond or two


def run(words: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run one command line; returns the exit code. Nothing escapes: every failure becomes a sentence."""
    from yurt.cli.session import Session

    session = Session(environ)
    try:
        return _run(session, words)
    except YurtError as error:
        if session.debug:
            _traceback()
        session.fail(error.message, error.hint)
        return getattr(error, "code", 1)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _forget_stdout()
        return 1
    except Exception as error:
        if session.debug:
            _traceback()
        session.fail(
            f"something unexpected happened: {type(error).__name__}: {error}",
            None if session.debug else "run it again with YURT_DEBUG=1 and report what it shows",
        )
        return 1


def _run(session: Session, words: Sequence[str]) -> int:
    words = _global_flags(session, words)
    if not words or words[0] in ("help", "--help", "-h"):
        from yurt.cli.help import show

        return show(session, [word for word in words[1:] if not word.startswith("-")])
    word, rest = words[0], words[1:]
    if word in ("--version", "-v"):
        from yurt import __version__

        session.print(f"yurt {__version__}")
        return 0
    place = COMMANDS.get(word)
    if place is None:
        if word == "__complete":  # what the shells' completion scripts call
            from yurt.cli.commands.completion import complete

            return complete(session, rest)
        from yurt.cli.help import unknown

        raise unknown("yurt", word, COMMANDS)
    if word == "build" and rest and rest[0] == "history":  # a folder of that name is ./history
        return _run_group(session, "build history", rest[1:])
    if not place.endswith(":"):
        return load(place, word).invoke(session, f"yurt {word}", rest)
    if word == "compose":
        return compose(session, rest)
    return _run_group(session, word, rest)


def _run_group(session: Session, group: str, words: Sequence[str]) -> int:
    verbs = GROUPS[group]
    if not words or words[0] in ("--help", "-h", "help"):
        from yurt.cli.help import show_group

        return show_group(session, group, verbs)
    verb = words[0] if words[0] in verbs else ALIASES.get(words[0], words[0])
    if verb not in verbs:
        from yurt.cli.help import unknown
        from yurt.cli.refused import command_refused

        raise command_refused(f"yurt {group} {verb}") or unknown(f"yurt {group}", words[0], verbs)
    return load(verbs[verb], verb).invoke(session, f"yurt {group} {verb}", words[1:])


def compose(session: Session, words: Sequence[str]) -> int:
    """Hand over to `yurt.cli.commands.compose.main`, which reads its own words."""
    code: int = __import__("yurt.cli.commands.compose", fromlist=["main"]).main(session, words)
    return code


def load(place: str, word: str) -> Command:
    """Import the command at *place* (``module`` or ``module:name``)."""
    module, _, name = place.partition(":")
    loaded = __import__(f"yurt.cli.commands.{module}", fromlist=["*"])
    found: Command = getattr(loaded, name or word.replace("-", "_"))
    return found


def _global_flags(session: Session, words: Sequence[str]) -> Sequence[str]:
    """Take ``-H HOST``, ``-D`` and the flags of TLS from the front."""
    position = 0
    while position < len(words):
        word = words[position]
        name, mark, value = word.partition("=")
        if word in ("-D", "--debug"):
            session.debug = True
        elif word in ("--tls", "--tlsverify"):
            session.tls.encrypt = True
            session.tls.verify = session.tls.verify or word == "--tlsverify"
        elif name in FLAGS_WITH_VALUE:
            if not mark:
                position += 1
                if position >= len(words):
                    from yurt.cli.failure import UsageError

                    raise UsageError(f"{name} needs {FLAGS_WITH_VALUE[name]}")
                value = words[position]
            if name == "--tlscacert":
                session.tls.ca = value
            elif name == "--tlscert":
                session.tls.certificate = value
            elif name == "--tlskey":
                session.tls.key = value
            else:
                session.choose(value)
        else:
            break
        position += 1
    return words[position:]


def _open_closed_streams() -> None:
    """Give a process that was started without stdin, stdout or stderr nowhere in their place.

    Else the next socket would take their number, and be written to as if it were the terminal.
    """
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115 - open to the end
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def _traceback() -> None:
    import traceback

    traceback.print_exc()


def _forget_stdout() -> None:
    """Let what is still buffered for a reader that went away vanish quietly."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


if __name__ == "__main__":
    main()
