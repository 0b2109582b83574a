"""The lines of a Dockerfile that a complaint is about, with a marker. Pure.

Laid out as BuildKit's clients lay it out, so that people and scripts find what they know.
"""

import re

from yurt.dockerfile.lexer import lex
from yurt.errors import InvalidArgument

RULE = "-" * 20
BRIEF = 120  # characters of a step in a sentence; its lines are shown beside it
AROUND_ONE, AROUND_MANY = 4, 2  # lines shown around a statement of one line, and around a longer one


def line_of(message: str, file: str) -> int | None:
    """Return the line that a complaint about *file* begins with (``file:line: …``), None when it names none."""
    found = re.match(rf"{re.escape(file)}:(\d+)(?::\d+)?: ", message)
    return int(found[1]) if found else None


def without_place(message: str, file: str) -> str:
    """Return *message* without the file, line and column that it begins with."""
    return re.sub(rf"^{re.escape(file)}:\d+(?::\d+)?: ", "", message)


def brief(step: str) -> str:
    """Return *step* for a sentence: on one line, its blanks as one, its end cut off when it is long."""
    text = " ".join(step.split())
    return text if len(text) <= BRIEF else f"{text[: BRIEF - 1]}…"


def statement_at(text: bytes, line: int) -> tuple[int, int]:
    """Return the first and last line of the statement that has *line*; that line alone when there is none."""
    try:
        statements = lex(text).statements
    except InvalidArgument:
        return line, line
    around = (each.location for each in statements if each.location.first <= line <= each.location.last)
    return next(((where.first, where.last) for where in around), (line, line))


def excerpt(text: bytes, line: int, *, file: str) -> str:
    """Return the statement of *text* that has *line*, each of its lines marked, and a few lines around it.

    Empty when *text* has no such line.
    """
    lines = text.decode(errors="replace").split("\n")
    if not 0 < line <= len(lines):
        return ""
    first, last = statement_at(text, line)
    last = min(last, len(lines))
    start, end = first, last
    shown, wanted = 0, AROUND_ONE if first == last else AROUND_MANY
    while shown < wanted:  # an end of the file counts as half a line, and so the loop ends there, too
        if start > 1:
            start, shown = start - 1, shown + 1
        if end < len(lines):
            end, shown = end + 1, shown + 1
        shown += 1
    told = [
        f" {number:3d} | {'>>>' if first <= number <= last else '   '} {lines[number - 1]}"
        for number in range(start, end + 1)
    ]
    return "\n".join((f"{file}:{first}", RULE, *told, RULE, ""))
