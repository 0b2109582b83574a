"""Statements to instructions: what each keyword takes, and a helpful word when it was given something else."""

import difflib
import json
import re
from collections.abc import Callable, Iterable

from yurt.dockerfile.duration import parse_duration
from yurt.dockerfile.instructions import (
    Arg,
    Cmd,
    Command,
    Copy,
    Dockerfile,
    Entrypoint,
    Env,
    Expose,
    From,
    Healthcheck,
    Instruction,
    Label,
    Maintainer,
    Onbuild,
    Run,
    Shell,
    Stage,
    StopSignal,
    User,
    Volume,
    Workdir,
)
from yurt.dockerfile.lexer import Heredoc, Source, Statement, heredoc_words, lex
from yurt.dockerfile.location import Location
from yurt.dockerfile.shell import expand, scan_words
from yurt.errors import InvalidArgument

_STAGE_NAME = re.compile(r"[a-z][a-z0-9_.-]*")
_HEALTH_TIMES = {
    "interval": "interval",
    "timeout": "timeout",
    "start-period": "start_period",
    "start-interval": "start_interval",
}


def parse(data: bytes, *, file: str = "Dockerfile") -> Dockerfile:
    """Return the Dockerfile in *data*; raise InvalidArgument (``file:line:column: what is wrong``) when it is none."""
    return parse_source(lex(data, file=file))


def parse_source(source: Source) -> Dockerfile:
    """Return the Dockerfile that *source* states; raise InvalidArgument like `parse`."""
    arguments: list[Arg] = []
    heads: list[From] = []
    bodies: list[list[Instruction]] = []
    for statement in source.statements:
        instruction = parse_statement(statement, escape=source.escape)
        if isinstance(instruction, From):
            heads.append(instruction)
            bodies.append([])
        elif bodies:
            bodies[-1].append(instruction)
        elif isinstance(instruction, Arg):
            arguments.append(instruction)
        else:
            raise statement.start.error(
                f"{statement.keyword} before the first FROM",
                hint="only ARG may stand before FROM",
            )
    if not heads:
        last = source.statements[-1].location.last if source.statements else 1
        raise Location(source.file, last, last).error(
            "no FROM: nothing to build", hint="start with FROM and a base image, such as FROM python:3"
        )
    stages = tuple(
        Stage(index, head, tuple(body)) for index, (head, body) in enumerate(zip(heads, bodies, strict=True))
    )
    return Dockerfile(source, tuple(arguments), stages)


def parse_trigger(trigger: str, *, escape: str = "\\") -> Instruction:
    """Return the instruction that an image's ONBUILD left for its children."""
    source = lex(trigger.encode(), file="ONBUILD")
    if len(source.statements) != 1:
        raise InvalidArgument(f"ONBUILD trigger {trigger!r} is not one instruction")
    return parse_statement(source.statements[0], escape=escape)


def parse_statement(statement: Statement, *, escape: str = "\\") -> Instruction:
    """Return the instruction that *statement* states; raise InvalidArgument naming file and line."""
    make = _PARSERS.get(statement.keyword)
    if make is None:
        raise _unknown("instruction", statement.word, _PARSERS, statement.start, str.upper)
    if not statement.rest and not (statement.keyword in {"CMD", "ENTRYPOINT"} or statement.heredocs):
        raise statement.location.error(
            f"{statement.keyword} without an argument", hint=f"write it as: {_USAGE[statement.keyword]}"
        )
    return make(statement, escape)


def _unknown(
    what: str, word: str, known: Iterable[str], where: Location, fold: Callable[[str], str]
) -> InvalidArgument:
    close = difflib.get_close_matches(fold(word), list(known), n=1, cutoff=0.5)
    hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(sorted(known))}"
    return where.error(f'unknown {what} "{word}"', hint=hint)


def _flags(statement: Statement, *known: str, many: tuple[str, ...] = ()) -> dict[str, list[str]]:
    """Return the values of the flags by name; a flag without a value has the value ``true``."""
    found: dict[str, list[str]] = {}
    for flag in statement.flags:
        where = statement.at(f"--{flag.name}")
        if flag.name not in (*known, *many):
            names = [f"--{name}" for name in (*known, *many)]
            if not names:
                raise where.error(f"{statement.keyword} takes no flags, but has {flag}")
            raise _unknown(f"flag of {statement.keyword}", f"--{flag.name}", names, where, str)
        if flag.name in found and flag.name not in many:
            raise where.error(f"--{flag.name} is given twice")
        found.setdefault(flag.name, []).append("true" if flag.value is None else flag.value)
    return found


