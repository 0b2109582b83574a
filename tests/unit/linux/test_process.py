"""Running programs."""

import asyncio

import pytest

from yurt.errors import Internal, Unavailable
from yurt.linux.process import pasteable, run


async def test_output() -> None:
    """A program gets its input, and its output and exit code come back."""
    done = await run(["sh", "-c", "cat; echo err >&2; exit 3"], input=b"in", check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, b"in", b"err\n")


async def test_failure() -> None:
    """A failing program raises with the end of what it said."""
    with pytest.raises(Internal, match="sh failed with exit code 4: no luck"):
        await run(["sh", "-c", "echo no luck >&2; exit 4"])


async def test_missing() -> None:
    """A missing program says which package brings it."""
    with pytest.raises(Unavailable, match="not installed") as failure:
        await run(["/nowhere/ps"])
    assert failure.value.hint == "apt-get install procps"


async def test_on_output() -> None:
    """Output is passed on as it comes."""
    seen: list[bytes] = []
    await run(["sh", "-c", "echo one; echo two >&2"], on_output=seen.append)
    assert sorted(b"".join(seen).split()) == [b"one", b"two"]


async def test_cancelled() -> None:
    """A cancelled run has killed its program."""
    task = asyncio.create_task(run(["sleep", "100"]))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_pasteable() -> None:
    """A command prints as one line for a shell."""
    assert pasteable(["a", "b c"], env={"X": "1 2"}, cwd="/d") == "cd /d && env -i 'X=1 2' a 'b c'"
