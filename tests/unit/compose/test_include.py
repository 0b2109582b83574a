"""yurt.compose.include, sources and rebase: projects made of other projects."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.unit.compose.projects import a_project

from yurt.compose.model import Project
from yurt.compose.project import Options, load_project, locate
from yurt.errors import InvalidArgument, NotFound, Unimplemented


def loaded(
    folder: Path, files: Mapping[str, str], *named: str, environ: Mapping[str, str] | None = None
) -> Project:
    """Write *files* below *folder* and return the project of those *named* (or found)."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    options = Options(name="shop", files=named)
    location = locate(options, cwd=str(folder), environ=environ or {}, read_stdin=bytes)
    return load_project(location)


def test_short(tmp_path: Path) -> None:
    """All sections come in; paths are relative to the included file, whose .env counts less than the environment."""
    project = loaded(
        tmp_path,
        {
            "compose.yaml": "include: [db/compose.yaml]\nservices: {web: {image: 'w:${TAG-none}', depends_on: [db]}}",
            "db/compose.yaml": """
                services:
                  db: {image: 'db:${TAG}', volumes: ['./d:/d', 'v:/v'], environment: [A, B], secrets: [s]}
                volumes: {v: {}}
                secrets: {s: {file: s.txt}}
            """,
            "db/.env": "TAG=7\nA=included\nB=included",
        },
        environ={"B": "outer"},
    )
    db = project.service("db")
    assert (db.image, project.service("web").image) == ("db:7", "w:none")
    assert db.environment == {"A": "included", "B": "outer"}
    assert {mount.target: mount.source for mount in db.mounts} == {
        "/d": str(tmp_path / "db" / "d"),
        "/v": "v",
        "/run/secrets/s": str(tmp_path / "db" / "s.txt"),
    }
    assert project.volumes["v"].name == "shop_v"


def test_long(tmp_path: Path) -> None:
    """Several files are merged into one project; its folder and its variables can be chosen."""
    project = loaded(
        tmp_path,
        {
            "compose.yaml": """
                include: [{path: [a/one.yaml, a/two.yaml], project_directory: b, env_file: [x.env, y.env]}]
                services: {web: {image: w}}
            """,
            "a/one.yaml": "services: {db: {image: 'db:${TAG}', volumes: ['./d:/d']}}",
            "a/two.yaml": "services: {db: {environment: {N: '${N}'}}}",
            "x.env": "TAG=1\nN=1",
            "y.env": "TAG=2",
            "b/.env": "TAG=unused",
        },
    )
    db = project.service("db")
    assert (db.image, db.environment, db.mounts[0].source) == ("db:2", {"N": "1"}, str(tmp_path / "b" / "d"))


def test_nested_and_overridden(tmp_path: Path) -> None:
    """An include may include; a later -f file overrides what came so."""
    project = loaded(
        tmp_path,
        {
            "compose.yaml": "include: [a/a.yaml]\nservices: {web: {image: w}}",
            "a/a.yaml": "include: [b/b.yaml]\nservices: {a: {image: a, build: ctx}}",
            "a/b/b.yaml": "services: {b: {image: b, build: {dockerfile: D}}}",
            "over.yaml": "services: {b: {image: mine}}",
        },
        "compose.yaml",
        "over.yaml",
    )
    assert set(project.services) == {"web", "a", "b"}
    a, b = project.service("a").build, project.service("b").build
    assert a is not None
    assert b is not None
    assert (a.context, b.context) == (str(tmp_path / "a" / "ctx"), str(tmp_path / "a" / "b"))
    assert project.service("b").image == "mine"


