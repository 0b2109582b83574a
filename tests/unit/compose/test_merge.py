"""yurt.compose.merge: several files as one."""

from typing import Any

import pytest

from yurt.compose.load import load
from yurt.compose.merge import merged
from yurt.compose.nodes import plain


def merge(*texts: str) -> Any:
    return plain(merged([load(f"services: {{web: {text}}}", f"{n}") for n, text in enumerate(texts)]))[
        "services"
    ]["web"]


@pytest.mark.parametrize(
    ("base", "over", "result"),
    [
        ("{image: a, user: u}", "{image: b}", {"image": "b", "user": "u"}),
        ("{command: [a, b]}", "{command: [c]}", {"command": ["c"]}),
        ("{entrypoint: [a]}", "{entrypoint: b}", {"entrypoint": "b"}),
        ("{healthcheck: {test: [CMD, a], retries: 2}}", "{healthcheck: {test: [CMD, b]}}",
         {"healthcheck": {"test": ["CMD", "b"], "retries": 2}}),
        ("{environment: [A=1, B=2]}", "{environment: {B: 3, C: 4}}", {"environment": {"A": "1", "B": 3, "C": 4}}),
        ("{labels: {a: 1}}", "{labels: [a=2, b]}", {"labels": {"a": "2", "b": None}}),
        ("{ports: ['80:80', '81:81']}", "{ports: ['80:80', '82:82']}", {"ports": ["80:80", "81:81", "82:82"]}),
        ("{volumes: ['a:/x', 'b:/y']}", "{volumes: ['c:/x:ro']}", {"volumes": ["c:/x:ro", "b:/y"]}),
        ("{dns: 1.1.1.1}", "{dns: [8.8.8.8]}", {"dns": ["1.1.1.1", "8.8.8.8"]}),
        ("{env_file: a.env}", "{env_file: b.env}", {"env_file": ["a.env", "b.env"]}),
        ("{depends_on: [a]}", "{depends_on: {b: {condition: service_healthy}}}",
         {"depends_on": {"a": {"condition": "service_started"}, "b": {"condition": "service_healthy"}}}),
        ("{networks: [a]}", "{networks: {b: {aliases: [x]}}}", {"networks": {"a": None, "b": {"aliases": ["x"]}}}),
        ("{build: .}", "{build: {args: {A: 1}}}", {"build": {"context": ".", "args": {"A": 1}}}),
        ("{logging: {driver: a, options: {x: 1}}}", "{logging: {driver: b}}", {"logging": {"driver": "b"}}),
        ("{logging: {driver: a, options: {x: 1}}}", "{logging: {options: {y: 2}}}",
         {"logging": {"driver": "a", "options": {"x": 1, "y": 2}}}),
        ("{ports: ['80:80'], image: a}", "{ports: !reset []}", {"image": "a"}),
        ("{ports: ['80:80']}", "{ports: !override ['81:81']}", {"ports": ["81:81"]}),
        ("{image: a}", "{image: }", {"image": "a"}),
        ("{cap_add: [A]}", "{cap_add: [A, B]}", {"cap_add": ["A", "B"]}),
        ("{extra_hosts: ['a:1']}", "{extra_hosts: {b: 2, a: 1}}", {"extra_hosts": ["a=1", "b=2"]}),
        ("{tmpfs: /a}", "{tmpfs: [/a, /b]}", {"tmpfs": ["/a", "/b"]}),
    ],
)  # fmt: skip
def test_rules(base: str, over: str, result: Any) -> None:
    """The specification's rules, one line each."""
    assert merge(base, over) == result


def test_single() -> None:
    """One file alone is itself, without the tags that speak to earlier files."""
    assert merge("{image: a, ports: !reset []}") == {"image": "a"}


def test_three() -> None:
    """Files are laid on each other in their order."""
    assert merge("{image: a}", "{image: b, user: u}", "{image: c}") == {"image": "c", "user": "u"}
