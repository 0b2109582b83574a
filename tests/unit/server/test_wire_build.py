"""What the classic builder's clients are told of a build."""

from yurt.api.types.stream import StreamLine
from yurt.engine.build.model import BuildEvent, Built, Failed, Output
from yurt.server.wire.build import Lines


def told(event: BuildEvent, *, quiet: bool) -> list[str | None]:
    return [line.stream for line in Lines(quiet=quiet).of(event) if isinstance(line, StreamLine)]


def test_quiet_says_nothing_but_the_image() -> None:
    """Docker's ``-q``."""
    assert told(Output("hello\n"), quiet=True) == []
    assert told(Built("sha256:1"), quiet=True) == ["sha256:1\n"]


def test_quiet_says_why_a_step_failed() -> None:
    """As in Docker, whose client takes the step's exit code only from what comes in the stream."""
    failed = Failed("it failed", excerpt=">>> RUN false\n", step="Step 1/1 : RUN false", tail="out\n")
    assert told(failed, quiet=True) == ["------\n > Step 1/1 : RUN false:\nout\n------\n>>> RUN false\n"]


def test_a_mistake_in_the_dockerfile_is_the_answer_s_status() -> None:
    """Nothing was done yet: the error needs no stream."""
    for quiet in (True, False):
        assert told(Failed("unknown instruction", excerpt=">>> FRM\n"), quiet=quiet) == []
