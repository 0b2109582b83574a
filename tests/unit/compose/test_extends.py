"""yurt.compose.extends: services that take over what others say."""

from pathlib import Path

import pytest
from tests.unit.compose.projects import a_project

from yurt.errors import InvalidArgument, NotFound, Unimplemented


def test_same_file(tmp_path: Path) -> None:
    """A service is laid on the one it extends, by the rules for several files, through several steps."""
    text = """
    services:
      base: {image: a, environment: {A: 1, B: 1}, command: [x]}
      middle: {extends: base, environment: {B: 2}}
      web: {extends: {service: middle}, environment: [C=3], command: [y]}
    """
    web = a_project(text, tmp_path).service("web")
    assert (web.image, web.environment, web.command) == ("a", {"A": "1", "B": "2", "C": "3"}, ("y",))


def test_other_file(tmp_path: Path) -> None:
    """A file beside it may be extended, with its variables replaced."""
    (tmp_path / "base.yaml").write_text("services: {base: {image: 'a:${TAG}'}}")
    text = "services: {web: {extends: {file: base.yaml, service: base}, user: me}}"
    web = a_project(text, tmp_path, environ={"TAG": "7"}).service("web")
    assert (web.image, web.user) == ("a:7", "me")


def test_other_folder(tmp_path: Path) -> None:
    """Paths of a file in another folder are relative to that folder, through several steps."""
    (tmp_path / "shared" / "deep").mkdir(parents=True)
    (tmp_path / "shared" / "base.yaml").write_text(
        "services: {base: {extends: {file: deep/d.yaml, service: d}, volumes: ['./data:/data', 'named:/n']}}"
    )
    (tmp_path / "shared" / "deep" / "d.yaml").write_text(
        "services: {d: {build: app, env_file: [a.env, {path: none.env, required: false}]}}"
    )
    (tmp_path / "shared" / "deep" / "a.env").write_text("A=1")
    text = "services: {web: {extends: {file: shared/base.yaml, service: base}}}\nvolumes: {named: {}}"
    web = a_project(text, tmp_path).service("web")
    assert web.build is not None
    assert web.build.context == str(tmp_path / "shared" / "deep" / "app")
    assert [mount.source for mount in web.mounts] == [str(tmp_path / "shared" / "data"), "named"]
    assert web.environment == {"A": "1"}


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ("none", "services.web.extends: no such service: 'none', expected one of web"),
        ("web", "services.web.extends: goes in a circle: web → web"),
        ("{file: x}", "services.web.extends: names no service, expected `service:`"),
        ("{service: a, fiel: b}", "services.web.extends.fiel: unknown key"),
        ("{service: a, file: none.yaml}", "services.web.extends.file: cannot read"),
        ("{service: a, file: 'https://example.com/base.yaml'}", "is on another machine"),
    ],
)
def test_mistakes(tmp_path: Path, wish: str, message: str) -> None:
    """What can't be extended is told with its place."""
    with pytest.raises((InvalidArgument, NotFound, Unimplemented)) as caught:
        a_project(f"services: {{web: {{image: a, extends: {wish}}}}}", tmp_path)
    assert message in str(caught.value)
