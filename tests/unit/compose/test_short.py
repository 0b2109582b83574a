"""yurt.compose.short: ports and volumes in their short forms."""

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yurt.compose.model import Mount, Port
from yurt.compose.short import mount, ports
from yurt.errors import InvalidArgument


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("80", "80/tcp"), ("8000:80", "8000:80/tcp"), ("53:53/udp", "53:53/udp"),
        ("127.0.0.1:8000:80", "127.0.0.1:8000:80/tcp"), ("127.0.0.1::80", "127.0.0.1::80/tcp"),
        ("[::1]:8000:80", "[::1]:8000:80/tcp"), ("80-81", "80/tcp 81/tcp"), ("90-91:80-81", "90:80/tcp 91:81/tcp"),
        ("8000-9000:80", "8000-9000:80/tcp"),
    ],
)  # fmt: skip
def test_ports(text: str, shown: str) -> None:
    """Every short form names its ports."""
    assert " ".join(map(str, ports(text))) == shown


@pytest.mark.parametrize(
    "text", ["", "x", "0", "65536", "1:2:3:4", "80/http", "80-70", "1-2:1-3", "[::1]80", ":"]
)
def test_bad_ports(text: str) -> None:
    """What is no port is refused, saying what was expected."""
    with pytest.raises(InvalidArgument):
        list(ports(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/data", Mount("volume", "/data")),
        ("data:/data", Mount("volume", "/data", "data")),
        ("data:/data:ro", Mount("volume", "/data", "data", read_only=True)),
        ("./src:/app", Mount("bind", "/app", "/project/src")),
        ("../x:/app/", Mount("bind", "/app", "/x")),
        ("~/x:/app:ro,z", Mount("bind", "/app", "/home/me/x", read_only=True, selinux="z")),
        ("/x:/y:rshared", Mount("bind", "/y", "/x", propagation="rshared")),
        ("data:/d:nocopy", Mount("volume", "/d", "data", nocopy=True)),
    ],
)
def test_mounts(text: str, expected: Any) -> None:
    """Every short form is a mount; host paths become absolute."""
    assert mount(text, "/project", "/home/me") == expected


@pytest.mark.parametrize("text", ["", ":", "data", "a:b", "a:/b:c", "a:/b:ro:x", "a b:/c"])
def test_bad_mounts(text: str) -> None:
    """What is no mount is refused."""
    with pytest.raises(InvalidArgument):
        mount(text, "/project", "/home/me")


@given(st.text(alphabet="0123456789:-/[]tcpud. "))
@settings(max_examples=300)
def test_any_text(text: str) -> None:
    """Whatever the text, the answer is a value or one error of ours."""
    with contextlib.suppress(InvalidArgument):
        assert all(isinstance(port, Port) for port in ports(text))
    with contextlib.suppress(InvalidArgument):
        assert mount(text, "/", "/").target.startswith("/")
