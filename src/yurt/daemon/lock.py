"""One engine a root: a lock that the kernel gives back however the process ends."""

import fcntl
import os
from pathlib import Path

from yurt.errors import Conflict, Unavailable, translated

NAME = "yurtd.lock"


class RootLock:
    """Held while this object lives and is not released; the file also says who holds it."""

    def __init__(self, root: Path) -> None:
        """Take the lock of *root*; raise Conflict when another engine has it, Unavailable when it cannot be."""
        self._path = root / NAME
        with translated({OSError: Unavailable}, f"cannot use {root}"):
            root.mkdir(mode=0o711, parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as taken:
            holder = os.read(self._file, 32).decode(errors="replace").strip()
            os.close(self._file)
            raise Conflict(
                f"another yurtd (pid {holder or 'unknown'}) already works on {root}",
                hint="stop it, or choose another folder with --root",
            ) from taken
        os.ftruncate(self._file, 0)
        os.write(self._file, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Afterwards another engine may take the root. Idempotent."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
