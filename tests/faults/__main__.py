"""Interrupt every operation at every call, and print what came of it: `scripts/faults --help`."""

import argparse
import sys
import tempfile
import traceback
from collections import Counter
from pathlib import Path

from tests.faults.operations import OPERATIONS, Operation
from tests.faults.trial import FAULTS, Bench, Fault


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/faults", description=__doc__)
    parser.add_argument("--operation", action="append", choices=OPERATIONS, help="only this one (repeatable)")
    parser.add_argument("--fault", action="append", choices=FAULTS, help="only this one (repeatable)")
    parser.add_argument("--step", type=int, default=1, metavar="N", help="the call to begin with")
    parser.add_argument("--last", type=int, default=1000, metavar="N", help="the call to end with")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take each N-th call only")
    arguments = parser.parse_args()
    failures = 0
    steps = range(arguments.step, arguments.last + 1, arguments.every)
    for name in arguments.operation or OPERATIONS:
        for fault in arguments.fault or FAULTS:
            failures += _enumerate(OPERATIONS[name], fault, FAULTS[fault], steps)
    sys.exit(1 if failures else 0)


def _enumerate(operation: Operation, name: str, fault: Fault, steps: range) -> int:
    """Print one line for the operation, and one for each call at which something did not hold; return how many."""
    counts: Counter[str] = Counter()
    slowest = 0.0
    bench: Bench | None = None
    folder = tempfile.TemporaryDirectory(prefix="yurt-test-", ignore_cleanup_errors=True)
    with folder:
        for at in steps:
            if bench is None:
                place = Path(folder.name) / str(at)
                place.mkdir()
                bench = Bench(place)
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
                    bench.close()
                except Exception as left:
                    print(f"    and then: {str(left).splitlines()[:1]}", flush=True)
                bench = None  # the next trial begins anew
                continue
            slowest = max(slowest, outcome.seconds)
            if not outcome.call:
                break
            counts["acknowledged" if outcome.acknowledged else "done" if outcome.done else "not done"] += 1
        if bench is not None:
            bench.close()
    print(
        f"{operation.name:20} {name:12} {counts.total():4} calls: {counts['acknowledged']:3} acknowledged,"
        f" {counts['done']:3} done, {counts['not done']:3} not done, {counts['FAILED']:3} FAILED;"
        f" next engine within {slowest:.1f} s",
        flush=True,
    )
    return counts["FAILED"]


if __name__ == "__main__":
    main()
