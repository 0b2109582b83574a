"""Which files below some folders change, told by the kernel: inotify through the C library.

A package for this would bring a compiled library and an event loop for three calls. New folders are watched as they
come; when the kernel's queue overflows, everything counts as changed, and the caller compares.
"""

from __future__ import annotations

import ctypes
import os
import select
import struct
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from yurt.errors import InvalidArgument, Unavailable

_EVENT = struct.Struct("iIII")  # wd, mask, cookie, length of the name
_CHANGES = (
    0x002 | 0x004 | 0x008 | 0x040 | 0x080 | 0x100 | 0x200
)  # MODIFY ATTRIB CLOSE_WRITE MOVED_* CREATE DELETE
_IS_DIR, _OVERFLOW, _IGNORED = 0x4000_0000, 0x4000, 0x8000
_CLOEXEC, _NONBLOCK = 0o2000000, 0o4000
_SETTLED = 0.1  # seconds without a change that end a batch
_LONGEST = 2.0  # seconds that a batch may last


class Changes:
    """Watches folders and files while it is entered; *skips* says which folders are not entered."""

    def __init__(self, paths: Iterable[str], *, skips: Callable[[str], bool] = lambda _: False) -> None:
        self._paths = tuple(paths)
        self._skips = skips
        self._folders: dict[int, str] = {}
        self._descriptor = -1
        try:
            self._libc = ctypes.CDLL(None, use_errno=True)
            self._add = self._libc.inotify_add_watch
            self._init = self._libc.inotify_init1
        except (OSError, AttributeError) as error:
            raise Unavailable("changes of files can't be watched here: the system has no inotify") from error

    def __enter__(self) -> Self:
        self._descriptor = self._init(_CLOEXEC | _NONBLOCK)
        if self._descriptor < 0:
            raise Unavailable(f"changes of files can't be watched: {os.strerror(ctypes.get_errno())}",
                              hint="raise fs.inotify.max_user_instances")  # fmt: skip
        for path in self._paths:
            if not os.path.lexists(path):
                raise InvalidArgument(f"cannot watch {path}: no such file or folder")
            if os.path.isdir(path):
                self._watch(path)
            else:
                self._one(os.path.dirname(path))  # editors replace a file: its folder tells of that
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    def _one(self, folder: str) -> None:
        number = self._add(self._descriptor, os.fsencode(folder), ctypes.c_uint32(_CHANGES))
        if number < 0:
            code = ctypes.get_errno()
            if code in (2, 13, 20):  # it has gone meanwhile, or may not be read
                return
            hint = "raise fs.inotify.max_user_watches" if code == 28 else None
            raise Unavailable(f"cannot watch {folder}: {os.strerror(code)}", hint=hint)
        self._folders[number] = folder

    def _watch(self, folder: str) -> list[str]:
        """Watch *folder* and those below it; returns the files that are there already."""
        self._one(folder)
        found: list[str] = []
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            return found
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if not self._skips(entry.path):
                    found += self._watch(entry.path)
            else:
                found.append(entry.path)
        return found

    def next(self, timeout: float | None = None) -> set[str]:
        """Wait for changes and return the paths of a batch: all until it is quiet; empty after *timeout* seconds."""
        if not select.select([self._descriptor], [], [], timeout)[0]:
            return set()
        changed = self._read()
        for _ in range(int(_LONGEST / _SETTLED)):
            if not select.select([self._descriptor], [], [], _SETTLED)[0]:
                break
            changed |= self._read()
        return changed

    def _read(self) -> set[str]:
        changed: set[str] = set()
        try:
            data = os.read(self._descriptor, 1 << 16)
        except BlockingIOError:
            return changed
        at = 0
        while at < len(data):
            number, mask, _, length = _EVENT.unpack_from(data, at)
            name = os.fsdecode(data[at + _EVENT.size : at + _EVENT.size + length].rstrip(b"\0"))
            at += _EVENT.size + length
            if mask & _OVERFLOW:
                for path in self._paths:
                    changed |= set(self._watch(path)) if os.path.isdir(path) else {path}
                continue
            folder = self._folders.get(number)
            if mask & _IGNORED:
                self._folders.pop(number, None)
            if folder is None or not name:
                continue
            path = os.path.join(folder, name)
            changed.add(path)
            if mask & _IS_DIR and not self._skips(path) and os.path.isdir(path):
                changed |= set(self._watch(path))
        return changed
