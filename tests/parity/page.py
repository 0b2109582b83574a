"""docs/compatibility.md, from the recorded answers and the known differences: `scripts/docs [--check]`.

The replay test holds ours against both, so that what the page says is so.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.parity import cases, compare, record
from tests.parity.compare import Difference, Known

from yurt.api.version import LATEST, OLDEST, ApiVersion

PAGE = Path(__file__).parents[2] / "docs/compatibility.md"
HEAD = """\
# Compatibility with the Docker Engine API

Made by `scripts/docs` from the recorded answers of the reference engine (Docker 28.5, API 1.51) and the list of known
differences in `tests/parity`; the parity test holds both against a running `yurtd`. Do not edit it by hand.

{cases} requests to {asked} of {endpoints} endpoints are compared: status, headers and every field of the answer, in API
versions {versions}. What the tables do not name is the same in all compared cases.
"""


def render() -> str:
    """Return the page."""
    fields, counts, versions = _recorded()
    known = compare.known()
    every = [entry for entry in known if entry.endpoint == "*" and entry.case == "*"]
    templates = cases.templates()
    lines = [
        HEAD.format(
            cases=sum(counts.values()),
            asked=sum(1 for name in templates if counts.get(name)),
            endpoints=len(templates),
            versions=", ".join(str(version) for version in sorted(versions)),
        ),
        "## Everywhere\n",
        *_table([(entry, entry.field) for entry in every]),
        "## Endpoints\n",
        "| Endpoint | | Compared | Differences |",
        "| --- | --- | --- | --- |",
    ]
    sections: list[str] = []
    for name, purpose in templates.items():
        found = list(_entries(name, fields.get(name, {}), known))
        state = "none recorded" if not counts.get(name) else str(counts[name])
        verdict = "see below" if found else ("none" if counts.get(name) else "not compared")
        lines.append(f"| `{name}` | {purpose} | {state} | {verdict} |")
        if found:
            entries = [entry for entry, _ in found]
            same = sorted(
                field for field, names in fields[name].items() if _is_same(name, field, names, entries)
            )
            sections += [f"### `{name}`\n", *_table(found)]
            if same:
                sections += ["The same: " + ", ".join(f"`{field}`" for field in _folded(same)) + ".\n"]
    return "\n".join([*lines, "", "## Fields that differ\n", *sections]).rstrip() + "\n"


def _recorded() -> tuple[dict[str, dict[str, set[str]]], dict[str, int], set[ApiVersion]]:
    """Return each endpoint's fields with the cases that have them, its number of cases, and all versions."""
    fields: dict[str, dict[str, set[str]]] = {}
    counts: dict[str, int] = {}
    versions: set[ApiVersion] = set()
    for noun in cases.nouns():
        recorded = record.read(noun)
        for scenario in cases.load(noun):
            for name, step in scenario.cases():
                counts[step.endpoint] = counts.get(step.endpoint, 0) + 1
                if step.version != "none" and OLDEST <= ApiVersion.parse(step.version) <= LATEST:
                    versions.add(ApiVersion.parse(step.version))
                for field in _leaves("", recorded[scenario.name][name]):
                    fields.setdefault(step.endpoint, {}).setdefault(field, set()).add(f"{scenario.id}/{name}")
    return fields, counts, versions


def _leaves(path: str, value: Any) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(f"{path}.{key}" if path else str(key), inner)
    elif isinstance(value, list) and any(isinstance(inner, (Mapping, list)) for inner in value):
        for inner in value:
            yield from _leaves(f"{path}[]", inner)
    else:
        yield path


def _entries(
    endpoint: str, fields: Mapping[str, set[str]], known: tuple[Known, ...]
) -> Iterator[tuple[Known, str]]:
    """Yield each entry for this endpoint with each field that it covers, or its pattern if no record has the field."""
    for entry in known:
        if entry.endpoint == "*" and entry.case == "*":
            continue
        covered = [
            field
            for field, names in sorted(fields.items())
            if any(entry.covers(Difference(endpoint, name, field, entry.kind)) for name in names)
        ]
        if covered and entry.kind != "extra" and "*" not in entry.field:
            yield from ((entry, field) for field in covered)
        elif any(entry.covers(Difference(endpoint, name, field, entry.kind)) for field in _probe(entry)
                 for names in fields.values() for name in names):  # fmt: skip
            yield entry, entry.field


def _is_same(endpoint: str, field: str, names: set[str], entries: list[Known]) -> bool:
    return not any(
        entry.covers(Difference(endpoint, name, field, entry.kind)) for entry in entries for name in names
    )


def _probe(entry: Known) -> list[str]:
    """Return a field that each of the entry's patterns fits."""
    return [pattern.strip().replace("*", "x").replace("?", "x") for pattern in entry.field.split(",")]


def _table(found: list[tuple[Known, str]]) -> list[str]:
    rows: dict[tuple[str, str, str], list[str]] = {}
    for entry, field in found:
        rows.setdefault((entry.kind, entry.case, entry.reason), []).append(field)
    lines = ["| Field | | Why |", "| --- | --- | --- |"]
    for (kind, case, reason), names in rows.items():
        shown = ", ".join(f"`{part.strip()}`" for name in dict.fromkeys(names) for part in name.split(","))
        where = "" if case == "*" else f" ({case.replace('*', '…').replace('|', '/')})"
        lines.append(f"| {shown} | {kind} | {reason}{where} |")
    return [*lines, ""]


def _folded(fields: list[str]) -> list[str]:
    """Return *fields* without the tails of maps whose keys are a case's own."""
    return list(
        dict.fromkeys(field.removeprefix("body.") for field in fields if not field.startswith("headers."))
    )


def main(arguments: list[str]) -> int:
    text = render()
    if "--check" in arguments:
        if PAGE.exists() and PAGE.read_text() == text:
            return 0
        print(
            "docs: docs/compatibility.md is out of date\nhint: run scripts/docs and commit it",
            file=sys.stderr,
        )
        return 1
    PAGE.write_text(text)
    print(f"docs: wrote {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
