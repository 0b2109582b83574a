import pytest

from yurt.api.version import ApiVersion
from yurt.client.sync import Client
from yurt.errors import InvalidArgument, NotFound, NotModified, Unavailable


def answer(body: bytes = b"{}", *, status: str = "200 OK", extra: str = "") -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
    )
    return head.encode() + body


def test_a_body_is_decoded(engine):
    """`json` sends JSON, and returns the answer's JSON; the path carries the version."""
    engine.serve(engine.answers(answer(b'{"Id":"abc"}')))
    with Client(engine.host) as client:
        assert client.json("POST", "/containers/create", query={"name": "x"}, json={"Image": "bb"}) == {
            "Id": "abc"
        }
    head, _, body = engine.received[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1.51/containers/create?name=x HTTP/1.1\r\n")
    assert body == b'{"Image": "bb"}'


def test_the_connection_is_reused(engine):
    """Requests one after the other share a connection."""
    engine.serve(engine.answers(answer(), answer(), answer()))
    with Client(engine.host) as client:
        assert [client.json("GET", "/info") for _ in range(3)] == [{}, {}, {}]


def test_an_idle_connection_that_was_closed_is_replaced(engine):
    """An engine may close an idle connection at any time: the request is sent again on a new one."""
    engine.serve(engine.answers(answer()), engine.answers(answer(b"[1]")))
    with Client(engine.host) as client:
        client.json("GET", "/info")
        assert client.json("GET", "/info") == [1]


@pytest.mark.parametrize(
    ("status", "kind"),
    [("404 Not Found", NotFound), ("304 Not Modified", NotModified), ("400 Bad", InvalidArgument)],
)
def test_an_error_status_is_raised_as_its_kind(engine, status, kind):
    """The caller gets a kind and the engine's sentence, never a status."""
    body = b"" if status.startswith("304") else b'{"message":"No such thing: x","hint":"look"}'
    engine.serve(engine.answers(answer(body, status=status)))
    with Client(engine.host) as client, pytest.raises(kind) as caught:
        client.json("GET", "/things/x")
    assert type(caught.value) is kind


def test_an_engine_that_is_too_old_is_asked_what_it_speaks(engine):
    """The newest version is spoken at once; refused, the engine's own is taken."""
    refusal = b'{"message":"client version 1.51 is too new. Maximum supported API version is 1.43"}'
    engine.serve(
        engine.answers(
            answer(refusal, status="400 Bad Request"),
            answer(b"OK", extra="Api-Version: 1.43\r\n"),
            answer(b"[]"),
        )
    )
    with Client(engine.host) as client:
        assert client.json("GET", "/containers/json") == []
        assert repr(client).endswith("API 1.43>")
    assert engine.received[2].startswith(b"GET /v1.43/containers/json")


def test_a_chosen_version_is_not_negotiated(engine):
    """Whoever asks for a version gets it or an error."""
    engine.serve(engine.answers(answer(b'{"message":"version 1.30 is too old"}', status="400 Bad Request")))
    with (
        Client(engine.host, version=ApiVersion(1, 30)) as client,
        pytest.raises(InvalidArgument, match="too old"),
    ):
        client.json("GET", "/info")


def test_lines_come_whole(engine):
    """Lines are put together from chunks; the last may lack its end."""
    body = b"3\r\none\r\n8\r\n\ntwo\r\nth\r\n3\r\nree\r\n0\r\n\r\n"
    engine.serve(engine.answers(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body))
    with Client(engine.host) as client:
        assert list(client.lines("GET", "/events")) == [b"one", b"two", b"three"]


def test_a_body_in_pieces_is_streamed(engine):
    """A body that is an iterator is sent as chunks, after the version was agreed."""
    engine.serve(engine.answers(answer(b"OK", extra="Api-Version: 1.51\r\n"), answer()))
    with Client(engine.host) as client:
        client.json("POST", "/build", body=iter([b"abc", b"", b"defgh"]))
    assert engine.received[1].endswith(b"\r\n\r\n3\r\nabc\r\n5\r\ndefgh\r\n0\r\n\r\n")


def test_an_early_answer_stops_a_streamed_body(engine):
    """An engine that refuses in the middle of a body is heard, though it does not read the rest."""

    def refuse(connection) -> None:
        engine.request(connection)
        connection.sendall(answer(b"OK", extra="Api-Version: 1.51\r\n"))
        connection.recv(65536)
        connection.sendall(
            answer(b'{"message":"no such thing"}', status="404 Not Found", extra="Connection: close\r\n")
        )

    engine.serve(refuse)
    with Client(engine.host) as client, pytest.raises(NotFound, match="no such thing"):
        client.json("POST", "/images/load", body=(bytes(65536) for _ in range(1000)))


def test_a_hijacked_connection_is_a_raw_stream(engine):
    """After the head the bytes flow both ways, and stdin can be closed alone."""

    def attach(connection) -> None:
        engine.request(connection)
        connection.sendall(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nhello ")
        data = b""
        while piece := connection.recv(100):
            data += piece
        connection.sendall(data.upper())

    engine.serve(attach)
    with Client(engine.host) as client, client.hijack("POST", "/containers/x/attach") as stream:
        stream.socket.sendall(b"world")
        stream.close_stdin()
        assert b"".join(iter(stream.recv, b"")) == b"hello WORLD"
    assert b"Upgrade: tcp" in engine.received[0]


def test_a_refused_hijack_is_an_error(engine):
    """Attaching to nothing is NotFound."""
    engine.serve(engine.answers(answer(b'{"message":"No such container: x"}', status="404 Not Found")))
    with Client(engine.host) as client, pytest.raises(NotFound, match="No such container: x"):
        client.hijack("POST", "/containers/x/attach")


def test_an_engine_that_is_not_there_is_unavailable(tmp_path):
    """The message names the address, the hint the next step."""
    with Client(f"unix://{tmp_path}/none.sock") as client, pytest.raises(Unavailable) as caught:
        client.json("GET", "/info")
    assert str(caught.value).startswith(
        f"cannot reach the engine at unix://{tmp_path}/none.sock: No such file"
    )
    assert "yurtd" in (caught.value.hint or "")


def test_an_engine_that_hangs_up_is_unavailable(engine):
    """A connection closed without an answer is told as that."""
    engine.serve(lambda connection: engine.request(connection) and None)
    with Client(engine.host) as client, pytest.raises(Unavailable, match="without an answer to GET /info"):
        client.json("GET", "/info")


def test_a_slow_engine_is_unavailable(engine):
    """With a timeout, an engine that does not answer in time is told as that."""
    engine.serve(lambda connection: (engine.request(connection), connection.recv(1))[0] and None)
    with (
        Client(engine.host, timeout=0.05) as client,
        pytest.raises(Unavailable, match=r"within 0\.05 seconds"),
    ):
        client.json("GET", "/info")


def test_an_unread_answer_ends_its_connection(engine):
    """A response closed before its end does not leave its rest to the next request."""
    engine.serve(engine.answers(answer(b"x" * 10)[:-5]), engine.answers(answer(b"[2]")))
    with Client(engine.host) as client:
        with client.request("GET", "/events"):
            pass
        assert client.json("GET", "/info") == [2]
