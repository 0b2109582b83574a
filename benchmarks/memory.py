"""How much memory an engine takes: the proportional set size, in which shared pages count once over all sharers."""

import contextlib
import os
import socket
import struct
from collections.abc import Collection, Iterator
from pathlib import Path


def listening(address: str) -> int:
    """Return the process that listens at *address* (``unix:///path``)."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.connect(address.removeprefix("unix://"))
        credentials = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", credentials)[0])


def of_engine(daemon: int | None, containers: Collection[str]) -> float:
    """Return the MiB of an engine that keeps *containers* (whole ids) running, but for the containers' own processes.

    That is the daemon and its children (containerd, docker-proxy; the zygote), and whoever has a container's id on
    its command line (a containerd-shim, a conmon) or in the path of its working folder (a shim of Yurt).
    """
    total = 0
    for process in _processes():
        with contextlib.suppress(OSError):  # it has ended
            if (
                process.name == str(daemon)
                or _parent(process) == daemon
                or any(one in _words(process) for one in containers)
            ):
                total += _pss(process)
    return total / 1024


def _processes() -> Iterator[Path]:
    return (Path("/proc") / name for name in os.listdir("/proc") if name.isdecimal())


def _words(process: Path) -> str:
    return (process / "cmdline").read_text(errors="replace") + os.readlink(process / "cwd")


def _parent(process: Path) -> int:
    return _number((process / "status").read_text(), "PPid:")


def _pss(process: Path) -> int:
    """Return KiB."""
    return _number((process / "smaps_rollup").read_text(), "Pss:")


def _number(text: str, key: str) -> int:
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith(key))
