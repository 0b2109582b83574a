"""The sockets on which the API is served."""

import grp
import os
import socket
import stat
from dataclasses import replace
from pathlib import Path

import pytest
import trustme
from tests.unit.server.conftest import opened_at

from yurt.errors import Conflict, InvalidArgument, Unavailable
from yurt.server import listening
from yurt.settings import EngineSettings, ListenAddress, TlsFiles


@pytest.fixture
def certificates(tmp_path: Path) -> TlsFiles:
    ca = trustme.CA()
    own = ca.issue_cert("127.0.0.1", "localhost")
    files = TlsFiles(tmp_path / "ca.pem", tmp_path / "cert.pem", tmp_path / "key.pem")
    ca.cert_pem.write_to_path(files.ca)
    own.cert_chain_pems[0].write_to_path(files.certificate)
    own.private_key_pem.write_to_path(files.key)
    return files


def test_a_unix_socket_is_for_its_owner_and_group(tmp_path: Path) -> None:
    """Its mode is 0660, and it is gone afterwards."""
    path = tmp_path / "yurt.sock"
    with opened_at(f"unix://{path}", tmp_path) as (listener,):
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert listener.name == f"unix://{path}"
    assert not path.exists()


def test_a_unix_socket_belongs_to_a_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the host has a group yurt, its members may use the socket; where not, only root."""
    asked: list[tuple[Path, int, int]] = []
    group = grp.struct_group(("yurt", "x", 4711, []))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "chown", lambda *arguments: asked.append(arguments))

    def missing(name: str) -> grp.struct_group:
        raise KeyError(name)

    for find, wanted in ((missing, []), (lambda _name: group, [(tmp_path / "s", -1, 4711)])):
        monkeypatch.setattr(grp, "getgrnam", find)
        with opened_at(f"unix://{tmp_path}/s", tmp_path):
            assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o660
        assert asked == wanted


def test_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    """A socket that nobody listens on is in nobody's way."""
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "yurt.sock"))
    with opened_at(f"unix://{tmp_path}/yurt.sock", tmp_path), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "yurt.sock"))


def test_a_live_socket_is_refused(tmp_path: Path) -> None:
    """Where another engine listens, also one that does not answer yet, a second does not take its socket away."""
    path = tmp_path / "yurt.sock"
    with opened_at(f"unix://{path}", tmp_path):
        inode = path.stat().st_ino
        with (
            pytest.raises(Conflict, match="another engine answers there"),
            opened_at(f"unix://{path}", tmp_path),
        ):
            pass
        assert path.stat().st_ino == inode


def test_a_successors_socket_is_left_alone(tmp_path: Path) -> None:
    """Whoever put another socket at the path meanwhile keeps it."""
    path = tmp_path / "yurt.sock"
    with opened_at(f"unix://{path}", tmp_path):
        path.unlink()
        with socket.socket(socket.AF_UNIX) as successor:
            successor.bind(str(path))
    assert path.exists()


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:0", "tcp://:0", "tcp://[::1]:0"])
def test_tcp_without_tls_is_refused(tmp_path: Path, address: str) -> None:
    """On loopback, too; the sentence has the next step."""
    with pytest.raises(InvalidArgument, match="mutual TLS only") as refused, opened_at(address, tmp_path):
        pass
    assert refused.value.hint
    assert "--tlsverify --tlscacert FILE --tlscert FILE --tlskey FILE" in refused.value.hint


def test_tcp_with_tls(tmp_path: Path, certificates: TlsFiles) -> None:
    """A name without an address in it is every address of the machine."""
    for address, where in (("tcp://127.0.0.1:0", "127.0.0.1"), ("tcp://:0", "::")):
        with opened_at(address, tmp_path, tls=certificates) as (listener,):
            assert listener.socket.getsockname()[0] == where
            assert listener.tls is not None


def test_a_port_that_is_taken(tmp_path: Path, certificates: TlsFiles) -> None:
    """The sentence names the address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with (
            pytest.raises(Unavailable, match=f"cannot listen on {address}: .*Address already in use"),
            opened_at(address, tmp_path, tls=certificates),
        ):
            pass


def test_files_that_cannot_be_used(tmp_path: Path, certificates: TlsFiles) -> None:
    """The sentence names the file."""
    certificates.key.unlink()
    with (
        pytest.raises(InvalidArgument, match=f"with the key {certificates.key}"),
        opened_at("tcp://:0", tmp_path, tls=certificates),
    ):
        pass
    certificates.ca.write_text("nonsense")
    with (
        pytest.raises(InvalidArgument, match=f"cannot use the certificate authority {certificates.ca}"),
        opened_at("tcp://:0", tmp_path, tls=certificates),
    ):
        pass


def test_no_socket_was_inherited(tmp_path: Path) -> None:
    """fd:// means systemd's sockets; where it passed none, the sentence says so."""
    with pytest.raises(InvalidArgument, match="systemd passed no socket"), opened_at("fd://", tmp_path):
        pass


def test_sockets_made_outside_are_taken_up(tmp_path: Path, certificates: TlsFiles) -> None:
    """An engine that goes into a network of its own finds its sockets again, and nothing that it starts has them."""
    address = ListenAddress.parse("tcp://127.0.0.1:0")
    settings = EngineSettings(tmp_path, tmp_path, listen=(address,), tls=certificates)
    outside = listening.made_outside(settings)
    (number,) = outside[str(address)]
    assert os.get_inheritable(number)
    with listening.opened(replace(settings, outside_sockets=outside)) as (listener,):
        assert listener.socket.fileno() == number
        assert not os.get_inheritable(number)
        assert listener.tls is not None
        with socket.create_connection(listener.socket.getsockname()):
            pass


def test_nothing_is_made_outside_without_tls(tmp_path: Path) -> None:
    """TCP needs it wherever it is listened to; a unix socket is made where the engine is."""
    unix = ListenAddress.parse(f"unix://{tmp_path}/s")
    assert listening.made_outside(EngineSettings(tmp_path, tmp_path, listen=(unix,))) == {}
    with pytest.raises(InvalidArgument, match="mutual TLS only"):
        listening.made_outside(
            EngineSettings(tmp_path, tmp_path, listen=(ListenAddress.parse("tcp://127.0.0.1:0"),))
        )
