"""Where the daemon's settings come from."""

import os
from pathlib import Path

import pytest

from yurt.daemon import config
from yurt.errors import InvalidArgument, NotFound
from yurt.isolation import Level
from yurt.settings import ListenAddress, TlsFiles


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "yurt.toml"
    path.write_text(
        'root = "/srv/yurt"\nhost = "unix:///srv/yurt.sock"\nregistry-mirrors = ["https://mirror.example"]\n'
        '[proxies]\nHTTPS_PROXY = "http://proxy.example:3128"\n'
    )
    return str(path)


def test_the_file_is_read(file: str) -> None:
    """What only the file says holds."""
    settings = config.resolve({"YURT_CONFIG": file})
    assert settings.root == Path("/srv/yurt")
    assert settings.listen == (ListenAddress("unix", path=Path("/srv/yurt.sock")),)
    assert settings.registry_mirrors == ("https://mirror.example",)
    assert settings.proxies == {"HTTPS_PROXY": "http://proxy.example:3128"}


def test_the_environment_outranks_the_file_and_the_command_line_both(file: str) -> None:
    """The nearer to the person who starts the engine, the stronger."""
    environ = {"YURT_CONFIG": file, "YURT_ROOT": "/env"}
    assert config.resolve(environ).root == Path("/env")
    assert config.resolve(environ, root="/arg").root == Path("/arg")


def test_a_client_variable_does_not_choose_where_to_listen(file: str) -> None:
    """DOCKER_HOST names the engine that clients talk to, which may be another."""
    environ = {"YURT_CONFIG": file, "DOCKER_HOST": "unix:///other.sock"}
    assert list(map(str, config.resolve(environ).listen)) == ["unix:///srv/yurt.sock"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("rooot = 1", "rooot"),
        ("root = 1", "root"),
        ("root = \n[", "line 1"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path: Path, text: str, sentence: str) -> None:
    """The sentence has the file and what is wrong in it."""
    path = tmp_path / "yurt.toml"
    path.write_text(text)
    with pytest.raises(InvalidArgument, match=sentence) as caught:
        config.read(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_an_error() -> None:
    """A file that was named must be there."""
    with pytest.raises(NotFound, match=r"no configuration file /nowhere\.toml"):
        config.resolve({}, config="/nowhere.toml")


def test_each_root_has_its_own_runtime_folder() -> None:
    """Two engines side by side do not meet."""
    assert config.runtime_folder(Path("/a"), {}) != config.runtime_folder(Path("/b"), {})
    assert config.runtime_folder(Path("/var/lib/yurt"), {}) == Path("/run/yurt")


def test_proxies_are_taken_in_either_case() -> None:
    """Programs look for either, people set either."""
    settings = config.resolve({"https_proxy": "http://a", "NO_PROXY": "localhost", "YURT_ROOT": "/r"})
    assert settings.proxies == {"HTTPS_PROXY": "http://a", "NO_PROXY": "localhost"}


def test_there_may_be_several_addresses(tmp_path: Path) -> None:
    """In the file a list, on the command line a flag each; the same one twice is one."""
    path = tmp_path / "yurt.toml"
    path.write_text('host = ["unix:///a.sock", "tcp://127.0.0.1"]\n')
    from_file = config.resolve({}, config=str(path)).listen
    assert list(map(str, from_file)) == ["unix:///a.sock", "tcp://127.0.0.1:2376"]
    given = config.resolve({}, hosts=["tcp://[::1]:1", "fd://", "tcp://[::1]:1/"], config=str(path)).listen
    assert list(map(str, given)) == ["tcp://[::1]:1", "fd://"]


@pytest.mark.parametrize(
    "address",
    ["unix://", "unix://relative/path", "http://x", "tcp://x:port", "tcp://x/path", "/a.sock", "fd://3"],
)
def test_an_address_that_is_none(address: str) -> None:
    """What cannot be listened on is refused with its name."""
    with pytest.raises(InvalidArgument, match=f"cannot listen on '{address}'"):
        config.resolve({"YURT_ROOT": "/r"}, hosts=[address])


def test_tls_needs_all_of_its_files(tmp_path: Path) -> None:
    """A part of mutual TLS is none; the sentence names what lacks, wherever the rest was said."""
    path = tmp_path / "yurt.toml"
    path.write_text('tlsverify = true\ntlscacert = "/ca"\n')
    with pytest.raises(InvalidArgument, match=r"TLS is asked for without --tlskey$"):
        config.resolve({}, config=str(path), tlscert="/cert")
    with pytest.raises(InvalidArgument, match=r"TLS is asked for without --tlsverify$"):
        config.resolve({"YURT_ROOT": "/r"}, tlscacert="/ca", tlscert="/cert", tlskey="/key")
    settings = config.resolve({}, config=str(path), tlscert="/cert", tlskey="/key")
    assert settings.tls == TlsFiles(Path("/ca"), Path("/cert"), Path("/key"))
    assert config.resolve({"YURT_ROOT": "/r"}).tls is None


def test_systemds_sockets_are_for_the_process_that_they_were_passed_to() -> None:
    """A variable that was inherited from a parent means the parent's sockets."""
    mine = {"YURT_ROOT": "/r", "LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2"}
    assert config.resolve(mine).inherited_sockets == 2
    assert config.resolve(mine | {"LISTEN_PID": "1"}).inherited_sockets == 0


def test_sockets_from_outside_are_those_of_an_engine_that_went_inside() -> None:
    """The variable means nothing to another process that has inherited it."""
    told = {"YURT_ROOT": "/r", "YURT_OUTSIDE_SOCKETS": '{"tcp://127.0.0.1:2376": [7, 8]}'}
    assert config.resolve(told).outside_sockets == {}
    inside = config.resolve(told | {"YURT_ENTERED_BY": "1000"})
    assert inside.outside_sockets == {"tcp://127.0.0.1:2376": (7, 8)}


def test_a_level_of_isolation_may_be_required(tmp_path: Path) -> None:
    """By a flag, else a variable, else the file; a word that names none is refused."""
    path = tmp_path / "yurt.toml"
    path.write_text('require-isolation = "root"\n')
    environ = {"YURT_CONFIG": str(path)}
    assert config.resolve({"YURT_ROOT": "/r"}).require_isolation is None
    assert config.resolve(environ).require_isolation is Level.ROOT
    environ["YURT_REQUIRE_ISOLATION"] = "subuids"
    assert config.resolve(environ).require_isolation is Level.SUBUIDS
    assert config.resolve(environ, require_isolation="one-uid").require_isolation is Level.ONE_UID
    with pytest.raises(InvalidArgument, match="no level of isolation 'much'"):
        config.resolve(environ, require_isolation="much")
