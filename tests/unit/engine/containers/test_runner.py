"""What a failed start says, and how the container is said to have ended."""

import pytest

from yurt.engine.containers.runner import StartFailed, start_error

REFUSAL = "runc run failed: unable to start container process: "


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ('exec: "nope": executable file not found in $PATH', 127),
        ('exec: "/nope": stat /nope: no such file or directory', 127),
        ('exec: "/etc": is a directory', 126),
        ('exec: "/data": permission denied', 126),
        ("exec /tool: exec format error", 126),
        # It was killed before the runtime had written down what it has.
        ("error getting pipe fds for pid 7: readlink /proc/7/fd/0: no such file or directory", None),
        ("error during container init: open /proc/sys/net: read-only file system", None),
    ],
)
def test_only_a_program_that_is_missing_is_said_to_be_missing(said: str, code: int | None) -> None:
    """127 and 126 blame the command; None: the engine could not do it, whatever the command is."""
    error = start_error(REFUSAL + said, "create")
    assert said in error.message
    assert (error.exit_code if isinstance(error, StartFailed) else None) == code
