"""Commands as they are declared, and the reading of their arguments.

A command's flags are written the way its help shows them, so that the help *is* the declaration::

    -a, --all             Show all containers (default: only running)
    -f, --filter FILTER…  Only those that match
    -n, --last NUMBER     The last created

A word in capitals after the names: the flag takes a value; with "…" it may be given many times. Long names,
short clusters (``-it``), ``--name=value``, ``--name value``, ``-nvalue`` and ``--flag=false`` are read; ``--``
ends the flags. `argparse` would cost more than half of Python's start-up.
"""

from __future__ import annotations

from yurt.cli.failure import UsageError

TYPE_CHECKING = False  # `typing` alone would cost a fifth of the start-up
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from yurt.cli.session import Session

    Function = Callable[[Session, "Options"], int | None]

TRUE = ("1", "t", "T", "true", "TRUE", "True")
FALSE = ("0", "f", "F", "false", "FALSE", "False")
FLAG_ERROR = 125  # the exit code of a flag that is not understood


class Flag:
    """One flag: *name* without dashes, *takes_value*, *repeats*."""

    __slots__ = ("help", "left", "name", "repeats", "short", "takes_value")

    def __init__(self, line: str) -> None:
        self.left, _, rest = line.strip().partition("  ")
        self.help = rest.strip()
        self.name = self.short = ""
        self.takes_value = self.repeats = False
        for word in self.left.replace(",", " ").split():
            if word.startswith("--"):
                self.name = word[2:]
            elif word.startswith("-"):
                self.short = word[1:]
            else:
                self.takes_value = True
                self.repeats = word.endswith("…")
        self.name = self.name or self.short

    def __repr__(self) -> str:
        return f"<Flag {self.left}>"

    def __str__(self) -> str:
        return f"-{self.short}, --{self.name}" if self.short else f"--{self.name}"


def parse_flags(text: str) -> dict[str, Flag]:
    """Read a declaration; the keys are long names and single letters."""
    found: dict[str, Flag] = {}
    for line in text.splitlines():
        if line.lstrip().startswith("-"):
            flag = Flag(line)
            found[flag.name] = flag
            if flag.short:
                found[flag.short] = flag
    return found


