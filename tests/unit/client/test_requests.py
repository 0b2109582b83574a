import pytest
from hypothesis import given
from hypothesis import strategies as st

from yurt.client.requests import ResponseParser, build_head, chunk, quote, target
from yurt.errors import Internal


def answer(head: str, body: bytes = b"") -> bytes:
    return head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body


def parsed(data: bytes, *, pieces: int = 1, method: str = "GET") -> ResponseParser:
    parser = ResponseParser(method)
    step = max(1, -(-len(data) // pieces))
    for start in range(0, len(data), step):
        parser.feed(data[start : start + step])
    return parser


@pytest.mark.parametrize("pieces", [1, 2, 7, 10_000])
def test_a_body_of_known_length(pieces):
    """The body ends after Content-Length bytes, and the connection can be used again."""
    parser = parsed(answer("HTTP/1.1 200 OK\nContent-Length: 5", b"hello"), pieces=pieces)
    assert (parser.status, parser.reason, parser.take(), parser.done, parser.keep_alive) == (
        200,
        "OK",
        b"hello",
        True,
        True,
    )


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=6), st.integers(1, 300))
def test_chunked_bodies_arrive_whatever_way_they_were_cut(chunks, pieces):
    """The chunks joined are the body, wherever the network cut them; the end is seen."""
    body = b"".join(map(chunk, chunks)) + chunk(b"")
    parser = parsed(answer("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", body), pieces=pieces)
    assert parser.take() == b"".join(chunks)
    assert parser.done
    assert parser.rest == b""


def test_a_body_without_length_ends_with_the_connection():
    """Neither length nor chunks: the end of the connection is the end of the body."""
    parser = parsed(answer("HTTP/1.1 200 OK", b"part"))
    before = parser.done
    parser.feed_eof()
    assert (before, parser.done) == (False, True)
    assert not parser.keep_alive
    assert parser.take() == b"part"


@pytest.mark.parametrize(
    "head", ["HTTP/1.1 200 OK\nContent-Length: 9", "HTTP/1.1 200 OK\nTransfer-Encoding: chunked"]
)
def test_a_cut_off_body_is_an_error(head):
    """An answer that ends before its body is not taken for whole."""
    parser = parsed(answer(head))
    with pytest.raises(Internal, match="middle of its answer"):
        parser.feed_eof()


def test_after_an_upgrade_the_rest_is_the_stream():
    """The first bytes of a hijacked stream that came with the head are kept."""
    parser = parsed(answer("HTTP/1.1 101 UPGRADED\nConnection: Upgrade\nUpgrade: tcp", b"first"))
    assert (parser.upgraded, parser.done, parser.rest) == (True, True, b"first")


@pytest.mark.parametrize(("status", "method"), [(204, "GET"), (304, "POST"), (200, "HEAD")])
def test_answers_that_have_no_body(status, method):
    """204, 304 and answers to HEAD are done with their head."""
    assert parsed(answer(f"HTTP/1.1 {status} X\nContent-Length: 7"), method=method).done


def test_a_provisional_answer_is_passed_over():
    """100 Continue is not the answer."""
    parser = parsed(answer("HTTP/1.1 100 Continue") + answer("HTTP/1.1 200 OK\nContent-Length: 0"))
    assert (parser.status, parser.done) == (200, True)


@pytest.mark.parametrize(
    "data", [b"SSH-2.0-x\r\n\r\n", answer("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"zz\r\n")]
)
def test_what_is_not_http_is_an_error(data):
    """Something else that listens there is told from an engine."""
    with pytest.raises(Internal):
        parsed(data)


def test_connection_close_is_heard():
    """An engine that closes is not asked again on the same connection."""
    assert not parsed(answer("HTTP/1.1 200 OK\nContent-Length: 0\nConnection: close")).keep_alive


@given(st.text())
def test_quoting_is_reversible(text):
    """The standard library reads back what was quoted."""
    from urllib.parse import unquote

    assert unquote(quote(text)) == text


def test_a_target_is_built_from_path_and_query():
    """None leaves out, booleans are digits, lists repeat, everything is encoded."""
    query = {"all": True, "size": False, "x": None, "t": ["a:1", "b/c"], "n": 3, "s": "a b&c"}
    assert (
        target("/images/a b/json", query) == "/images/a%20b/json?all=1&size=0&t=a%3A1&t=b%2Fc&n=3&s=a%20b%26c"
    )
    assert target("/_ping") == "/_ping"


def test_a_head_is_bytes():
    """The request line, the headers, an empty line."""
    assert build_head("GET", "/_ping", {"Host": "yurt"}) == b"GET /_ping HTTP/1.1\r\nHost: yurt\r\n\r\n"


def test_a_line_break_cannot_be_smuggled_into_a_head():
    """A header with a line break is refused instead of becoming two."""
    with pytest.raises(Internal, match="line break"):
        build_head("GET", "/", {"X": "a\r\nEvil: 1"})


def test_repr_tells_where_it_stands():
    """A parser says how far it is."""
    assert repr(ResponseParser()) == "<ResponseParser … before the body>"
    assert repr(parsed(answer("HTTP/1.1 200 OK\nContent-Length: 5"))) == "<ResponseParser 200 in the body>"
