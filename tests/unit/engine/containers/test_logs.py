"""Lines out of raw chunks."""

import asyncio
import os
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import ANY

import pytest

from yurt.engine.containers import logs
from yurt.engine.containers.model import LogQuery
from yurt.shim.log import RECORD, STDERR, STDOUT, LogFile
from yurt.shim.packed import pack


def write(path: Path, *chunks: tuple[int, int, bytes]) -> Path:
    """Write chunks of (stream, time, bytes) as the shim does, at its end."""
    log = LogFile(str(path))
    for stream, time_ns, chunk in chunks:
        log.append(stream, chunk, time_ns=time_ns)
    log.close()
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


@pytest.mark.parametrize("size", [0, 6])
async def test_follow(tmp_path: Path, size: int) -> None:
    """Following yields what comes, line by line, across segments, and at the end what has no end."""
    path = tmp_path / "log"
    log = LogFile(str(path), size=size, files=9)
    log.append(STDOUT, b"one\ntw")
    grown: asyncio.Queue[bool] = asyncio.Queue()
    seen: asyncio.Queue[bytes] = asyncio.Queue()

    async def follow() -> None:
        async for line in logs.flattened(
            logs.bursts(path, LogQuery(follow=True), finished=False, grown=grown.get)
        ):
            seen.put_nowait(line.data)

    task = asyncio.create_task(follow())
    assert await seen.get() == b"one\n"
    log.append(STDOUT, b"o\nthree\nfour\n")
    for name in log.closed:
        pack(name)
    grown.put_nowait(True)
    assert [await seen.get() for _ in range(3)] == [b"two\n", b"three\n", b"four\n"]
    log.append(STDOUT, b"end")
    grown.put_nowait(False)
    assert await seen.get() == b"end"
    await task
    log.close()


async def test_another_run_begins_a_line(tmp_path: Path) -> None:
    """What a run left without its end is not taken for the beginning of the next run's first line."""
    path = write(tmp_path / "log", (STDOUT, 1, b"one\nrest"))
    write(path, (STDOUT, 2, b"two\n"))
    assert await read(path) == [(STDOUT, 1, b"one\n"), (STDOUT, 1, b"rest"), (STDOUT, 2, b"two\n")]


async def test_half_a_line_is_no_line(tmp_path: Path) -> None:
    """Of a line whose beginning was removed with its segment, nothing is shown."""
    path = tmp_path / "log"
    log = LogFile(str(path), size=8, files=1)
    log.append(STDERR, b"err")
    log.append(STDOUT, b"a long line\n")
    log.append(STDERR, b"or\nok\n")
    log.close()
    assert await read(path) == [(STDERR, ANY, b"ok\n")]


async def test_the_last_line_may_begin_before_many_others(tmp_path: Path) -> None:
    """Of a line that is among the last, the beginning is found, however much the other stream wrote meanwhile."""
    begun = [
        (STDOUT, 1, b"slow "),
        *((STDERR, 2, b"%d\n" % number) for number in range(20)),
        (STDOUT, 3, b"end\n"),
    ]
    path = write(tmp_path / "log", *begun)
    assert await read(path, tail=2) == [(STDERR, 2, b"19\n"), (STDOUT, 1, b"slow end\n")]
    assert await read(path, tail=1, stderr=False) == [(STDOUT, 1, b"slow end\n")]


def random_chunks(random: Random) -> list[tuple[int, int, bytes]]:
    """Return output of both streams, cut anywhere; times go up."""
    texts = {
        stream: b"".join(
            b"%d:%d%s\n" % (stream, number, b"x" * random.choice([0, 1, 5, 60])) for number in range(60)
        )
        for stream in (STDOUT, STDERR)
    }
    chunks, time_ns = [], 0
    while any(texts.values()):
        stream = random.choice([stream for stream, text in texts.items() if text])
        length = random.choice([1, 3, 10, 40, 200])
        time_ns += random.randrange(3)
        chunks.append((stream, time_ns, texts[stream][:length]))
        texts[stream] = texts[stream][length:]
    return chunks


def expected(chunks: list[tuple[int, int, bytes]]) -> list[tuple[int, int, bytes]]:
    """Return the lines of *chunks*, byte by byte, in the order in which they ended."""
    found, heads = [], {STDOUT: (0, b""), STDERR: (0, b"")}
    for stream, time_ns, chunk in chunks:
        for byte in chunk:
            began, head = heads[stream]
            line = head + bytes((byte,))
            heads[stream] = (began if head else time_ns, line)
            if byte == 10:
                found.append((stream, heads[stream][0], line))
                heads[stream] = (0, b"")
    return found


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("files", [3, 10_000])
async def test_any_query_of_any_log(tmp_path: Path, seed: int, files: int) -> None:
    """Whatever is asked of a log in segments is what a plain list of its lines would give; and of one that lost its
    beginning, the end of that."""
    random = Random(seed)
    chunks = random_chunks(random)
    path = tmp_path / "log"
    log = LogFile(str(path), size=random.choice([1, 30, 100, 700]), files=files)
    for stream, time_ns, chunk in chunks:
        log.append(stream, chunk, time_ns=time_ns or 1)
    chance = Random(seed)
    for name in log.closed:
        if chance.random() < 0.5:
            pack(name)
    log.close()
    every = [(stream, time_ns or 1, line) for stream, time_ns, line in expected(chunks)]
    kept = await read(path)
    for stream in (STDOUT, STDERR):
        mine = [line for line in kept if line[0] == stream]
        assert mine == [line for line in every if line[0] == stream][-len(mine) :] if mine else True
    if files > 3:
        assert kept == every
    for _ in range(20):
        since, until = random.choice([0, 1, 40, 90, 200]), random.choice([0, 1, 60, 100, 500])
        tail = random.choice([None, 0, 1, 2, 7, 50, 1000])
        only = random.choice([{STDOUT}, {STDERR}, {STDOUT, STDERR}])
        wanted = [
            line for line in kept if line[0] in only and line[1] >= since and (not until or line[1] <= until)
        ]
        found = await read(
            path,
            stdout=STDOUT in only,
            stderr=STDERR in only,
            since_ns=since,
            until_ns=until,
            tail=tail,
        )
        if tail is None or not (since or until):
            assert found == (wanted if tail is None else wanted[len(wanted) - min(tail, len(wanted)) :])
    for tail in (1, 2, 7):
        assert await read(path, tail=tail) == kept[-tail:]
    whole = await read(path, timeless=True)
    for stream in (STDOUT, STDERR):
        assert [line for its, _time, line in whole if its == stream] == [
            line for its, _time, line in kept if its == stream
        ]


async def test_a_very_long_line_comes_in_pieces(tmp_path: Path) -> None:
    """A line of many megabytes is passed on without being held together, and nothing of it is lost."""
    log = LogFile(str(tmp_path / "log"))
    for _ in range(50):
        log.append(STDOUT, b"x" * 65536)
    log.append(STDOUT, b"end\nnext\n")
    log.close()
    found = [line for _stream, _time, line in await read(tmp_path / "log")]
    assert b"".join(found) == b"x" * 65536 * 50 + b"end\nnext\n"
    assert max(map(len, found)) < 1 << 21
    assert found[-1] == b"next\n"
