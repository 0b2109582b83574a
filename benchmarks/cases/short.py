"""Commands that are over at once: most of what is measured is the engine."""

from collections.abc import Iterator

from benchmarks.cases import say
from benchmarks.engines import Engine, Engines
from benchmarks.images import BUSYBOX
from benchmarks.measure import Comparison, Contestant, compare, together

ONCE = ("run", "--rm", BUSYBOX, "/bin/true")
BUSY = "bench-busy"  # the container in which things are executed


def _run(engine: Engine) -> Contestant:
    return Contestant(engine.work(*ONCE))


def _parallel(engine: Engine) -> Contestant:
    return Contestant(together([engine.cli, *ONCE], engine.env, times=20))


def _exec(engine: Engine) -> Contestant:
    return Contestant(engine.work("exec", BUSY, "/bin/true"))


def cases(engines: Engines, chosen: set[str]) -> Iterator[Comparison]:
    """Yield the comparisons, on runc and on crun."""
    for name, title, contestant, on_runc, on_crun, runs in (
        ("run", "run --rm IMAGE true", _run, 0.32, 0.25, 15),
        ("parallel", "20 × run --rm, in parallel", _parallel, 0.20, 0.20, 7),
    ):
        if name not in chosen:
            continue
        podman = None if engines.podman is None else contestant(engines.podman)
        theirs = contestant(engines.theirs)
        yield compare(
            f"{title} (runc)",
            contestant(engines.ours),
            theirs,
            podman,
            target=on_runc,
            runs=runs,
            report=say,
        )
        if engines.crun is not None:
            ours = contestant(engines.crun)
            yield compare(f"{title} (crun)", ours, theirs, target=on_crun, runs=runs, report=say)
    if "exec" in chosen:
        yield from _execs(engines)


def _execs(engines: Engines) -> Iterator[Comparison]:
    for engine in engines.all:
        engine.run("run", "-d", "--name", BUSY, BUSYBOX, "/bin/busybox", "sleep", "3600")
    try:
        podman = None if engines.podman is None else _exec(engines.podman)
        theirs = _exec(engines.theirs)
        yield compare(
            "exec CONTAINER true (runc)",
            _exec(engines.ours),
            theirs,
            podman,
            target=0.5,
            runs=15,
            report=say,
        )
        if engines.crun is not None:
            ours = _exec(engines.crun)
            yield compare("exec CONTAINER true (crun)", ours, theirs, target=0.5, runs=15, report=say)
    finally:
        for engine in engines.all:
            engine.run("rm", "-f", BUSY)
