"""Interrupt every operation at every call, and print what came of it: `scripts/faults --help`.

About 3,800 calls at 1.2 seconds each: some 40 minutes for all of them with two at a time on two processors that have
nothing else to do, extrapolated from a quarter of them.
"""

import argparse
import contextlib
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
from tests.leaving import leave_in_order

LONGEST = ("build", "restart", "prune images", "prune", "load", "pull", "run --rm", "rm -f")
# The runtime is run as for `start`: what kills it there tells nothing new, unless it is asked for by name.
REPEATED = {("restart", "kill-runtime"), ("run --rm", "kill-runtime")}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="scripts/faults", description=__doc__.partition("\n")[0] if __doc__ else None
    )
    parser.add_argument("--operation", action="append", choices=OPERATIONS, help="only this one (repeatable)")
    parser.add_argument("--fault", action="append", choices=FAULTS, help="only this one (repeatable)")
    parser.add_argument("--step", type=int, default=1, metavar="N", help="the call to begin with")
    parser.add_argument("--last", type=int, default=1000, metavar="N", help="the call to end with")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take each N-th call only")
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="operations that are interrupted at once"
    )
    arguments = parser.parse_args()
    leave_in_order()
    failures = 0
    steps = range(arguments.step, arguments.last + 1, arguments.every)
    faults = arguments.fault or list(FAULTS)
    chosen = {
        name: [one for one in faults if (name, one) not in REPEATED or arguments.operation]
        for name in arguments.operation or OPERATIONS
    }
    if arguments.jobs > 1:
        # The longest first, so that none is left to the end.
        names = sorted(chosen, key=lambda name: LONGEST.index(name) if name in LONGEST else len(LONGEST))
        limits = [f"--step={steps.start}", f"--last={arguments.last}", f"--every={steps.step}"]
        with ThreadPoolExecutor(arguments.jobs) as pool, _Children() as children:
            ends = [pool.submit(children.enumerate, name, chosen[name], limits) for name in names]
            failures = sum(end.result() for end in ends)
    else:
        with _Benches() as benches:
            for name, wanted in chosen.items():
                for fault in wanted:
                    failures += _enumerate(benches, OPERATIONS[name], fault, FAULTS[fault], steps)
    sys.exit(1 if failures else 0)


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

    def enumerate(self, name: str, faults: list[str], limits: list[str]) -> int:
        """Have one print its table at its end; return 1 when something did not hold."""
        if self._is_over:
            return 1
        words = [sys.executable, "-m", "tests.faults", f"--operation={name}", *limits]
        words += [f"--fault={fault}" for fault in faults]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as child:
            self._running.append(child)
            said, _none = child.communicate()
        print(said, end="", flush=True)
        return int(child.returncode != 0)


class _Benches:
    """One bench for all trials, and another one after each failure, which may have left anything."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="yurt-test-", ignore_cleanup_errors=True)
        self._undo = contextlib.ExitStack()
        self._bench: Bench | None = None
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        try:
            self.drop()
        finally:
            self._folder.cleanup()

    def get(self) -> Bench:
        if self._bench is None:
            self._count += 1
            place = Path(self._folder.name) / str(self._count)
            place.mkdir()
            self._bench = Bench(place)
            self._undo.callback(self._bench.close)
            self._bench.open()
        return self._bench

    def drop(self) -> None:
        """End the bench; the next trial has a new one."""
        self._bench = None
        self._undo.close()


def _enumerate(benches: _Benches, operation: Operation, name: str, fault: Fault, steps: range) -> int:
    """Print one line for the operation, and one for each call at which something did not hold; return how many."""
    counts: Counter[str] = Counter()
    slowest = 0.0
    for at in steps:
        bench = benches.get()
        try:
            outcome = bench.trial(operation, fault, at)
        except Exception as error:
            counts["FAILED"] += 1
            call = bench.instants.label(at)
            why = str(error).partition("\n")[0]
            print(f"  {operation.name} --fault {name} --step {at} ({call}): {type(error).__name__}: {why}")
            print(*traceback.format_tb(error.__traceback__)[-1:], sep="", end="", flush=True)
            try:
                benches.drop()
            except Exception as left:
                print(f"    and then: {str(left).splitlines()[:1]}", flush=True)
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
