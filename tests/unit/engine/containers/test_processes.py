"""The table of processes."""

import pytest

from yurt.engine.containers.processes import filtered
from yurt.errors import InvalidArgument

TEXT = "UID PID PPID CMD\nroot 1 0 init\nroot 7 1 sh -c sleep  9\nroot 8 7 sleep 9\n"


def test_rows_of_the_container() -> None:
    """Only its processes are shown, and the last column is whole."""
    titles, rows = filtered(TEXT, {7, 8})
    assert titles == ("UID", "PID", "PPID", "CMD")
    assert rows == (("root", "7", "1", "sh -c sleep  9"), ("root", "8", "7", "sleep 9"))


def test_no_pid() -> None:
    """Without a PID column nothing can be told apart."""
    with pytest.raises(InvalidArgument, match="Couldn't find PID field"):
        filtered("A B\n1 2\n", {1})
