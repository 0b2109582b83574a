"""Who belongs to a container that has no cgroup."""

import os
import subprocess

from yurt.linux import members


def test_children_and_theirs_belong_to_a_process() -> None:
    """Of a container that shares our numbers there is no other tie; one that has ended has none."""
    with subprocess.Popen(
        ["sh", "-c", "sleep 60 & echo; wait"], stdout=subprocess.PIPE, start_new_session=True
    ) as shell:
        assert shell.stdout is not None
        shell.stdout.readline()
        found = members._descendants(shell.pid)
        assert len(found) == 2
        assert shell.pid in found
        os.killpg(shell.pid, 9)
    assert members._descendants(shell.pid) == set()
