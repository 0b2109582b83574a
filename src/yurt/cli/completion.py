"""What may come next on a command line: commands, flags, and what the engine has by name.

The shells' scripts (`shells/`) ask with every press of the tab key, so the budget is a command's start-up: only
the module of the command being typed is imported. Nothing here fails loudly: who presses tab wants words or silence.
"""

from __future__ import annotations

from yurt.cli.flags import parse_flags

TYPE_CHECKING = False  # `typing` alone would cost a fifth of the start-up
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from yurt.cli.flags import Command, Flag

    Names = Callable[[str], Iterable[str]]  # a kind ("running", "images", …) → names, asked only when needed
    Candidate = tuple[str, str]  # the word, and what it is (may be empty)

FILES = ":files"  # instead of a word: the shell completes files
FOLDERS = ":folders"

# what a word of a command's usage, or of a flag's declaration, stands for
KINDS = {
    "CONTAINER": "containers",
    "IMAGE": "images",
    "IMAGE-OR-BASE": "images catalog",
    "REPOSITORY[:TAG]": "images",
    "VOLUME": "volumes",
    "NETWORK": "networks",
    "SERVICE": "services",
    "FILE": FILES,
    "PATH": FILES,
    "DIR": FOLDERS,
    "CONTAINER:PATH|PATH": "copied",
}
# what the containers of a verb must be to be worth naming
STATES = {
    **dict.fromkeys(("stop", "kill", "exec", "attach", "top", "port", "pause"), "running"),
    "start": "stopped",
    "unpause": "paused",
}
SIGNALS = ("HUP", "INT", "QUIT", "KILL", "USR1", "USR2", "TERM", "CONT", "STOP", "WINCH")
# flags of which the values are known, by name or by the word for their value
VALUES: Mapping[str, Sequence[str]] = {
    "SIGNAL": SIGNALS,
    "POLICY": ("always", "missing", "never"),  # compose up --pull
    "WHEN": ("always", "missing", "never"),
    "restart": ("no", "always", "unless-stopped", "on-failure"),
    "progress": ("auto", "tty", "plain", "quiet"),
    "ansi": ("never", "always", "auto"),
    "rmi": ("all", "local"),
    "format": ("json", "table"),
    "log-driver": ("json-file", "local", "none", "syslog", "journald", "fluentd", "gelf"),
}
FLAG_KINDS = {
    "network": "networks",
    "net": "networks",
    "volumes-from": "containers",
    "volume": "mounted",
    "link": "containers",
    "workdir": "",  # a folder in the container
}


def of_words(known: Iterable[str], current: str) -> Iterator[Candidate]:
    """Yield those of the *known* words that *current* begins."""
    return ((word, "") for word in known if word.startswith(current))


def of_command(
    command: Command, verb: str, before: Sequence[str], current: str, names: Names
) -> Iterator[Candidate]:
    """Yield what may stand where *current* is being typed, after *before*, the words after the command's own."""
    flags = parse_flags(command.flags_text)
    arguments, given, waiting, plain = _walked(flags, before, command.program)
    if waiting is not None:
        yield from _values(waiting, current, "", names)
    elif plain or not current.startswith("-"):
        kind = _expected(command.usage, len(arguments))
        if kind == "containers":
            kind = STATES.get(verb, kind)
        elif kind == "images" and verb in ("run", "create", "pull"):
            kind = KINDS["IMAGE-OR-BASE"]
        repeats = command.maximum is None and not command.program
        taken = set(arguments) if repeats else set()
        yield from (found for found in _of_kind(kind, current, names) if found[0] not in taken)
    elif current.startswith("--") and "=" in current:
        name, _, value = current[2:].partition("=")
        flag = flags.get(name)
        if flag is not None and flag.takes_value:
            yield from _values(flag, value, f"--{name}=", names)
    else:
        for flag in dict.fromkeys(flags.values()):
            if flag.name not in given or flag.repeats:
                word = f"--{flag.name}" if len(flag.name) > 1 else f"-{flag.name}"
                if word.startswith(current):
                    yield word, flag.help
        if "--help".startswith(current):
            yield "--help", "Explain this command"


def _walked(
    flags: Mapping[str, Flag], words: Sequence[str], program: int
) -> tuple[list[str], set[str], Flag | None, bool]:
    """Return (arguments, names of flags given, the flag that waits for its value, whether no flag may come)."""
    arguments: list[str] = []
    given: set[str] = set()
    coming = iter(words)
    for word in coming:
        if word == "--" or (program and len(arguments) >= program):
            rest = list(coming) if word == "--" else [word, *coming]
            return [*arguments, *rest], given, None, True
        if not word.startswith("-") or word == "-":
            arguments.append(word)
            continue
        name, mark, _ = word.lstrip("-").partition("=")
        letters = [name] if word.startswith("--") else list(name)
        for position, letter in enumerate(letters):
            flag = flags.get(letter)
            if flag is None:
                continue
            given.add(flag.name)
            if flag.takes_value:
                if not mark and position == len(letters) - 1 and next(coming, None) is None:
                    return arguments, given, flag, False
                break
    return arguments, given, None, bool(program) and len(arguments) >= program


def _expected(usage: str, position: int) -> str:
    """Return the kind of the argument at *position*, "" when nothing is known of it."""
    words = [word for word in usage.split()[1:] if word != "[OPTIONS]"]
    if not words:
        return ""
    if position >= len(words):
        if not words[-1].endswith(("...", "...]")):
            return ""
        position = len(words) - 1
    word = words[position]
    if word == word.lower():
        return f"={word}"  # the words themselves: install|uninstall|status
    word = word.removesuffix("]").removesuffix("...").removeprefix("[") if word.startswith("[") else word
    word = word.removesuffix("...")
    return "anything" if word == "NAME" and usage.startswith("inspect ") else KINDS.get(word, "")


def _values(flag: Flag, current: str, prefix: str, names: Names) -> Iterator[Candidate]:
    word = flag.left.split()[-1].removesuffix("…")
    known = VALUES.get(flag.name) or VALUES.get(word)
    if known:
        found = of_words(known, current)
    else:
        found = _of_kind(FLAG_KINDS.get(flag.name, KINDS.get(word, "")), current, names)
    return ((value if value in (FILES, FOLDERS) else prefix + value, help_) for value, help_ in found)


def _of_kind(kind: str, current: str, names: Names) -> Iterator[Candidate]:
    if not kind:
        return
    if kind.startswith("="):
        yield from of_words(kind[1:].split("|"), current)
    elif kind in (FILES, FOLDERS):
        yield kind, ""
    elif kind in ("copied", "mounted"):
        if ":" not in current:
            source = "containers" if kind == "copied" else "volumes"
            yield from of_words([f"{name}:" for name in names(source)], current)
        yield (FILES if kind == "copied" else FOLDERS), ""
    else:
        wanted = "containers images volumes networks" if kind == "anything" else kind
        yield from of_words(dict.fromkeys(name for each in wanted.split() for name in names(each)), current)
