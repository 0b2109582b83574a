"""Plain values as YAML text that every reader takes for the same values. Pure.

PyYAML's writer takes longer for a thousand lines than all of their reading.
"""

from __future__ import annotations

import json
import re
from typing import Any

from yurt.compose.load import resolve

# What may stand without quotes in block style: no indicator in front, no ": " and no " #" inside, no blank at an end.
_PLAIN = re.compile(
    r"(?!---|\.\.\.)(?:[^\s,\[\]{}#&*!|>'\"%@`?:-]|[?:-](?=\S))(?:[^\s:#]|:(?=\S)|(?<=\S)#| +(?=[^\s#]))*"
)
# No text, or an end of a line, to YAML.
_UNSEEN = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")
_CONTROL = re.compile(f"[\0-\x1f]|{_UNSEEN.pattern}")
_NOT_IN_LINES = re.compile(f"[\0-\x08\x0b-\x1f]|{_UNSEEN.pattern}")
# What YAML 1.1 takes for something else than text: words; numbers by the sixty, with underscores and in binary; dates.
_ELSEWHERE = frozenset({"y", "n", "yes", "no", "on", "off", "=", "<<"})
_NUMBERS_ELSEWHERE = re.compile(
    r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?|[-+]?(?:[0-9][0-9_]*\.?|\.[0-9])[0-9_]*(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?0[box][0-9a-fA-F_]+|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt \t].*)?"
)
# Lines that a literal block shows as they are: nothing blank in front, and at most one end of a line at the end.
_LINES = re.compile(r"\S[^\n]*(?:\n+[^\n]+)*\n?")


def written(value: Any) -> str:
    """Return *value* (mappings, lists, texts, numbers, booleans and None) as a YAML document in block style."""
    lines: list[str] = []
    if not isinstance(value, (dict, list)) or not value:
        return f"{_scalar(value)}\n"
    _block(value, "", lines)
    return "\n".join(lines) + "\n"


def _block(value: Any, indent: str, lines: list[str]) -> None:
    if isinstance(value, dict):
        for key, child in value.items():
            _entry(f"{indent}{_scalar(str(key))}:", child, f"{indent}  ", lines)
        return
    for child in value:
        if isinstance(child, dict) and child:
            start = len(lines)
            _block(child, f"{indent}  ", lines)
            lines[start] = f"{indent}- {lines[start][len(indent) + 2 :]}"
        else:
            _entry(f"{indent}-", child, f"{indent}  ", lines)


def _entry(head: str, child: Any, indent: str, lines: list[str]) -> None:
    if isinstance(child, (dict, list)) and child:
        lines.append(head)
        _block(child, indent, lines)
    elif isinstance(child, str) and "\n" in child and _is_literal(child):
        lines.append(f"{head} |" if child.endswith("\n") else f"{head} |-")
        lines += (f"{indent}{line}" if line else "" for line in child.removesuffix("\n").split("\n"))
    else:
        lines.append(f"{head} {_scalar(child)}")


def _is_literal(text: str) -> bool:
    return bool(_LINES.fullmatch(text)) and not _NOT_IN_LINES.search(text)


def _text(value: str) -> str:
    """Return *value* as it is, in single quotes, or in double quotes where those would not tell it from a number."""
    if (
        not value
        or value.lower() in _ELSEWHERE
        or _NUMBERS_ELSEWHERE.fullmatch(value)
        or not isinstance(resolve(value), str)
        or _CONTROL.search(value)
    ):
        return _UNSEEN.sub(_escaped, json.dumps(value, ensure_ascii=False))
    return value if _PLAIN.fullmatch(value) else "'" + value.replace("'", "''") + "'"


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return _text(value)
    if value is None:
        return "null"
    if isinstance(value, float) and value != value:  # noqa: PLR0124 - it is not a number
        return ".nan"
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return ".inf" if value > 0 else "-.inf"
    return json.dumps(value)


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
