import pytest

from yurt.api.errors import STATUS_OF, from_wire, status_of, to_wire
from yurt.errors import Conflict, Internal, InvalidArgument, NotFound, YurtError


@pytest.mark.parametrize("kind", STATUS_OF)
def test_every_kind_survives_the_wire(kind):
    """A kind of error, its message and its hint arrive as they were sent."""
    sent = kind("cannot do it", hint="do it otherwise")
    received = from_wire(status_of(sent), to_wire(sent))
    assert type(received) is kind
    assert (received.message, received.hint) == ("cannot do it", "do it otherwise")


def test_every_kind_has_a_status():
    """No kind of error is missing in the table."""
    assert set(STATUS_OF) == set(YurtError.__subclasses__()) & set(STATUS_OF)
    assert {"NotFound", "Conflict", "Internal"} <= {kind.__name__ for kind in STATUS_OF}


def test_a_kind_of_a_kind_has_the_status_of_its_parent():
    """Deriving from a kind keeps its status."""

    class NoSuchImage(NotFound):
        pass

    assert status_of(NoSuchImage("x")) == 404
    assert status_of(ValueError("x")) == 500


@pytest.mark.parametrize(
    ("status", "body", "kind", "message", "hint"),
    [
        (404, {"message": "No such container: x"}, NotFound, "No such container: x", None),
        (409, {"message": "taken\nhint: rename it"}, Conflict, "taken", "rename it"),
        (418, {"message": "odd"}, InvalidArgument, "odd", None),
        (502, {"message": "worse"}, Internal, "worse", None),
        (500, "plain text\n", Internal, "plain text", None),
        (500, "", Internal, "Bad Day", None),
        (500, None, Internal, "Bad Day", None),
        (500, {"cause": "podman says", "message": ""}, Internal, "podman says", None),
    ],
)
def test_other_engines_answers_are_understood(status, body, kind, message, hint):
    """Whatever an engine answers becomes a sentence of the nearest kind."""
    error = from_wire(status, body, "Bad Day")
    assert type(error) is kind
    assert (error.message, error.hint) == (message, hint)
