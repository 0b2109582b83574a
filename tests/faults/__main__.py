"""Interrupt every operation at every call, and print what came of it: `scripts/faults --help`."""

import argparse
import contextlib
import signal
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from tests.faults.operations import OPERATIONS, Operation
from tests.faults.trial import FAULTS, Bench, Fault

LONGEST = ("build", "restart", "prune images", "prune", "load", "pull", "run --rm", "rm -f")
# The runtime is run as for `start`: what kills it there tells nothing new, unless it is asked for by name.
REPEATED = {("restart", "kill-runtime"), ("run --rm", "kill-runtime")}


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/faults", description=__doc__)
    parser.add_argument("--operation", action="append", choices=OPERATIONS, help="only this one (repeatable)")
    parser.add_argument("--fault", action="append", choices=FAULTS, help="only this one (repeatable)")
    parser.add_argument("--step", type=int, default=1, metavar="N", help="the call to begin with")
    parser.add_argument("--last", type=int, default=1000, metavar="N", help="the call to end with")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take each N-th call only")
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="operations that are interrupted at once"
    )
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, _leave)
    failures = 0
    steps = range(arguments.step, arguments.last + 1, arguments.every)
    pairs = [
        (name, fault)
        for fault in arguments.fault or FAULTS
        for name in arguments.operation or OPERATIONS
        if (name, fault) not in REPEATED or arguments.operation
    ]
    if arguments.jobs > 1:
        # The longest first, so that none is left to the end.
        pairs.sort(key=lambda pair: LONGEST.index(pair[0]) if pair[0] in LONGEST else len(LONGEST))
        limits = [f"--step={steps.start}", f"--last={arguments.last}", f"--every={steps.step}"]
        with ThreadPoolExecutor(arguments.jobs) as pool, _Children() as children:
            ends = [pool.submit(children.enumerate, name, fault, limits) for name, fault in pairs]
            failures = sum(end.result() for end in ends)
    else:
        for name, fault in pairs:
            failures += _enumerate(OPERATIONS[name], fault, FAULTS[fault], steps)
    sys.exit(1 if failures else 0)


def _leave(number: int, _frame: object) -> None:
    """End; what was made goes on the way out, and nothing may cut that short."""
    signal.signal(number, lambda *_: None)  # not SIG_IGN, which programs that are started would inherit
    sys.exit(1)


class _Children:
    """Processes that each interrupt one operation; when this is left early they are ended, too."""

    def __init__(self) -> None:
        self._running: list[subprocess.Popen[str]] = []
        self._is_over = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._is_over = True
        for child in self._running:
            child.terminate()

    def enumerate(self, name: str, fault: str, limits: list[str]) -> int:
        """Have one print its table at its end; return 1 when something did not hold."""
        if self._is_over:
            return 1
        words = [sys.executable, "-m", "tests.faults", f"--operation={name}", f"--fault={fault}", *limits]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as child:
            self._running.append(child)
            said, _none = child.communicate()
        print(said, end="", flush=True)
        return int(child.returncode != 0)


def _enumerate(operation: Operation, name: str, fault: Fault, steps: range) -> int:
    """Print one line for the operation, and one for each call at which something did not hold; return how many."""
    counts: Counter[str] = Counter()
    slowest = 0.0
    bench: Bench | None = None
    with (
        tempfile.TemporaryDirectory(prefix="yurt-test-", ignore_cleanup_errors=True) as folder,
        contextlib.ExitStack() as undo,
    ):
        for at in steps:
            if bench is None:
                place = Path(folder) / str(at)
                place.mkdir()
                bench = Bench(place)
                undo.callback(bench.close)
                bench.open()
            try:
                outcome = bench.trial(operation, fault, at)
            except Exception as error:
                counts["FAILED"] += 1
                call = bench.instants.label(at)
                why = str(error).partition("\n")[0]
                print(
                    f"  {operation.name} --fault {name} --step {at} ({call}): {type(error).__name__}: {why}"
                )
                print(*traceback.format_tb(error.__traceback__)[-1:], sep="", end="", flush=True)
                try:
                    undo.close()
                except Exception as left:
                    print(f"    and then: {str(left).splitlines()[:1]}", flush=True)
                bench = None  # the next trial begins anew
                continue
            slowest = max(slowest, outcome.seconds)
            if not outcome.call:
                break
            counts["acknowledged" if outcome.acknowledged else "done" if outcome.done else "not done"] += 1
    print(
        f"{operation.name:20} {name:12} {counts.total():4} calls: {counts['acknowledged']:3} acknowledged,"
        f" {counts['done']:3} done, {counts['not done']:3} not done, {counts['FAILED']:3} FAILED;"
        f" next engine after {slowest:.1f} s of processor time",
        flush=True,
    )
    return counts["FAILED"]


if __name__ == "__main__":
    main()
