"""Containers that print much: into the log, out of it, and to who is attached."""

import shlex
from collections.abc import Iterator

from benchmarks.cases import say
from benchmarks.engines import Engine, Engines
from benchmarks.images import BUSYBOX
from benchmarks.measure import CommandFailed, Comparison, Contestant, command, compare

LINES = 3_000_000
NAME = "bench-output"
COUNTING = (BUSYBOX, "/bin/busybox", "seq", str(LINES))
ZEROS = (BUSYBOX, "/bin/busybox", "dd", "if=/dev/zero", "bs=1M", "count=1024")


def _printing(engine: Engine) -> Contestant:
    run = shlex.join([engine.cli, "run", "--detach", "--name", NAME, *COUNTING])
    script = f"{run} && {shlex.quote(engine.cli)} wait {NAME}"
    return Contestant(command(["sh", "-c", script], engine.env), undo=engine.work("rm", "--force", NAME))


def _reading(engine: Engine) -> Contestant:
    return Contestant(engine.work("logs", NAME, discard=True))


def _attached(engine: Engine) -> Contestant:
    return Contestant(engine.work("run", "--rm", *ZEROS, discard=True))


def cases(engines: Engines) -> Iterator[Comparison]:
    """Yield the comparisons."""
    taking_part = [one for one in (engines.ours, engines.theirs, engines.podman) if one is not None]
    yield compare(
        "run of 3M lines, to its end", *map(_printing, taking_part), target=0.20, runs=3, report=say
    )
    try:
        for engine in taking_part:
            _printing(engine).work()
            if engine.run("logs", NAME).count("\n") != LINES:
                raise CommandFailed(f"{engine.cli} logs: lines are missing")
        yield compare("logs of 3M lines", *map(_reading, taking_part), target=0.10, runs=3, report=say)
    finally:
        for engine in taking_part:
            engine.run("rm", "--force", NAME)
    yield compare(
        "run --rm, 1 GiB of attached stdout", *map(_attached, taking_part), target=1.0, runs=3, report=say
    )
