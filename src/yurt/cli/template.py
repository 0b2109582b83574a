"""The part of Go's templates that people write after ``--format``.

Fields (``.State.Status``), ``$``, variables, literals, pipelines, ``if/else if/else``, ``range`` (also
``$key, $value :=``, with ``else``), ``with``, trimming dashes, comments, and the functions json, join, split,
lower, upper, title, println, print, printf, index, len, eq, ne, lt, le, gt, ge, and, or, not, truncate, pad.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from yurt.cli.output import json_text
from yurt.errors import InvalidArgument

ACTION = re.compile(r"\{\{(-\s)?(.*?)(\s-)?\}\}", re.DOTALL)
TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:\\.|[^"\\])*"|`[^`]*`)|(?P<number>-?\d+(?:\.\d+)?)"""
    r"""|(?P<field>(?:\.[A-Za-z_][\w-]*)+|\.)|(?P<variable>\$\w*(?:\.[A-Za-z_][\w]*)*)"""
    r"""|(?P<word>[A-Za-z_]\w*)|(?P<mark>:=|[|(),=]))"""
)
NO_VALUE = "<no value>"
MOST_TOLD = 24  # of the fields that there are, when one is not
LEFT_OUT = frozenset(  # by engines, when there is nothing to tell: asking for them is no mistake
    (
        *("Health", "Healthcheck", "ExposedPorts", "StopSignal", "StopTimeout", "Shell"),
        *("NetworkDisabled", "MacAddress", "SizeRw", "SizeRootFs", "Variant", "Author"),
        *("Comment", "Labels", "Options", "UsageData", "Annotations", "Mounts", "BindOptions"),
        *("VolumeOptions", "TmpfsOptions", "ImageOptions", "DriverConfig", "Name", "Driver"),
        *("Error", "ContainerConfig", "VirtualSize", "OsVersion", "ArgsEscaped", "OnBuild"),
        *("Status", "ConfigFrom", "Domainname", "Hostname", "User", "Cmd", "Entrypoint", "Env"),
        *("Volumes", "WorkingDir", "Attributes", "Swarm", "Containerd", "GenericResources"),
        *("Warnings", "IPAMConfig", "Gateway", "IPRange", "Subnet", "Server", "KernelVersion"),
        *("BuildTime", "GitCommit", "Propagation", "Mode", "Source", "Cluster", "Label"),
    )
)
_LOWER = frozenset(("status", "id", "from", "scope", "time", "timeNano"))  # fields of an event

Scope = dict[str, Any]
Node = Callable[[Any, Scope], str]
Value = Callable[[Any, Scope], Any]


class Template:
    """A parsed template; `render` it with a mapping."""

    def __init__(self, text: str, nodes: Sequence[Node], fields: Sequence[str]) -> None:
        self.text = text
        self.fields = tuple(fields)
        self._nodes = nodes

    def __repr__(self) -> str:
        return f"<Template {self.text!r}>"

    @classmethod
    def parse(cls, text: str) -> Template:
        r"""Read *text*; ``\t`` and ``\n`` written with a backslash mean tab and line. Raises InvalidArgument."""
        plain = text.replace("\\t", "\t").replace("\\n", "\n")
        parser = _Parser(plain)
        return cls(text, parser.parse(), parser.fields)

    def render(self, data: Any) -> str:
        """Return the text for *data*."""
        scope: Scope = {"$": data}
        return "".join(node(data, scope) for node in self._nodes)

    def titles(self, columns: Mapping[str, str]) -> str:
        """Return the text with each field's title in the place of its value: a table's first line."""
        return self.render(_Titles(columns))


