"""A worker's health check: a file that a living worker touches every few seconds.

Asking every worker over the broker (``celery inspect ping``) starts a Python with the whole application each
time; this looks at one file. In the application ``keep_alive_file("/tmp/worker.alive")``; as health check
``python3 -m yurt.tasks.alive /tmp/worker.alive``.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

FRESH = 15.0  # seconds; a worker's heartbeat comes every two


def keep_alive_file(path: Path | str) -> None:
    """Let the worker of this process touch *path* when it is ready, and with each of its heartbeats.

    The heartbeat comes from the loop that takes tasks off the queue: a worker that lost its broker or hangs
    stops touching. It needs ``worker_send_task_events``, which `yurt.tasks` sets.
    """
    from celery import signals  # the check itself must stay light

    file = Path(path)

    def touch(**_: object) -> None:
        file.touch()

    def remove(**_: object) -> None:
        file.unlink(missing_ok=True)

    uid = f"yurt.alive:{file}"
    signals.worker_ready.connect(touch, weak=False, dispatch_uid=uid)
    signals.heartbeat_sent.connect(touch, weak=False, dispatch_uid=uid)
    signals.worker_shutting_down.connect(remove, weak=False, dispatch_uid=uid)


def is_alive(path: Path | str, *, now: float | None = None) -> bool:
    """Tell whether a worker touched *path* lately."""
    try:
        touched = Path(path).stat().st_mtime
    except FileNotFoundError:
        return False
    return (time.time() if now is None else now) - touched < FRESH


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 when the worker that touches the file given lives, else 1."""
    (path,) = sys.argv[1:] if arguments is None else arguments
    if is_alive(path):
        return 0
    print(f"no worker touched {path} in the last {FRESH:.0f} s", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
