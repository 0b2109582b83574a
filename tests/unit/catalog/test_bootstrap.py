from pathlib import Path

from yurt.catalog.bootstrap import bootstrap_argv, system_files
from yurt.catalog.mirror import STANDARD, STANDARD_SECURITY, Mirror


def test_the_command_names_suite_archive_and_sources() -> None:
    """mmdebstrap gets the suite, where to write, and every source; files of ours are put in by hooks."""
    mirror = Mirror(STANDARD, STANDARD_SECURITY)
    argv = bootstrap_argv("trixie", Path("/w/rootfs.tar"), mirror, uploads={Path("/w/file 0"): "/etc/x"})
    assert argv[0] == "mmdebstrap"
    assert "--include=ca-certificates,netbase,tzdata" in argv
    assert "--customize-hook=upload '/w/file 0' /etc/x" in argv
    assert argv[-5:] == [
        "trixie",
        "/w/rootfs.tar",
        f"deb {STANDARD} trixie main",
        f"deb {STANDARD} trixie-updates main",
        f"deb {STANDARD_SECURITY} trixie-security main",
    ]


def test_the_system_can_install_packages_and_starts_no_services() -> None:
    """apt's sources are those of the bootstrap; policy-rc.d forbids starting."""
    files = system_files("bookworm", Mirror("http://m/debian", None))
    assert "URIs: http://m/debian" in files["/etc/apt/sources.list.d/debian.sources"]
    assert files["/usr/sbin/policy-rc.d"].endswith("exit 101\n")
