"""Whatever bytes a Compose file or an .env holds: a project, or an error with file, line and column. Never a traceback."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from yurt.compose import dotenv
from yurt.compose.model import Project
from yurt.compose.project import Options, load_project, locate
from yurt.compose.show import shown
from yurt.errors import InvalidArgument, Unimplemented, YurtError

CORPUS = sorted((Path(__file__).parent / "corpus").iterdir())
KEYS: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("keys.yaml").read_text())
PLACE = re.compile(r"^(?:compose\.yaml|\.env|[\w./-]+):\d+:\d+: ")
WHOLE_FILE = (
    "not UTF-8 text",
    "larger than",
    "no services",
    "not valid YAML",
    "is no project name",
    "gives no project name",
)

FUZZ = settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def answer(folder: Path, content: bytes, environ: dict[str, str] | None = None) -> Project | YurtError:
    """Return what a Compose file gives; fails on anything but a project or an error that names the place."""
    (folder / "compose.yaml").write_bytes(content)
    try:
        location = locate(Options(), cwd=str(folder), environ=environ or {}, read_stdin=bytes)
        project = load_project(location)
        shown(project, "json")
        shown(project, "yaml")
    except YurtError as error:
        said = str(error)
        assert PLACE.match(said) or any(words in said for words in WHOLE_FILE), said
        assert "\n" not in said or "YAML" not in said
        return error
    return project


@FUZZ
@given(content=st.binary(max_size=400))
@example(content=b"\xff\xfe")
@example(content=b"\x00")
@example(content=b"&a [*a]")
@example(content=b"{" * 5000)
@example(content=b"services: {a: {image: b}}\n---\nx: y\n")
def test_bytes(tmp_path: Path, content: bytes) -> None:
    """Any bytes."""
    answer(tmp_path, content)


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(["${", "$", "${A:?}", "${A:-${B}}", "1.5.5", "::", ":", "/", "~", "-", "80:80", "99999", "8000-7000",
                     "service:", "service:web", "on-failure:x", "a=b", "=", "1g", "1x", "5s", "-5s", "1e400", "0x", "0o9",
                     "\0", "[::1]:80:80", "a:b:c:d", "every_", "every_99999w"]),
)  # fmt: skip
names = st.one_of(
    st.sampled_from([step for row in KEYS for step in row["key"].split(".")]), st.text(max_size=6)
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(names, inner, max_size=4)),
    max_leaves=12,
)


@FUZZ
@given(row=st.sampled_from(KEYS), value=values)
def test_values(tmp_path: Path, row: dict[str, Any], value: Any) -> None:
    """Any value at the place of any key of the specification."""
    document: Any = value
    for step in reversed(row["key"].split(".")):
        name = step.removesuffix("[]")
        document = {"web" if name == "*" else name: [document] if step.endswith("[]") else document}
    if row["key"].startswith("services."):
        web = document["services"]["web"]
        if isinstance(web, dict):
            web.setdefault("image", "i")
    else:
        document["services"] = document.get("services") or {"web": {"image": "i"}}
    try:
        text = yaml.safe_dump(document, allow_unicode=True)
    except yaml.YAMLError:
        return
    answer(tmp_path, text.encode("utf-8", "surrogatepass"))


@FUZZ
@given(text=st.text(alphabet=st.sampled_from("services: \n-{}[]&*<|>'\"#!,ab:${}"), max_size=120))
def test_almost_yaml(tmp_path: Path, text: str) -> None:
    """Text made of what YAML is made of."""
    answer(tmp_path, b"services: {web: {image: i}}\n" + text.encode())
    answer(tmp_path, text.encode())


@FUZZ
@given(text=st.text(alphabet=st.sampled_from("AB=\n'\"\\${}:-# \texport?+"), max_size=80))
@example(text="A='")
@example(text='A="\\')
@example(text="export")
@example(text="A=${A:-${A:-${A}}}")
def test_env(tmp_path: Path, text: str) -> None:
    """An .env: variables, or an error with its line."""
    try:
        found = dotenv.parse(text, ".env", {"B": "b"})
    except InvalidArgument as error:
        assert PLACE.match(str(error)), error  # noqa: PT017 - a result is as good
        return
    assert all(isinstance(value, str) for value in found.values())
    (tmp_path / ".env").write_text(text)
    answer(tmp_path, b"services: {web: {image: 'i${A}', env_file: .env}}")


@FUZZ
@given(content=st.binary(max_size=120))
def test_env_bytes(tmp_path: Path, content: bytes) -> None:
    """An .env of any bytes."""
    (tmp_path / ".env").write_bytes(content)
    try:
        locate(Options(files=("compose.yaml",)), cwd=str(tmp_path), environ={}, read_stdin=bytes)
    except YurtError as error:
        assert str(error)  # noqa: PT017


@pytest.mark.parametrize("path", CORPUS, ids=[path.name for path in CORPUS])
@pytest.mark.timeout(20)
def test_corpus(tmp_path: Path, path: Path) -> None:
    """What once was hard: bombs, circles, deep nesting, and what fuzzing found; refused or read, soon."""
    (tmp_path / "second.yaml").write_text("include: [compose.yaml]")
    found = answer(tmp_path, path.read_bytes())
    if path.name.startswith("bad-"):
        assert isinstance(found, InvalidArgument | Unimplemented), found
    else:
        assert isinstance(found, Project), found
