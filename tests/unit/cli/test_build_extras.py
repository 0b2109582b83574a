"""What `yurt build` reads from --secret, --ssh and --output, and how secrets travel."""

import base64
from pathlib import Path

import pytest

from yurt.api.build_extras import HEADER, PIECE, from_headers, to_headers
from yurt.cli.build_extras import agent, secret
from yurt.cli.build_output import Output
from yurt.cli.failure import Failure
from yurt.errors import InvalidArgument


def test_secrets_and_agents_travel_in_headers_of_bounded_size() -> None:
    secrets, agents = {"a": bytes(range(256)) * 300, "b": b""}, {"default": "/run/agent"}
    headers = to_headers(secrets, agents)
    assert max(map(len, headers.values())) <= PIECE
    assert from_headers(headers) == (secrets, agents)
    assert to_headers({}, {}) == {}
    assert from_headers({}) == ({}, {})


@pytest.mark.parametrize(
    "document", [b"[]", b"{}", b'{"secrets": 1, "agents": {}}', b"\xff", b'{"secrets":{"a":"!"},"agents":{}}']
)
def test_headers_that_hold_something_else_are_refused(document: bytes) -> None:
    with pytest.raises(InvalidArgument, match=HEADER):
        from_headers({f"{HEADER}-0": base64.urlsafe_b64encode(document).decode()})


def test_a_secret_comes_from_a_file_or_a_variable(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"\0x")
    assert secret(f"id=a,src={tmp_path}/f", {}) == ("a", b"\0x")
    assert secret("id=a,env=B", {"B": "v"}) == ("a", b"v")
    assert secret("id=A", {"A": "v"}) == ("A", b"v")
    assert secret("type=env,id=a,src=B", {"B": "v"}) == ("a", b"v")
    (tmp_path / "large").write_bytes(bytes(600_000))
    for text, said in (
        ("src=f", "no id"),
        ("id=a", "has no a"),
        ("id=a,src=/nowhere/x", "cannot read"),
        ("id=a,what=1", "is not one of"),
        ("id=a,type=x", "not file or env"),
        (f"id=a,src={tmp_path}/large", "larger than"),
    ):
        with pytest.raises(Failure, match=said):
            secret(text, {})


def test_an_agent_is_a_socket(tmp_path: Path) -> None:
    for text, said in (
        ("default", "no SSH agent runs here"),
        (f"a={tmp_path}", "no agent's socket"),
        (f"a={tmp_path}/none", "No such file"),
    ):
        with pytest.raises(Failure, match=said):
            agent(text, {})


@pytest.mark.parametrize(
    ("text", "output"),
    [
        ("dist", Output("local", "dist")),
        ("-", Output("tar", "-")),
        ("type=tar,dest=x.tar", Output("tar", "x.tar")),
        ("type=image", Output("image")),
        ("type=oci", Output("oci")),
    ],
)
def test_outputs(text: str, output: Output) -> None:
    assert Output.parse(text) == output


@pytest.mark.parametrize(
    "text", ["type=local", "type=cloud,dest=x", "dest=x", "type=tar,to=x", "type=image,dest=x"]
)
def test_outputs_that_mean_nothing_are_refused(text: str) -> None:
    with pytest.raises(Failure):
        Output.parse(text)
