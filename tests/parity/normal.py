"""Normalized answers: what differs from host to host and run to run becomes a placeholder, field sets stay."""

import re
import socket
from collections.abc import Mapping
from typing import Any

from tests.parity.asking import Answer

ZERO_TIME = "0001-01-01T00:00:00Z"
HOST = socket.gethostname()

NUMBERS = frozenset(
    {
        *("Pid", "Created", "time", "timeNano", "SizeRw", "SizeRootFs", "SharedSize", "VirtualSize"),
        *("SpaceReclaimed", "LayersSize", "Size", "IPPrefixLen", "execDuration"),
    }
)
"""Fields whose numbers are chance; zero and -1 say something and are kept."""
TEXTS = frozenset({"SandboxKey", "GitCommit", "GoVersion", "BuildTime", "KernelVersion", "DockerVersion"})
"""Fields whose texts are this host's; an empty one is kept."""
ORDERS: tuple[tuple[str, ...], ...] = (
    ("Destination",),
    ("PrivatePort", "Type", "IP"),
    ("Driver", "Name"),
    ("Path", "Kind"),
    ("RepoTags", "Id"),
    ("Name", "Mountpoint"),
)
"""Maps with such fields stand in no order; they are sorted by it. The rest of a list is in order or it differs."""
UNORDERED = frozenset({"RepoTags", "VolumesDeleted", "NetworksDeleted"})

# Addresses that cases ask for, 10.213.… and 02:00:0a:…, are kept.
PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"sha256:[0-9a-f]{64}"), "<digest>"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "<id>"),
    (re.compile(r"\b[0-9a-f]{12}\b"), "<short id>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"), "<time>"),
    (re.compile(r"\b1[789]\d{8}\.\d{6,9}\b"), "<time>"),
    (re.compile(r"(?<=docker-import-)\d+"), "<number>"),
    (re.compile(r"\b\d+(\.\d+)?(ns|µs|ms)\b"), "<duration>"),
    (re.compile(r"\b(About )?(an?|\d+|Less than a) (second|minute)s?( ago)?"), "<a while>"),
    (re.compile(r"\b(?!0\.0\.0\.0|127\.|10\.213\.|255\.)\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b"), "<ipv4>"),
    (re.compile(r"\b(?!02:00:0a)(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b"), "<mac>"),
    (re.compile(r"\bfd[0-9a-f]{2}:[0-9a-f:]+"), "<ipv6>"),
)
NAME = re.compile(r"^/?[a-z]+_[a-z]+[0-9]?$")  # a name that an engine made up
NAMED = frozenset({"Name", "Names", "name", "container"})


def normal(
    answer: Answer, root: str, *, shape: bool = False, keep: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """Return *answer* as it is kept. *root* is the engine's data folder."""
    body = _value(answer.body, "", root)
    if shape and answer.status < 400:
        body = _shape(body, "", keep)
    kept: dict[str, Any] = {"status": answer.status, "headers": _value(dict(answer.headers), "", root)}
    if body is not None:
        kept["body"] = body
    return kept


def _value(value: Any, key: str, root: str) -> Any:
    if isinstance(value, dict):
        return {_text(name, "", root): _value(inner, name, root) for name, inner in value.items()}
    if isinstance(value, list):
        return _ordered([_value(inner, key, root) for inner in value], key)
    if isinstance(value, str):
        return _text(value, key, root)
    if isinstance(value, int) and not isinstance(value, bool) and value > 0 and key in NUMBERS:
        return "<number>"
    return value


def _ordered(found: list[Any], key: str) -> list[Any]:
    if key in UNORDERED:
        return sorted(found)
    for fields in ORDERS:
        if found and all(isinstance(one, dict) and set(fields[:2]) <= set(one) for one in found):
            return sorted(found, key=lambda one: [str(one.get(field)) for field in fields])
    return found


def _text(text: str, key: str, root: str) -> str:
    if key == "LastTagTime":
        return "<time>"  # whether the reference knows one depends on what was loaded before
    if text == ZERO_TIME:
        return text
    if text == HOST:
        return "<host>"
    if key in TEXTS and text:
        return "<text>"
    if key in NUMBERS and text.isdecimal():
        return "<number>"
    if key in NAMED and NAME.match(text):
        return "<a name>"
    if root:
        text = text.replace(root, "<root>")
    for pattern, placeholder in PATTERNS:
        text = pattern.sub(placeholder, text)
    return text


def _shape(value: Any, key: str, keep: frozenset[str]) -> Any:
    """Return the type of each value; of a list its first element's, for how many there are is chance."""
    if key in keep:
        return value
    if isinstance(value, Mapping):
        return {name: _shape(inner, name, keep) for name, inner in value.items()}
    if isinstance(value, list):
        return [_shape(value[0], "", keep)] if value else []
    if value is None or isinstance(value, bool):
        return value
    return "<text>" if isinstance(value, str) and not value.startswith("<num") else "<number>"