def _one(flags: dict[str, list[str]], name: str, default: str = "") -> str:
    return flags[name][0] if name in flags else default


def _truth(statement: Statement, flags: dict[str, list[str]], name: str) -> bool:
    value = _one(flags, name, "false").lower()
    if value not in {"true", "false", "1", "0"}:
        raise statement.at(f"--{name}").error(f"--{name}={value}: expected true or false")
    return value in {"true", "1"}


def _json(statement: Statement) -> tuple[str, ...] | None:
    """Return the list when the rest is a JSON list of texts, None when it is not JSON."""
    text = statement.rest.strip()
    if not text.startswith("["):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, list):
        return None
    if not all(isinstance(item, str) for item in value):
        raise statement.at(text[:1]).error(
            f"{statement.keyword} takes texts only in its JSON list", hint='quote each: ["a", "1"]'
        )
    return tuple(value)


def _command(statement: Statement) -> Command:
    if (argv := _json(statement)) is not None:
        return Command(argv, in_shell=False)
    return Command((statement.rest,) if statement.rest else (), in_shell=True)


def _words(statement: Statement, escape: str) -> list[str]:
    try:
        return [statement.rest[start:end] for start, end in scan_words(statement.rest, escape=escape)]
    except ValueError as bad:
        raise statement.location.error(f"{bad} in {statement.keyword}") from bad


def _from(statement: Statement, _escape: str) -> From:
    flags = _flags(statement, "platform")
    words = statement.rest.split()
    name = ""
    if len(words) == 3 and words[1].lower() == "as":
        name = words[2].lower()
        if not _STAGE_NAME.fullmatch(name):
            raise statement.at(words[2]).error(
                f"invalid stage name {words[2]!r}",
                hint="it starts with a letter; letters, digits, _ . and - follow",
            )
    elif len(words) != 1:
        raise statement.at(words[1]).error(
            f"FROM takes one image, but has {statement.rest!r}", hint=f"write it as: {_USAGE['FROM']}"
        )
    return From(
        image=words[0],
        name=name,
        platform=_one(flags, "platform"),
        location=statement.location,
        original=statement.original,
    )


def _pairs(statement: Statement, escape: str) -> tuple[tuple[str, str], ...]:
    """Return the pairs of ENV and LABEL: ``a=b c=d``, or the old form ``a the rest of the line``."""
    words = _words(statement, escape)
    if "=" not in words[0]:
        name, _, value = _split_first(statement.rest)
        if not value:
            raise statement.at(name).error(
                f"{statement.keyword} {name} has no value", hint=f"write it as: {_USAGE[statement.keyword]}"
            )
        return ((name, value),)
    pairs: list[tuple[str, str]] = []
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise statement.at(word).error(
                f"{word!r} in {statement.keyword} is not name=value",
                hint="quote a value that holds spaces",
            )
        if not name:
            raise statement.at(word).error(f"{statement.keyword} has a value without a name: {word!r}")
        pairs.append((name, value))
    return tuple(pairs)


def _split_first(text: str) -> tuple[str, str, str]:
    parts = re.split(r"(\s+)", text, maxsplit=1)
    return (parts[0], parts[1], parts[2]) if len(parts) == 3 else (text, "", "")


def _env(statement: Statement, escape: str) -> Env:
    return Env(pairs=_pairs(statement, escape), location=statement.location, original=statement.original)


def _label(statement: Statement, escape: str) -> Label:
    return Label(pairs=_pairs(statement, escape), location=statement.location, original=statement.original)


def _arg(statement: Statement, escape: str) -> Arg:
    items: list[tuple[str, str | None]] = []
    for word in _words(statement, escape):
        name, equals, value = word.partition("=")
        try:
            name = expand(name, {}, escape=escape)
        except ValueError as bad:
            raise statement.location.error(f"{bad} in ARG") from bad
        if not name:
            raise statement.at(word).error(f"ARG has a value without a name: {word!r}")
        items.append((name, value if equals else None))
    return Arg(items=tuple(items), location=statement.location, original=statement.original)


