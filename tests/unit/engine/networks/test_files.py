"""The texts of /etc/hosts and /etc/resolv.conf."""

from pathlib import Path

import pytest

from yurt.engine.networks import files
from yurt.engine.networks.files import ResolvConf
from yurt.errors import InvalidArgument

HOST = ResolvConf(("10.0.0.53", "1.1.1.1"), ("corp.example",), ("ndots:2", "edns0"))


def test_the_hosts_configuration_is_read(tmp_path: Path) -> None:
    """Comments are dropped, the last search or domain line counts, and the text comes back the same."""
    path = tmp_path / "resolv.conf"
    path.write_text(
        "# made by hand\ndomain old\nnameserver 10.0.0.53 ; the first\nnameserver 1.1.1.1\nsearch corp.example\noptions ndots:2\noptions edns0\nsortlist x\n"
    )
    assert files.host_resolv_conf(path) == HOST
    assert ResolvConf.parse(str(HOST)) == HOST


def test_without_configuration_this_machine_is_asked(tmp_path: Path) -> None:
    """As resolv.conf(5) says."""
    assert files.host_resolv_conf(tmp_path / "none").servers == ("127.0.0.1",)


def test_the_embedded_dns_is_asked_with_the_hosts_search_list() -> None:
    """Names of containers have no dot, so they are asked as they are first."""
    expected = "nameserver 127.0.0.11\nsearch corp.example\noptions edns0 ndots:0\n"
    assert str(files.embedded_resolv_conf(HOST)) == expected


@pytest.mark.parametrize(
    ("search", "options", "expected"),
    [
        (("a.example", "b.example"), (), "search a.example b.example\noptions edns0 ndots:0\n"),
        ((".",), ("timeout:1",), "options timeout:1 ndots:0\n"),
        ((), ("ndots:5",), "search corp.example\noptions ndots:5\n"),
    ],
)
def test_what_is_asked_for_replaces_the_hosts(
    search: tuple[str, ...], options: tuple[str, ...], expected: str
) -> None:
    """--dns-search and --dns-option; one dot means no search list."""
    text = str(files.embedded_resolv_conf(HOST, search=search, options=options))
    assert text == f"nameserver 127.0.0.11\n{expected}"


def test_own_configuration() -> None:
    """Without the embedded DNS the host's servers are asked, or those of --dns."""
    assert files.own_resolv_conf(HOST) == HOST
    assert files.own_resolv_conf(HOST, servers=("9.9.9.9",)).servers == ("9.9.9.9",)


def test_a_hosts_file_names_the_container_last() -> None:
    """Local names, extra hosts, then its own line, as Docker writes it."""
    text = files.hosts_text([("172.17.0.2", files.own_names("web.example.org"))], [("1.2.3.4", "foo")])
    assert text.splitlines()[0] == "127.0.0.1\tlocalhost"
    assert text.splitlines()[-2:] == ["1.2.3.4\tfoo", "172.17.0.2\tweb.example.org web"]


def test_the_hosts_own_file_gets_the_extra_lines(tmp_path: Path) -> None:
    """Mode host: the host's lines stay, whether or not the last one ends."""
    path = tmp_path / "hosts"
    path.write_text("127.0.0.1 localhost")
    assert files.host_hosts_text([("1.2.3.4", "foo")], path) == "127.0.0.1 localhost\n1.2.3.4\tfoo\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("db:10.0.0.7", ("10.0.0.7", "db")),
        ("db=10.0.0.7", ("10.0.0.7", "db")),
        ("db:::1", ("::1", "db")),
        ("db:[::1]", ("::1", "db")),
        ("host.docker.internal:host-gateway", ("172.17.0.1", "host.docker.internal")),
    ],
)
def test_extra_hosts(text: str, expected: tuple[str, str]) -> None:
    """name:address, also of IPv6; host-gateway stands for the default network's gateway."""
    assert files.parse_extra_host(text, gateway="172.17.0.1") == expected


@pytest.mark.parametrize("text", ["db", "db:", ":10.0.0.7", ""])
def test_what_is_no_extra_host_is_refused(text: str) -> None:
    """Both halves are needed."""
    with pytest.raises(InvalidArgument, match="bad format for add-host"):
        files.parse_extra_host(text, gateway=None)


@pytest.mark.parametrize(
    ("servers", "six", "expected"),
    [
        (("10.0.0.1", "127.0.0.1", "fd00::1"), False, ("10.0.0.1",)),
        (("10.0.0.1", "fd00::1"), True, ("10.0.0.1", "fd00::1")),
        (("127.0.0.53",), False, None),
        (("::1", "fd00::1"), False, None),
    ],
)
def test_what_a_container_reaches_by_itself(
    tmp_path: Path, servers: tuple[str, ...], *, six: bool, expected: tuple[str, ...] | None
) -> None:
    """Not the host's loopback, and IPv6 with it alone; nobody, when that is all."""
    host = ResolvConf(servers, ("corp.example",))
    found = files.reachable(host, six=six, behind=tmp_path / "none")
    assert (found and found.servers) == expected
    assert found is None or found.search == ("corp.example",)


def test_the_servers_behind_systemd_resolved(tmp_path: Path) -> None:
    """Are asked in its place, as in Docker."""
    behind = tmp_path / "resolv.conf"
    behind.write_text("nameserver 10.0.0.1\nsearch home\n")
    found = files.reachable(ResolvConf(("127.0.0.53",), (), ("edns0",)), six=False, behind=behind)
    assert found == ResolvConf(("10.0.0.1",), ("home",), ())
