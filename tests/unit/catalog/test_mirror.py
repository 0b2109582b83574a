from yurt.catalog.mirror import STANDARD, STANDARD_SECURITY, Mirror, chosen_mirror, entries

DEB822 = """\
Types: deb deb-src
# a comment
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main

Types: deb
Enabled: no
URIs: http://off.example/debian
Suites: trixie
"""


def test_the_hosts_own_mirror_is_used() -> None:
    """The first Debian archive in apt's sources, and its security suite, whatever the host's own release."""
    assert chosen_mirror(None, [DEB822]) == Mirror(
        "http://mirror.example/debian", "http://mirror.example/debian-security"
    )


def test_a_host_without_debian_gets_the_standard_mirror() -> None:
    """Other systems' sources say nothing about Debian."""
    ubuntu = "deb http://archive.ubuntu.com/ubuntu noble main\n# deb http://x/debian bookworm main"
    assert chosen_mirror(None, [ubuntu]) == Mirror(STANDARD, STANDARD_SECURITY)


def test_a_setting_outranks_the_host() -> None:
    """A chosen mirror is taken as it is; only the standard one is known to have a security suite."""
    assert chosen_mirror("http://my/debian/", [DEB822]) == Mirror("http://my/debian", None)
    assert chosen_mirror(STANDARD, []).security == STANDARD_SECURITY


def test_one_line_entries_may_carry_options() -> None:
    """[signed-by=…] is passed over."""
    line = (
        "deb [arch=amd64 signed-by=/x.gpg] https://m.example/debian bookworm main\ndeb-src https://y/ x main"
    )
    assert list(entries(line)) == [("https://m.example/debian", "bookworm")]


def test_sources_name_security_only_where_there_is_one() -> None:
    """The image's own apt gets what the bootstrap used."""
    assert "trixie-security" in Mirror(STANDARD, STANDARD_SECURITY).sources("trixie")
    assert Mirror("http://m", None).lines("trixie") == ("deb http://m trixie main",)