def _run(statement: Statement, _escape: str) -> Run:
    flags = _flags(statement, "network", "security", many=("mount",))
    command = Command((statement.rest,), in_shell=True) if statement.heredocs else _command(statement)
    if not command.argv:
        raise statement.location.error("RUN with an empty list", hint=f"write it as: {_USAGE['RUN']}")
    return Run(
        command=command,
        mounts=tuple(flags.get("mount", ())),
        network=_one(flags, "network"),
        security=_one(flags, "security"),
        heredocs=statement.heredocs,
        location=statement.location,
        original=statement.original,
    )


def _cmd(statement: Statement, _escape: str) -> Cmd:
    return Cmd(command=_command(statement), location=statement.location, original=statement.original)


def _entrypoint(statement: Statement, _escape: str) -> Entrypoint:
    return Entrypoint(command=_command(statement), location=statement.location, original=statement.original)


def _copy(statement: Statement, escape: str) -> Copy:
    add = statement.keyword == "ADD"
    known = ("chown", "chmod", "link") + (
        ("checksum", "keep-git-dir", "unpack") if add else ("from", "parents")
    )
    flags = _flags(statement, *known, many=("exclude",))
    words = list(_json(statement) or statement.rest.split())
    if len(words) < 2:
        raise statement.location.error(
            f"{statement.keyword} needs a source and a destination",
            hint=f"write it as: {_USAGE[statement.keyword]}",
        )
    if _one(flags, "from").find("$") >= 0:
        raise statement.at("--from").error(
            f"--from={_one(flags, 'from')}: variables do not count in --from",
            hint="name a stage with FROM $… AS name, and copy from that",
        )
    _truth(statement, flags, "link")  # a layer of its own is what every step gets here
    opened = heredoc_words(statement.rest, escape)
    return Copy(
        sources=tuple(word for word in words[:-1] if word not in opened),
        target=words[-1],
        add=add,
        origin=_one(flags, "from"),
        chown=_one(flags, "chown"),
        chmod=_one(flags, "chmod"),
        exclude=tuple(flags.get("exclude", ())),
        parents=_truth(statement, flags, "parents"),
        unpack=_truth(statement, flags, "unpack") if "unpack" in flags else None,
        checksum=_one(flags, "checksum"),
        keep_git_dir=_truth(statement, flags, "keep-git-dir"),
        inline=statement.heredocs,
        location=statement.location,
        original=statement.original,
    )


def _expose(statement: Statement, _escape: str) -> Expose:
    return Expose(ports=statement.rest, location=statement.location, original=statement.original)


def _volume(statement: Statement, _escape: str) -> Volume:
    paths = _json(statement)
    paths = tuple(statement.rest.split()) if paths is None else paths
    if not paths or not all(paths):
        raise statement.location.error("VOLUME without a path", hint=f"write it as: {_USAGE['VOLUME']}")
    return Volume(paths=paths, location=statement.location, original=statement.original)


def _user(statement: Statement, _escape: str) -> User:
    return User(user=statement.rest, location=statement.location, original=statement.original)


def _workdir(statement: Statement, _escape: str) -> Workdir:
    return Workdir(path=statement.rest, location=statement.location, original=statement.original)


def _stopsignal(statement: Statement, _escape: str) -> StopSignal:
    return StopSignal(signal=statement.rest, location=statement.location, original=statement.original)


def _maintainer(statement: Statement, _escape: str) -> Maintainer:
    return Maintainer(name=statement.rest, location=statement.location, original=statement.original)


def _shell(statement: Statement, _escape: str) -> Shell:
    argv = _json(statement)
    if not argv:
        raise statement.at(statement.rest.split()[0]).error(
            "SHELL takes a JSON list", hint=f"write it as: {_USAGE['SHELL']}"
        )
    return Shell(argv=argv, location=statement.location, original=statement.original)


