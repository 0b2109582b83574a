"""``python -m tests.soak``: the arguments, the rounds, the report. See scripts/soak."""

import argparse
import os
import random
import re
import sys
import time
import traceback
from pathlib import Path

from tests.integration.footprint import Footprint, assert_settles, footprint_at_rest
from tests.leaving import leave_in_order
from tests.soak.belief import Violation
from tests.soak.chaos import Chaos
from tests.soak.invariants import Checker, clear
from tests.soak.stage import Stage
from tests.soak.worker import Course, Worker
from tests.soak.world import Container, Subject

CLEAR_EACH = 3  # rounds after which everything is removed and the footprint compared
PATIENCE = 150.0  # seconds in which an operation under way must end
LOG_LINES = 30
_ID = re.compile(r"\b[0-9a-f]{64}\b")


def main() -> int:
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30, help="how long (30)")
    parser.add_argument("--seed", default=str(random.SystemRandom().randrange(10**6)), help="of the choices")
    parser.add_argument("--workers", type=int, default=4, help="operations at a time (4)")
    parser.add_argument("--round", type=float, default=60, help="seconds between two checks (60)")
    parser.add_argument("--keep", action="store_true", help="after a violation leave everything for a look")
    options = parser.parse_args()
    print(f"soak: seed {options.seed}, {options.minutes:g} minutes, {options.workers} workers", flush=True)
    leave_in_order()
    stage = Stage()
    soak = Soak(stage, options.seed, options.workers)
    failed = True
    try:
        stage.open()
        failed = not soak.run(minutes=options.minutes, seconds=options.round)
    finally:
        if failed and options.keep:
            print(f"kept: yurtd {stage.pid}, {stage.host.host}, its log {stage.host.log}")
        stage.close(keep=failed and options.keep)
    counts = soak.course.counts
    print(", ".join(f"{name} {count}" for name, count in sorted(counts.items())))
    print(
        f"soak: {'VIOLATED' if failed else 'clean'}, seed {options.seed}, {counts.total()} operations and blows"
    )
    return int(failed)


class Soak:
    """Rounds of bad weather, each followed by a moment of rest in which everything is checked."""

    def __init__(self, stage: Stage, seed: str, workers: int) -> None:
        self.course = Course(stage)
        self._workers = [Worker(self.course, number, seed) for number in range(workers)]
        self._chaos = Chaos(self.course, seed)
        self._observer = Worker(self.course, workers, seed)

    def run(self, *, minutes: float, seconds: float) -> bool:
        """Return whether nothing was violated."""
        end = time.monotonic() + minutes * 60
        before = footprint_at_rest(self.course.stage.host)
        threads: list[Worker | Chaos] = [*self._workers, self._chaos]
        for one in threads:
            one.start()
        number = 0
        try:
            while time.monotonic() < end and not self.course.over.wait(min(seconds, end - time.monotonic())):
                number += 1
                last = time.monotonic() >= end
                self._rest(number, before if number % CLEAR_EACH == 0 or last else None)
        finally:
            self.course.over.set()
            self.course.gate.open()
            for one in threads:
                one.join()
        for what, subject, error in self.course.violations:
            self._tell(what, subject, error)
        return not self.course.violations

    def _rest(self, number: int, before: Footprint | None) -> None:
        """Check everything while nobody works; with *before*, clear and compare with that."""
        checker = Checker(self._observer)
        try:
            if not self.course.gate.close(PATIENCE):
                raise Violation(f"an operation did not end within {PATIENCE:g} seconds")
            checker.check()
            done, kept = self.course.counts.total(), len(self.course.world.containers)
            print(
                f"round {number}: {done} done, {kept} containers, {_size(self.course.stage.pid)}", flush=True
            )
            if before is not None:
                clear(self._observer)
                assert_settles(self.course.stage.host, before)
        except Exception as error:
            self.course.violations.append((f"round {number}", checker.subject, error))
            self.course.over.set()
        finally:
            self.course.gate.open()

    def _tell(self, what: str, subject: Subject | None, error: BaseException) -> None:
        print(f"\nVIOLATION in {what}: {type(error).__name__}: {error}", file=sys.stderr)
        if not isinstance(error, Violation):
            traceback.print_exception(error)
        words = [subject.name] if subject else _ID.findall(str(error))
        if subject is not None:
            print(f"{subject!r}\n  " + "\n  ".join(subject.history), file=sys.stderr)
            words += [subject.id] if isinstance(subject, Container) and subject.id else []
        log = self.course.stage.log()
        about = [line for line in log if any(word in line for word in words)][-LOG_LINES:]
        print("the engine's log:", *about, "…", *log[-LOG_LINES:], sep="\n  ", file=sys.stderr)


def _size(pid: int) -> str:
    status = Path(f"/proc/{pid}/status").read_text()
    resident = int(status.partition("VmRSS:")[2].split()[0]) // 1024
    return f"yurtd {pid} {resident} MiB, {len(os.listdir(f'/proc/{pid}/fd'))} descriptors"


if __name__ == "__main__":
    sys.exit(main())
