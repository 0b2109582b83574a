"""A yurtd whose root lies on a small file system of its own, which can be filled."""

import contextlib
import os
import subprocess
from pathlib import Path

from tests.integration.engine_host import EngineHost

from yurt.linux.mount import unmount

MIB = 1 << 20


class SmallDisk:
    """A tmpfs of *size* MiB in *folder*, and the engine on it."""

    def __init__(self, folder: Path, *, size: int = 64) -> None:
        self.disk = folder / "disk"
        self.disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}m", "yurt-test", self.disk], check=True)
        self.host = EngineHost(self.disk)
        self.host.log = folder / "yurtd.log"
        self._ballast = self.disk / "ballast"

    def fill(self, *, leaving: int = 0) -> None:
        """Afterwards *leaving* bytes are free."""
        self.free()
        with self._ballast.open("wb") as file:
            for _attempt in range(1000):  # in small pieces: others may write meanwhile
                disk = os.statvfs(self.disk)
                room = disk.f_bavail * disk.f_frsize - leaving
                if room <= 0:
                    return
                with contextlib.suppress(OSError):
                    os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, min(room, MIB))
        raise AssertionError(f"{room} bytes are still free")

    def free(self) -> None:
        self._ballast.unlink(missing_ok=True)

    def destroy(self) -> None:
        """Remove the files, and the file system."""
        self.host.destroy()
        unmount(self.disk, lazy=True)
