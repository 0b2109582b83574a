import pytest

from yurt.client.connection import Address
from yurt.errors import InvalidArgument, Unavailable, Unimplemented


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("unix:///run/yurt/yurt.sock", "unix:///run/yurt/yurt.sock"),
        ("/run/yurt/yurt.sock", "unix:///run/yurt/yurt.sock"),
        ("tcp://127.0.0.1:2376", "tcp://127.0.0.1:2376"),
        ("tcp://example", "tcp://example:2375"),
        ("http://example:80/", "tcp://example:80"),
        ("tcp://[::1]:99", "tcp://[::1]:99"),
        ("tcp://[::1]", "tcp://[::1]:2375"),
        ("example:2375", "tcp://example:2375"),
    ],
)
def test_addresses_are_read(host, address):
    """Every spelling of an address in use is understood."""
    assert str(Address.parse(host)) == address


@pytest.mark.parametrize(
    ("host", "kind"),
    [
        ("ssh://me@there", Unimplemented),
        ("npipe:////./pipe/x", Unimplemented),
        ("unix://", InvalidArgument),
        ("tcp://", InvalidArgument),
        ("what://x", InvalidArgument),
    ],
)
def test_other_addresses_are_refused_with_a_hint(host, kind):
    """What cannot be spoken to is said at once, with what can."""
    with pytest.raises(kind) as caught:
        Address.parse(host)
    assert caught.value.hint


def test_a_closed_port_is_unavailable():
    """Nobody on the port: the reason is in the sentence."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        with pytest.raises(Unavailable, match="Connection refused"):
            Address.parse(f"tcp://127.0.0.1:{port}").connect(1)
