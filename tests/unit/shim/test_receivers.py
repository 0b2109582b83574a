"""What is sent to the places that take log lines; the sockets are real."""

import re
import socket
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from yurt.shim.log import STDERR, STDOUT
from yurt.shim.receivers import Fluentd, Gelf, Journald, Syslog, packed

MOMENT = 1_795_506_881_123_456_789  # 2026-11-24T07:54:41.123456789Z


def plan(**more: Any) -> dict[str, Any]:
    return {
        "tag": "T",
        "hostname": "host",
        "attributes": {"app.kubernetes/name": "a\nb"},
        "container_id": "0123456789abcdef",
        "container_name": "web",
        "image_id": "sha256:1",
        "image_name": "busybox",
        "command": "true",
        **more,
    }


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.settimeout(10)
        sock.bind(str(tmp_path / "journal"))
        yield sock


def test_journald(journal: socket.socket) -> None:
    """An entry has the native fields; names are made valid, values of several lines carry their length."""
    receiver = Journald(plan(address=journal.getsockname()))
    receiver.send([(STDERR, MOMENT, b"two words")])
    receiver.close()
    entry = journal.recv(1 << 16)
    assert entry.split(b"APP_KUBERNETES_NAME")[0].decode().splitlines() == [
        "MESSAGE=two words",
        "PRIORITY=3",
        "CONTAINER_ID=0123456789ab",
        "CONTAINER_ID_FULL=0123456789abcdef",
        "CONTAINER_NAME=web",
        "CONTAINER_TAG=T",
        "IMAGE_NAME=busybox",
        "SYSLOG_IDENTIFIER=T",
        "SYSLOG_TIMESTAMP=2026-11-24T07:54:41.123456789Z",
    ]
    assert entry.endswith(b"APP_KUBERNETES_NAME\n" + struct.pack("<Q", 3) + b"a\nb\n")


def test_journald_of_a_long_line(journal: socket.socket) -> None:
    """What fits no datagram is handed over as a file."""
    line = b"x" * (1 << 22)
    receiver = Journald(plan(address=journal.getsockname()))
    receiver.send([(STDOUT, MOMENT, line)])
    receiver.close()
    _data, (descriptor,), _flags, _address = socket.recv_fds(journal, 10, 1)
    with open(descriptor, "rb") as file:
        file.seek(0)
        assert file.readline() == b"MESSAGE=" + line + b"\n"


@pytest.mark.parametrize(
    ("form", "head"),
    [
        ("", rb"<30>Nov 2\d \d\d:\d\d:41 T\[\d+\]: "),
        ("rfc3164", rb"<30>Nov 2\d \d\d:\d\d:41 host T\[\d+\]: "),
        ("rfc5424", rb"<30>1 2026-11-24T07:54:41Z host T \d+ T - "),
        ("rfc5424micro", rb"<30>1 2026-11-24T07:54:41\.123456Z host T \d+ T - "),
    ],
)
def test_forms_of_syslog(form: str, head: bytes) -> None:
    """Each form has Docker's head."""
    syslog = Syslog(plan(address="", facility=3, format=form))
    assert re.fullmatch(head + b"hello\n", syslog.encode((STDOUT, MOMENT, b"hello")))


def test_gelf_over_tcp() -> None:
    """Documents are ended by a zero byte; an empty line says nothing and is not sent."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        gelf = Gelf(
            plan(address=f"tcp://127.0.0.1:{port}", created="", compression="none", compression_level=1)
        )
        gelf.send([(STDOUT, MOMENT, b"a"), (STDOUT, MOMENT, b""), (STDOUT, MOMENT, b"\xff")])
        gelf.close()
        connection, _address = server.accept()
        with connection:
            documents = connection.recv(1 << 16).split(b"\0")
    assert len(documents) == 3
    assert documents[2] == b""
    assert b'"timestamp":1795506881.123' in documents[0]


def test_gelf_with_zlib() -> None:
    """The other compression."""
    gelf = Gelf(plan(address="", created="", compression="zlib", compression_level=9))
    assert zlib.decompress(gelf._compressed(b"{}")) == b"{}"


def test_a_receiver_that_goes_away_is_dialed_again() -> None:
    """A broken connection is an error, once; the next attempt makes a new one."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        where = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        fluentd = Fluentd(plan(address=where, ack=True, sub_second=False))
        fluentd.sock = fluentd.connected()
        server.accept()[0].close()
        with pytest.raises(OSError):
            fluentd.send([(STDOUT, MOMENT, b"a")])
        assert fluentd.sock is None


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (5, b"\x05"),
        (1795506881, b"\xd3\0\0\0\0\x6b\x05\x42\xc1"),
        ("a", b"\xa1a"),
        ("x" * 40, b"\xd9\x28" + b"x" * 40),
        (b"x" * 300, b"\xda\x01\x2c" + b"x" * 300),
        (b"x" * 70000, b"\xdb\x00\x01\x11\x70" + b"x" * 70000),
        ({"k": {}}, b"\x81\xa1k\x80"),
        (
            {str(n): n for n in range(10, 30)},
            b"\xde\x00\x14" + b"".join(b"\xa2%d%c" % (n, n) for n in range(10, 30)),
        ),
    ],
)
def test_message_pack(value: Any, encoded: bytes) -> None:
    """The kinds and sizes that are sent, as the specification has them."""
    assert packed(value) == encoded
