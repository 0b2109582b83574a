"""Time two commands in turns and compare them pair by pair, so that a drifting machine does not decide."""

import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Work = Callable[[], None]


class CommandFailed(Exception):
    """A measured command did not do its work, so its time means nothing."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Seconds of each counted run, ours and theirs, in the order taken."""

    name: str
    ours: tuple[float, ...]
    theirs: tuple[float, ...]
    target: float

    @property
    def our_median(self) -> float:
        return statistics.median(self.ours)

    @property
    def their_median(self) -> float:
        return statistics.median(self.theirs)

    @property
    def ratio(self) -> float:
        """The median of the pairs' ratios: ours divided by theirs."""
        return statistics.median(mine / other for mine, other in zip(self.ours, self.theirs, strict=True))

    @property
    def within_target(self) -> bool:
        return self.ratio <= self.target


def command(
    argv: Sequence[str], env: Mapping[str, str], *, cwd: str | None = None, discard: bool = False
) -> Work:
    """Return a piece of work that runs *argv*; a non-zero exit raises CommandFailed with what it printed.

    With *discard* its stdout goes to /dev/null, so that reading a large output is not measured too.
    """

    def work() -> None:
        done = subprocess.run(
            argv,
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if discard else subprocess.PIPE,
            stderr=subprocess.PIPE,
            check=False,
        )
        if done.returncode != 0:
            tail = (done.stderr or done.stdout or b"").decode(errors="replace")[-2000:]
            raise CommandFailed(f"{' '.join(argv)} exited with {done.returncode}:\n{tail}")

    return work


def together(argv: Sequence[str], env: Mapping[str, str], *, times: int) -> Work:
    """Return a piece of work that runs *argv* *times* times at once and waits for all."""

    def work() -> None:
        started = [
            subprocess.Popen(
                argv,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
            for _ in range(times)
        ]
        for process in started:
            _, errors = process.communicate()
            if process.returncode != 0:
                raise CommandFailed(
                    f"{' '.join(argv)} exited with {process.returncode}:\n{errors.decode(errors='replace')}"
                )

    return work


def compare(
    name: str,
    ours: Work,
    theirs: Work,
    *,
    target: float,
    runs: int,
    between: Work | None = None,
    between_theirs: Work | None = None,
    report: Callable[[str], None],
) -> Comparison:
    """Run each once uncounted, then *runs* pairs in turns. *between* undoes the work, outside the clock."""
    mine: list[float] = []
    other: list[float] = []
    for index in range(-1, runs):
        for work, undo, times in ((ours, between, mine), (theirs, between_theirs, other)):
            begin = time.perf_counter()
            work()
            took = time.perf_counter() - begin
            if index >= 0:
                times.append(took)
            if undo is not None:
                undo()
        if mine:
            report(f"{name}: pair {len(mine)} of {runs}: {mine[-1]:.3f} s, Docker {other[-1]:.3f} s")
    return Comparison(name, tuple(mine), tuple(other), target)
