"""The programs that carry packets."""

from pathlib import Path

from yurt.linux.rootless import outgoing
from yurt.linux.rootless.outgoing import Carrier


def test_the_quicker_one_is_taken(tmp_path: Path) -> None:
    """pasta where it is, else slirp4netns, else none."""
    assert outgoing.find(str(tmp_path)) is None
    for name in ("slirp4netns", "pasta"):
        (tmp_path / name).touch(0o755)
        found = outgoing.find(str(tmp_path))
        assert found == Carrier(name, str(tmp_path / name))


def test_nothing_is_let_in_and_the_hosts_loopback_is_not_reached() -> None:
    """Both say so in their own words."""
    assert " ".join(Carrier("pasta", "/p").argv("/n")) == (
        "/p --foreground --quiet --config-net -t none -u none -T none -U none --no-map-gw --dns-forward 10.0.2.3 --netns /n"
    )
    assert " ".join(Carrier("slirp4netns", "/s").argv("/n")) == (
        "/s --configure --mtu=65520 --disable-host-loopback --netns-type=path /n tap0"
    )


def test_what_hinders_is_told_with_what_mends_it(tmp_path: Path) -> None:
    """No program, no device, a device of others'."""
    carrier = Carrier("pasta", "/p")
    assert outgoing.hindrance(None).endswith("(apt-get install passt)")
    assert outgoing.hindrance(carrier, str(tmp_path / "none")).endswith("(modprobe tun)")
    assert outgoing.hindrance(carrier, "/dev/null") == ""
