"""Instructions as values. Variables are not expanded yet: what they stand for depends on the stage so far."""

from dataclasses import dataclass

from yurt.dockerfile.lexer import Heredoc, Source
from yurt.dockerfile.location import Location


@dataclass(frozen=True, slots=True)
class Command:
    """What RUN, CMD and ENTRYPOINT start. *in_shell*: *argv* is one text for the stage's shell; else as it stands."""

    argv: tuple[str, ...]
    in_shell: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """What all have: where it stands, and how it was written (one line, heredocs left out)."""

    location: Location
    original: str


@dataclass(frozen=True, slots=True, kw_only=True)
class From(Instruction):
    image: str
    name: str = ""  # lower case; empty: the stage is known by its number only
    platform: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arg(Instruction):
    items: tuple[tuple[str, str | None], ...]  # None: no default


@dataclass(frozen=True, slots=True, kw_only=True)
class Env(Instruction):
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Label(Instruction):
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintainer(Instruction):
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run(Instruction):
    command: Command
    mounts: tuple[str, ...] = ()  # as written behind --mount=
    network: str = ""
    security: str = ""
    heredocs: tuple[Heredoc, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cmd(Instruction):
    command: Command


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrypoint(Instruction):
    command: Command


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy(Instruction):
    """COPY, and ADD when *add*. *inline* are the sources that are heredocs, by the word that opens them."""

    sources: tuple[str, ...]
    target: str
    add: bool = False
    origin: str = ""  # --from: a stage's name or number, or an image
    chown: str = ""
    chmod: str = ""
    exclude: tuple[str, ...] = ()
    parents: bool = False
    unpack: bool | None = None
    checksum: str = ""
    keep_git_dir: bool = False
    inline: tuple[Heredoc, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Expose(Instruction):
    ports: str  # words, expanded and parted later


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume(Instruction):
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class User(Instruction):
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Workdir(Instruction):
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopSignal(Instruction):
    signal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell(Instruction):
    argv: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Healthcheck(Instruction):
    """*test* is Docker's list: NONE | CMD args… | CMD-SHELL text. Times in nanoseconds, 0: the default."""

    test: tuple[str, ...]
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Onbuild(Instruction):
    trigger: str  # the instruction to run in a child, heredocs included


@dataclass(frozen=True, slots=True)
class Stage:
    """FROM and what follows. *index* counts from 0."""

    index: int
    base: From
    instructions: tuple[Instruction, ...]

    @property
    def name(self) -> str:
        return self.base.name


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """A parsed Dockerfile. *arguments* stand before the first FROM and count in FROM lines only."""

    source: Source
    arguments: tuple[Arg, ...]
    stages: tuple[Stage, ...]

    @property
    def file(self) -> str:
        return self.source.file

    @property
    def escape(self) -> str:
        return self.source.escape