class Options:
    """What was given on the command line: *arguments* and, by long name, the flags' values."""

    def __init__(self, arguments: list[str], values: dict[str, list[str]], path: str) -> None:
        self.arguments = arguments
        self.path = path  # "yurt volume ls": what the user called
        self._values = values

    def __repr__(self) -> str:
        return f"<Options of {self.path}: {self._values} {self.arguments}>"

    def has(self, name: str) -> bool:
        """Tell whether the flag was given at all."""
        return name in self._values

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return a boolean flag."""
        values = self._values.get(name)
        return values[-1] in TRUE if values else default

    def text(self, name: str, default: str = "") -> str:
        """Return the last value given."""
        values = self._values.get(name)
        return values[-1] if values else default

    def all(self, name: str) -> list[str]:
        """Return every value given, in order."""
        return list(self._values.get(name, ()))

    def number(self, name: str, default: int = 0) -> int:
        """Return a whole number; raises UsageError."""
        text = self.text(name)
        if not text:
            return default
        try:
            return int(text)
        except ValueError:
            raise self.invalid(name, text, "expected a whole number") from None

    def adding(self, name: str, value: str) -> Options:
        """Return the same with one more value of a flag."""
        return Options(self.arguments, self._values | {name: [*self.all(name), value]}, self.path)

    def on(self, *arguments: str) -> Options:
        """Return the same flags with other arguments."""
        return Options(list(arguments), self._values, self.path)

    def invalid(self, name: str, value: str, why: str) -> UsageError:
        """Return the error for a value that a flag cannot take."""
        return UsageError(
            f"invalid value {value!r} for --{name}: {why}", hint=f"see `{self.path} --help`", code=FLAG_ERROR
        )


class Command:
    """A command: how it is called (*usage*), what it does (*summary*), its flags, an example, its function.

    How many arguments it takes is read from *usage*: each word in capitals is one, in brackets optional,
    ``...`` any number. *program*: everything after the first argument belongs to a program in the container.
    """

    __slots__ = ("example", "flags_text", "function", "maximum", "minimum", "program", "summary", "usage")

    def __init__(
        self, function: Function, usage: str, summary: str, *, flags: str, example: str, program: int
    ) -> None:
        self.function = function
        self.usage = usage
        self.summary = summary
        self.flags_text = flags
        self.example = example
        self.program = program
        self.minimum, self.maximum = _arity(usage)

    def __repr__(self) -> str:
        return f"<Command {self.usage}>"

    def invoke(self, session: Session, path: str, words: Sequence[str]) -> int:
        """Read *words* and run; returns the exit code. *path* is how the user called it: ``yurt volume ls``."""
        options = self.parse(path, words)
        if options is None:
            from yurt.cli.help import show_command

            show_command(session, path, self)
            return 0
        return self.function(session, options) or 0

    def parse(self, path: str, words: Sequence[str]) -> Options | None:
        """Return what was given, None if help was asked for; raises UsageError."""
        arguments, values = parse(parse_flags(self.flags_text), words, path, program=self.program)
        if arguments is None:
            return None
        count = len(arguments)
        if count < self.minimum or (self.maximum is not None and count > self.maximum):
            raise UsageError(
                f"`{path}` {_expectation(self.minimum, self.maximum)}, got {count}",
                hint=f"usage: {path}{self.usage.partition(' ')[1]}{self.usage.partition(' ')[2]}",
            )
        return Options(arguments, values, path)


def command(
    usage: str, summary: str, *, flags: str = "", example: str = "", program: int = 0
) -> Callable[[Function], Command]:
    """Make a function a command.

    *program* 1: after the first argument all words are the program's own (run, create, top); 0: flags may come
    anywhere.
    """
    return lambda function: Command(function, usage, summary, flags=flags, example=example, program=program)


def parse(
    flags: dict[str, Flag], words: Sequence[str], path: str, *, program: int = 0
) -> tuple[list[str] | None, dict[str, list[str]]]:
    """Return (arguments, values by long name); arguments None when help was asked for."""
    arguments: list[str] = []
    values: dict[str, list[str]] = {}
    coming = iter(words)
    for word in coming:
        if word == "--":
            return [*arguments, *coming], values
        if not word.startswith("-") or word == "-":
            arguments.append(word)
            if program and len(arguments) == program:
                return [*arguments, *coming], values
            continue
        if word.startswith("--"):
            name, mark, value = word[2:].partition("=")
            if name == "help":
                return None, values
            flag = _known(flags, name, f"--{name}", path)
            values.setdefault(flag.name, []).append(_value(flag, value if mark else None, coming, path))
            continue
        letters = word[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            if letter == "h" and "h" not in flags:
                return None, values
            flag = _known(flags, letter, f"-{letter} in {word}" if len(word) > 2 else word, path)
            given = None
            if letters.startswith("="):
                given, letters = letters[1:], ""
            elif flag.takes_value and letters:
                given, letters = letters, ""
            values.setdefault(flag.name, []).append(_value(flag, given, coming, path))
    return arguments, values


def _value(flag: Flag, given: str | None, coming: Iterator[str], path: str) -> str:
    """Return the value of *flag*: the one *given* with it, or the next word."""
    if flag.takes_value:
        value = next(coming, None) if given is None else given
        if value is None:
            raise UsageError(f"{flag} needs a value", hint=f"see `{path} --help`", code=FLAG_ERROR)
        return value
    value = "true" if given is None else given
    if value not in TRUE and value not in FALSE:
        raise UsageError(
            f"invalid value {value!r} for {flag}: expected true or false",
            hint=f"see `{path} --help`",
            code=FLAG_ERROR,
        )
    return value


def _known(flags: dict[str, Flag], name: str, shown: str, path: str) -> Flag:
    if (flag := flags.get(name)) is not None:
        return flag
    from yurt.cli.help import nearest
    from yurt.cli.refused import flag_refused

    if (refused := flag_refused(path, name, shown)) is not None:
        raise refused
    long_names = [each for each in flags if len(each) > 1]
    close = nearest(name, long_names) if len(name) > 1 else None
    raise UsageError(
        f"unknown flag {shown} for `{path}`",
        hint=f"did you mean --{close}?" if close else f"see `{path} --help`",
        code=FLAG_ERROR,
    )


def _arity(usage: str) -> tuple[int, int | None]:
    minimum, maximum = 0, 0
    for word in usage.split()[1:]:
        if word == "[OPTIONS]" or word in ("|", "-"):
            continue
        if word.endswith(("...", "...]")):
            return minimum + (not word.startswith("[")), None
        minimum += not word.startswith("[")
        maximum += 1
    return minimum, maximum


def _expectation(minimum: int, maximum: int | None) -> str:
    if maximum == 0:
        return "takes no arguments"
    if maximum is None:
        return f"needs at least {minimum} argument{'s' * (minimum != 1)}"
    if minimum == maximum:
        return f"needs {minimum} argument{'s' * (minimum != 1)}"
    if minimum == 0:
        return f"takes at most {maximum} argument{'s' * (maximum != 1)}"
    return f"needs {minimum} to {maximum} arguments"
