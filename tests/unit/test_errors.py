"""What people are told when something foreign fails."""

import errno

import pytest

from yurt.errors import Unavailable, reason_of, translated


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
