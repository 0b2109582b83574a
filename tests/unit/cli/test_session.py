import io
import socket

import pytest

from yurt.cli.session import Session, answers
from yurt.errors import NotFound


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environ", "host", "owns"),
    [
        ({"YURT_HOST": "unix:///a", "DOCKER_HOST": "unix:///b"}, "unix:///a", False),
        ({"DOCKER_HOST": "unix:///b"}, "unix:///b", False),
        ({"YURT_ROOT": "/srv/yurt"}, "unix:///srv/yurt/yurt.sock", True),
    ],
)
def test_who_chooses_the_engine(environ, host, owns):
    """YURT_HOST, then DOCKER_HOST; only an engine that nobody chose is started by the command line."""
    session = Session(environ)
    assert (session.host, session.owns_engine) == (host, owns)


@pytest.mark.parametrize(
    ("environ", "text"),
    [
        ({}, "\x1b[31;1myurt:\x1b[0m broken\n\x1b[36mhint:\x1b[0m mend it\n"),
        ({"NO_COLOR": "1"}, "yurt: broken\nhint: mend it\n"),
        ({"TERM": "dumb"}, "yurt: broken\nhint: mend it\n"),
    ],
)
def test_colour_is_for_terminals_that_want_it(environ, text):
    """NO_COLOR and dumb terminals are honoured."""
    err = Terminal()
    Session(environ, err=err).fail("broken", "mend it")
    assert err.getvalue() == text


def test_several_things_are_tried_each():
    """One failure does not keep the others from being done; the exit code remembers it."""
    done: list[str] = []

    def act(name: str) -> None:
        if name == "b":
            raise NotFound("no b")
        done.append(name)

    err = io.StringIO()
    assert Session({}, err=err).for_each(["a", "b", "c"], act) == 1
    assert done == ["a", "c"]
    assert err.getvalue() == "yurt: no b\n"


def test_a_socket_file_without_an_engine_does_not_answer(tmp_path):
    """What an engine that died left behind is not taken for one."""
    path = str(tmp_path / "s")
    assert not answers(path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        assert not answers(path)
        listener.listen()
        assert answers(path)
