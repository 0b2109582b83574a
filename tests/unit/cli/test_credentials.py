import base64
import json
import stat

import pytest

from yurt.cli import credentials
from yurt.errors import InvalidArgument


@pytest.fixture
def environ(tmp_path):
    return {"DOCKER_CONFIG": str(tmp_path)}


@pytest.mark.parametrize(
    ("image", "server"),
    [
        ("bb", credentials.HUB),
        ("me/bb:1", credentials.HUB),
        ("docker.io/me/bb", credentials.HUB),
        ("localhost/bb", "localhost"),
        ("registry.example.com/a/bb", "registry.example.com"),
        ("host:5000/bb", "host:5000"),
    ],
)
def test_an_image_names_its_registry(image, server):
    """Who one is depends on the registry, and only on that."""
    assert credentials.server_of(image) == server


def test_what_was_stored_is_sent_and_can_be_forgotten(environ, tmp_path):
    """The file is Docker's and private; other settings in it stay."""
    (tmp_path / "config.json").write_text('{"psFormat": "x"}')
    assert credentials.header(environ, "host:5000/bb") == {}
    credentials.store(environ, "host:5000", "me", "se:cret")
    header = credentials.header(environ, "host:5000/bb")["X-Registry-Auth"]
    assert json.loads(base64.urlsafe_b64decode(header)) == {
        "username": "me",
        "password": "se:cret",
        "serveraddress": "host:5000",
    }
    everything = credentials.header_of_all(environ)["X-Registry-Config"]
    assert json.loads(base64.urlsafe_b64decode(everything))["host:5000"]["username"] == "me"
    assert stat.S_IMODE((tmp_path / "config.json").stat().st_mode) == 0o600
    assert json.loads((tmp_path / "config.json").read_text())["psFormat"] == "x"
    assert credentials.forget(environ, "host:5000")
    assert not credentials.forget(environ, "host:5000")


def test_a_broken_file_is_named(environ, tmp_path):
    """The path is in the sentence."""
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InvalidArgument, match=r"cannot read .*config\.json"):
        credentials.header(environ, "bb")
