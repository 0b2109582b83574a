"""The log of a container: written raw, repaired after a crash."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from yurt.shim.log import RECORD, STDERR, STDOUT, LogFile, segment_numbers
from yurt.shim.reader import Assembler, Reader, blocks_of, torn_of


def test_appended_is_read(tmp_path: Path) -> None:
    """What was appended is read back, by number."""
    log = LogFile(str(tmp_path / "log"))
    log.append(STDOUT, b"one\n")
    log.append(STDERR, b"two\n")
    assert log.count == 2
    assert [log.read(0), log.read(1)] == [(STDOUT, b"one\n"), (STDERR, b"two\n")]
    assert (tmp_path / "log").read_bytes() == b"one\ntwo\n"


def test_goes_on_at_its_end(tmp_path: Path) -> None:
    """A log opened again is continued."""
    LogFile(str(tmp_path / "log")).append(STDOUT, b"one\n")
    again = LogFile(str(tmp_path / "log"))
    again.append(STDOUT, b"two\n")
    assert again.read(1) == (STDOUT, b"two\n")


def test_records_of_zeros(tmp_path: Path) -> None:
    """A power cut may leave zeros at the end of the index: they are no records, and nothing is told twice."""
    LogFile(str(tmp_path / "log")).append(STDOUT, b"one\n")
    with (tmp_path / "log.idx").open("ab") as index:
        index.write(bytes(2 * RECORD.size + 5))
    again = LogFile(str(tmp_path / "log"))
    assert again.count == 1
    assert again.read(0) == (STDOUT, b"one\n")


def test_data_without_record(tmp_path: Path) -> None:
    """Output that a crash left without its record gets one."""
    LogFile(str(tmp_path / "log")).append(STDOUT, b"one\n")
    with (tmp_path / "log").open("ab") as data:
        data.write(b"torn")
    again = LogFile(str(tmp_path / "log"))
    assert again.count == 2
    assert again.read(1) == (STDOUT, b"torn")


def test_bound(tmp_path: Path) -> None:
    """A bounded log keeps its last segments, cut between lines, and reads back what it keeps."""
    path = str(tmp_path / "log")
    log = LogFile(path, size=10, files=3)
    for number in range(1000, 1010):
        log.append(STDOUT, b"%d\n" % number)
    assert segment_numbers(path) == [2, 3, 4]
    assert (tmp_path / "log.2").read_bytes() == b"1004\n1005\n"
    assert log.read(log.first) == (STDOUT, b"1004\n")
    assert log.read(log.count - 1) == (STDOUT, b"1009\n")
    again = LogFile(path, size=10, files=3)
    again.append(STDERR, b"more\n")
    assert segment_numbers(path) == [3, 4, 5]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [
        f"log.{number}{suffix}" for number in (3, 4, 5) for suffix in ("", ".idx")
    ]


def test_a_chunk_is_cut_to_fit(tmp_path: Path) -> None:
    """A chunk larger than a segment is spread over several; a line longer than one stays whole."""
    log = LogFile(str(tmp_path / "log"), size=10, files=9)
    log.append(STDOUT, b"one\ntwo\nthree\na long long line\nend\n")
    assert [(tmp_path / name).read_bytes() for name in ("log", "log.1", "log.2", "log.3")] == [
        b"one\ntwo\n",
        b"three\n",
        b"a long long line\n",
        b"end\n",
    ]


def test_how_far_behind(tmp_path: Path) -> None:
    """The bytes from a record to the end are counted across segments."""
    log = LogFile(str(tmp_path / "log"), size=10, files=9)
    for _ in range(5):
        log.append(STDOUT, b"1234\n")
    assert [log.behind(number) for number in range(6)] == [25, 20, 15, 10, 5, 0]


def test_a_removal_cut_short(tmp_path: Path) -> None:
    """An index whose segment is gone is removed when the log is opened."""
    LogFile(str(tmp_path / "log"), size=10, files=3).append(STDOUT, b"one\n")
    os.rename(tmp_path / "log", tmp_path / "log.7")
    os.rename(tmp_path / "log.idx", tmp_path / "log.7.idx")
    (tmp_path / "log.4.idx").touch()
    LogFile(str(tmp_path / "log"), size=10, files=3)
    assert not (tmp_path / "log.4.idx").exists()


CRASHES = """
import os, sys
from yurt.shim.log import LogFile, STDOUT, STDERR
log = LogFile(sys.argv[1], size=2000, files=int(sys.argv[2]))
number = int(sys.argv[3])
while True:
    chunk = b"".join(b"line %d\\n" % (number + step) for step in range(7))
    log.append(STDOUT, chunk[:50])
    log.append(STDOUT, chunk[50:])
    number += 7
    os.write(1, b"%d\\n" % number)
