"""Overlay mounts: a stack of read-only layers with one writable layer on top (Documentation/filesystems/overlayfs.rst)."""

import contextlib
import logging
import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from yurt.linux import isolation, syscall
from yurt.linux.mount import make_read_only, unmount

log = logging.getLogger(__name__)

# mount(2) takes at most one page of options, its final NUL counted.
_OPTIONS_LIMIT = 4095
# A host may have these on by default. A layer made with them is no longer a plain tree of files and whiteouts:
# renamed folders and changed modes would live in extended attributes that no layer archive can carry.
_PLAIN_LAYERS = ("redirect_dir=off", "metacopy=off")
# Trusted attributes are the host's root's. Layers are plain with this: the kernel refuses to be told so once more.
_MARKED_BY_USER = "userxattr"
# Characters that mean something to the parser of options.
_SPECIAL = set(",:\\\"' ")


@dataclass(frozen=True, slots=True)
class OverlayMount:
    """What an overlay is made of. *lower* lists the read-only layers, topmost first.

    Without *upper* (and *work*) the mount is read-only. *upper* and *work* lie on one file system, *work* is empty.
    A *volatile* overlay is never synchronised to the disk, so unmounting is quick, and a crash of the host
    loses it: for containers that are thrown away when they end. The kernel refuses to mount its upper again
    while ``work/work/incompat/volatile`` is there.
    """

    lower: tuple[Path, ...]
    upper: Path | None = None
    work: Path | None = None
    volatile: bool = False

    def options(self) -> str:
        """Return the mount options as text, whatever their length."""
        return self._options([str(path) for path in self.lower], self.upper, self.work)

    def _options(self, lower: list[str], upper: Path | str | None, work: Path | str | None) -> str:
        parts = ["lowerdir=" + ":".join(lower)]
        if upper is not None:
            parts += [f"upperdir={upper}", f"workdir={work}"]
            parts += () if isolation.is_rootless() else _PLAIN_LAYERS
            if self.volatile:
                parts.append("volatile")
        if isolation.is_rootless():
            parts.append(_MARKED_BY_USER)
        return ",".join(parts)

    def describe(self, target: Path) -> str:
        """Return the mount(8) command that does the same, ready to paste."""
        return f"mount -t overlay -o {shlex.quote(self.options())} overlay {shlex.quote(str(target))}"

    def mount(self, target: Path) -> None:
        """Mount at *target*, a folder that exists; raise OSError when the kernel refuses, leaving nothing mounted.

        One layer without an upper is no overlay for the kernel: it is bound read-only instead.
        """
        log.debug("%s", self.describe(target))
        if self.upper is None and len(self.lower) == 1:
            self._bind(target)
            return
        options = self.options()
        if len(os.fsencode(options)) <= _OPTIONS_LIMIT and not self._has_special_characters():
            syscall.mount("overlay", target, "overlay", 0, options)
            return
        with self._short_names() as options:
            syscall.mount("overlay", target, "overlay", 0, options)

    def _has_special_characters(self) -> bool:
        paths = [*self.lower, *(path for path in (self.upper, self.work) if path is not None)]
        return any(not _SPECIAL.isdisjoint(str(path)) for path in paths)

    @contextlib.contextmanager
    def _short_names(self) -> Iterator[str]:
        """Name every folder by an open descriptor: some sixteen bytes for each of up to 250 layers, and no special characters."""
        with contextlib.ExitStack() as stack:

            def name(path: Path) -> str:
                fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
                stack.callback(os.close, fd)
                return f"/proc/self/fd/{fd}"

            lower = [name(path) for path in self.lower]
            upper = None if self.upper is None else name(self.upper)
            work = None if self.work is None else name(self.work)
            yield self._options(lower, upper, work)

    def _bind(self, target: Path) -> None:
        syscall.mount(self.lower[0], target, flags=syscall.MS_BIND)
        try:
            make_read_only(target)
        except OSError:
            unmount(target, lazy=True)
            raise
