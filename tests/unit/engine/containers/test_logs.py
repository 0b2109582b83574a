"""Lines out of raw chunks."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from yurt.engine.containers import logs
from yurt.engine.containers.model import LogQuery
from yurt.shim.log import RECORD, STDERR, STDOUT


def write(path: Path, *chunks: tuple[int, int, bytes]) -> Path:
    """Write chunks of (stream, time, bytes) as the shim does, at its end."""
    with path.open("ab") as data, Path(f"{path}.idx").open("ab") as index:
        for stream, time_ns, chunk in chunks:
            index.write(RECORD.pack(data.tell(), time_ns, len(chunk), stream))
            data.write(chunk)
    return path


async def read(path: Path, *, finished: bool = True, **query: Any) -> list[tuple[int, int, bytes]]:
    found = logs.flattened(logs.bursts(path, LogQuery(**query), finished=finished))
    return [(line.stream, line.time_ns, line.data) async for line in found]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(
        tmp_path / "log",
        (STDOUT, 10, b"one\ntw"),
        (STDERR, 20, b"err"),
        (STDOUT, 30, b"o\nthree\n"),
        (STDERR, 40, b"or\n"),
        (STDOUT, 50, b"rest"),
    )


async def test_lines_are_put_together(path: Path) -> None:
    """A line that came in pieces is one line, with the time of its beginning, whatever came between."""
    assert await read(path) == [
        (STDOUT, 10, b"one\n"),
        (STDOUT, 10, b"two\n"),
        (STDOUT, 30, b"three\n"),
        (STDERR, 20, b"error\n"),
        (STDOUT, 50, b"rest"),
    ]


async def test_one_stream(path: Path) -> None:
    """Only the streams asked for."""
    assert await read(path, stdout=False) == [(STDERR, 20, b"error\n")]


@pytest.mark.parametrize("tail", range(6))
async def test_tail(path: Path, tail: int) -> None:
    """A tail is the end of all lines."""
    whole = await read(path)
    assert await read(path, tail=tail) == (whole[-tail:] if tail else [])


async def test_tail_of_many(tmp_path: Path) -> None:
    """A tail of a long log reads its end only, and is right across chunks of odd sizes."""
    text = b"".join(b"line %d\n" % number for number in range(5000))
    pieces = [text[start : start + 37] for start in range(0, len(text), 37)]
    path = write(tmp_path / "log", *((STDOUT, number, piece) for number, piece in enumerate(pieces)))
    found = await read(path, tail=100)
    assert [line for _stream, _time, line in found] == [b"line %d\n" % number for number in range(4900, 5000)]


async def test_since_and_until(path: Path) -> None:
    """Lines are chosen by the time of their beginning; the end of an earlier line is not taken for a line."""
    assert [line for _s, _t, line in await read(path, since_ns=30)] == [b"three\n", b"rest"]
    assert [line for _s, _t, line in await read(path, until_ns=20)] == [b"one\n", b"two\n", b"error\n"]


async def test_no_log() -> None:
    """A container that never ran has no lines."""
    assert await read(Path("/no/such/log")) == []


async def test_torn_tail(path: Path) -> None:
    """Output that a crash left without its record is there, once nobody writes any more."""
    with path.open("ab") as data:
        data.write(b" and more")
    os.truncate(f"{path}.idx", 5 * RECORD.size + 11)
    assert (await read(path))[-1][2] == b"rest and more"
    assert (await read(path, finished=False))[-1][2] == b"rest"


async def test_follow(tmp_path: Path) -> None:
    """Following yields what comes, line by line, and at the end what has no end."""
    path = write(tmp_path / "log", (STDOUT, 1, b"one\ntw"))
    grown: asyncio.Queue[bool] = asyncio.Queue()
    seen: asyncio.Queue[bytes] = asyncio.Queue()

    async def follow() -> None:
        async for line in logs.flattened(
            logs.bursts(path, LogQuery(follow=True), finished=False, grown=grown.get)
        ):
            seen.put_nowait(line.data)

    task = asyncio.create_task(follow())
    assert await seen.get() == b"one\n"
    write(path, (STDOUT, 2, b"o\n"))
    grown.put_nowait(True)
    assert await seen.get() == b"two\n"
    write(path, (STDOUT, 3, b"end"))
    grown.put_nowait(False)
    assert await seen.get() == b"end"
    await task
