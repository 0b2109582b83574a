"""The table of requests: files of scenarios, each a list of steps, read into values.

A scenario starts on an engine that holds the images and nothing else. Its steps are strings (``GET /info``) or maps:

    ask: POST /containers/create?name=web     method and path, without the version
    body: {Image: busybox:parity}             JSON
    text: "{"                                 a body that is none
    tar: {name: content}                      an archive as body
    image: true                               the archive of the image as body
    query: {filters: {name: [web]}}           added to the path; maps and lists become JSON
    headers: {X-Registry-Auth: e30=}
    save: {id: Id}                            keep a field of the answer: `$id` means it from here on
    name: created                             the case's name, when two of a scenario would be the same
    versions: ["1.24", "1.51"]                ask once for each
    stdin: "hello"                            for a hijacked connection; then our half is closed
    lines: 1                                  of an endless stream
    shape: true                               compare field sets and types, not values
    keep: [Name]                              but these values too
    quiet: true                               scenery: not compared

or ``{wait: web, for: exited}``, which looks at a container until it is so.
"""

import functools
import io
import json
import re
import string
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

FOLDER = Path(__file__).parent
LATEST = "1.51"
STEP = frozenset(
    ("ask", "body", "text", "tar", "image", "query", "headers", "save", "name", "versions", "stdin")
) | {"lines", "shape", "keep", "quiet", "wait", "for"}


@dataclass(frozen=True)
class Step:
    method: str = ""
    path: str = ""
    name: str = ""
    version: str = LATEST
    body: Any = None
    text: str | None = None
    tar: Mapping[str, str] | None = None
    image: bool = False
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    save: Mapping[str, str] = field(default_factory=dict)
    stdin: str | None = None
    lines: int = 0
    shape: bool = False
    keep: frozenset[str] = frozenset()
    quiet: bool = False
    wait: str = ""
    until: str = ""

    @property
    def endpoint(self) -> str:
        return endpoint_of(self.method, self.path)


@dataclass(frozen=True)
class Scenario:
    noun: str
    name: str
    steps: tuple[Step, ...]

    @property
    def id(self) -> str:
        return f"{self.noun}/{self.name}"

    def cases(self) -> Iterator[tuple[str, Step]]:
        """Yield a name, unique in this scenario, and the step, of each step that is compared."""
        seen: dict[str, int] = {}
        for step in self.steps:
            if step.wait or step.quiet:
                continue
            name = step.name or f"{step.method} {step.path}"
            if step.version != LATEST:
                name += f" v{step.version}"
            seen[name] = seen.get(name, 0) + 1
            yield name if seen[name] == 1 else f"{name} #{seen[name]}", step


def nouns() -> list[str]:
    return sorted(path.stem for path in (FOLDER / "cases").glob("*.yaml"))


def load(noun: str) -> tuple[Scenario, ...]:
    table: Mapping[str, Sequence[Any]] = yaml.safe_load((FOLDER / "cases" / f"{noun}.yaml").read_text())
    return tuple(
        Scenario(noun, name, tuple(step for entry in entries for step in _steps(entry)))
        for name, entries in table.items()
    )


def _steps(entry: Any) -> Iterator[Step]:
    if isinstance(entry, str):
        entry = {"ask": entry}
    if unknown := set(entry) - STEP:
        raise ValueError(f"{entry}: unknown words {sorted(unknown)}")
    if "wait" in entry:
        yield Step(wait=entry["wait"], until=entry["for"])
        return
    method, _, path = entry["ask"].partition(" ")
    plain = {key: entry[key] for key in STEP - {"ask", "versions", "keep", "wait", "for"} if key in entry}
    for version in entry.get("versions", [LATEST]):
        yield Step(method, path, version=str(version), keep=frozenset(entry.get("keep", ())), **plain)


def templates() -> dict[str, str]:
    """Return what stands in endpoints.yaml: each endpoint of the reference engine and what it does."""
    table: dict[str, str] = yaml.safe_load((FOLDER / "endpoints.yaml").read_text())
    return table


def endpoint_of(method: str, path: str) -> str:
    """Return the entry of endpoints.yaml that a request is for: the one with the fewest places that fits."""
    plain = path.partition("?")[0]
    for template, pattern in _patterns():
        if pattern.fullmatch(f"{method} {plain}"):
            return template
    return "no such endpoint"


@functools.cache
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    ordered = sorted(templates(), key=lambda template: template.count("{"))
    return [
        (name, re.compile(re.escape(name).replace(r"\{id\}", "[^/]+").replace(r"\{name\}", ".+")))
        for name in ordered
    ]


def filled(value: Any, known: Mapping[str, str]) -> Any:
    """Return *value* with each ``$name`` replaced."""
    if isinstance(value, str):
        return string.Template(value).safe_substitute(known)
    if isinstance(value, dict):
        return {filled(key, known): filled(inner, known) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, known) for inner in value]
    return value


def target(step: Step, known: Mapping[str, str]) -> str:
    """Return the path with version and query."""
    path = filled(step.path, known)
    pairs = [
        f"{key}={quote(value if isinstance(value, str) else json.dumps(value))}"
        for key, value in filled(dict(step.query), known).items()
    ]
    if pairs:
        path += ("&" if "?" in path else "?") + "&".join(pairs)
    return path if step.version == "none" else f"/v{step.version}{path}"


def payload(step: Step, known: Mapping[str, str], image: bytes) -> tuple[bytes | None, dict[str, str]]:
    """Return the body and its content type."""
    if step.image:
        return image, {"Content-Type": "application/x-tar"}
    if step.tar is not None:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for name, content in step.tar.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content.encode()))
        return buffer.getvalue(), {"Content-Type": "application/x-tar"}
    if step.text is not None:
        return step.text.encode(), {"Content-Type": "application/json"}
    if step.body is not None:
        return json.dumps(filled(step.body, known)).encode(), {"Content-Type": "application/json"}
    return None, {}
