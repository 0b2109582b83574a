r"""Files of ``NAME=value`` lines: the project's ``.env`` and a service's ``env_file``.

The quoting rules: single quotes keep their text as it is; double quotes know ``\n \r \t \" \\ \$`` and
variables; both may span lines. Without quotes, variables are replaced, a `` #`` begins a comment and blanks at
the ends are dropped. ``export`` before a name is allowed. A name alone takes its value from the environment.
"""

import re
from collections.abc import Mapping

from yurt.compose.interpolate import interpolate
from yurt.compose.nodes import Position, problem, shortened
from yurt.errors import InvalidArgument

_NAME = re.compile(r"(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.\-\[\]]*)[ \t]*")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {
    "n": "\n",
    "r": "\r",
    "t": "\t",
    '"': '"',
    "\\": "\\",
    "'": "'",
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "v": "\v",
}
_COMMENT = re.compile(r"[ \t]+#")


def parse(text: str, file: str, environ: Mapping[str, str], *, raw: bool = False) -> dict[str, str]:
    """Return the variables that *text* sets, in its order.

    Names from *environ* win over those of the file when one value uses another. With *raw*, values are taken as
    they stand: no quotes, no variables. Raises InvalidArgument with the line of a mistake.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        line = text[at:end]
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            at = end + 1
            continue
        start = at + len(line) - len(line.lstrip())
        place = Position(file, text.count("\n", 0, at) + 1, start - at + 1)
        name = _NAME.match(text, start)
        if name is None:
            raise problem(
                place, "", f"{shortened(stripped)!r} begins with no variable's name", expected="NAME=value"
            )
        key, at = name[1], name.end()
        separator = text[at : at + 1]
        if separator in ("\n", "", "#"):
            if key in environ:
                found[key] = environ[key]
            at = end + 1
            continue
        if separator not in "=:":
            raise problem(
                place, key, f"no '=' after the name in {shortened(stripped)!r}", expected="NAME=value"
            )
        if raw:
            found[key] = text[at + 1 : end]
            at = end + 1
            continue
        value, at = _value(text, at + 1, place, key, {**found, **environ})
        found[key] = value
    return found


def _value(text: str, at: int, place: Position, key: str, variables: Mapping[str, str]) -> tuple[str, int]:
    """Return the value that begins at *at*, and where the next line begins."""
    while text[at : at + 1] in (" ", "\t"):
        at += 1
    quote = text[at : at + 1]
    if quote not in ("'", '"'):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        value = text[at:end]
        if value.startswith("#"):
            value = ""
        elif comment := _COMMENT.search(value):
            value = value[: comment.start()]
        return _replaced(value.rstrip(), variables, place, key), end + 1
    close = at + 1
    while close < len(text) and text[close] != quote:
        close += 2 if text[close] == "\\" else 1
    if close >= len(text):
        raise problem(place, key, f"the quote {quote} is not closed", expected=f"a closing {quote}")
    end = text.find("\n", close)
    end = len(text) if end < 0 else end
    after = text[close + 1 : end].strip()
    if after and not after.startswith("#"):
        raise problem(
            place, key, f"{shortened(after)!r} follows the closing quote", expected="the end of the line"
        )
    value = text[at + 1 : close]
    if quote == "'":
        return value.replace("\\'", "'"), end + 1
    escaped = _ESCAPE.sub(lambda found: "$$" if found[1] == "$" else _ESCAPED.get(found[1], found[0]), value)
    return _replaced(escaped, variables, place, key), end + 1


def _replaced(value: str, variables: Mapping[str, str], place: Position, key: str) -> str:
    try:
        return interpolate(value, variables)
    except InvalidArgument as error:
        raise problem(
            place, key, error.message, hint="put the value in single quotes to keep it as it is"
        ) from error
