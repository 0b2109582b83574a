"""The log of a container: written raw, repaired after a crash."""

import os
from pathlib import Path

from yurt.shim.log import RECORD, STDERR, STDOUT, LogFile


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


def test_data_without_record(tmp_path: Path) -> None:
    """Output that a crash left without its record gets one."""
    LogFile(str(tmp_path / "log")).append(STDOUT, b"one\n")
    with (tmp_path / "log").open("ab") as data:
        data.write(b"torn")
    again = LogFile(str(tmp_path / "log"))
    assert again.count == 2
    assert again.read(1) == (STDOUT, b"torn")


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
