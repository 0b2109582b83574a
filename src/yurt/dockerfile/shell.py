"""Words and variables of a Dockerfile: quotes, escapes, ``$name`` and every form of ``${name…}``.

Pure text to text. Single quotes keep all as it is; double quotes keep spaces; the escape character takes the
next character literally (inside double quotes only before ``"``, ``$`` and itself). An unset variable is empty.
"""

import re
from collections import deque
from collections.abc import Callable, Mapping
from itertools import islice

from yurt.dockerfile.automaton import Automaton, Piece, anything, exactly, many, one

_SPECIAL = frozenset("@*#?-$!0")
_DEPTH = 64  # of ${a:-${b:-…}}: more is a mistake or an attack, and would exhaust the stack
LIMIT = 1 << 20  # characters of a text with its variables replaced: more is a mistake or an attack
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9]+")


def scan_words(text: str, *, escape: str = "\\", limit: int = 0) -> list[tuple[int, int]]:
    """Return the spans of the words in *text*: blanks outside quotes part them, quotes and escapes stay in.

    At most *limit* words, 0 for all. Raises ValueError when a quote is not closed.
    """
    spans: list[tuple[int, int]] = []
    index, length = 0, len(text)
    while index < length and (not limit or len(spans) < limit):
        while index < length and text[index].isspace():
            index += 1
        if index >= length:
            break
        start, quote = index, ""
        while index < length:
            char = text[index]
            if char == escape and quote != "'" and index + 1 < length:
                index += 2
                continue
            if quote:
                quote = "" if char == quote else quote
            elif char in "\"'":
                quote = char
            elif char.isspace():
                break
            index += 1
        if quote:
            raise ValueError(f"missing closing quote {quote}")
        spans.append((start, index))
    return spans


def expand(text: str, variables: Mapping[str, str], *, escape: str = "\\") -> str:
    """Return *text* with variables replaced and quotes removed, as one word. Raises ValueError."""
    return _Expansion(text, variables, escape).whole()


def expand_words(text: str, variables: Mapping[str, str], *, escape: str = "\\") -> list[str]:
    """Return the words of *text* after expansion; blanks out of an unquoted variable part words too."""
    return _Expansion(text, variables, escape).words()


def expand_heredoc(text: str, variables: Mapping[str, str], *, escape: str = "\\") -> str:
    """Return *text* with variables replaced; quotes are ordinary characters there."""
    return _Expansion(text, variables, escape, quotes=False).whole()


