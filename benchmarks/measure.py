"""Time the same work on several engines in turns and compare it pair by pair, so that a drifting machine does not decide."""

import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Work = Callable[[], None]

PODMAN_RUNS = 3  # Podman's column is for orientation; no target is about it


class CommandFailed(Exception):
    """A measured command did not do its work, so its time means nothing."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """What one engine does. *undo* makes the work possible again, outside the clock."""

    work: Work
    undo: Work | None = None

    def timed(self) -> float:
        """Do the work, and undo it; return the seconds that the work took."""
        begin = time.perf_counter()
        self.work()
        took = time.perf_counter() - begin
        if self.undo is not None:
            self.undo()
        return took


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was measured, ours and theirs, in the order taken: seconds, or MiB for the case about memory.

    *against* says what stands in the column of theirs when it is not Docker.
    """

    name: str
    ours: tuple[float, ...]
    theirs: tuple[float, ...]
    target: float
    podman: tuple[float, ...] = ()
    against: str = "Docker"
    unit: str = "s"

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
    ours: Contestant,
    theirs: Contestant,
    podman: Contestant | None = None,
    *,
    target: float,
    runs: int,
    report: Callable[[str], None],
) -> Comparison:
    """Let each work once uncounted, then take *runs* pairs in turns; Podman joins the first of them."""
    taken: dict[Contestant, list[float]] = {ours: [], theirs: []}
    if podman is not None:
        taken[podman] = []
    for index in range(-1, runs):
        for contestant, times in taken.items():
            if contestant is podman and index >= PODMAN_RUNS:
                continue
            took = contestant.timed()
            if index >= 0:
                times.append(took)
        if index >= 0:
            report(
                f"{name}: pair {index + 1} of {runs}: {taken[ours][-1]:.3f} s, Docker {taken[theirs][-1]:.3f} s"
            )
    return Comparison(
        name,
        tuple(taken[ours]),
        tuple(taken[theirs]),
        target,
        tuple(taken[podman]) if podman is not None else (),
    )
