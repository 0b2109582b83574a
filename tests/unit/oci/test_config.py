"""ImageConfig: the document and the value are each other's inverse."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yurt.errors import InvalidArgument
from yurt.oci.config import History, ImageConfig

text = st.text(max_size=8)
texts = st.lists(text, max_size=3).map(tuple)
keys = st.lists(text, max_size=3, unique=True).map(sorted).map(tuple)

configs = st.builds(
    ImageConfig,
    architecture=text,
    os=st.sampled_from(["linux", "windows"]),
    variant=text,
    created=text,
    author=text,
    env=texts,
    entrypoint=texts,
    cmd=texts,
    user=text,
    working_dir=text,
    labels=st.dictionaries(text, text, max_size=3),
    exposed_ports=keys,
    volumes=keys,
    stop_signal=text,
    shell=texts,
    on_build=texts,
    healthcheck=st.none() | st.just({"Test": ["CMD", "true"], "Interval": 30_000_000_000}),
    args_escaped=st.booleans(),
    diff_ids=texts,
    history=st.lists(st.builds(History, text, text, text, text, st.booleans()), max_size=3).map(tuple),
    other=st.dictionaries(st.sampled_from(["os.version", "moby.buildkit"]), text, max_size=2),
    other_config=st.dictionaries(st.sampled_from(["OpenStdin", "x"]), st.integers(0, 9), max_size=2),
)


@settings(deadline=None)
@given(configs)
def test_a_configuration_comes_back_from_its_document(config: ImageConfig) -> None:
    """from_bytes is the inverse of to_bytes, fields that are unknown here included."""
    assert ImageConfig.from_bytes(config.to_bytes()) == config


def test_dockers_document_is_read() -> None:
    """Nulls, Docker's leftovers and its own fields are what they are in the wild."""
    document: dict[str, Any] = {
        "architecture": "amd64",
        "os": "linux",
        "container": "abc",
        "docker_version": "20.10",
        "config": {
            "Hostname": "",
            "Env": None,
            "Cmd": "/bin/sh",
            "Entrypoint": None,
            "ExposedPorts": {"80/tcp": {}},
            "Volumes": None,
            "Labels": None,
            "Healthcheck": {"Test": ["NONE"]},
        },
        "rootfs": {"type": "layers", "diff_ids": ["sha256:x"]},
        "history": None,
    }
    config = ImageConfig.from_document(document)
    assert config.cmd == ("/bin/sh",)
    assert config.env == config.entrypoint == config.volumes == ()
    assert config.history == ()
    assert config.exposed_ports == ("80/tcp",)
    assert config.other == {}
    assert config.other_config == {"Hostname": ""}


def test_what_is_empty_is_left_out() -> None:
    """A small image has a small document."""
    assert ImageConfig().to_document() == {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": []},
        "history": [],
    }


def test_equal_configurations_have_equal_ids() -> None:
    """Order of what has none does not matter."""
    one = ImageConfig(labels={"a": "1", "b": "2"}, volumes=("/x", "/a"))
    two = replace(one, labels={"b": "2", "a": "1"}, volumes=("/a", "/x"))
    assert one.to_bytes() == two.to_bytes()


@pytest.mark.parametrize(
    "document",
    [
        {"config": []},
        {"config": {"Env": "A=1", "Cmd": 5}},
        {"config": {"Env": [1]}},
        {"config": {"User": 0}},
        {"rootfs": {"type": "windows"}},
        {"rootfs": {"diff_ids": {}}},
        {"config": {"Volumes": ["/x"]}},
    ],
)
def test_a_field_of_the_wrong_shape_is_named(document: dict[str, Any]) -> None:
    """The error says which field."""
    with pytest.raises(InvalidArgument, match="invalid image configuration"):
        ImageConfig.from_document(document)


@pytest.mark.parametrize("data", [b"", b"nonsense", b"[]", b" " * (9 << 20)])
def test_what_is_no_document_is_refused(data: bytes) -> None:
    """A broken blob is one clear error."""
    with pytest.raises(InvalidArgument):
        ImageConfig.from_bytes(data)
