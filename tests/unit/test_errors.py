"""yurt.errors: what is true of every kind."""

import errno

import pytest

from yurt.engine.build.execute import StepFailed
from yurt.engine.containers.runner import StartFailed
from yurt.errors import NotFound, Unavailable, YurtError, is_full, no_space, reason_of, translated

STEP = StepFailed(
    "it failed", argv=("false",), exit_code=1, location="Dockerfile:2", step="RUN", output="no\n"
)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            PermissionError(errno.EACCES, "Permission denied", "/data/my app"),
            "/data/my app: Permission denied",
        ),
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
        (OSError(errno.EBADF, "Bad file descriptor", 7), "7: Bad file descriptor"),
        (OSError("timed out"), "timed out"),
        (OSError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 9)"), "Connection refused"),
        (ValueError("not a number"), "not a number"),
    ],
)
def test_a_failed_call_says_its_path_and_reason(error: Exception, words: str) -> None:
    """Its number is for no one to read."""
    assert reason_of(error) == words


def test_a_foreign_error_is_translated_with_its_reason() -> None:
    """The foreign one stays its cause."""
    with pytest.raises(Unavailable, match=r"^cannot copy: /a: Permission denied$") as refused:
        with translated({OSError: Unavailable}, "cannot copy"):
            raise PermissionError(errno.EACCES, "Permission denied", "/a")
    assert isinstance(refused.value.__cause__, PermissionError)


@pytest.mark.parametrize(
    "error",
    [NotFound("no such thing", hint="look again"), StartFailed("not found", exit_code=127), STEP],
    ids=lambda error: type(error).__name__,
)
def test_where_it_happened_is_put_before_any_error(error: YurtError) -> None:
    """Whatever its kind is made with: all but the message is as it was, and the first one is not changed."""
    before = dict(vars(error))
    told = error.at("Dockerfile:2")
    assert type(told) is type(error)
    assert str(told) == told.message == f"Dockerfile:2: {error.message}"
    assert told.args == (told.message,)
    assert vars(told) == {**before, "message": told.message}
    assert vars(error) == before


def test_a_full_disk() -> None:
    """A quota is a disk, too; the sentence says what was not stored, and what to do."""
    assert is_full(OSError(errno.ENOSPC, "x"))
    assert is_full(OSError(errno.EDQUOT, "x"))
    assert not is_full(OSError(errno.EIO, "x"))
    assert not is_full(ValueError(errno.ENOSPC))
    told = no_space("/var/lib/yurt/engine.db")
    assert isinstance(told, Unavailable)
    assert (told.message, told.hint) == (
        "no space left on device: /var/lib/yurt/engine.db",
        "free some space: yurt system prune",
    )
