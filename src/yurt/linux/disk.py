"""Bringing what was written to the disk, where no power cut can take it away. Blocking: for a thread."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from yurt.linux import syscall


def sync_folder(folder: Path) -> None:
    """Afterwards the names in *folder* last; not what is in files or folders of these names."""
    with _opened(folder) as descriptor:
        os.fsync(descriptor)


def sync_file_system(folder: Path) -> None:
    """Afterwards everything on the file system of *folder* lasts. May take long: others' files go along."""
    with _opened(folder) as descriptor:
        syscall.syncfs(descriptor)


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
