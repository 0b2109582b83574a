"""docs/compose.md, from the keys and commands that the tests try: `scripts/docs [--check]`."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from yurt.cli.commands.compose import GLOBALS, REFUSED, SWITCHES, VERBS
from yurt.cli.flags import Flag, parse_flags
from yurt.cli.main import load
from yurt.cli.refused import FLAGS

HERE = Path(__file__).parent
PAGE = HERE.parents[2] / "docs/compose.md"
OURS = {"wait": ("e2e/test_compose_commands.py::test_wait_and_events"),
        "watch": "e2e/test_compose_commands.py::test_watch",
        "rollback": "e2e/test_compose_rollover.py::test_no_request_fails"}  # fmt: skip
HEAD = """\
# Compose: what is honoured, and what is not

Made by `scripts/docs`, and held true by tests: `tests/unit/compose/test_keys.py` tries every key of the specification
and `test_commands.py` looks every command and flag of Docker Compose 2.40 up. `yurt compose` speaks nothing but the
Engine API, so all of this holds on Yurt's engine and on Docker's; the end-to-end tests run on both. Do not edit it by hand.

## What differs on purpose

- Unknown keys are errors with a suggestion. Every error about a file names file, line, column and key.
- `include` and `extends` of addresses (https, git, oci) are refused: what a project runs is not fetched unseen.
- `up` tells nothing when nothing is to do, and recreates only what would be sent to the engine in another way.
- A config or secret that is no file of the host, or has an owner or mode, is written into the container before it
  starts. A container with a read-only root can't be given it so, and says that.
- `up --rollover` and `rollback` are Yurt's own: a changed service is replaced without downtime (docs/adr/0018). On an
  engine that is not Yurt's a published port is closed for a moment, and `up` says so.
- Secrets, ssh, entitlements, further contexts and `cache_to` of a `build:` go to Yurt's engine only: with Docker's they
  need a BuildKit session, which is not part of the Engine API, and are refused.
- `deploy.update_config`: `monitor` is how long a new container without a health check must run, `delay` how long the
  old one may end its requests, `order: stop-first` recreates, `start-first` says that two may write to one volume.
- Menu keys are left out, and so are Docker's `alpha` commands.

## Variables

`COMPOSE_FILE`, `COMPOSE_PATH_SEPARATOR`, `COMPOSE_PROFILES`, `COMPOSE_PROJECT_NAME`, `COMPOSE_ENV_FILES`,
`COMPOSE_DISABLE_ENV_FILE`, `COMPOSE_REMOVE_ORPHANS`, `COMPOSE_IGNORE_ORPHANS`, `COMPOSE_PARALLEL_LIMIT`,
`COMPOSE_PROGRESS` and `COMPOSE_ANSI` mean what they mean to Docker Compose. `COMPOSE_MENU`, `COMPOSE_BAKE`,
`COMPOSE_EXPERIMENTAL` and `COMPOSE_CONVERT_WINDOWS_PATHS` mean nothing.

"""


def keys() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((HERE / "keys.yaml").read_text())
    return found


def commands() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((HERE / "commands.yaml").read_text())
    return found


def declared(command: str) -> dict[str, Flag]:
    return parse_flags(load(f"compose.{VERBS[command]}", command).flags_text)


def state(command: str, flag: str) -> str:
    """Return what becomes of a flag of Docker Compose's: ``yes``, ``nothing`` or why not; empty if it is unknown."""
    name, _, letter = flag.partition(" -")
    if not command:
        if name in ("compatibility", "all-resources"):
            return "nothing"
        known = {*SWITCHES, *(f"--{value}" for value in GLOBALS.values()), *GLOBALS}
        return "yes" if f"--{name}" in known and (not letter or f"-{letter}" in known) else ""
    if reason := FLAGS.get(f"compose {command}", {}).get(name):
        return f"refused: {reason[0]}"
    flags = declared(command)
    if name not in flags or (letter and flags[name].short != letter):
        return ""
    return "nothing" if flags[name].help.startswith("Accepted for Docker Compose's sake") else "yes"


def render() -> str:
    return HEAD + "\n".join([*_commands(), "", *_keys()]) + "\n"


def _commands() -> Iterator[str]:
    yield "## Commands and flags"
    yield ""
    yield "| Command | Flags | Beyond Docker Compose | Test |"
    yield "| --- | --- | --- | --- |"
    for row in commands():
        name = row["command"]
        if name in REFUSED:
            yield f"| `{name}` | refused: {REFUSED[name][0]} | | `{row['test']}` |"
            continue
        theirs = {flag.partition(" -")[0] for flag in row["flags"]}
        told = [_flag(flag, state(name, flag)) for flag in row["flags"]]
        own = _own(name, theirs) if name else []
        yield f"| `{name or 'before the command'}` | {', '.join(told) or 'none'} | {', '.join(own)} | `{row['test']}` |"
    for name in VERBS:
        if name not in {row["command"] for row in commands()}:
            yield f"| `{name}` | | {', '.join(_own(name, set()))} | `{OURS[name]}` |"


def _own(name: str, theirs: set[str]) -> list[str]:
    shared = set(GLOBALS.values()) | {"dry-run"}
    flags = {flag.name for flag in declared(name).values()} - theirs - shared
    return [f"`--{flag}`" for flag in sorted(flags)]


def _flag(flag: str, said: str) -> str:
    name, _, letter = flag.partition(" -")
    shown = f"`--{name}`" + (f" `-{letter}`" if letter else "")
    return shown if said == "yes" else f"{shown} ({'accepted, means nothing' if said == 'nothing' else said})"


def _keys() -> Iterator[str]:
    yield "## Keys"
    yield ""
    yield "| Key | | Test beside `test_keys.py` |"
    yield "| --- | --- | --- |"
    for row in keys():
        said = {"refused": "refused", "nothing": "accepted, means nothing"}.get(row.get("is", ""), "honoured")
        said += f": {row['why']}" if "why" in row else ""
        test = f"`{row['test']}`" if "test" in row else ""
        yield f"| `{row['key']}` | {said} | {test} |"


def main() -> int:
    if "--check" in sys.argv:
        if PAGE.read_text() != render():
            print(
                "docs: docs/compose.md is out of date\nhint: run scripts/docs and commit it", file=sys.stderr
            )
            return 1
        return 0
    PAGE.write_text(render())
    return 0


if __name__ == "__main__":
    sys.exit(main())
