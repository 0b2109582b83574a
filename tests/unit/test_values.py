"""yurt.values: what a value can and can't."""

import copy
import pickle
from collections.abc import Mapping

import pytest

from yurt.values import Value, made, replace


class Port(Value):
    """A value for these tests."""

    target: int
    published: str = ""
    labels: Mapping[str, str] = made(factory=dict)

    @property
    def is_open(self) -> bool:
        return bool(self.published)


def test_made() -> None:
    """By position, by name and by default; defaults that can change are each value's own."""
    port = Port(80, published="81")
    assert (port.target, port.published, port.labels, port.is_open) == (80, "81", {}, True)
    assert Port(80).labels is not Port(80).labels
    assert repr(port) == "Port(target=80, published='81', labels={})"


def test_compared() -> None:
    """By what they hold; a changed copy leaves the first as it was."""
    port = Port(80)
    other = replace(port, published="1")
    assert port == Port(80) != other
    assert port != (80, "", {})
    assert (port.published, other.published) == ("", "1")
    assert len({replace(port, labels=(), target=1), replace(port, labels=(), target=1)}) == 1
    assert copy.copy(port) == pickle.loads(pickle.dumps(port)) == port


@pytest.mark.parametrize(
    ("given", "named", "message"),
    [
        ((), {}, "Port needs target"),
        ((1, "", {}, 4), {}, "Port has 3 fields, and 4 were given"),
        ((1,), {"target": 2}, "Port has no field target, or it was given twice"),
        ((1,), {"other": 2}, "Port has no field other"),
    ],
)
def test_mistakes(given: tuple[object, ...], named: dict[str, object], message: str) -> None:
    """A field that lacks, or that there is not, is told of."""
    with pytest.raises(TypeError, match=message):
        Port(*given, **named)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        replace(Port(1), other=1)


def test_unchangeable() -> None:
    """A value can't be changed."""
    port = Port(80)
    with pytest.raises(AttributeError, match="Port is a value"):
        port.target = 81  # type: ignore[misc]
    with pytest.raises(AttributeError, match="Port is a value"):
        del port.target
    with pytest.raises(AttributeError):
        port.new = 1
