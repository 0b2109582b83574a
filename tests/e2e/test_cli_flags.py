"""Every flag that `docker COMMAND --help` shows is ours as well, or is refused with a reason."""

import os
import re
import subprocess

import pytest
from tests.conftest import Needs

from yurt.cli.flags import parse_flags
from yurt.cli.main import COMMANDS, GROUPS, load
from yurt.cli.refused import command_refused, flag_refused

TOP = (
    "attach build commit cp create diff events exec export history images import info inspect kill load login logout "
    "logs pause port ps pull push rename restart rm rmi run save search start stats stop tag top unpause update "
    "version wait"
)
GROUPED = {
    "container": "attach commit cp create diff exec export inspect kill logs ls pause port prune rename restart rm "
    "run start stats stop top unpause update wait",
    "image": "build history import inspect load ls prune pull push rm save tag",
    "network": "connect create disconnect inspect ls prune rm",
    "system": "df events info prune",
    "volume": "create inspect ls prune rm update",
}
PATHS = [*TOP.split(), *(f"{group} {verb}" for group, verbs in GROUPED.items() for verb in verbs.split())]

LINE = re.compile(r"^  (?:-(?P<short>\w), |    )--(?P<name>[\w-]+)(?: (?P<kind>\S+))?(?:  |$)", re.MULTILINE)
MANY = ("list", "strings", "stringArray", "map", "filter", "mount", "port", "ulimit")


@pytest.mark.parametrize("path", PATHS)
def test_every_flag_of_docker_is_ours_or_refused(needs: Needs, path: str) -> None:
    """With its short form, a value where Docker's takes one, and many where Docker's takes many."""
    words = path.split()
    shown = subprocess.run(
        [needs.program("docker"), *words, "--help"],
        env={**os.environ, "DOCKER_BUILDKIT": "0"},  # the flags of `build` itself, not of the plug-in Buildx
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    if command_refused(f"yurt {path}"):
        assert words[-1] not in GROUPS[words[0]]
        return
    place = COMMANDS[path] if len(words) == 1 else GROUPS[words[0]][words[1]]
    ours = parse_flags(load(place, words[-1]).flags_text)
    wrong = []
    for found in LINE.finditer(shown):
        name, short, kind = found["name"], found["short"], found["kind"]
        flag = ours.get(name)
        if name == "help":
            continue
        if flag is None:
            if not all(flag_refused(f"yurt {path}", each, each) for each in (name, short) if each):
                wrong.append(f"--{name} is missing")
        elif short and ours.get(short) is not flag:
            wrong.append(f"-{short} is not --{name}")
        elif flag.takes_value != bool(kind):
            wrong.append(f"--{name} takes {kind or 'no value'}")
        elif kind in MANY and not flag.repeats:
            wrong.append(f"--{name} may be given many times")
    assert not wrong