class _Titles(dict[str, Any]):
    """Answers any field with its title, methods too."""

    def __init__(self, columns: Mapping[str, str]) -> None:
        super().__init__({name: title for name, title in columns.items() if isinstance(title, str)})
        self["Label"] = lambda key: key

    def __missing__(self, name: str) -> str:
        return name.upper()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._pieces = list(_cut(text))
        self._position = 0
        self.fields: list[str] = []

    def parse(self) -> list[Node]:
        nodes, ended_by = self._block()
        if ended_by:
            raise self._error(f"unexpected {ended_by}")
        return nodes

    def _error(self, why: str) -> InvalidArgument:
        return InvalidArgument(
            f"invalid template {self._text!r}: {why}", hint="for example --format '{{.ID}} {{.Names}}'"
        )

    def _unknown(self, name: str, record: Mapping[str, Any]) -> InvalidArgument:
        from difflib import get_close_matches

        known = [f".{key}" for key in record]
        there = ", ".join(known[:MOST_TOLD]) + (
            f" and {len(known) - MOST_TOLD} more" if len(known) > MOST_TOLD else ""
        )
        close = get_close_matches(f".{name}", known, n=1, cutoff=0.75)
        usual = [
            f".{key}" for key in ("ID", "Id", "Name", "Names", "Repository", "Type", "Size") if key in record
        ]
        example = " ".join(f"{{{{{field}}}}}" for field in (usual or known)[:2])
        return InvalidArgument(
            f"invalid template {self._text!r}: no field .{name}; there are {there}",
            hint=f"did you mean {close[0]}?" if close else f"for example --format '{example}'",
        )

    def _block(self) -> tuple[list[Node], str]:
        """Parse up to the end of the text or an ``end`` or ``else``, which is returned with its arguments."""
        nodes: list[Node] = []
        while self._position < len(self._pieces):
            is_action, text = self._pieces[self._position]
            self._position += 1
            if not is_action:
                nodes.append(_literal(text))
                continue
            if text.startswith("/*"):
                continue
            word, _, rest = text.partition(" ")
            if word in ("end", "else"):
                return nodes, text
            if word in ("if", "with"):
                nodes.append(self._conditional(rest, rebind=word == "with"))
            elif word == "range":
                nodes.append(self._range(rest))
            else:
                nodes.append(self._output(text))
        return nodes, ""

    def _branches(self) -> tuple[list[Node], list[Node]]:
        then, ended_by = self._block()
        otherwise: list[Node] = []
        if ended_by.startswith("else"):
            condition = ended_by.removeprefix("else").strip()
            if condition.startswith("if "):
                return then, [self._conditional(condition.removeprefix("if "), rebind=False)]
            otherwise, ended_by = self._block()
        if ended_by != "end":
            raise self._error("an {{end}} is missing")
        return then, otherwise

    def _conditional(self, text: str, *, rebind: bool) -> Node:
        names, value = self._assignment(text)
        then, otherwise = self._branches()

        def node(data: Any, scope: Scope) -> str:
            found = value(data, scope)
            inner = scope | dict.fromkeys(names, found)
            chosen = then if _truth(found) else otherwise
            here = found if rebind and chosen is then else data
            return "".join(each(here, inner) for each in chosen)

        return node

    def _range(self, text: str) -> Node:
        names, value = self._assignment(text)
        then, otherwise = self._branches()

        def node(data: Any, scope: Scope) -> str:
            found = value(data, scope)
            pairs: Iterable[tuple[Any, Any]]
            if isinstance(found, Mapping):
                pairs = sorted(found.items())
            else:
                pairs = enumerate(found or ())
            texts = []
            for key, item in pairs:
                values = (key, item) if len(names) == 2 else (item,)
                inner = scope | dict(zip(names, values, strict=False))
                texts.append("".join(each(item, inner) for each in then))
            return "".join(texts) if texts else "".join(each(data, scope) for each in otherwise)

        return node

    def _output(self, text: str) -> Node:
        names, value = self._assignment(text)

        def node(data: Any, scope: Scope) -> str:
            found = value(data, scope)
            if names:
                scope.update(dict.fromkeys(names, found))
                return ""
            return _shown(found)

        return node

    def _assignment(self, text: str) -> tuple[list[str], Value]:
        names: list[str] = []
        if match := re.match(r"\s*(\$\w+)(?:\s*,\s*(\$\w+))?\s*:?=\s*", text):
            names = [name for name in match.groups() if name]
            text = text[match.end() :]
        tokens = self._tokens(text)
        value = self._pipeline(tokens)
        if tokens:
            raise self._error(f"unexpected {tokens[0][1]!r}")
        return names, value

    def _tokens(self, text: str) -> list[tuple[str, str]]:
        tokens: list[tuple[str, str]] = []
        position = 0
        while position < len(text.rstrip()):
            match = TOKEN.match(text, position)
            if match is None:
                raise self._error(f"cannot read {text[position:].strip()!r}")
            kind, token = match.lastgroup or "", match[match.lastgroup or 0]
            if kind == "field" and match.start(kind) == position and tokens and tokens[-1][1] == ")":
                kind = "attached"  # (index .X 0).Name
            tokens.append((kind, token))
            position = match.end()
        return tokens

    def _pipeline(self, tokens: list[tuple[str, str]]) -> Value:
        value = self._call(tokens, None)
        while tokens and tokens[0] == ("mark", "|"):
            tokens.pop(0)
            value = self._call(tokens, value)
        return value

    def _call(self, tokens: list[tuple[str, str]], piped: Value | None) -> Value:
        if not tokens:
            raise self._error("a value is missing")
        kind, text = tokens[0]
        arguments: list[Value] = []
        if kind == "word" and text not in ("true", "false", "nil"):
            tokens.pop(0)
            if text not in FUNCTIONS:
                raise self._error(f"no function {text!r}; there are {', '.join(sorted(FUNCTIONS))}")
            function = FUNCTIONS[text]
            while tokens and tokens[0] not in (("mark", "|"), ("mark", ")")):
                arguments.append(self._operand(tokens))
            if piped:
                arguments.append(piped)
            return lambda data, scope: self._apply(text, function, [each(data, scope) for each in arguments])
        head = self._operand(tokens)
        while tokens and tokens[0] not in (("mark", "|"), ("mark", ")")):
            arguments.append(self._operand(tokens))
        if piped:
            arguments.append(piped)
        if not arguments:
            return head

        def method(data: Any, scope: Scope) -> Any:
            found = head(data, scope)
            if not callable(found):
                raise self._error(f"{text} takes no arguments")
            return self._apply(text, found, [each(data, scope) for each in arguments])

        return method

    def _apply(self, name: str, function: Callable[..., Any], arguments: list[Any]) -> Any:
        try:
            return function(*arguments)
        except (TypeError, ValueError, KeyError, IndexError) as wrong:
            raise self._error(f"{name}: {wrong}") from wrong

    def _operand(self, tokens: list[tuple[str, str]]) -> Value:
        kind, text = tokens.pop(0)
        if kind == "string":
            literal = text[1:-1] if text.startswith("`") else json.loads(text)
            return lambda _data, _scope: literal
        if kind == "number":
            number = float(text) if "." in text else int(text)
            return lambda _data, _scope: number
        if kind == "field":
            path = [part for part in text.split(".") if part]
            self.fields += path[:1]
            return lambda data, _scope: self._walk(data, path)
        if kind == "variable":
            name, *path = text.split(".")
            return lambda _data, scope: self._walk(scope.get(name), path)
        if kind == "word" and text in ("true", "false", "nil"):
            constant = {"true": True, "false": False, "nil": None}[text]
            return lambda _data, _scope: constant
        if (kind, text) == ("mark", "("):
            value = self._pipeline(tokens)
            if not tokens or tokens.pop(0) != ("mark", ")"):
                raise self._error("a ) is missing")
            if tokens and tokens[0][0] == "attached":
                fields = [part for part in tokens.pop(0)[1].split(".") if part]
                return lambda data, scope: self._walk(value(data, scope), fields)
            return value
        raise self._error(f"unexpected {text!r}")

    def _walk(self, data: Any, path: Sequence[str]) -> Any:
        for name in path:
            if isinstance(data, _Titles):
                data = data[name]
            elif isinstance(data, Mapping):
                if name not in data and name[:1].isupper() and name not in LEFT_OUT and _is_record(data):
                    raise self._unknown(name, data)
                data = data.get(name)
            elif data is None:
                return None
            else:
                raise self._error(f"{data!r} has no field .{name}")
        return data