def references(text: str, *, escape: str = "\\") -> frozenset[str]:
    """Return the names of all variables that *text* mentions, whether or not they count at run time."""
    del escape
    return frozenset(re.findall(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)", text))


class _Expansion:
    """One pass over a text. Each step consumes from `_at`; output goes to the caller's sink."""

    def __init__(self, text: str, variables: Mapping[str, str], escape: str, *, quotes: bool = True) -> None:
        self._text = text
        self._variables = variables
        self._escape = escape
        self._quotes = quotes
        self._at = 0
        self._depth = 0
        self._size = 0

    def whole(self) -> str:
        out: list[str] = []
        self._run(lambda chunk, _literal: out.append(self._counted(chunk)))
        return "".join(out)

    def _counted(self, chunk: str) -> str:
        self._size += len(chunk)
        if self._size > max(LIMIT, len(self._text)):
            raise ValueError(f"the text grows beyond {LIMIT} characters")
        return chunk

    def words(self) -> list[str]:
        words: list[str] = []
        current: list[str] = []
        started = False

        def sink(chunk: str, literal: bool) -> None:  # noqa: FBT001 - a private callback
            nonlocal started
            self._counted(chunk)
            if literal:
                current.append(chunk)
                started = True
                return
            for piece in re.split(r"(\s+)", chunk):
                if not piece:
                    continue
                if not piece.isspace():
                    current.append(piece)
                    started = True
                elif started:
                    words.append("".join(current))
                    current.clear()
                    started = False

        self._run(sink)
        if started:
            words.append("".join(current))
        return words

    def _run(self, sink: Callable[[str, bool], None], *, until: str = "") -> None:
        """Consume up to the unquoted character *until* (left unconsumed), or to the end."""
        while self._at < len(self._text):
            char = self._text[self._at]
            if until and char == until:
                return
            if char == "'" and self._quotes:
                sink(self._single_quoted(), True)
            elif char == '"' and self._quotes:
                sink(self._double_quoted(), True)
            elif char == "$":
                sink(self._dollar(), False)
            elif char == self._escape and self._at + 1 < len(self._text):
                following = self._text[self._at + 1]
                keep = not self._quotes and following not in {"$", self._escape}
                sink(char + following if keep else following, True)
                self._at += 2
            elif char == self._escape and self._quotes:
                self._at += 1  # an escape with nothing to escape
            else:
                sink(char, False)
                self._at += 1

    def _single_quoted(self) -> str:
        end = self._text.find("'", self._at + 1)
        if end < 0:
            raise ValueError("missing closing quote '")
        content = self._text[self._at + 1 : end]
        self._at = end + 1
        return content

    def _double_quoted(self) -> str:
        out: list[str] = []
        self._at += 1
        while self._at < len(self._text):
            char = self._text[self._at]
            if char == '"':
                self._at += 1
                return "".join(out)
            if char == "$":
                out.append(self._dollar())
            elif char == self._escape and self._at + 1 < len(self._text):
                following = self._text[self._at + 1]
                out.append(following if following in {'"', "$", self._escape} else char + following)
                self._at += 2
            else:
                out.append(char)
                self._at += 1
        raise ValueError('missing closing quote "')

    def _dollar(self) -> str:
        self._at += 1
        if self._at >= len(self._text):
            return "$"
        if self._text[self._at] == "{":
            self._at += 1
            return self._braced()
        if (name := self._name()) is None:
            return "$"
        return self._variables.get(name, "")

    def _name(self) -> str | None:
        if match := _NAME.match(self._text, self._at):
            self._at = match.end()
            return match[0]
        if self._at < len(self._text) and self._text[self._at] in _SPECIAL:
            self._at += 1
            return self._text[self._at - 1]
        return None

    def _braced(self) -> str:
        """Consume ``name…}`` after ``${``."""
        name = self._name()
        if name is None:
            raise ValueError(f"bad substitution {self._text[self._at - 2 : self._at + 8]!r}")
        value = self._variables.get(name)
        operator = self._text[self._at : self._at + 1]
        if operator == "}":
            self._at += 1
            return value or ""
        if operator in {"#", "%", "/"}:
            return self._trimmed(value or "", operator)
        colon = operator == ":"
        if colon:
            self._at += 1
            operator = self._text[self._at : self._at + 1]
        if operator not in {"-", "+", "?"} or not operator:
            what = f"unsupported modifier {operator!r} in" if operator else "missing } after"
            raise ValueError(f"{what} ${{{name}")
        self._at += 1
        word = self._word(name)
        there = value is not None and (value != "" or not colon)
        if operator == "+":
            return word if there else ""
        if there:
            return value or ""
        if operator == "?":
            raise ValueError(f"{name}: {word or 'not set'}")
        return word

    def _trimmed(self, value: str, operator: str) -> str:
        """Consume ``#p}``, ``##p}``, ``%p}``, ``%%p}``, ``/p/r}`` or ``//p/r}``."""
        self._at += 1
        twice = self._text[self._at : self._at + 1] == operator
        if twice:
            self._at += 1
        if operator == "/":
            pattern = self._raw_until("/}")
            replacement = ""
            if self._text[self._at] == "/":
                self._at += 1
                replacement = self._word("/")
            else:
                self._at += 1
            return _replaced(value, pattern, replacement, everywhere=twice) if pattern else value
        pattern = self._raw_until("}")
        self._at += 1
        automaton = _automaton(pattern)
        if operator == "#":
            ends = automaton.ends(value)
            cut = (deque(ends, maxlen=1) if twice else islice(ends, 1)) if pattern else ()
            return value[next(iter(cut), 0) :]
        ends = automaton.reversed().ends(value[::-1])
        cut = (deque(ends, maxlen=1) if twice else islice(ends, 1)) if pattern else ()
        return value[: len(value) - next(iter(cut), 0)]

    def _raw_until(self, stops: str) -> str:
        """Consume a pattern up to (not with) an unescaped character of *stops*; variables in it count."""
        out: list[str] = []
        while self._at < len(self._text):
            char = self._text[self._at]
            if char in stops:
                return "".join(out)
            if char == "\\" and self._at + 1 < len(self._text):
                out.append(char + self._text[self._at + 1])
                self._at += 2
            elif char == "$":
                self._depth += 1
                if self._depth > _DEPTH:
                    raise ValueError(f"substitutions are nested more than {_DEPTH} deep")
                out.append(self._dollar())
                self._depth -= 1
            else:
                out.append(char)
                self._at += 1
        raise ValueError("missing } in a substitution")

    def _word(self, name: str) -> str:
        """Consume up to and with the closing brace; return the word before it, expanded."""
        out: list[str] = []
        self._depth += 1
        if self._depth > _DEPTH:
            raise ValueError(f"substitutions are nested more than {_DEPTH} deep")
        self._run(lambda chunk, _literal: out.append(self._counted(chunk)), until="}")
        self._depth -= 1
        if self._at >= len(self._text):
            raise ValueError(f"missing }} after ${{{name}")
        self._at += 1
        return "".join(out)


def _automaton(pattern: str) -> Automaton:
    r"""Return a shell pattern: ``*`` any text, ``?`` one character, ``\\`` as in shells."""
    pieces: list[Piece] = []
    index = 0
    while index < len(pattern):
        char = pattern[index]
        if char == "\\" and index + 1 < len(pattern):
            index += 1
            pieces.append(one(exactly(pattern[index])))
        elif char == "*":
            pieces.append(many(anything))
        elif char == "?":
            pieces.append(one(anything))
        else:
            pieces.append(one(exactly(char)))
        index += 1
    return Automaton(pieces)


def _replaced(value: str, pattern: str, replacement: str, *, everywhere: bool) -> str:
    """Return *value* with the first and longest text that *pattern* matches replaced, or with all of them."""
    automaton = _automaton(pattern)
    begins = automaton.reversed().starts(value[::-1])[::-1]
    out: list[str] = []
    place, before = 0, -1
    while place <= len(value):
        start = next((each for each in range(place, len(value) + 1) if begins[each]), None)
        if start is None:
            break
        end = next(iter(deque(automaton.ends(value, start), maxlen=1)))
        out.append(value[place:start])
        if end > start or start != before:  # nothing, right behind a match, is no match
            out.append(replacement)
        if not everywhere:
            place = end
            break
        before = end
        if end == start:  # nothing: go on behind the next character
            out.append(value[start : start + 1])
            end += 1
        place = end
    return "".join(out) + value[place:]
