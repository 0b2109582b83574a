"""What the runtime said of a start, as clients are told of it."""

import pytest

from yurt.engine.containers.runner import StartFailed, start_error
from yurt.errors import Internal


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ('exec: "nosuch": executable file not found in $PATH', 127),
        ('chdir to cwd ("/nosuch") set in config.json failed: no such file or directory', 127),
        ('chdir to cwd ("/etc/passwd") set in config.json failed: not a directory', 127),
        ('exec: "/etc/passwd": permission denied', 126),
        ('exec: "/etc": is a directory', 126),
    ],
)
def test_the_exit_code_follows_from_the_words(said: str, code: int) -> None:
    """As Docker derives it, for execs and for starts."""
    for doing in ("exec", "create"):
        error = start_error(f"runc {doing} failed: {said}", doing)
        assert isinstance(error, StartFailed)
        assert error.exit_code == code


def test_a_mount_of_the_wrong_kind_is_told_of_at_the_start() -> None:
    """An exec mounts nothing."""
    said = 'error mounting "/a" to rootfs at "/etc": not a directory'
    assert start_error(said, "create").message.endswith("is the expected type")
    assert start_error(said, "exec").message.endswith("not a directory")


def test_anything_else_has_no_exit_code_of_its_own() -> None:
    """It is the engine that failed."""
    assert isinstance(start_error("runc create failed: cgroup is busy", "create"), Internal)
