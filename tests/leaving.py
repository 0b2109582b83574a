"""A long run that is told to end: by SIGTERM, by Ctrl-C, or by its terminal that goes."""

import signal
import sys

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def leave_in_order() -> None:
    """From now on a signal to end raises SystemExit in the main thread, and nothing may cut short what that undoes.

    Ctrl-C reaches all of a process group: what has to live until it is ended in order has a group of its own.
    """
    for number in SIGNALS:
        signal.signal(number, _leave)


def _leave(number: int, _frame: object) -> None:
    for other in SIGNALS:
        signal.signal(other, lambda *_: None)  # not SIG_IGN, which programs that are started would inherit
    print(f"{signal.Signals(number).name}: removing what was made", file=sys.stderr, flush=True)
    sys.exit(128 + number)
