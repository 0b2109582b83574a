"""Rules about what stands in a stage: variables, commands, folders, ports, secrets."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from yurt.dockerfile.checks.findings import Finding
from yurt.dockerfile.checks.names import Looked, meant
from yurt.dockerfile.instructions import (
    Arg,
    Cmd,
    Copy,
    Entrypoint,
    Env,
    Expose,
    Healthcheck,
    Instruction,
    Label,
    Run,
    Shell,
    Stage,
    StopSignal,
    User,
    Volume,
    Workdir,
)
from yurt.dockerfile.lexer import Statement
from yurt.dockerfile.remote import is_remote
from yurt.dockerfile.scope import Scope
from yurt.dockerfile.shell import expand, expand_heredoc, expand_words, scan_words
from yurt.errors import InvalidArgument

_SECRET = re.compile(
    r"(?:^|_)(?:apikey|auth|credentials?|key|passwd|password|pword|secret|token)(?:_|$)", re.IGNORECASE
)
_PUBLIC = re.compile(r"(?:^|_)public(?:_|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Reach:
    """What a stage hands on to those that start from it."""

    scope: Scope
    is_known: bool = True  # whether *scope* holds all that is set, that of the image included
    declared: frozenset[str] = frozenset()  # by ARG, with or without a value
    has_workdir: bool = False
    has_shell: bool = False

    def after(self, instruction: Instruction) -> "Reach":
        """Return what counts behind *instruction*."""
        match instruction:
            case Arg(items=items):
                declared = self.declared | {name for name, _ in items}
                try:
                    return replace(self, scope=self.scope.declare(instruction), declared=declared)
                except InvalidArgument:  # told when it is built
                    return replace(self, declared=declared)
            case Env(pairs=pairs):
                values = {self.expanded(name): self.expanded(value) for name, value in pairs}
                return replace(self, scope=self.scope.with_environment({**self.scope.environment, **values}))
            case Workdir():
                return replace(self, has_workdir=True)
            case Shell():
                return replace(self, has_shell=True)
            case _:
                return self

    def expanded(self, text: str) -> str:
        """Return *text* with its variables replaced; as it is when that cannot be done."""
        try:
            return expand(text, self.scope.variables, escape=self.scope.escape)
        except ValueError:
            return text


@dataclass(slots=True)
class StageCheck:
    """Goes through one stage; *reach* goes along."""

    reach: Reach
    ignores: Callable[[str], bool]
    _last: dict[type, Instruction] = field(default_factory=dict)

    def check(self, stage: Stage, statements: Sequence[Statement]) -> Iterator[Finding]:
        """Yield what is odd in *stage*; *statements* are those of its instructions."""
        for instruction, statement in zip(stage.instructions, statements, strict=True):
            if self.reach.is_known:
                yield from self._undefined(instruction)
            yield from self._of_kind(instruction, statement)
            self.reach = self.reach.after(instruction)

    def _undefined(self, instruction: Instruction) -> Iterator[Finding]:
        scope = self.reach.scope
        looked = Looked(scope.variables)
        for text, is_heredoc in _expanded_texts(instruction):
            try:
                (expand_heredoc if is_heredoc else expand)(text, looked, escape=scope.escape)
            except ValueError:
                continue  # told when it is built
        for name in looked.missed:
            if name not in self.reach.declared:
                known = [*scope.variables, *self.reach.declared]
                yield Finding(
                    "UndefinedVar",
                    instruction.location,
                    f"the variable ${name} is not set here{meant(name, known)}",
                )

    def _of_kind(self, instruction: Instruction, statement: Statement) -> Iterator[Finding]:
        where = instruction.location
        match instruction:
            case Cmd() | Entrypoint():
                yield from self._once(instruction, statement.keyword)
                if instruction.command.in_shell and not self.reach.has_shell:
                    yield Finding(
                        "JSONArgsRecommended",
                        where,
                        f"{statement.keyword} is a text for the shell, which keeps signals to itself:"
                        f' write {statement.keyword} ["program", "argument"]',
                    )
            case Healthcheck():
                yield from self._once(instruction, statement.keyword)
            case Env() | Label():
                if _is_old_form(statement, self.reach.scope.escape):
                    yield Finding(
                        "LegacyKeyValueFormat",
                        where,
                        f"the form without = is old: write {statement.keyword} name=value",
                    )
                if isinstance(instruction, Env):
                    names = [self.reach.expanded(name) for name, _ in instruction.pairs]
                    yield from _secrets(instruction, "ENV", names)
            case Arg(items=items):
                yield from _secrets(instruction, "ARG", [name for name, _ in items])
            case Workdir(path=path):
                folder = self.reach.expanded(path)
                if not folder.startswith("/") and not self.reach.has_workdir:
                    yield Finding(
                        "WorkdirRelativePath",
                        where,
                        f"WORKDIR {folder} is relative to a folder that the base image may change",
                    )
            case Expose(ports=ports):
                yield from self._ports(instruction, ports)
            case Copy() if not instruction.origin:
                yield from self._ignored(instruction, statement.keyword)
            case _:
                pass

    def _once(self, instruction: Instruction, keyword: str) -> Iterator[Finding]:
        before = self._last.get(type(instruction))
        self._last[type(instruction)] = instruction
        if before is not None:
            line = instruction.location.first
            yield Finding(
                "MultipleInstructionsDisallowed",
                before.location,
                f"this {keyword} is without effect: another follows in line {line}",
            )

    def _ports(self, instruction: Expose, ports: str) -> Iterator[Finding]:
        scope = self.reach.scope
        try:
            words = expand_words(ports, scope.variables, escape=scope.escape)
        except ValueError:
            return
        for word in words:
            protocol = word.rpartition(":")[2].partition("/")[2]
            if protocol != protocol.lower():
                yield Finding(
                    "ExposeProtoCasing", instruction.location, f"the protocol of {word} is not in lower case"
                )
            if ":" in word:
                yield Finding(
                    "ExposeInvalidFormat",
                    instruction.location,
                    f"{word} names an address or a port of the host, which `docker run -p` is for",
                )

    def _ignored(self, copy: Copy, keyword: str) -> Iterator[Finding]:
        for source in map(self.reach.expanded, copy.sources):
            if not (copy.add and is_remote(source)) and self.ignores(source):
                yield Finding(
                    "CopyIgnoredFile", copy.location, f"{keyword} of {source}, which .dockerignore leaves out"
                )


def _secrets(instruction: Instruction, keyword: str, names: Sequence[str]) -> Iterator[Finding]:
    for name in names:
        if _SECRET.search(name) and not _PUBLIC.search(name):
            yield Finding(
                "SecretsUsedInArgOrEnv",
                instruction.location,
                f"{keyword} {name} keeps a secret in the image: use RUN --mount=type=secret",
            )


def _is_old_form(statement: Statement, escape: str) -> bool:
    """Say whether an ENV or LABEL that parses has no equals sign in its first word."""
    start, end = scan_words(statement.rest, escape=escape, limit=1)[0]
    return "=" not in statement.rest[start:end]


def _expanded_texts(instruction: Instruction) -> Iterator[tuple[str, bool]]:
    """Yield the texts in which variables count, and for each whether it is that of a here-document."""
    match instruction:
        case Env(pairs=pairs) | Label(pairs=pairs):
            yield from ((text, False) for pair in pairs for text in pair)
        case Arg(items=items):
            yield from ((default, False) for _, default in items if default is not None)
        case Copy():
            texts = (*instruction.sources, instruction.target, instruction.chown, instruction.chmod)
            yield from ((text, False) for text in (*texts, instruction.checksum))
            yield from ((doc.content, True) for doc in instruction.inline if doc.expand)
        case Run(mounts=mounts):
            yield from ((text, False) for text in mounts)
        case User(user=text) | Workdir(path=text) | StopSignal(signal=text):
            yield text, False
        case Volume(paths=paths):
            yield from ((text, False) for text in paths)
        case _:
            return