"""


@pytest.mark.parametrize("files", [3, 1000])
def test_killed_at_any_moment(tmp_path: Path, files: int) -> None:
    """kill -9 of the writer, again and again: every line kept is whole and in order, none that was told is lost."""
    path = str(tmp_path / "log")
    told = 0
    for round_ in range(12):
        writer = subprocess.Popen(
            [sys.executable, "-c", CRASHES, path, str(files), str(told)], stdout=subprocess.PIPE
        )
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(20 + 13 * round_)]
        writer.kill()
        rest = writer.stdout.read().split(b"\n")
        writer.stdout.close()
        writer.wait()
        told = int([line for line in [*lines, *rest[:-1]] if line.strip()][-1])
        numbers = _numbers(path)
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        assert numbers[-1] >= told - 1
        if files > 900:
            assert numbers[0] == 0
        told = numbers[-1] + 1
    assert len(segment_numbers(path)) > 2


def _numbers(path: str) -> list[int]:
    """Return the numbers of the whole lines of a log that nobody writes; what a kill cut in two does not count."""
    assembler = Assembler(frozenset({STDOUT}))
    found = []
    with Reader(path) as reader:
        for segment in reader.segments:
            found += list(blocks_of(segment, assembler, 0, segment.count()))
        found += torn_of(segment, assembler)
    lines = b"".join(data for _stream, _time, data in found if data.endswith(b"\n")).splitlines()
    return [int(line.removeprefix(b"line ")) for line in lines]


FULL = """
import resource, sys
from yurt.shim.log import LogFile, STDOUT
def room(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
log = LogFile(sys.argv[1], size=int(sys.argv[2]), files=100)
taken = []
for number in range(40):
    room(int(sys.argv[3]) if number in range(10, 20) else resource.RLIM_INFINITY)
    taken.append(log.append(STDOUT, b"line %d\\nline " % (2 * number)))
    log.append(STDOUT, b"%d\\n" % (2 * number + 1))
assert log.settle() and not log.owes
print(*taken)
"""


@pytest.mark.parametrize("size", [0, 150])
@pytest.mark.parametrize("limit", [0, 61, 100])
def test_full_for_a_while(tmp_path: Path, size: int, limit: int) -> None:
    """What the disk does not take, wholly or in part, is in the log when there is room again, in order."""
    path = str(tmp_path / "log")
    done = subprocess.run(
        [sys.executable, "-c", FULL, path, str(size), str(limit)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[0] == done.stdout.split()[-1] == "True"
    assert "False" in done.stdout
    assert _numbers(path) == list(range(80))


def test_full_for_good(tmp_path: Path) -> None:
    """A bounded part of what a full disk does not take is kept; the rest is lost, and nothing is torn."""
    program = FULL.replace("range(10, 20)", "range(10, 50)").replace(
        'b"line %d', 'b"x" * 9000 + b"\\\\nline %d'
    )
    program = program.replace("assert log.settle() and not log.owes", "assert log.owes and not log.settle()")
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "log"), "0", "400"], check=True)
    again = LogFile(str(tmp_path / "log"))
    assert all(chunk[-1:] in b"\n " for _stream, chunk in map(again.read, range(again.count)))


def test_torn_record(tmp_path: Path) -> None:
    """Half a record is dropped, and its data gets a whole one."""
    log = LogFile(str(tmp_path / "log"))
    log.append(STDOUT, b"one\n")
    log.append(STDERR, b"two\n")
    os.truncate(tmp_path / "log.idx", RECORD.size + 7)
    again = LogFile(str(tmp_path / "log"))
    assert again.count == 2
    assert again.read(1)[1] == b"two\n"


def test_record_without_data(tmp_path: Path) -> None:
    """A record whose data was lost with the power is dropped."""
    log = LogFile(str(tmp_path / "log"))
    log.append(STDOUT, b"one\n")
    log.append(STDOUT, b"two\n")
    os.truncate(tmp_path / "log", 4)
    again = LogFile(str(tmp_path / "log"))
    assert again.count == 1
    again.append(STDOUT, b"new\n")
    assert again.read(1) == (STDOUT, b"new\n")