def _healthcheck(statement: Statement, _escape: str) -> Healthcheck:
    flags = _flags(statement, *_HEALTH_TIMES, "retries")
    kind, _, rest = _split_first(statement.rest)
    if kind.upper() == "NONE":
        if rest or flags:
            raise statement.location.error("HEALTHCHECK NONE takes nothing else")
        return Healthcheck(test=("NONE",), location=statement.location, original=statement.original)
    if kind.upper() != "CMD":
        raise _unknown("kind of HEALTHCHECK", kind, ("CMD", "NONE"), statement.at(kind), str.upper)
    command = _command(Statement("HEALTHCHECK CMD", statement.word, (), rest, statement.location))
    if not command.argv:
        raise statement.location.error("HEALTHCHECK CMD without a command")
    times: dict[str, int] = {}
    for flag, field in _HEALTH_TIMES.items():
        if text := _one(flags, flag):
            try:
                times[field] = parse_duration(text)
            except ValueError as bad:
                where = statement.at(f"--{flag}")
                raise where.error(f"--{flag}={text}: {bad}", hint="such as 30s or 1m30s") from bad
    retries = _one(flags, "retries", "0")
    if not re.fullmatch(r"[0-9]{1,9}", retries):
        raise statement.at("--retries").error(f"--retries={retries}: not a number")
    return Healthcheck(
        test=("CMD-SHELL" if command.in_shell else "CMD", *command.argv),
        retries=int(retries),
        location=statement.location,
        original=statement.original,
        **times,
    )


def _onbuild(statement: Statement, escape: str) -> Onbuild:
    word = _split_first(statement.rest)[0]
    if word.upper() in {"ONBUILD", "FROM", "MAINTAINER"}:
        raise statement.at(word).error(f"{word.upper()} cannot stand behind ONBUILD")
    # Read it now, so that a mistake is told to who wrote it and not to who builds on the image.
    inner = lex(_with_heredocs(statement.rest, statement.heredocs).encode(), file=statement.location.file)
    try:
        parse_statement(inner.statements[0], escape=escape)
    except InvalidArgument as bad:
        text = bad.message.partition(": ")[2]
        raise statement.at(word).error(f"ONBUILD: {text}", hint=bad.hint) from bad
    return Onbuild(
        trigger=_with_heredocs(statement.rest, statement.heredocs),
        location=statement.location,
        original=statement.original,
    )


def _with_heredocs(text: str, heredocs: tuple[Heredoc, ...]) -> str:
    return text + "".join(f"\n{doc.content}{doc.name}" for doc in heredocs)


_PARSERS: dict[str, Callable[[Statement, str], Instruction]] = {
    "FROM": _from,
    "ARG": _arg,
    "ENV": _env,
    "LABEL": _label,
    "RUN": _run,
    "CMD": _cmd,
    "ENTRYPOINT": _entrypoint,
    "COPY": _copy,
    "ADD": _copy,
    "EXPOSE": _expose,
    "VOLUME": _volume,
    "USER": _user,
    "WORKDIR": _workdir,
    "STOPSIGNAL": _stopsignal,
    "MAINTAINER": _maintainer,
    "SHELL": _shell,
    "HEALTHCHECK": _healthcheck,
    "ONBUILD": _onbuild,
}

_USAGE = {
    "FROM": "FROM [--platform=os/arch] image [AS name]",
    "ARG": "ARG name[=default]",
    "ENV": "ENV name=value",
    "LABEL": "LABEL name=value",
    "RUN": 'RUN command, or RUN ["program", "argument"]',
    "CMD": 'CMD ["program", "argument"], or CMD command',
    "ENTRYPOINT": 'ENTRYPOINT ["program", "argument"], or ENTRYPOINT command',
    "COPY": "COPY source… destination",
    "ADD": "ADD source… destination",
    "EXPOSE": "EXPOSE port[/tcp|/udp]",
    "VOLUME": 'VOLUME /path, or VOLUME ["/path"]',
    "USER": "USER name[:group]",
    "WORKDIR": "WORKDIR /path",
    "STOPSIGNAL": "STOPSIGNAL SIGTERM",
    "MAINTAINER": "MAINTAINER name",
    "SHELL": 'SHELL ["/bin/sh", "-c"]',
    "HEALTHCHECK": "HEALTHCHECK [--interval=30s] CMD command, or HEALTHCHECK NONE",
    "ONBUILD": "ONBUILD instruction",
}
