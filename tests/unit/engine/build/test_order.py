"""Events of stages that run at once become an output that can be read."""

import pytest

from yurt.engine.build.model import Begun, BuildEvent, Output, StageEnded, StagesBegun
from yurt.engine.build.order import LIMIT, InOrder


def told(*events: BuildEvent) -> str:
    order = InOrder()
    return "".join(each.text for event in events for each in order.take(event) if isinstance(each, Output))


def says(stage: int | None, text: str) -> Output:
    return Output(text, stage=stage)


@pytest.mark.parametrize(
    ("events", "text"),
    [
        pytest.param([says(None, "a"), says(3, "b")], "ab", id="nothing is held before stages begin"),
        pytest.param([says(1, "b"), says(0, "a"), StageEnded(0)], "ab", id="the first stage has the word"),
        pytest.param(
            [says(1, "b"), StageEnded(1), says(0, "a"), StageEnded(0)], "ab", id="an ended one waits"
        ),
        pytest.param(
            [says(2, "c"), says(1, "b"), StageEnded(0), says(2, "d"), says(1, "B"), StageEnded(1)],
            "bBcd",
            id="the word passes on in order",
        ),
        pytest.param(
            [says(1, "b"), says(0, "a"), StageEnded(1, failed=True)], "ab", id="a failure is told at once"
        ),
        pytest.param([says(1, "b"), says(None, "x")], "x", id="the build itself always has the word"),
    ],
)
def test_stages_are_told_one_after_the_other(events: list[BuildEvent], text: str) -> None:
    assert told(StagesBegun((0, 1, 2)), *events) == text


def test_other_events_are_not_held_back() -> None:
    order = InOrder()
    order.take(StagesBegun((0, 1)))
    assert order.take(Begun("step 5")) == (Begun("step 5"),)


def test_a_talkative_stage_does_not_fill_the_memory() -> None:
    """What waits for its turn is kept up to a limit, and what is missing is said."""
    order = InOrder()
    order.take(StagesBegun((0, 1)))
    for _ in range(100):
        order.take(says(1, "x" * (LIMIT // 10)))
    told = order.take(StageEnded(0))
    assert sum(len(each.text) for each in told if isinstance(each, Output)) < 2 * LIMIT
    assert isinstance(told[-1], Output)
    assert "left out" in told[-1].text
    assert repr(order) == "<InOrder [1] to come>"
