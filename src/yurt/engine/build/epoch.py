"""SOURCE_DATE_EPOCH: the moment that a build is dated, so that the same inputs give the same bytes.

Facts: https://reproducible-builds.org/specs/source-date-epoch/. A build that has it says this time wherever it would
say when it ran: in the image's configuration and history, and for every file that a step made or copied and that is
newer. It counts in the keys of the build cache, since what is cached without it has other times.
"""

import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime

from yurt.errors import InvalidArgument

ARGUMENT = "SOURCE_DATE_EPOCH"
_LATEST = 253402300799  # the last second of the year 9999, which RFC 3339 can still write


def epoch_of(arguments: Mapping[str, str | None]) -> int | None:
    """Return the seconds since 1970 that a build is dated, None without; raise InvalidArgument for anything else."""
    text = arguments.get(ARGUMENT)
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,12}", text) or int(text) > _LATEST:
        raise InvalidArgument(
            f"{ARGUMENT}={text} is no time", hint="write seconds since 1970, such as 1700000000"
        )
    return int(text)


def rfc3339(epoch: int) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def clamp(folder: str, epoch: int) -> None:
    """Afterwards nothing in *folder*, itself included, was changed after *epoch*."""
    for below, folders, files in os.walk(folder, topdown=False):
        for name in (*folders, *files):
            _clamp(f"{below}/{name}", epoch)
    _clamp(folder, epoch)


def _clamp(path: str, epoch: int) -> None:
    status = os.lstat(path)
    if status.st_mtime > epoch:
        os.utime(path, (status.st_atime, epoch), follow_symlinks=False)
