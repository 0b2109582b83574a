"""TLS as bytes, one direction closed at a time."""

import ssl

import pytest
import trustme

from yurt.api.tls import TlsSession

CA = trustme.CA()


@pytest.fixture(params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def pair(request: pytest.FixtureRequest) -> tuple[TlsSession, TlsSession]:
    """A client and a server that have not met yet, at most of that version."""
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    CA.issue_cert("engine.test").configure_cert(server)
    CA.configure_trust(client)
    client.maximum_version = request.param
    return TlsSession(client, server_name="engine.test"), TlsSession(server, server_side=True)


def meet(client: TlsSession, server: TlsSession) -> None:
    complete = False
    while not complete:
        complete = client.shake_hands()
        server.feed(client.outgoing())
        complete = server.shake_hands() and complete
        client.feed(server.outgoing())


def test_the_end_of_one_direction_leaves_the_other_open(pair: tuple[TlsSession, TlsSession]) -> None:
    """After a client's end the server has all that the client wrote, and may write on; the client reads it."""
    client, server = pair
    meet(client, server)
    client.write(b"stdin")
    client.end()
    server.feed(client.outgoing())
    assert (server.read(), server.is_ended) == (b"stdin", True)
    for _ in range(3):
        server.write(b"x" * 100_000)
        client.feed(server.outgoing())
        assert client.read() == b"x" * 100_000
        assert not client.is_ended
    server.end()
    client.feed(server.outgoing())
    assert (client.read(), client.is_ended) == (b"", True)


def test_an_end_may_be_told_twice(pair: tuple[TlsSession, TlsSession]) -> None:
    """The second end changes nothing, nor does one that crosses the other side's."""
    client, server = pair
    meet(client, server)
    client.end()
    server.write(b"on its way")
    server.end()
    client.feed(server.outgoing())
    client.end()
    assert (client.read(), client.is_ended) == (b"on its way", True)
    server.feed(client.outgoing())
    assert (server.read(), server.is_ended) == (b"", True)


def test_nothing_has_come_yet(pair: tuple[TlsSession, TlsSession]) -> None:
    """A read that finds nothing is no end."""
    client, server = pair
    meet(client, server)
    assert (client.read(), client.is_ended) == (b"", False)
    client.write(b"whole")
    half = client.outgoing()
    server.feed(half[:7])
    assert (server.read(), server.is_ended) == (b"", False)
    server.feed(half[7:])
    assert server.read() == b"whole"


def test_what_is_no_tls_is_an_error(pair: tuple[TlsSession, TlsSession]) -> None:
    """A client that speaks plain HTTP is refused, and told in TLS's way."""
    _, server = pair
    server.feed(b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n")
    with pytest.raises(ssl.SSLError):
        server.shake_hands()
