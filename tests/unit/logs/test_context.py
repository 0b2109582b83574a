"""`yurt.logs.context`."""

import asyncio
import threading

import pytest

from yurt.logs import bind, bound, fields, new_request_id, request_id, unbind
from yurt.logs.context import accepted_request_id, trace_id


def test_fields_are_bound_inside_the_block_only() -> None:
    """Also what was bound inside it is gone afterwards."""
    with bound(request_id="r1"):
        bind(user="7")
        assert dict(fields()) == {"request_id": "r1", "user": "7"}
        assert request_id() == "r1"
        unbind("user", "never bound")
        assert dict(fields()) == {"request_id": "r1"}
    assert not fields()
    assert request_id() is None


def test_an_inner_block_gives_way_to_the_outer_one() -> None:
    """Blocks nest, failures included."""
    with bound(a=1):
        with pytest.raises(RuntimeError), bound(a=2, b=3):
            raise RuntimeError
        assert dict(fields()) == {"a": 1}


async def test_tasks_do_not_see_each_other() -> None:
    """Each asyncio task binds for itself and starts with what its parent had."""

    async def one(name: str) -> dict[str, object]:
        bind(name=name)
        await asyncio.sleep(0)
        return dict(fields())

    with bound(request_id="r"):
        first, second = await asyncio.gather(one("a"), one("b"))
        assert first == {"request_id": "r", "name": "a"}
        assert second == {"request_id": "r", "name": "b"}
        assert dict(fields()) == {"request_id": "r"}


def test_threads_do_not_see_each_other() -> None:
    """A new thread starts with nothing."""
    seen: list[dict[str, object]] = []
    with bound(a=1):
        thread = threading.Thread(target=lambda: seen.append(dict(fields())))
        thread.start()
        thread.join()
    assert seen == [{}]


@pytest.mark.parametrize("text", ["", None, "a b", "x\ny", "a" * 129, "-a", "<script>"])
def test_a_request_id_that_could_forge_is_not_accepted(text: str | None) -> None:
    """It would be sent back in a header and written to logs."""
    assert accepted_request_id(text) is None


def test_a_harmless_request_id_is_accepted() -> None:
    """UUIDs and the like."""
    assert accepted_request_id("2f9c-11:a_b.c") == "2f9c-11:a_b.c"
    assert accepted_request_id(new_request_id()) is not None


@pytest.mark.parametrize(
    ("header", "trace"),
    [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "4bf92f3577b34da6a3ce929d0e0e4736"),
        (
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes",
            "4bf92f3577b34da6a3ce929d0e0e4736",
        ),
        ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", None),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", None),
        ("00-short-00f067aa0ba902b7-01", None),
        (None, None),
    ],
)
def test_the_trace_id_is_read_from_traceparent(header: str | None, trace: str | None) -> None:
    """As W3C Trace Context has it: version ff and a trace id of zeros are invalid."""
    assert trace_id(header) == trace
