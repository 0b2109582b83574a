"""The levels of isolation and their order."""

import pytest

from yurt.errors import InvalidArgument
from yurt.isolation import Level


def test_levels_are_in_order() -> None:
    """Each reaches itself and those below it."""
    reached = {wanted: [level for level in Level if level.reaches(wanted)] for wanted in Level}
    assert reached == {
        Level.ONE_UID: [Level.ONE_UID, Level.SUBUIDS, Level.ROOT],
        Level.SUBUIDS: [Level.SUBUIDS, Level.ROOT],
        Level.ROOT: [Level.ROOT],
    }


def test_levels_are_parsed_by_name() -> None:
    """Another word is refused with those that there are."""
    assert Level.parse("subuids") is Level.SUBUIDS
    with pytest.raises(InvalidArgument, match="no level of isolation 'docker'") as refused:
        Level.parse("docker")
    assert refused.value.hint == "use one of one-uid, subuids, root"
