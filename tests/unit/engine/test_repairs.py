"""Sentences about what a start has put right."""

import pytest

from yurt.engine.repairs import repairs


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({}, ()),
        ({"mount": 0}, ()),
        ({"mount": 1}, ("removed 1 mount that nobody has",)),
        ({"mount": 2, "folder": 0, "interface": 1}, ("removed 2 mounts and 1 interface that nobody has",)),
        ({"mount": 1, "folder": 1, "interface": 3}, ("removed 1 mount, 1 folder and 3 interfaces that nobody has",)),
    ],
)  # fmt: skip
def test_all_of_a_kind_is_told_in_one(found: dict[str, int], said: tuple[str, ...]) -> None:
    """Only of what there is; nothing is no sentence."""
    assert repairs("removed", found, " that nobody has") == said
