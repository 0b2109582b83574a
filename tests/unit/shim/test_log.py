"""The log of a container: written raw, repaired after a crash."""

import contextlib
import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from yurt.shim.log import RECORD, STDERR, STDOUT, LogFile, segment_numbers
from yurt.shim.packed import pack
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


@pytest.mark.parametrize("packed", [False, True])
def test_data_without_record_in_a_new_segment(tmp_path: Path, packed: bool) -> None:
    """It goes on with the line whose beginning is at the end of the segment before, which may be compressed."""
    path = str(tmp_path / "log")
    log = LogFile(path, size=10, files=9)
    log.append(STDOUT, b"zero\nline ")
    log.append(STDERR, b"oh\n")
    log.append(STDOUT, b"1\n")
    assert segment_numbers(path) == [0, 1]
    os.truncate(tmp_path / "log.1", 3)
    with (tmp_path / "log.1").open("ab") as data:
        data.write(b"1\n")
    os.truncate(tmp_path / "log.1.idx", RECORD.size)
    if packed:
        for name in log.closed:
            pack(name)
    LogFile(path, size=10, files=9)
    with Reader(path) as reader:
        assembler = Assembler(frozenset({STDOUT}))
        lines = [
            data
            for segment in reader.segments
            for _stream, _time, data in blocks_of(segment, assembler, 0, segment.count())
        ]
    assert b"".join(lines) == b"zero\nline 1\n"
    assert lines[-1] == b"line 1\n"


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
from yurt.shim import packed
from yurt.shim.log import LogFile, STDOUT, STDERR
log = LogFile(sys.argv[1], size=2000, files=int(sys.argv[2]), packs=True)
number = int(sys.argv[3])
packer = 0
while True:
    if packer and os.waitpid(packer, os.WNOHANG)[0]:
        packer = 0
        log.packed()
    if log.may_pack and not packer:
        log.may_pack = False
        packer = packed.fork(log.closed)
    chunk = b"".join(b"line %d\\n" % (number + step) for step in range(7))
    log.append(STDOUT, chunk[:50])
    log.append(STDOUT, chunk[50:])
    number += 7
    os.write(1, b"%d\\n" % number)
"""


@pytest.mark.parametrize("files", [3, 1000])
def test_killed_at_any_moment(tmp_path: Path, files: int) -> None:
    """kill -9 of the writer, again and again: every line kept is whole and in order, none that was told is lost;
    while others compress what was written, some of whom outlive it."""
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
    if files > 900:  # of a few, each may be removed before its turn comes
        assert segment_numbers(path, ".gz")


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


def test_a_lagging_reader_of_its_own_reads_on_from_what_was_compressed(tmp_path: Path) -> None:
    """Also of an earlier run; the plain file takes no more room."""
    path = str(tmp_path / "log")
    log = LogFile(path, size=10, files=9, packs=True)
    for line in (b"one two\n", b"three four\n", b"five six\n"):
        log.append(STDOUT, line)
    assert log.may_pack
    for name in log.closed:
        pack(name)
    log.packed()
    assert log.closed == []
    assert segment_numbers(path, ".gz") == [0, 1]
    assert [log.read(number) for number in range(3)] == [(STDOUT, b"one two\n"), (STDOUT, b"three four\n"), (STDOUT, b"five six\n")]  # fmt: skip
    assert not any(os.readlink(f"/proc/self/fd/{fd}").endswith("(deleted)") for fd in _open_files(tmp_path))
    log.close()
    again = LogFile(path, size=10, files=9, packs=True)
    assert (again.count, again.behind(0)) == (3, 28)
    assert again.read(1) == (STDOUT, b"three four\n")
    again.append(STDOUT, b"seven\n")
    assert again.read(3) == (STDOUT, b"seven\n")
    again.close()


def _open_files(folder: Path) -> list[str]:
    found = []
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/self/fd/{fd}").startswith(str(folder)):
                found.append(fd)
    return found


def test_what_a_full_disk_does_not_take_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is left of the attempt."""
    name = str(tmp_path / "log")
    log = LogFile(name, size=10, files=9)
    log.append(STDOUT, b"one two\nthree four\n")
    before = sorted(os.listdir(tmp_path))

    def full(_descriptor: int, _data: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("yurt.shim.packed.os.write", full)
        with pytest.raises(OSError, match="No space left"):
            pack(name)
    assert sorted(os.listdir(tmp_path)) == before
    pack(name)
    pack_again = tmp_path / "log"
    assert not pack_again.exists()
    log.close()


def test_one_that_was_killed_before_it_removed_the_plain_one(tmp_path: Path) -> None:
    """Both are there: the plain one counts, and is removed the next time; whose index is gone goes, too."""
    name = str(tmp_path / "log")
    log = LogFile(name, size=10, files=9, packs=True)
    log.append(STDOUT, b"one two\nthree four\n")
    log.close()
    shutil.copy(name, tmp_path / "kept")
    pack(name)
    shutil.copy(tmp_path / "kept", name)
    shutil.copy(f"{name}.gz", f"{name}.7.gz")
    again = LogFile(name, size=10, files=9, packs=True)
    assert segment_numbers(name) == [0, 1]
    assert again.closed == [name]
    assert again.read(0) == (STDOUT, b"one two\n")
    pack(name)
    again.packed()
    assert again.read(0) == (STDOUT, b"one two\n")
    again.close()
