"""Plain values as YAML text that every reader takes for the same values. Pure.

PyYAML's writer takes longer for a thousand lines than all of their reading.
"""

from __future__ import annotations

import json
import re
from typing import Any

from yurt.compose.load import resolve

_PLAIN = re.compile(r"[A-Za-z_./][A-Za-z0-9_./@+%-]*(?:[ :=][A-Za-z0-9_./@+%-]+)*")
_UNSEEN = re.compile(
    "[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]"
)  # no text, or an end of a line, to YAML
_ELSEWHERE = frozenset({"y", "n", "yes", "no", "on", "off"})  # what YAML 1.1 takes for true and false


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
    else:
        lines.append(f"{head} {_scalar(child)}")


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        plain = (
            _PLAIN.fullmatch(value) and value.lower() not in _ELSEWHERE and isinstance(resolve(value), str)
        )
        return value if plain else _UNSEEN.sub(_escaped, json.dumps(value, ensure_ascii=False))
    if value is None:
        return "null"
    if isinstance(value, float) and value != value:  # noqa: PLR0124 - it is not a number
        return ".nan"
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return ".inf" if value > 0 else "-.inf"
    return json.dumps(value)


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