def test_extends_across(tmp_path: Path) -> None:
    """Each file's extends are done in that file, so what it includes may extend its neighbours."""
    project = loaded(
        tmp_path,
        {
            "compose.yaml": "include: [a/a.yaml]\nservices: {web: {image: w}}",
            "a/a.yaml": "services: {a: {extends: {service: x, file: ../x.yaml}}}",
            "x.yaml": "services: {x: {image: x, env_file: e.env}}",
            "e.env": "E=1",
        },
    )
    assert project.service("a").environment == {"E": "1"}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"compose.yaml": "include: [a.yaml]", "a.yaml": "include: [b.yaml]", "b.yaml": "include: [a.yaml]"},
         "b.yaml:1:11: include[0]: goes in a circle: a.yaml → b.yaml → a.yaml"),
        ({"compose.yaml": "include: [compose.yaml]"}, "goes in a circle: compose.yaml → compose.yaml"),
        ({"compose.yaml": "include: [none.yaml]"}, "compose.yaml:1:11: include[0]: cannot read none.yaml"),
        ({"compose.yaml": "include: a.yaml"}, "include: is not a list, expected a list of paths"),
        ({"compose.yaml": "include: [{pat: a.yaml}]"}, "include[0].pat: unknown key"),
        ({"compose.yaml": "include: [{path: []}]"}, "include[0]: names no file"),
        ({"compose.yaml": "include: [{path: a.yaml, env_file: none.env}]", "a.yaml": ""},
         "include[0].env_file: cannot read none.env"),
        ({"compose.yaml": "include: ['https://example.com/x.yaml']"}, "is on another machine"),
        ({"compose.yaml": "include: ['oci://example.com/x']"}, "is on another machine"),
        ({"compose.yaml": "include: ['git@example.com:x.git']"}, "is on another machine"),
        ({"compose.yaml": "include: [a.yaml]\nservices: {web: {image: w}}", "a.yaml": "services: {web: {image: v}}"},
         "compose.yaml:2:12: services.web: is also in a.yaml:1:12, which is included"),
        ({"compose.yaml": "include: [a.yaml]", "a.yaml": "services: {web: {image: '${'}}"}, "a.yaml:1:25: services.web.image"),
    ],
)  # fmt: skip
def test_mistakes(tmp_path: Path, files: Mapping[str, str], message: str) -> None:
    """What can't be included is told with its place."""
    with pytest.raises((InvalidArgument, NotFound, Unimplemented)) as caught:
        loaded(tmp_path, files)
    assert message in str(caught.value)


def test_same_thing_twice(tmp_path: Path) -> None:
    """Two includes may bring the same thing, if they say the same of it."""
    project = loaded(
        tmp_path,
        {
            "compose.yaml": "include: [a.yaml, b.yaml]\nservices: {web: {image: w}}",
            "a.yaml": "include: [c.yaml]",
            "b.yaml": "include: [c.yaml]",
            "c.yaml": "services: {c: {image: c}}",
        },
    )
    assert set(project.services) == {"web", "c"}


def test_bomb(tmp_path: Path) -> None:
    """Files that include many that include many end with an error."""
    files = {f"f{i}.yaml": f"include: [{', '.join(f'f{i + 1}.yaml' for _ in range(2))}]" for i in range(30)}
    with pytest.raises(InvalidArgument, match="a project of more than 200 files"):
        loaded(
            tmp_path, {"compose.yaml": "include: [f0.yaml]", **files, "f30.yaml": "services: {a: {image: a}}"}
        )


def test_files_by_variable(tmp_path: Path) -> None:
    """COMPOSE_FILE and its separator choose the files, from the environment or from .env."""
    files = {"a.yaml": "services: {a: {image: a}}", "b.yaml": "services: {b: {image: b}}"}
    assert set(loaded(tmp_path, files, environ={"COMPOSE_FILE": "a.yaml:b.yaml"}).services) == {"a", "b"}
    (tmp_path / ".env").write_text("COMPOSE_FILE=a.yaml,b.yaml\nCOMPOSE_PATH_SEPARATOR=,\n")
    assert set(loaded(tmp_path, {}).services) == {"a", "b"}


def test_tags_of_several_files(tmp_path: Path) -> None:
    """!reset drops and !override replaces what earlier files said, in included and extended things too."""
    project = loaded(
        tmp_path,
        {
            "compose.yaml": "include: [a.yaml]\nservices: {web: {image: w, ports: ['80'], environment: {A: 1, B: 2}}}",
            "a.yaml": "services: {a: {image: a, ports: ['81'], command: x}}",
            "over.yaml": """
                services:
                  web: {ports: !override ['90'], environment: {A: !reset null}}
                  a: {ports: !reset [], command: !reset null}
            """,
        },
        "compose.yaml",
        "over.yaml",
    )
    web, a = project.service("web"), project.service("a")
    assert [port.target for port in web.ports] == [90]
    assert (web.environment, a.ports, a.command) == ({"B": "2"}, (), None)


def test_a_project(tmp_path: Path) -> None:
    """A project may consist of includes alone."""
    (tmp_path / "a.yaml").write_text("services: {a: {image: a}}")
    assert set(a_project("include: [a.yaml]", tmp_path).services) == {"a"}
