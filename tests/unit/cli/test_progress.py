import io
import json

import pytest

from yurt.cli.failure import Failure
from yurt.cli.progress import Progress, split_reference


def told(*messages, moving=False, quiet=False):
    stream = io.StringIO()
    progress = Progress(stream, moving=moving, quiet=quiet)
    progress.follow(json.dumps(message).encode() for message in messages)
    return stream.getvalue()


def test_piped_progress_is_one_line_a_step():
    """Numbers that move are left out where nothing can move."""
    assert (
        told(
            {"status": "Pulling from library/bb", "id": "1"},
            {"status": "Downloading", "id": "ab", "progressDetail": {"current": 1, "total": 9}},
            {"status": "Downloading", "id": "ab", "progressDetail": {"current": 5, "total": 9}},
            {"status": "Pull complete", "id": "ab"},
            {"status": "Status: Downloaded"},
        )
        == "1: Pulling from library/bb\nab: Downloading\nab: Pull complete\nStatus: Downloaded\n"
    )


def test_on_a_terminal_the_line_of_a_thing_moves():
    """Each id has one line, rewritten in place."""
    text = told(
        {"status": "Downloading", "id": "ab", "progressDetail": {"current": 500, "total": 1000}},
        {"status": "Waiting", "id": "cd"},
        {"status": "Done", "id": "ab"},
        moving=True,
    )
    assert "[━━━━━━━━━━━━            ] 500B/1kB" in text
    assert text.endswith("\x1b[2A\r\x1b[2Kab: Done\x1b[2B\r")


def test_a_moving_line_never_wraps():
    """A line longer than the terminal, or with line ends in it, would move the others."""
    text = told({"status": "x" * 500 + "\r\n", "id": "ab"}, moving=True)
    assert text == f"\n\x1b[1A\r\x1b[2Kab: {'x' * 75}\x1b[1B\r"


def test_the_output_of_a_build_is_passed_on():
    """Streams come as they are; their colours only on a terminal."""
    message = {"stream": "\x1b[91mwarning\x1b[0m\n"}
    assert told(message) == "warning\n"
    assert told(message, moving=True) == "\x1b[91mwarning\x1b[0m\n"


@pytest.mark.parametrize(
    "error", [{"errorDetail": {"message": "no space\n"}, "error": "x"}, {"error": "no space"}]
)
def test_an_error_message_is_raised(error):
    """The stream answers 200 and fails later: the failure is not lost."""
    with pytest.raises(Failure, match="no space"):
        told({"status": "Working"}, error)


def test_quiet_says_nothing_but_keeps_what_was_made():
    """The id of what was built is in aux."""
    stream = io.StringIO()
    progress = Progress(stream, quiet=True)
    progress.follow([b'{"stream":"Step 1"}', b"", b'{"aux":{"ID":"sha256:ff"}}'])
    assert stream.getvalue() == ""
    assert progress.aux == [{"ID": "sha256:ff"}]


@pytest.mark.parametrize(
    ("image", "name", "tag"),
    [
        ("bb", "bb", "latest"),
        ("bb:1", "bb", "1"),
        ("host:5000/a/bb", "host:5000/a/bb", "latest"),
        ("host:5000/a/bb:1", "host:5000/a/bb", "1"),
        ("bb@sha256:ff", "bb", "sha256:ff"),
    ],
)
def test_references_come_apart(image, name, tag):
    """The colon of a port is not the colon of a tag."""
    assert split_reference(image) == (name, tag)
