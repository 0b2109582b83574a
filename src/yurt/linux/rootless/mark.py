"""A process written down in a file, so that a later one finds just it, and no other that got its number."""

import contextlib
from pathlib import Path


def write(file: Path, pid: int) -> None:
    """Afterwards the file names process *pid*, wholly or as before."""
    temporary = file.with_name(f"{file.name}.new")
    temporary.write_text(f"{pid} {_began(pid)}\n")
    temporary.rename(file)


def read(file: Path) -> int:
    """Return the pid of the process that the file names, 0 when it has ended."""
    with contextlib.suppress(OSError, ValueError):
        pid, began = file.read_text().split()
        if began == _began(int(pid)):
            return int(pid)
    return 0


def _began(pid: int) -> str:
    """Return when the process began (proc_pid_stat(5)), which no other with its number did; "" when there is none."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if fields[0] == "Z" else fields[19]
    return ""
