"""Variables in a Compose document: ``$NAME``, ``${NAME}`` and the forms with a default, an error or a replacement.

The words after an operator may hold variables again. ``$$`` is one dollar sign. Pure: values come from a lookup.
"""

import re
from collections.abc import Callable, Mapping

from yurt.compose.nodes import MappingNode, Node, ScalarNode, SequenceNode, problem, shortened, walk
from yurt.errors import InvalidArgument
from yurt.values import Value

Missing = Callable[[str], None]

MAX_NESTING = 32
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATORS = (":-", ":?", ":+", "-", "?", "+")


def interpolate(
    text: str, variables: Mapping[str, str], *, missing: Missing | None = None, _depth: int = 0
) -> str:
    """Return *text* with its variables replaced.

    A variable that is not set becomes empty, and *missing* is told its name. Raises InvalidArgument for a form
    that is not one of those above, and for ``${NAME:?message}`` when NAME is not set.
    """
    if "$" not in text:
        return text
    if _depth > MAX_NESTING:
        raise InvalidArgument(f"variables nested deeper than {MAX_NESTING} levels")
    parts: list[str] = []
    at = 0
    while True:
        dollar = text.find("$", at)
        if dollar < 0:
            parts.append(text[at:])
            return "".join(parts)
        parts.append(text[at:dollar])
        follows = text[dollar + 1 : dollar + 2]
        if follows == "$":
            parts.append("$")
            at = dollar + 2
        elif follows == "{":
            end = _closing(text, dollar)
            parts.append(_braced(text[dollar + 2 : end], variables, missing, _depth))
            at = end + 1
        elif name := _NAME.match(text, dollar + 1):
            parts.append(_value(name[0], variables, missing))
            at = name.end()
        else:
            raise InvalidArgument(
                f"a dollar sign that begins no variable in {shortened(text)!r}",
                hint="write $$ for a dollar sign",
            )


def _closing(text: str, dollar: int) -> int:
    """Return where the brace that opens after *dollar* is closed."""
    depth = 0
    at = dollar
    while at < len(text):
        if text.startswith("$$", at):
            at += 2
            continue
        if text.startswith("${", at):
            depth += 1
            at += 2
            continue
        if text[at] == "}":
            depth -= 1
            if depth == 0:
                return at
        at += 1
    raise InvalidArgument(f"'${{' is not closed in {shortened(text)!r}", hint="write $$ for a dollar sign")


def _braced(inside: str, variables: Mapping[str, str], missing: Missing | None, depth: int) -> str:
    name = _NAME.match(inside)
    if name is None:
        raise InvalidArgument(
            f"no variable's name in '${{{shortened(inside)}}}'", hint="write $$ for a dollar sign"
        )
    rest = inside[name.end() :]
    if not rest:
        return _value(name[0], variables, missing)
    operator = next((known for known in _OPERATORS if rest.startswith(known)), None)
    if operator is None:
        raise InvalidArgument(
            f"'${{{shortened(inside)}}}' is no form of a variable, expected one of :-  -  :?  ?  :+  + after {name[0]}"
        )
    word = rest[len(operator) :]
    value = variables.get(name[0])
    is_set = bool(value) if operator.startswith(":") else value is not None
    match operator[-1]:
        case "-":
            return (
                (value or "") if is_set else interpolate(word, variables, missing=missing, _depth=depth + 1)
            )
        case "+":
            return interpolate(word, variables, missing=missing, _depth=depth + 1) if is_set else ""
        case _:
            if is_set:
                return value or ""
            message = interpolate(word, variables, missing=missing, _depth=depth + 1)
            raise InvalidArgument(
                f"the variable {name[0]} is required and not set{f': {message}' if message else ''}",
                hint=f"set {name[0]} in the environment or in .env",
            )


def _value(name: str, variables: Mapping[str, str], missing: Missing | None) -> str:
    value = variables.get(name)
    if value is None and missing is not None:
        missing(name)
    return value or ""


def interpolated(
    node: Node, variables: Mapping[str, str], *, missing: Missing | None = None, path: str = ""
) -> Node:
    """Return *node* with the variables of every value (never of a key) replaced; errors gain the position."""
    match node:
        case MappingNode():
            entries = {
                key: interpolated(child, variables, missing=missing, path=f"{path}.{key}" if path else key)
                for key, child in node.entries.items()
            }
            return MappingNode(entries, node.keys, node.at, node.tag)
        case SequenceNode():
            items = tuple(
                interpolated(child, variables, missing=missing, path=f"{path}[{index}]")
                for index, child in enumerate(node.items)
            )
            return SequenceNode(items, node.at, node.tag)
        case ScalarNode():
            if not isinstance(node.value, str) or "$" not in node.value:
                return node
            try:
                value = interpolate(node.value, variables, missing=missing)
            except InvalidArgument as error:
                raise problem(node, path, error.message, hint=error.hint) from error
            return ScalarNode(value, node.at, value, node.tag)


class Variable(Value):
    """How a document uses a variable: ``${NAME:?}`` requires it, ``:-`` gives a default, ``:+`` an alternate."""

    name: str
    required: bool = False
    default: str = ""
    alternate: str = ""


def used(node: Node) -> dict[str, Variable]:
    """Return the variables that *node* uses, by name; what is said of one first counts."""
    found: dict[str, Variable] = {}
    for _, each in walk(node):
        if isinstance(each, ScalarNode) and isinstance(each.value, str) and "$" in each.value:
            _use(each.value, found)
    return found


def _use(text: str, found: dict[str, Variable]) -> None:
    at = 0
    while (dollar := text.find("$", at)) >= 0:
        follows = text[dollar + 1 : dollar + 2]
        if follows == "{":
            try:
                end = _closing(text, dollar)
            except InvalidArgument:
                return
            inside = text[dollar + 2 : end]
            if name := _NAME.match(inside):
                rest = inside[name.end() :]
                operator = next((known for known in _OPERATORS if rest.startswith(known)), "")
                word = rest[len(operator) :]
                kinds = {"-": "default", "+": "alternate"}
                said = {kinds[operator[-1]]: word} if operator and operator[-1] in kinds else {}
                required = operator.endswith("?")
                found.setdefault(name[0], Variable(name[0], required, **said))
                _use(word, found)
            at = end + 1
        elif follows != "$" and (name := _NAME.match(text, dollar + 1)):
            found.setdefault(name[0], Variable(name[0]))
            at = name.end()
        else:
            at = dollar + 2
