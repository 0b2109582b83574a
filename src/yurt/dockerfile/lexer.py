r"""Lines of a Dockerfile to statements: directives, comments, continuations, heredocs, flags.

Facts: https://docs.docker.com/reference/dockerfile/. A statement is a keyword, its flags and the rest of the
(joined) line as written; what the rest means is the parser's business. Two rules that surprise:

- A line is continued when it ends with the escape character, spaces after it allowed; two of them are an
  escaped one and continue nothing. Comment and blank lines inside a continuation vanish.
- ``<<NAME`` opens a heredoc only in RUN, COPY and ADD (also behind ONBUILD).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from yurt.dockerfile.location import Location
from yurt.dockerfile.shell import scan_words

DIRECTIVES = frozenset({"syntax", "escape", "check"})
_DIRECTIVE = re.compile(r"#[ \t]*([A-Za-z][A-Za-z0-9]*)[ \t]*=[ \t]*(.+?)[ \t]*")
_HEREDOC_KEYWORDS = frozenset({"RUN", "COPY", "ADD"})
_HEREDOC = re.compile(r"""\d*<<(?P<chomp>-?)(?P<quote>['"]?)(?P<name>[A-Za-z_][A-Za-z0-9_.]*)(?P=quote)""")


@dataclass(frozen=True, slots=True)
class Heredoc:
    """A here-document. *expand*: variables in *content* count (the name was not quoted)."""

    name: str
    content: str
    expand: bool
    chomp: bool = False  # <<-: leading tabs are dropped, already done in content


@dataclass(frozen=True, slots=True)
class Flag:
    """``--name=value``; *value* None when there is no ``=``."""

    name: str
    value: str | None

    def __str__(self) -> str:
        return f"--{self.name}" if self.value is None else f"--{self.name}={self.value}"


@dataclass(frozen=True, slots=True)
class Statement:
    """One instruction as written. *keyword* is upper case, *word* as the author wrote it."""

    keyword: str
    word: str
    flags: tuple[Flag, ...]
    rest: str
    location: Location
    heredocs: tuple[Heredoc, ...] = ()
    comment: str = ""  # the last one between the statement before and this, without its #
    has_gap: bool = False  # a continued line is followed by an empty one
    lines: tuple[str, ...] = field(default=(), repr=False, compare=False)  # as they stand in the file

    @property
    def start(self) -> Location:
        """Where its first word stands."""
        if not self.lines:
            return self.location
        return replace(self.location, column=len(self.lines[0]) - len(self.lines[0].lstrip()) + 1)

    def at(self, text: str) -> Location:
        """Return where *text*, of the words behind the first, stands; the whole when it is not found in one piece."""
        word = re.compile(rf"(?<!\S){re.escape(text)}", re.IGNORECASE)
        begin = self.start.column - 1 + len(self.word)
        for number, line in enumerate(self.lines if text else (), self.location.first):
            if (found := word.search(line, begin)) is not None:
                return Location(self.location.file, number, number, found.start() + 1)
            begin = 0
        return self.location

    @property
    def original(self) -> str:
        """The instruction on one line, without the text of its heredocs."""
        return " ".join(part for part in (self.keyword, *map(str, self.flags), self.rest) if part)


@dataclass(frozen=True, slots=True)
class Source:
    """A lexed Dockerfile."""

    file: str
    escape: str
    statements: tuple[Statement, ...]
    directives: Mapping[str, str] = field(default_factory=dict)


def lex(data: bytes, *, file: str = "Dockerfile") -> Source:
    """Return the statements in *data*; raise InvalidArgument naming file and line when it is no Dockerfile."""
    lines = _lines(data, file)
    directives = _directives(lines, file)
    escape = directives.get("escape", "\\")
    statements = tuple(_statements(lines, file, escape, start=len(directives)))
    return Source(file, escape, statements, directives)


def _lines(data: bytes, file: str) -> list[str]:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as bad:
        line = data.count(b"\n", 0, bad.start) + 1
        column = len(data[data.rfind(b"\n", 0, bad.start) + 1 : bad.start].decode("utf-8", "replace")) + 1
        raise Location(file, line, line, column).error(
            f"byte 0x{data[bad.start]:02x} is not UTF-8 text", hint="save the file as UTF-8"
        ) from bad
    if "\0" in text:
        place = text.index("\0")
        line = text.count("\n", 0, place) + 1
        raise Location(file, line, line, place - text.rfind("\n", 0, place)).error(
            "a NUL character", hint="is this a text file?"
        )
    lines = text.removeprefix("\ufeff").removesuffix("\n").split("\n")
    return [line.removesuffix("\r") for line in lines]


def _directives(lines: list[str], file: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if (match := _DIRECTIVE.fullmatch(line.strip())) is None:
            break
        name = match[1].lower()
        if name not in DIRECTIVES:
            break  # an ordinary comment that happens to hold "="; directives end here
        where = Location(file, number, number)
        if name in found:
            raise where.error(f"directive {name} is given twice")
        if name == "escape" and match[2] not in {"\\", "`"}:
            column = len(line) - len(line.lstrip()) + match.start(2) + 1
            raise replace(where, column=column).error(
                f"invalid escape character {match[2]!r}", hint="it is \\ or `"
            )
        found[name] = match[2]
    return found


def _statements(lines: list[str], file: str, escape: str, *, start: int) -> Iterator[Statement]:
    continued = re.compile(rf"(?:^|(?<!{re.escape(escape)})){re.escape(escape)}[ \t]*$")
    index, comment = start, ""
    while index < len(lines):
        line = lines[index].lstrip()
        if not line or line.startswith("#"):
            comment = line[1:].strip() if line else comment
            index += 1
            continue
        first = index + 1
        text, index, has_gap = _join(lines, index, continued)
        where = Location(file, first, index)
        word, _, rest = _partition(text)
        keyword = word.upper()
        flags, rest = _flags(rest, escape, where) if _takes_flags(keyword) else ((), rest)
        heredocs: tuple[Heredoc, ...] = ()
        if _opens_heredocs(keyword, rest):
            heredocs, index = _heredocs(rest, lines, index, where, escape)
            where = Location(file, first, max(first, index))
        written = tuple(lines[first - 1 : where.last])
        yield Statement(keyword, word, flags, rest, where, heredocs, comment, has_gap, written)
        comment = ""


def _join(lines: list[str], index: int, continued: re.Pattern[str]) -> tuple[str, int, bool]:
    """Return the logical line that starts at *index*, the index after it, and whether an empty line is in it."""
    parts: list[str] = []
    has_gap = False
    while index < len(lines):
        line = lines[index] if parts else lines[index].lstrip()
        index += 1
        if parts and (not line.strip() or line.lstrip().startswith("#")):
            has_gap = has_gap or not line.strip()
            continue
        match = continued.search(line)
        if match is None:
            parts.append(line)
            break
        parts.append(line[: match.start()])
    return "".join(parts).strip(), index, has_gap


def _partition(text: str) -> tuple[str, str, str]:
    match = re.search(r"\s+", text)
    return (text, "", "") if match is None else (text[: match.start()], match[0], text[match.end() :])


def _takes_flags(keyword: str) -> bool:
    # Elsewhere "--x" is an argument of the instruction's own: CMD --help.
    return keyword in {"FROM", "RUN", "COPY", "ADD", "HEALTHCHECK"}


def _flags(rest: str, escape: str, where: Location) -> tuple[tuple[Flag, ...], str]:
    flags: list[Flag] = []
    while rest.startswith("--"):
        try:
            spans = scan_words(rest, escape=escape, limit=1)
        except ValueError as bad:
            raise where.error(f"{bad} in the flag {rest.split(maxsplit=1)[0]}") from bad
        start, end = spans[0]
        word, rest = rest[start:end], rest[end:].lstrip()
        if word == "--":
            break
        name, equals, value = word[2:].partition("=")
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        flags.append(Flag(name.lower(), value if equals else None))
    return tuple(flags), rest


def _opens_heredocs(keyword: str, rest: str) -> bool:
    if "<<" not in rest:
        return False
    return keyword in _HEREDOC_KEYWORDS or (
        keyword == "ONBUILD" and rest.split(maxsplit=1)[0].upper() in _HEREDOC_KEYWORDS
    )


def _heredocs(
    rest: str, lines: list[str], index: int, where: Location, escape: str
) -> tuple[tuple[Heredoc, ...], int]:
    found: list[Heredoc] = []
    for word in heredoc_words(rest, escape):
        match = _HEREDOC.fullmatch(word)
        assert match is not None
        name, chomp = match["name"], bool(match["chomp"])
        content: list[str] = []
        while True:
            if index >= len(lines):
                raise where.error(f"the here-document {name} has no end", hint=f"add a line with only {name}")
            line = lines[index].lstrip("\t") if chomp else lines[index]
            index += 1
            if line == name:
                break
            content.append(line + "\n")
        found.append(Heredoc(name, "".join(content), expand=not match["quote"], chomp=chomp))
    return tuple(found), index


def heredoc_words(rest: str, escape: str = "\\") -> list[str]:
    """Return the words of *rest* that open a here-document: ``<<EOF``, ``<<-'EOF'``, ``3<<"EOF"``."""
    try:
        words = [rest[start:end] for start, end in scan_words(rest, escape=escape)]
    except ValueError:
        words = rest.split()  # the shell will judge the quoting of a RUN
    return [word for word in words if _HEREDOC.fullmatch(word)]