def _cut(text: str) -> Iterable[tuple[bool, str]]:
    """Split into (is an action, its text), with the dashes' trimming done."""
    position, trim = 0, False
    for match in ACTION.finditer(text):
        before = text[position : match.start()]
        before = before.lstrip() if trim else before
        if match[1]:
            before = before.rstrip()
        if before:
            yield False, before
        yield True, match[2].strip()
        position, trim = match.end(), bool(match[3])
    rest = text[position:]
    rest = rest.lstrip() if trim else rest
    if "{{" in rest:
        raise InvalidArgument(f"invalid template {text!r}: unclosed {{{{", hint="close it with }}")
    if rest:
        yield False, rest


def _literal(text: str) -> Node:
    return lambda _data, _scope: text


def _is_record(data: Mapping[str, Any]) -> bool:
    """Tell fields, whose names are known, from a map of labels, networks and the like: theirs begin with a capital."""
    return bool(data) and all(key[:1].isupper() or key in _LOWER for key in data if isinstance(key, str))


def _truth(value: Any) -> bool:
    return bool(value)


def _shown(value: Any) -> str:
    """Write a value as Go does."""
    if value is None:
        return NO_VALUE
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return f"map[{' '.join(f'{key}:{_shown(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list | tuple):
        return f"[{' '.join(_shown(each) for each in value)}]"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _json(value: Any) -> str:
    if isinstance(value, Mapping):
        value = {key: each for key, each in value.items() if not callable(each)}
    return json_text(value)


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        value = value.get(key, "") if isinstance(value, Mapping) else value[key]
    return value


def _printf(layout: str, *values: Any) -> str:
    return re.sub(r"%([-+0-9.]*)v", r"%\1s", layout).replace("%q", '"%s"') % tuple(
        _shown(value) if not isinstance(value, int | float) else value for value in values
    )


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "json": _json,
    "join": lambda values, separator: separator.join(_shown(value) for value in values or ()),
    "split": lambda text, separator: text.split(separator),
    "lower": lambda text: str(text).lower(),
    "upper": lambda text: str(text).upper(),
    "title": lambda text: str(text).title(),
    "println": lambda *values: " ".join(_shown(value) for value in values) + "\n",
    "print": lambda *values: "".join(_shown(value) for value in values),
    "printf": _printf,
    "index": _index,
    "len": lambda value: len(value or ()),
    "eq": lambda first, *others: any(first == other for other in others),
    "ne": lambda first, other: first != other,
    "lt": lambda first, other: first < other,
    "le": lambda first, other: first <= other,
    "gt": lambda first, other: first > other,
    "ge": lambda first, other: first >= other,
    "and": lambda *values: next((value for value in values if not value), values[-1]),
    "or": lambda *values: next((value for value in values if value), values[-1]),
    "not": lambda value: not value,
    "truncate": lambda text, width: str(text)[:width],
    "pad": lambda text, before, after: " " * before + str(text) + " " * after if text else "",
}
